//! The kinds of resources beside distributions: what is checked of each, and how each is shown.

use presign::{CloudFrontKeyError, CloudFrontPublicKey};
use store::{Distributions, ResourceKind};

use super::call::{ListStyle, time};
use super::documents;
use super::error::{ControlCode, ControlError};
use super::policies;
use super::resource::{Actions, Codes, Draft, ResourceType, Shown};
use super::schema::Field;
use crate::distributions::config_of;
use crate::xml::{Element, XmlWriter};

/// Declares what the names of a kind follow from.
macro_rules! named {
    ($kind:ident, $element:literal, $plural:literal, $path:literal, $fields:expr, $style:expr) => {
        const KIND: ResourceKind = ResourceKind::$kind;
        const ELEMENT: &'static str = $element;
        const CONFIG: &'static str = concat!($element, "Config");
        const LIST: &'static str = concat!($element, "List");
        const LIST_STYLE: ListStyle = $style;
        const PATH: &'static str = $path;
        const FIELDS: &'static [Field] = $fields;
        const ACTIONS: Actions = Actions {
            create: concat!("cloudfront:Create", $element),
            get: concat!("cloudfront:Get", $element),
            get_config: concat!("cloudfront:Get", $element, "Config"),
            update: concat!("cloudfront:Update", $element),
            delete: concat!("cloudfront:Delete", $element),
            list: concat!("cloudfront:List", $plural),
        };
    };
}
pub(super) use named;

/// Whether the document of some distribution has this text in an element of one of these names.
fn is_named(id: &str, names: &[&str], all: &Distributions) -> bool {
    fn within(element: &Element, id: &str, names: &[&str]) -> bool {
        let here = names.contains(&element.name.as_str()) && element.text == id;
        here || element.children.iter().any(|child| within(child, id, names))
    }
    let mut all = all.all_of(ResourceKind::Distribution).filter_map(|found| config_of(found));
    all.any(|config| within(&config, id, names))
}

/// Public keys of signers.
pub(super) struct PublicKeys;

impl ResourceType for PublicKeys {
    named!(
        PublicKey,
        "PublicKey",
        "PublicKeys",
        "public-key",
        documents::PUBLIC_KEY,
        ListStyle::Short
    );
    const CODES: Codes = Codes {
        missing: ControlCode::NoSuchPublicKey,
        exists: ControlCode::PublicKeyAlreadyExists,
        in_use: ControlCode::PublicKeyInUse,
    };
    const HAS_ARN: bool = false;

    fn check(draft: &Draft<'_>) -> Result<Vec<String>, ControlError> {
        let config = draft.config;
        let text = |config: &Element, name| config.text_at(&[name]).to_owned();
        if let Some(before) = draft.before {
            let same = ["CallerReference", "Name", "EncodedKey"]
                .into_iter()
                .all(|name| text(before, name).trim_ascii() == text(config, name).trim_ascii());
            let changed = ControlCode::CannotChangeImmutablePublicKeyFields;
            return same.then(Vec::new).ok_or_else(|| ControlError::new(changed));
        }
        let reference = text(config, "CallerReference");
        let mut others =
            draft.all.of(draft.account, Self::KIND).filter_map(|found| config_of(found));
        if others.any(|other| text(&other, "CallerReference") == reference) {
            return Err(ControlError::new(ControlCode::PublicKeyAlreadyExists));
        }
        match CloudFrontPublicKey::from_pem(config.text_at(&["EncodedKey"])) {
            Ok(_) => Ok(Vec::new()),
            Err(CloudFrontKeyError::Length { bits }) => Err(ControlError::invalid(format!(
                "EncodedKey is an RSA key of {bits} bits: make one of 2048."
            ))),
            Err(_) => Err(ControlError::invalid(
                "EncodedKey is no public key in PEM, RSA 2048 or ECDSA P-256: openssl rsa -in private.pem -pubout makes one.",
            )),
        }
    }

    fn is_used(id: &str, all: &Distributions) -> bool {
        let mut groups = all.all_of(ResourceKind::KeyGroup).filter_map(|group| config_of(group));
        groups.any(|group| group.items(&[]).any(|key| key.text == id))
    }

    fn write(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.text("Id", shown.id);
        xml.text("CreatedTime", &time(shown.created_at));
    }

    fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.element("PublicKeySummary", |xml| {
            xml.text("Id", shown.id);
            xml.text("Name", shown.config.text_at(&["Name"]));
            xml.text("CreatedTime", &time(shown.created_at));
            xml.text("EncodedKey", shown.config.text_at(&["EncodedKey"]));
            xml.text("Comment", shown.config.text_at(&["Comment"]));
        });
    }
}

/// Groups of public keys.
pub(super) struct KeyGroups;

impl ResourceType for KeyGroups {
    named!(KeyGroup, "KeyGroup", "KeyGroups", "key-group", documents::KEY_GROUP, ListStyle::Short);
    const CODES: Codes = Codes {
        missing: ControlCode::NoSuchResource,
        exists: ControlCode::KeyGroupAlreadyExists,
        in_use: ControlCode::ResourceInUse,
    };
    const HAS_ARN: bool = false;

    fn check(draft: &Draft<'_>) -> Result<Vec<String>, ControlError> {
        let keys: Vec<_> = draft.config.items(&[]).map(|key| key.text.as_str()).collect();
        if keys.is_empty() {
            return Err(ControlError::invalid(
                "Items holds no PublicKey: a group has one to five.",
            ));
        }
        if keys.len() > documents::KEYS_OF_GROUP_MAX {
            return Err(ControlError::new(ControlCode::TooManyPublicKeysInKeyGroup));
        }
        for (place, key) in keys.iter().enumerate() {
            if !draft.has(ResourceKind::PublicKey, key) {
                let message = format!("The specified public key {key} does not exist.");
                return Err(ControlError::with_message(ControlCode::InvalidArgument, message));
            }
            if keys.iter().take(place).any(|other| other == key) {
                return Err(ControlError::invalid(format!("The public key {key} is named twice.")));
            }
        }
        Ok(Vec::new())
    }

    fn is_used(id: &str, all: &Distributions) -> bool {
        is_named(id, &["KeyGroup"], all)
    }

    fn write(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.text("Id", shown.id);
        xml.text("LastModifiedTime", &time(shown.changed_at));
    }

    fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.element("KeyGroupSummary", |xml| {
            xml.element("KeyGroup", |xml| {
                Self::write(xml, shown);
                shown.config.write(xml);
            });
        });
    }
}

/// Origin access controls.
pub(super) struct OriginAccessControls;

impl ResourceType for OriginAccessControls {
    named!(
        OriginAccessControl,
        "OriginAccessControl",
        "OriginAccessControls",
        "origin-access-control",
        documents::ORIGIN_ACCESS_CONTROL,
        ListStyle::Told
    );
    const CODES: Codes = Codes {
        missing: ControlCode::NoSuchOriginAccessControl,
        exists: ControlCode::OriginAccessControlAlreadyExists,
        in_use: ControlCode::OriginAccessControlInUse,
    };
    const HAS_ARN: bool = true;

    fn check(_draft: &Draft<'_>) -> Result<Vec<String>, ControlError> {
        Ok(Vec::new())
    }

    fn is_used(id: &str, all: &Distributions) -> bool {
        is_named(id, &["OriginAccessControlId"], all)
    }

    fn write(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.text("Id", shown.id);
    }

    fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>) {
        xml.element("OriginAccessControlSummary", |xml| {
            xml.text("Id", shown.id);
            shown.config.children.iter().for_each(|child| child.write(xml));
        });
    }
}

/// Declares a kind of policies of behaviours.
macro_rules! policy_type {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $element:literal, $plural:literal, $path:literal, $fields:expr,
     $missing:ident $exists:ident $in_use:ident, $check:expr) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl ResourceType for $name {
            named!($kind, $element, $plural, $path, $fields, ListStyle::Short);
            const CODES: Codes = Codes {
                missing: ControlCode::$missing,
                exists: ControlCode::$exists,
                in_use: ControlCode::$in_use,
            };
            const HAS_ARN: bool = true;

            fn check(draft: &Draft<'_>) -> Result<Vec<String>, ControlError> {
                $check(draft.config).map(|()| Vec::new())
            }

            fn is_used(id: &str, all: &Distributions) -> bool {
                is_named(id, &[concat!($element, "Id")], all)
            }

            fn write(xml: &mut XmlWriter, shown: &Shown<'_>) {
                xml.text("Id", shown.id);
                xml.text("LastModifiedTime", &time(shown.changed_at));
            }

            fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>) {
                xml.element(concat!($element, "Summary"), |xml| {
                    xml.text("Type", if shown.is_managed { "managed" } else { "custom" });
                    xml.element($element, |xml| {
                        Self::write(xml, shown);
                        shown.config.write(xml);
                    });
                });
            }
        }
    };
}

policy_type!(
    /// Cache policies of behaviours.
    CachePolicies, CachePolicy, "CachePolicy", "CachePolicies", "cache-policy", documents::CACHE_POLICY,
    NoSuchCachePolicy CachePolicyAlreadyExists CachePolicyInUse, policies::check_cache_policy
);

policy_type!(
    /// Origin request policies.
    OriginRequestPolicies, OriginRequestPolicy, "OriginRequestPolicy", "OriginRequestPolicies",
    "origin-request-policy", documents::ORIGIN_REQUEST_POLICY,
    NoSuchOriginRequestPolicy OriginRequestPolicyAlreadyExists OriginRequestPolicyInUse,
    policies::check_origin_request_policy
);

policy_type!(
    /// Response headers policies.
    ResponseHeadersPolicies, ResponseHeadersPolicy, "ResponseHeadersPolicy", "ResponseHeadersPolicies",
    "response-headers-policy", documents::RESPONSE_HEADERS_POLICY,
    NoSuchResponseHeadersPolicy ResponseHeadersPolicyAlreadyExists ResponseHeadersPolicyInUse,
    policies::check_response_headers_policy
);
