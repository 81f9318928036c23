//! Distributions: what is checked of each beside its shape, and how each is shown.

use store::{Distributions, ResourceKind};

use super::call::{ListStyle, own, time};
use super::documents::distribution::DISTRIBUTION;
use super::error::{ControlCode, ControlError};
use super::policies::{check_key_headers, check_ttls};
use super::resource::{Actions, Codes, Draft, ResourceType, Shown};
use super::resource_kinds::named;
use super::schema::Field;
use crate::config::ServerConfig;
use crate::context::RequestContext;
use crate::distributions::{arn, bucket_of, config_of};
use crate::place::{HostReading, Place};
use crate::xml::{Element, XmlWriter};

/// The errors for which there can be a page, and the statuses with which it can be sent.
const ERROR_CODES: [&str; 11] =
    ["400", "403", "404", "405", "414", "416", "500", "501", "502", "503", "504"];

/// Distributions as resources.
pub(super) struct DistributionType;

impl ResourceType for DistributionType {
    named!(
        Distribution,
        "Distribution",
        "Distributions",
        "distribution",
        DISTRIBUTION,
        ListStyle::Told
    );
    const CODES: Codes = Codes {
        missing: ControlCode::NoSuchDistribution,
        exists: ControlCode::DistributionAlreadyExists,
        in_use: ControlCode::ResourceInUse,
    };
    const HAS_ARN: bool = true;

    fn check(draft: &Draft<'_>) -> Result<Vec<String>, ControlError> {
        check_reference(draft)?;
        check_origins(draft)?;
        let default = draft.config.child("DefaultCacheBehavior");
        for behavior in default.into_iter().chain(draft.config.items(&["CacheBehaviors"])) {
            check_behavior(draft, behavior)?;
        }
        check_patterns(draft.config)?;
        check_root(draft.config.text_at(&["DefaultRootObject"]))?;
        draft.config.items(&["CustomErrorResponses"]).try_for_each(check_error_response)?;
        let aliases = draft.config.items(&["Aliases"]);
        let aliases: Vec<String> = aliases
            .map(|alias| check_alias(&alias.text, draft.server))
            .collect::<Result<_, _>>()?;
        if !aliases.is_empty() && !draft.server.lends_hosts_to(draft.account) {
            return Err(ControlError::invalid(
                "This server was not told its own names, so it cannot tell whether an alias is one of them. Its operator declares them, by --public-url or --domain; or leave Aliases out.",
            ));
        }
        for (place, alias) in aliases.iter().enumerate() {
            if aliases.iter().take(place).any(|other| other == alias) {
                return Err(ControlError::invalid(format!("The alias {alias} is named twice.")));
            }
        }
        Ok(aliases)
    }

    fn is_used(_id: &str, _all: &Distributions) -> bool {
        false
    }

    fn check_removal(config: &Element) -> Result<(), ControlError> {
        let disabled = config.text_at(&["Enabled"]) != "true";
        disabled
            .then_some(())
            .ok_or_else(|| ControlError::new(ControlCode::DistributionNotDisabled))
    }

    fn write(xml: &mut XmlWriter, shown: &Shown<'_>) {
        write_head(xml, shown);
        xml.plain("InProgressInvalidationBatches", 0);
        xml.text("DomainName", &domain_name(shown.id, shown.context));
        xml.element("ActiveTrustedSigners", |xml| {
            xml.plain("Enabled", false);
            xml.plain("Quantity", 0);
        });
        write_active_groups(xml, shown);
        xml.element("AliasICPRecordals", |_| {});
    }

    fn write_item(xml: &mut XmlWriter, shown: &Shown<'_>) {
        const SHOWN: [&str; 15] = [
            "Aliases",
            "Origins",
            "OriginGroups",
            "DefaultCacheBehavior",
            "CacheBehaviors",
            "CustomErrorResponses",
            "Comment",
            "PriceClass",
            "Enabled",
            "ViewerCertificate",
            "Restrictions",
            "WebACLId",
            "HttpVersion",
            "IsIPV6Enabled",
            "Staging",
        ];
        xml.element("DistributionSummary", |xml| {
            write_head(xml, shown);
            xml.text("ETag", shown.etag);
            xml.text("DomainName", &domain_name(shown.id, shown.context));
            for child in shown.config.children.iter().filter(|it| SHOWN.contains(&it.name.as_str()))
            {
                child.write(xml);
            }
        });
    }
}

fn write_head(xml: &mut XmlWriter, shown: &Shown<'_>) {
    xml.text("Id", shown.id);
    xml.text("ARN", &arn(shown.account.as_str(), shown.id));
    xml.text("Status", "Deployed");
    xml.text("LastModifiedTime", &time(shown.changed_at));
}

/// The host at which a distribution is reached: of its own, or the server's, where it is below `/_valet/cdn/ID/`.
fn domain_name(id: &str, context: &RequestContext) -> String {
    let config = &context.config;
    match (&config.distribution_domain, config.public_urls.first()) {
        (Some(domain), _) => format!("{}.{domain}", id.to_ascii_lowercase()),
        (None, Some(url)) => url.host.clone(),
        (None, None) => context.host.clone(),
    }
}

/// The key groups that are trusted by some behaviour, with their keys.
fn write_active_groups(xml: &mut XmlWriter, shown: &Shown<'_>) {
    let default = shown.config.child("DefaultCacheBehavior");
    let mut groups: Vec<&str> = Vec::new();
    for behavior in default.into_iter().chain(shown.config.items(&["CacheBehaviors"])) {
        for group in behavior.items(&["TrustedKeyGroups"]) {
            if !groups.contains(&group.text.as_str()) {
                groups.push(&group.text);
            }
        }
    }
    xml.element("ActiveTrustedKeyGroups", |xml| {
        xml.plain("Enabled", !groups.is_empty());
        xml.plain("Quantity", groups.len());
        if groups.is_empty() {
            return;
        }
        xml.element("Items", |xml| {
            for group in groups {
                let found = own(shown.all.resource(group), shown.account, ResourceKind::KeyGroup);
                let config = found.as_deref().and_then(config_of).unwrap_or_default();
                let keys: Vec<_> = config.items(&[]).collect();
                xml.element("KeyGroup", |xml| {
                    xml.text("KeyGroupId", group);
                    xml.element("KeyPairIds", |xml| {
                        xml.plain("Quantity", keys.len());
                        xml.element("Items", |xml| {
                            for key in &keys {
                                xml.text("KeyPairId", &key.text);
                            }
                        });
                    });
                });
            }
        });
    });
}

fn check_reference(draft: &Draft<'_>) -> Result<(), ControlError> {
    let reference = draft.config.text_at(&["CallerReference"]);
    if let Some(before) = draft.before {
        let same = before.text_at(&["CallerReference"]) == reference;
        return same.then_some(()).ok_or_else(|| {
            let message =
                "CallerReference cannot be changed: give the one that the distribution has.";
            ControlError::with_message(ControlCode::IllegalUpdate, message)
        });
    }
    let others = draft.all.of(draft.account, ResourceKind::Distribution);
    for other in others {
        if config_of(other).is_some_and(|it| it.text_at(&["CallerReference"]) == reference) {
            let message = format!(
                "The caller reference that you are using to create a distribution is associated with another distribution. Already exists: {}",
                other.id
            );
            return Err(ControlError::with_message(
                ControlCode::DistributionAlreadyExists,
                message,
            ));
        }
    }
    Ok(())
}

fn check_origins(draft: &Draft<'_>) -> Result<(), ControlError> {
    let origins: Vec<_> = draft.config.items(&["Origins"]).collect();
    if origins.is_empty() {
        return Err(ControlError::invalid("Origins names no origin."));
    }
    for (place, origin) in origins.iter().enumerate() {
        let id = origin.text_at(&["Id"]);
        if origins.iter().take(place).any(|other| other.text_at(&["Id"]) == id) {
            return Err(ControlError::invalid(format!("Two origins have the id {id}.")));
        }
        let name = origin.text_at(&["DomainName"]);
        if bucket_of(name, draft.server).is_none() {
            return Err(ControlError::with_message(
                ControlCode::InvalidOrigin,
                format!(
                    "{name} is no bucket of this server: an origin is BUCKET.s3.{}.amazonaws.com, whatever the server's own names are.",
                    draft.server.region
                ),
            ));
        }
        let path = origin.text_at(&["OriginPath"]);
        if !(path.is_empty() || (path.starts_with('/') && !path.ends_with('/'))) {
            return Err(ControlError::invalid(
                "OriginPath begins with a slash and ends with none, or is empty.",
            ));
        }
        let (s3, custom) = (origin.child("S3OriginConfig"), origin.child("CustomOriginConfig"));
        if s3.is_some() == custom.is_some() {
            return Err(ControlError::invalid(format!(
                "The origin {id} needs one of S3OriginConfig and CustomOriginConfig."
            )));
        }
        let access = origin.text_at(&["OriginAccessControlId"]);
        if !access.is_empty() && !draft.has(ResourceKind::OriginAccessControl, access) {
            return Err(ControlError::with_message(
                ControlCode::InvalidOriginAccessControl,
                format!("The origin access control {access} does not exist."),
            ));
        }
        if !access.is_empty() && custom.is_some() {
            return Err(ControlError::invalid(
                "An origin with an OriginAccessControlId needs S3OriginConfig.",
            ));
        }
    }
    Ok(())
}

fn check_behavior(draft: &Draft<'_>, behavior: &Element) -> Result<(), ControlError> {
    let target = behavior.text_at(&["TargetOriginId"]);
    let mut origins = draft.config.items(&["Origins"]);
    if !origins.any(|origin| origin.text_at(&["Id"]) == target) {
        return Err(ControlError::new(ControlCode::NoSuchOrigin));
    }
    check_groups(draft, behavior)?;
    check_methods(behavior)?;
    let policy =
        |name: &str| behavior.child(name).map(|id| id.text.as_str()).filter(|id| !id.is_empty());
    for (name, kind, missing) in [
        ("CachePolicyId", ResourceKind::CachePolicy, ControlCode::NoSuchCachePolicy),
        (
            "OriginRequestPolicyId",
            ResourceKind::OriginRequestPolicy,
            ControlCode::NoSuchOriginRequestPolicy,
        ),
        (
            "ResponseHeadersPolicyId",
            ResourceKind::ResponseHeadersPolicy,
            ControlCode::NoSuchResponseHeadersPolicy,
        ),
    ] {
        if policy(name).is_some_and(|id| !draft.has(kind, id)) {
            return Err(ControlError::new(missing));
        }
    }
    match (policy("CachePolicyId"), behavior.child("ForwardedValues")) {
        (Some(_), None) => {
            let ttls = ["MinTTL", "DefaultTTL", "MaxTTL"];
            let is_set = |name: &str| behavior.child(name).is_some_and(|ttl| ttl.text != "0");
            if ttls.into_iter().any(is_set) {
                return Err(ControlError::invalid(
                    "The cache policy says how long things are cached: leave MinTTL, DefaultTTL and MaxTTL out.",
                ));
            }
            Ok(())
        }
        (None, Some(forwarded)) => {
            check_ttls(behavior)?;
            let keys = forwarded.items(&["QueryStringCacheKeys"]).next().is_some();
            if keys && forwarded.text_at(&["QueryString"]) != "true" {
                return Err(ControlError::invalid(
                    "QueryStringCacheKeys need QueryString to be true.",
                ));
            }
            check_key_headers(forwarded.items(&["Headers"]).filter(|name| name.text != "*"))
        }
        (Some(_), Some(_)) | (None, None) => Err(ControlError::invalid(
            "A cache behaviour needs one of CachePolicyId and ForwardedValues: 658327ea-f89d-4fab-a63d-7e88639e58f6 is the managed policy CachingOptimized.",
        )),
    }
}

fn check_groups(draft: &Draft<'_>, behavior: &Element) -> Result<(), ControlError> {
    let groups: Vec<_> = behavior.items(&["TrustedKeyGroups"]).map(|it| it.text.as_str()).collect();
    let enabled = behavior.text_at(&["TrustedKeyGroups", "Enabled"]) == "true";
    if enabled == groups.is_empty() {
        return Err(ControlError::invalid(
            "TrustedKeyGroups is Enabled if it names key groups, and only then.",
        ));
    }
    let missing = || ControlError::new(ControlCode::TrustedKeyGroupDoesNotExist);
    let exists = |group: &&str| draft.has(ResourceKind::KeyGroup, group);
    groups.iter().all(exists).then_some(()).ok_or_else(missing)
}

/// The three sets that there are: to read, to read and ask what may be done, and all.
fn check_methods(behavior: &Element) -> Result<(), ControlError> {
    let set = |path: &[&str]| {
        let mut methods: Vec<_> = behavior.items(path).map(|it| it.text.as_str()).collect();
        methods.sort_unstable();
        methods.join(" ")
    };
    let (reads, asks) = ("GET HEAD", "GET HEAD OPTIONS");
    let all = "DELETE GET HEAD OPTIONS PATCH POST PUT";
    let allowed = set(&["AllowedMethods"]);
    if behavior.child("AllowedMethods").is_some() && ![reads, asks, all].contains(&&*allowed) {
        return Err(ControlError::invalid(
            "AllowedMethods are GET and HEAD, these and OPTIONS, or all seven.",
        ));
    }
    let cached = set(&["AllowedMethods", "CachedMethods"]);
    let is_within = cached.is_empty() || cached == reads || (cached == asks && allowed != reads);
    is_within.then_some(()).ok_or_else(|| {
        ControlError::invalid(
            "CachedMethods are GET and HEAD, or these and OPTIONS where it is allowed.",
        )
    })
}

fn check_patterns(config: &Element) -> Result<(), ControlError> {
    let patterns: Vec<_> =
        config.items(&["CacheBehaviors"]).map(|it| it.text_at(&["PathPattern"])).collect();
    let bare = |pattern: &str| pattern.trim_start_matches('/').to_owned();
    for (place, pattern) in patterns.iter().enumerate() {
        let legal = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'<' | b'>' | b'#')
        };
        if bare(pattern).is_empty() || !pattern.bytes().all(legal) {
            return Err(ControlError::invalid(format!(
                "PathPattern `{pattern}`: letters, digits and _ - . * ? $ / ~ \" ' @ : +"
            )));
        }
        if patterns.iter().take(place).any(|other| bare(other) == bare(pattern)) {
            return Err(ControlError::invalid(format!(
                "The parameter PathPattern {pattern} is there twice."
            )));
        }
    }
    Ok(())
}

fn check_root(root: &str) -> Result<(), ControlError> {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#');
    let fits = !root.starts_with('/') && root.bytes().all(legal);
    fits.then_some(()).ok_or_else(|| ControlError::new(ControlCode::InvalidDefaultRootObject))
}

fn check_error_response(response: &Element) -> Result<(), ControlError> {
    let text = |name| response.text_at(&[name]);
    if !ERROR_CODES.contains(&text("ErrorCode")) {
        return Err(ControlError::new(ControlCode::InvalidErrorCode));
    }
    let (page, status) = (text("ResponsePagePath"), text("ResponseCode"));
    if page.is_empty() != status.is_empty() {
        return Err(ControlError::invalid(
            "ResponsePagePath and ResponseCode are given together, or neither.",
        ));
    }
    if !page.is_empty() && (!page.starts_with('/') || page.contains(['?', '#'])) {
        return Err(ControlError::new(ControlCode::InvalidRelativePath));
    }
    if !status.is_empty() && status != "200" && !ERROR_CODES.contains(&status) {
        return Err(ControlError::new(ControlCode::InvalidResponseCode));
    }
    Ok(())
}

/// Reads an alias: a host of the distribution's own, which may be none of the server's.
fn check_alias(alias: &str, config: &ServerConfig) -> Result<String, ControlError> {
    let alias = alias.to_ascii_lowercase();
    if alias.contains('*') {
        return Err(ControlError::invalid(format!(
            "The alias {alias}: a host is named whole here. Name each host that leads to the distribution."
        )));
    }
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_word =
        alias.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    if !(alias.contains('.') && alias.split('.').all(label) && last_is_word) {
        return Err(ControlError::invalid(format!("The alias {alias} is no name of a host.")));
    }
    let is_ours = config.is_own_name(&alias)
        || !matches!(HostReading::of(&alias, config).place, Place::Service)
        || config
            .domains
            .iter()
            .chain(&config.website_domain)
            .chain(&config.distribution_domain)
            .any(|own| *own == alias);
    if is_ours || alias.ends_with(".localhost") {
        return Err(ControlError::with_message(
            ControlCode::CNAMEAlreadyExists,
            format!("The alias {alias} is a host of this server itself: choose another."),
        ));
    }
    Ok(alias)
}
