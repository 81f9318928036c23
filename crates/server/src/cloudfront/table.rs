//! The operations of the control API, by method and path.

use hyper::Method;

use super::AuthenticatedControl;
use super::call::{ControlReply, ControlRequest};
use super::distribution::DistributionType;
use super::error::{ControlCode, ControlError};
use super::invalidation::{CreateInvalidation, GetInvalidation, ListInvalidations};
use super::listed_by::{
    ListDistributionsByCachePolicyId, ListDistributionsByKeyGroup,
    ListDistributionsByOriginRequestPolicyId, ListDistributionsByResponseHeadersPolicyId,
};
use super::resource::{Create, Delete, Get, GetConfig, List, Update};
use super::resource_kinds::{
    CachePolicies, KeyGroups, OriginAccessControls, OriginRequestPolicies, PublicKeys,
    ResponseHeadersPolicies,
};
use super::tagging::{ListTagsForResource, TagResource, UntagResource};

/// The id of an operation's place: what its path has after the version, with `*` for an id.
fn place<'s>(segments: &[&'s str]) -> Option<(&'static [&'static str], [&'s str; 2])> {
    const PLACES: &[&[&str]] = &[
        &["public-key"],
        &["public-key", "*"],
        &["public-key", "*", "config"],
        &["key-group"],
        &["key-group", "*"],
        &["key-group", "*", "config"],
        &["origin-access-control"],
        &["origin-access-control", "*"],
        &["origin-access-control", "*", "config"],
        &["cache-policy"],
        &["cache-policy", "*"],
        &["cache-policy", "*", "config"],
        &["origin-request-policy"],
        &["origin-request-policy", "*"],
        &["origin-request-policy", "*", "config"],
        &["response-headers-policy"],
        &["response-headers-policy", "*"],
        &["response-headers-policy", "*", "config"],
        &["distribution"],
        &["distribution", "*"],
        &["distribution", "*", "config"],
        &["distribution", "*", "invalidation"],
        &["distribution", "*", "invalidation", "*"],
        &["distributionsByCachePolicyId", "*"],
        &["distributionsByKeyGroupId", "*"],
        &["distributionsByOriginRequestPolicyId", "*"],
        &["distributionsByResponseHeadersPolicyId", "*"],
        &["tagging"],
    ];
    let fits = |place: &&&[&str]| {
        place.len() == segments.len()
            && place.iter().zip(segments).all(|(known, given)| {
                if *known == "*" { !given.is_empty() } else { known == given }
            })
    };
    let found = PLACES.iter().find(fits)?;
    let mut ids = found.iter().zip(segments).filter(|(known, _)| **known == "*").map(|(_, id)| *id);
    Some((found, [ids.next().unwrap_or_default(), ids.next().unwrap_or_default()]))
}

impl AuthenticatedControl<'_> {
    /// Runs the operation of a method and path.
    pub(super) async fn dispatch(
        self,
        method: &Method,
        segments: &[&str],
        request: ControlRequest<'_>,
    ) -> Result<ControlReply, ControlError> {
        let unknown = || ControlError::new(ControlCode::InvalidAction);
        let (place, ids) = place(segments).ok_or_else(unknown)?;
        let request = ControlRequest { ids, ..request };
        /// Boxed, so that one large operation does not make every call's future large.
        macro_rules! run {
            ($($method:literal $place:pat $(if $guard:expr)? => $name:literal $operation:ty;)*) => {
                match (method.as_str(), place) {
                    $(($method, $place) $(if $guard)? => {
                        Box::pin(self.execute::<$operation>($name, request)).await
                    })*
                    _ => Err(unknown()),
                }
            };
        }
        let operation = request.query.get("Operation").unwrap_or_default();
        run! {
            "POST" ["public-key"] => "CreatePublicKey" Create<PublicKeys>;
            "GET" ["public-key"] => "ListPublicKeys" List<PublicKeys>;
            "GET" ["public-key", "*"] => "GetPublicKey" Get<PublicKeys>;
            "GET" ["public-key", "*", "config"] => "GetPublicKeyConfig" GetConfig<PublicKeys>;
            "PUT" ["public-key", "*", "config"] => "UpdatePublicKey" Update<PublicKeys>;
            "DELETE" ["public-key", "*"] => "DeletePublicKey" Delete<PublicKeys>;
            "POST" ["key-group"] => "CreateKeyGroup" Create<KeyGroups>;
            "GET" ["key-group"] => "ListKeyGroups" List<KeyGroups>;
            "GET" ["key-group", "*"] => "GetKeyGroup" Get<KeyGroups>;
            "GET" ["key-group", "*", "config"] => "GetKeyGroupConfig" GetConfig<KeyGroups>;
            "PUT" ["key-group", "*"] => "UpdateKeyGroup" Update<KeyGroups>;
            "DELETE" ["key-group", "*"] => "DeleteKeyGroup" Delete<KeyGroups>;
            "POST" ["origin-access-control"] => "CreateOriginAccessControl" Create<OriginAccessControls>;
            "GET" ["origin-access-control"] => "ListOriginAccessControls" List<OriginAccessControls>;
            "GET" ["origin-access-control", "*"] => "GetOriginAccessControl" Get<OriginAccessControls>;
            "GET" ["origin-access-control", "*", "config"] => "GetOriginAccessControlConfig" GetConfig<OriginAccessControls>;
            "PUT" ["origin-access-control", "*", "config"] => "UpdateOriginAccessControl" Update<OriginAccessControls>;
            "DELETE" ["origin-access-control", "*"] => "DeleteOriginAccessControl" Delete<OriginAccessControls>;
            "POST" ["cache-policy"] => "CreateCachePolicy" Create<CachePolicies>;
            "GET" ["cache-policy"] => "ListCachePolicies" List<CachePolicies>;
            "GET" ["cache-policy", "*"] => "GetCachePolicy" Get<CachePolicies>;
            "GET" ["cache-policy", "*", "config"] => "GetCachePolicyConfig" GetConfig<CachePolicies>;
            "PUT" ["cache-policy", "*"] => "UpdateCachePolicy" Update<CachePolicies>;
            "DELETE" ["cache-policy", "*"] => "DeleteCachePolicy" Delete<CachePolicies>;
            "POST" ["origin-request-policy"] => "CreateOriginRequestPolicy" Create<OriginRequestPolicies>;
            "GET" ["origin-request-policy"] => "ListOriginRequestPolicies" List<OriginRequestPolicies>;
            "GET" ["origin-request-policy", "*"] => "GetOriginRequestPolicy" Get<OriginRequestPolicies>;
            "GET" ["origin-request-policy", "*", "config"] => "GetOriginRequestPolicyConfig" GetConfig<OriginRequestPolicies>;
            "PUT" ["origin-request-policy", "*"] => "UpdateOriginRequestPolicy" Update<OriginRequestPolicies>;
            "DELETE" ["origin-request-policy", "*"] => "DeleteOriginRequestPolicy" Delete<OriginRequestPolicies>;
            "POST" ["response-headers-policy"] => "CreateResponseHeadersPolicy" Create<ResponseHeadersPolicies>;
            "GET" ["response-headers-policy"] => "ListResponseHeadersPolicies" List<ResponseHeadersPolicies>;
            "GET" ["response-headers-policy", "*"] => "GetResponseHeadersPolicy" Get<ResponseHeadersPolicies>;
            "GET" ["response-headers-policy", "*", "config"] => "GetResponseHeadersPolicyConfig" GetConfig<ResponseHeadersPolicies>;
            "PUT" ["response-headers-policy", "*"] => "UpdateResponseHeadersPolicy" Update<ResponseHeadersPolicies>;
            "DELETE" ["response-headers-policy", "*"] => "DeleteResponseHeadersPolicy" Delete<ResponseHeadersPolicies>;
            "POST" ["distribution"] => "CreateDistribution" Create<DistributionType>;
            "GET" ["distribution"] => "ListDistributions" List<DistributionType>;
            "GET" ["distribution", "*"] => "GetDistribution" Get<DistributionType>;
            "GET" ["distribution", "*", "config"] => "GetDistributionConfig" GetConfig<DistributionType>;
            "PUT" ["distribution", "*", "config"] => "UpdateDistribution" Update<DistributionType>;
            "DELETE" ["distribution", "*"] => "DeleteDistribution" Delete<DistributionType>;
            "POST" ["distribution", "*", "invalidation"] => "CreateInvalidation" CreateInvalidation;
            "GET" ["distribution", "*", "invalidation"] => "ListInvalidations" ListInvalidations;
            "GET" ["distribution", "*", "invalidation", "*"] => "GetInvalidation" GetInvalidation;
            "GET" ["distributionsByCachePolicyId", "*"] => "ListDistributionsByCachePolicyId" ListDistributionsByCachePolicyId;
            "GET" ["distributionsByKeyGroupId", "*"] => "ListDistributionsByKeyGroup" ListDistributionsByKeyGroup;
            "GET" ["distributionsByOriginRequestPolicyId", "*"] => "ListDistributionsByOriginRequestPolicyId" ListDistributionsByOriginRequestPolicyId;
            "GET" ["distributionsByResponseHeadersPolicyId", "*"] => "ListDistributionsByResponseHeadersPolicyId" ListDistributionsByResponseHeadersPolicyId;
            "GET" ["tagging"] => "ListTagsForResource" ListTagsForResource;
            "POST" ["tagging"] if operation == "Tag" => "TagResource" TagResource;
            "POST" ["tagging"] if operation == "Untag" => "UntagResource" UntagResource;
        }
    }
}
