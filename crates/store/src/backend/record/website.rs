//! The record of a website's configuration.

use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::{
    KeyReplacement, RoutingRedirect, RoutingRule, StoreError, WebProtocol, Website, WebsiteHost,
    WebsitePages,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebsiteRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<HostRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<RuleRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostRecord {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replace_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replace_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

fn protocol_text(protocol: Option<WebProtocol>) -> Option<String> {
    protocol.map(|protocol| protocol.as_str().to_owned())
}

fn protocol_of(text: Option<String>) -> Result<Option<WebProtocol>, StoreError> {
    let parse = |text: String| WebProtocol::parse(&text).ok_or_else(|| corrupt("website"));
    text.map(parse).transpose()
}

impl RuleRecord {
    fn of(rule: &RoutingRule) -> Self {
        let RoutingRule { key_prefix, error_status, redirect } = rule.clone();
        let RoutingRedirect { protocol, host, key, status } = redirect;
        let (replace_prefix, replace_key) = match key {
            None => (None, None),
            Some(KeyReplacement::Prefix(text)) => (Some(text), None),
            Some(KeyReplacement::Whole(text)) => (None, Some(text)),
        };
        let protocol = protocol_text(protocol);
        Self { key_prefix, error_status, protocol, host, replace_prefix, replace_key, status }
    }

    fn parse(self) -> Result<RoutingRule, StoreError> {
        let Self { key_prefix, error_status, protocol, host, replace_prefix, replace_key, status } =
            self;
        let key = match (replace_prefix, replace_key) {
            (None, None) => None,
            (Some(text), None) => Some(KeyReplacement::Prefix(text)),
            (None, Some(text)) => Some(KeyReplacement::Whole(text)),
            (Some(_), Some(_)) => return Err(corrupt("website")),
        };
        let redirect = RoutingRedirect { protocol: protocol_of(protocol)?, host, key, status };
        Ok(RoutingRule { key_prefix, error_status, redirect })
    }
}

impl WebsiteRecord {
    pub(super) fn of(website: &Website) -> Self {
        match website.clone() {
            Website::Redirect(WebsiteHost { name, protocol }) => Self {
                host: Some(HostRecord { name, protocol: protocol_text(protocol) }),
                index: None,
                error: None,
                rules: Vec::new(),
            },
            Website::Pages(WebsitePages { index_suffix, error_key, rules }) => Self {
                host: None,
                index: Some(index_suffix),
                error: error_key,
                rules: rules.iter().map(RuleRecord::of).collect(),
            },
        }
    }

    pub(super) fn parse(self) -> Result<Website, StoreError> {
        let Self { host, index, error, rules } = self;
        match (host, index) {
            (Some(HostRecord { name, protocol }), None) => {
                Ok(Website::Redirect(WebsiteHost { name, protocol: protocol_of(protocol)? }))
            }
            (None, Some(index_suffix)) => {
                let rules = rules.into_iter().map(RuleRecord::parse).collect::<Result<_, _>>()?;
                Ok(Website::Pages(WebsitePages { index_suffix, error_key: error, rules }))
            }
            (Some(_), Some(_)) | (None, None) => Err(corrupt("website")),
        }
    }
}
