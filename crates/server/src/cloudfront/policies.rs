//! What the shapes of policies do not say: which elements need each other, and which headers may be named.

use hyper::header::{HeaderName, HeaderValue};

use super::error::{ControlCode, ControlError};
use crate::xml::Element;

/// Headers that no policy may make part of a cache's key or send to a bucket: they are this server's own, or would make
/// another request of the one that is cached.
const NOT_IN_KEYS: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Headers that no policy may add to answers or take away from them: they say how the answer is sent.
const NOT_IN_ANSWERS: [&str; 14] = [
    "age",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "x-cache",
];

pub(super) fn check_cache_policy(config: &Element) -> Result<(), ControlError> {
    check_ttls(config)?;
    let Some(key) = config.child("ParametersInCacheKeyAndForwardedToOrigin") else { return Ok(()) };
    check_listed(key, ["HeadersConfig", "HeaderBehavior", "Headers"])?;
    check_listed(key, ["QueryStringsConfig", "QueryStringBehavior", "QueryStrings"])?;
    check_key_headers(key.items(&["HeadersConfig", "Headers"]))
}

pub(super) fn check_origin_request_policy(config: &Element) -> Result<(), ControlError> {
    check_listed(config, ["HeadersConfig", "HeaderBehavior", "Headers"])?;
    check_listed(config, ["CookiesConfig", "CookieBehavior", "Cookies"])?;
    check_listed(config, ["QueryStringsConfig", "QueryStringBehavior", "QueryStrings"])?;
    if config.text_at(&["HeadersConfig", "HeaderBehavior"]) == "allExcept" {
        return Ok(());
    }
    check_key_headers(config.items(&["HeadersConfig", "Headers"]))
}

pub(super) fn check_response_headers_policy(config: &Element) -> Result<(), ControlError> {
    let custom = config.items(&["CustomHeadersConfig"]);
    for header in custom.chain(config.items(&["RemoveHeadersConfig"])) {
        check_answer_header(header.text_at(&["Header"]))?;
        check_value(header.text_at(&["Value"]))?;
    }
    let security = config.child("SecurityHeadersConfig");
    let csp =
        security.map_or("", |it| it.text_at(&["ContentSecurityPolicy", "ContentSecurityPolicy"]));
    check_value(csp)?;
    check_value(security.map_or("", |it| it.text_at(&["XSSProtection", "ReportUri"])))?;
    let Some(cors) = config.child("CorsConfig") else { return Ok(()) };
    for list in
        ["AccessControlAllowOrigins", "AccessControlAllowHeaders", "AccessControlExposeHeaders"]
    {
        for item in cors.items(&[list]) {
            check_value(&item.text)?;
            if item.text.matches('*').count() > 1 || item.text.contains(',') {
                let message =
                    format!("{list} holds `{}`: one name each, with one * at most.", item.text);
                return Err(ControlError::invalid(message));
            }
        }
    }
    if cors.items(&["AccessControlAllowOrigins"]).next().is_none() {
        return Err(ControlError::invalid("AccessControlAllowOrigins names no origin."));
    }
    let credentials = cors.text_at(&["AccessControlAllowCredentials"]) == "true";
    let mut lists =
        ["AccessControlAllowOrigins", "AccessControlAllowHeaders", "AccessControlAllowMethods"]
            .into_iter();
    if credentials
        && lists.any(|list| cors.items(&[list]).any(|it| matches!(&*it.text, "*" | "ALL")))
    {
        return Err(ControlError::invalid(
            "With AccessControlAllowCredentials, origins, headers and methods are named one by one: browsers take no *.",
        ));
    }
    Ok(())
}

/// The times of a cache policy or a behaviour: the least first.
pub(super) fn check_ttls(config: &Element) -> Result<(), ControlError> {
    let ttl = |name, default: u64| config.child(name).map_or(Ok(default), |it| it.text.parse());
    let read = || {
        Ok::<_, std::num::ParseIntError>((
            ttl("MinTTL", 0)?,
            ttl("MaxTTL", 31_536_000)?,
            ttl("DefaultTTL", 86_400)?,
        ))
    };
    let wrong = || ControlError::new(ControlCode::InvalidTTLOrder);
    let (min, max, default) = read().map_err(|_| wrong())?;
    // What is not said gives way to what is.
    let default = if config.child("DefaultTTL").is_some() {
        default
    } else {
        default.clamp(min, max.max(min))
    };
    if min <= default && default <= max { Ok(()) } else { Err(wrong()) }
}

/// A list stands there if the behaviour speaks of one, and only then.
fn check_listed(config: &Element, [place, behavior, list]: [&str; 3]) -> Result<(), ControlError> {
    let behavior = config.text_at(&[place, behavior]);
    let needs_list =
        matches!(behavior, "whitelist" | "allExcept" | "allViewerAndWhitelistCloudFront");
    let has_list = config.items(&[place, list]).next().is_some();
    if needs_list == has_list {
        return Ok(());
    }
    Err(ControlError::invalid(if needs_list {
        format!("{place} is {behavior}: {list} must name what is meant.")
    } else {
        format!("{place} is {behavior}: leave {list} out.")
    }))
}

pub(super) fn check_key_headers<'e>(
    headers: impl Iterator<Item = &'e Element>,
) -> Result<(), ControlError> {
    for header in headers {
        let name = header_name(&header.text)?;
        let is_ours = ["if-", "proxy-", "x-amz-", "x-valet-"]
            .iter()
            .any(|start| name.as_str().starts_with(start));
        if is_ours || NOT_IN_KEYS.contains(&name.as_str()) {
            return Err(ControlError::invalid(format!(
                "The header {name} can be no part of a cache's key: leave it out."
            )));
        }
    }
    Ok(())
}

fn check_answer_header(name: &str) -> Result<(), ControlError> {
    let name = header_name(name)?;
    if NOT_IN_ANSWERS.contains(&name.as_str()) {
        return Err(ControlError::invalid(format!(
            "The header {name} is set by the server: leave it out."
        )));
    }
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName, ControlError> {
    let read = HeaderName::from_bytes(name.as_bytes());
    read.map_err(|_| ControlError::invalid(format!("`{name}` is no name of a header.")))
}

fn check_value(value: &str) -> Result<(), ControlError> {
    let read = HeaderValue::from_str(value);
    read.map(drop)
        .map_err(|_| ControlError::invalid(format!("`{value}` can be no value of a header.")))
}

#[cfg(test)]
mod tests {
    use store::ResourceKind;

    use super::*;
    use crate::cloudfront::documents::{
        CACHE_POLICY, ORIGIN_REQUEST_POLICY, RESPONSE_HEADERS_POLICY,
    };
    use crate::cloudfront::schema::check;
    use crate::distributions::managed::all;

    /// They are what anybody could write, so that what reads policies need not know them.
    #[test]
    fn managed_policies_are_of_their_shape() {
        let rows = [
            (ResourceKind::CachePolicy, CACHE_POLICY, 4),
            (ResourceKind::OriginRequestPolicy, ORIGIN_REQUEST_POLICY, 5),
            (ResourceKind::ResponseHeadersPolicy, RESPONSE_HEADERS_POLICY, 5),
        ];
        for (kind, fields, count) in rows {
            assert_eq!(all(kind).count(), count);
            for policy in all(kind) {
                let full = check(policy.config(), fields).unwrap();
                assert_eq!(full.text_at(&["Name"]), policy.config().text_at(&["Name"]));
                if kind == ResourceKind::CachePolicy {
                    check_cache_policy(&full).unwrap();
                } else if kind == ResourceKind::ResponseHeadersPolicy {
                    check_response_headers_policy(&full).unwrap();
                }
            }
        }
    }
}
