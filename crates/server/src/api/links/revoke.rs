//! Takes one managed link back.

use hyper::StatusCode;
use presign::Fingerprint;

use crate::api::document::{Json, NoDocument};
use crate::api::error::{ApiCode, ApiError};
use crate::api::operation::{ApiOperation, ApiPermission, ApiRequest};
use crate::api::revocations::{ShownRevocation, revoke_managed};
use crate::gate::Authorized;

/// `DELETE /links/{name}`
pub(crate) struct RevokeLink {
    name: Option<Fingerprint>,
}

impl ApiOperation for RevokeLink {
    const STATUS: StatusCode = StatusCode::OK;
    type Request = NoDocument;
    type Answer = Json<ShownRevocation>;

    fn read(request: &ApiRequest<'_>) -> Result<Self, ApiError> {
        Ok(Self { name: super::name(request)? })
    }

    fn permission(&self) -> ApiPermission<'_> {
        ApiPermission::LinkByLink
    }

    async fn run(call: Authorized<Self>, _: NoDocument) -> Result<Json<ShownRevocation>, ApiError> {
        let none = || ApiError::new(ApiCode::NoSuchLink);
        let name = call.operation().name.ok_or_else(none)?;
        revoke_managed(call.access(), &name).await?.map(Json).ok_or_else(none)
    }
}
