//! Lists of the distributions that name a resource.

use store::ResourceKind;

use super::call::{
    ControlAccess, ControlOperation, ControlReply, ControlRequest, ListStyle, Page, own,
};
use super::error::{ControlCode, ControlError};
use crate::distributions::{config_of, managed};
use crate::xml::Element;

/// Which resource the distributions of a list have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListedBy {
    CachePolicy,
    KeyGroup,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
}

/// The ids of the distributions that name a resource.
pub(super) struct ListDistributionsBy<const BY: u8> {
    id: String,
    page: Page,
}

macro_rules! listed_by {
    ($($name:ident $number:literal $by:ident $action:literal $element:literal $kind:ident $missing:ident;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            pub(super) type $name = ListDistributionsBy<$number>;
        )*

        impl ListedBy {
            const fn of(number: u8) -> Self {
                match number { $($number => Self::$by,)* _ => Self::KeyGroup }
            }

            const fn action(self) -> &'static str {
                match self { $(Self::$by => $action,)* }
            }

            fn element(self) -> &'static str {
                match self { $(Self::$by => $element,)* }
            }

            fn kind(self) -> (ResourceKind, ControlCode) {
                match self { $(Self::$by => (ResourceKind::$kind, ControlCode::$missing),)* }
            }
        }
    };
}

listed_by! {
    ListDistributionsByCachePolicyId 0 CachePolicy "cloudfront:ListDistributionsByCachePolicyId" "CachePolicyId" CachePolicy NoSuchCachePolicy;
    ListDistributionsByKeyGroup 1 KeyGroup "cloudfront:ListDistributionsByKeyGroup" "KeyGroup" KeyGroup NoSuchResource;
    ListDistributionsByOriginRequestPolicyId 2 OriginRequestPolicy "cloudfront:ListDistributionsByOriginRequestPolicyId" "OriginRequestPolicyId" OriginRequestPolicy NoSuchOriginRequestPolicy;
    ListDistributionsByResponseHeadersPolicyId 3 ResponseHeadersPolicy "cloudfront:ListDistributionsByResponseHeadersPolicyId" "ResponseHeadersPolicyId" ResponseHeadersPolicy NoSuchResponseHeadersPolicy;
}

impl<const BY: u8> ControlOperation for ListDistributionsBy<BY> {
    const ACTION: &'static str = ListedBy::of(BY).action();

    fn read(request: &ControlRequest<'_>) -> Result<Self, ControlError> {
        Ok(Self { id: request.id(), page: request.page()? })
    }

    fn resource(&self, _account: &iam::AccountId) -> String {
        "*".to_owned()
    }

    async fn run(self, access: ControlAccess) -> Result<ControlReply, ControlError> {
        let op = self;
        let (account, all) = (access.account()?, access.distributions());
        let by = ListedBy::of(BY);
        let (kind, missing) = by.kind();
        if own(all.resource(&op.id), account, kind).is_none()
            && managed::find(kind, &op.id).is_none()
        {
            return Err(ControlError::new(missing));
        }
        let names = |behavior: &Element| match by {
            ListedBy::KeyGroup => behavior.items(&["TrustedKeyGroups"]).any(|it| it.text == op.id),
            ListedBy::CachePolicy
            | ListedBy::OriginRequestPolicy
            | ListedBy::ResponseHeadersPolicy => behavior.text_at(&[by.element()]) == op.id,
        };
        let of_account = all.of(account, ResourceKind::Distribution);
        let found: Vec<&str> = of_account
            .filter(|found| {
                config_of(found).is_some_and(|config| {
                    let default = config.child("DefaultCacheBehavior").into_iter();
                    default.chain(config.items(&["CacheBehaviors"])).any(names)
                })
            })
            .map(|found| found.id.as_str())
            .collect();
        Ok(ControlReply::document("DistributionIdList", |xml| {
            op.page.write(
                (xml, ListStyle::Told),
                found,
                |id| id,
                |xml, id| xml.text("DistributionId", id),
            );
        }))
    }
}
