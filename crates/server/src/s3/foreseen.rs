//! Foresees the decision about a link or form that is about to be signed. It is read as any request is: by the
//! routes, and by the operation that it means.

use hyper::Method;
use iam::Verdict;
use presign::{FormFields, Mechanism};
use store::ObjectKey;

use crate::error::S3Error;
use crate::fields::Form;
use crate::gate::{FutureRequest, StoreAccess, refuse_link_conditions};
use crate::operation::Operation;
use crate::request::{Query, S3Request};
use crate::route::{self, Target};
use crate::s3::post::PostObject;
use crate::s3::table;

/// What the gate would decide if the link or form were used now. An error means that it cannot work, whatever
/// the policies say.
pub(crate) async fn foresee(
    access: &StoreAccess,
    target: &Target,
    future: &FutureRequest,
) -> Result<Verdict, S3Error> {
    let (bucket, key) = match target {
        Target::Service => (None, None),
        Target::Bucket(bucket) => (Some(bucket), None),
        Target::Object(bucket, key) => (Some(bucket), Some(key)),
    };
    let query = Query::parse(future.head.uri.query().unwrap_or_default())?;
    let request = S3Request::new(&query, &future.head.headers).about(bucket, key);
    refuse_link_conditions(query.iter())?;
    if let (Mechanism::V4Form | Mechanism::V2Form, Some(key)) = (future.mechanism, key) {
        let form = form(key);
        let request = request.of_form(&form);
        return access.foresee(&PostObject::read(&request)?, &request, future).await;
    }
    let method = &future.head.method;
    let copies = *method == Method::PUT && request.has_header("x-amz-copy-source");
    let call = route::call(method, target, &query, copies)?;
    table::foresee(access, call, &request, future).await
}

/// A form of which only the key is known.
fn form(key: &ObjectKey) -> Form {
    let mut fields = FormFields::default();
    fields.push("key", key.as_str());
    Form { fields, sizes: 0..=u64::MAX, file_size: None }
}
