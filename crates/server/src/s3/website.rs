//! `?website`: what a bucket answers as a website, written and read by its owner. The website itself is in `website`.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Deserialize;
use store::{
    BucketName, BucketSetting, KeyReplacement, OBJECT_KEY_BYTES_MAX, RoutingRedirect, RoutingRule,
    WebProtocol, Website, WebsiteHost, WebsitePages,
};

use super::of_bucket::{BucketRecord, absent, named_operations, set};
use crate::body::RequestBody;
use crate::error::{Code, S3Error};
use crate::gate::{Authorized, StoreAccess};
use crate::operation::{Operation, Permission};
use crate::request::S3Request;
use crate::respond::Reply;
use crate::s3::document::{self, DocumentTerms};
use crate::s3::of_bucket;
use crate::xml::{self, XmlWriter};

/// Bytes of a `WebsiteConfiguration`.
const DOCUMENT_BYTES_MAX: usize = 128 * 1024;
/// The most routing rules of one website.
const RULES_MAX: usize = 50;
/// The longest text that stands in the place of a key or its beginning, in bytes: an answer's head carries it.
const REPLACEMENT_BYTES_MAX: usize = 2048;
/// The longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 255;

named_operations! {
    /// `GET /bucket?website`
    GetBucketWebsite "s3:GetBucketWebsite" => get;
    /// `DELETE /bucket?website`
    DeleteBucketWebsite "s3:DeleteBucketWebsite" => delete;
}

async fn get(_: &StoreAccess, bucket: BucketRecord, _: &mut RequestBody) -> Result<Reply, S3Error> {
    let website = bucket.website.as_deref();
    let website = website.ok_or_else(|| absent(Code::NoSuchWebsiteConfiguration, &bucket))?;
    Ok(Reply::xml(XmlWriter::result("WebsiteConfiguration", |xml| write(xml, website))))
}

fn write(xml: &mut XmlWriter, website: &Website) {
    match website {
        Website::Redirect(WebsiteHost { name, protocol }) => {
            xml.element("RedirectAllRequestsTo", |xml| {
                xml.text("HostName", name);
                xml.optional("Protocol", protocol.map(WebProtocol::as_str));
            });
        }
        Website::Pages(WebsitePages { index_suffix, error_key, rules }) => {
            xml.element("IndexDocument", |xml| xml.text("Suffix", index_suffix));
            if let Some(key) = error_key {
                xml.element("ErrorDocument", |xml| xml.text("Key", key));
            }
            if !rules.is_empty() {
                xml.element("RoutingRules", |xml| {
                    for rule in rules {
                        xml.element("RoutingRule", |xml| write_rule(xml, rule));
                    }
                });
            }
        }
    }
}

fn write_rule(xml: &mut XmlWriter, rule: &RoutingRule) {
    let RoutingRule { key_prefix, error_status, redirect } = rule;
    if key_prefix.is_some() || error_status.is_some() {
        xml.element("Condition", |xml| {
            if let Some(status) = error_status {
                xml.plain("HttpErrorCodeReturnedEquals", status);
            }
            xml.optional("KeyPrefixEquals", key_prefix.as_deref());
        });
    }
    let RoutingRedirect { protocol, host, key, status } = redirect;
    xml.element("Redirect", |xml| {
        xml.optional("HostName", host.as_deref());
        if let Some(status) = status {
            xml.plain("HttpRedirectCode", status);
        }
        xml.optional("Protocol", protocol.map(WebProtocol::as_str));
        match key {
            None => {}
            Some(KeyReplacement::Prefix(prefix)) => xml.text("ReplaceKeyPrefixWith", prefix),
            Some(KeyReplacement::Whole(key)) => xml.text("ReplaceKeyWith", key),
        }
    });
}

async fn delete(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    set(access, &bucket.name, BucketSetting::Website(None)).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// `PUT /bucket?website`
#[derive(Debug)]
pub(crate) struct PutBucketWebsite {
    bucket: BucketName,
    terms: DocumentTerms,
}

impl Operation for PutBucketWebsite {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()?, terms: DocumentTerms::read(request)? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:PutBucketWebsite", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { bucket, terms } = call.operation();
        let bucket = of_bucket::found(&call, bucket).await?;
        let body = document::read_digested(call.access(), body, DOCUMENT_BYTES_MAX, terms).await?;
        let body = document::present(body)?;
        let website = read(xml::parse("WebsiteConfiguration", &body)?)?;
        let website = BucketSetting::Website(Some(Arc::new(website)));
        set(call.access(), &bucket.name, website).await?;
        Ok(Reply::new(StatusCode::OK))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WebsiteElement {
    index_document: Option<IndexElement>,
    error_document: Option<ErrorElement>,
    redirect_all_requests_to: Option<HostElement>,
    routing_rules: Option<RulesElement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexElement {
    suffix: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorElement {
    key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostElement {
    host_name: String,
    protocol: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RulesElement {
    #[serde(rename = "RoutingRule", default)]
    rules: Vec<RuleElement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleElement {
    condition: Option<ConditionElement>,
    redirect: RedirectElement,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConditionElement {
    key_prefix_equals: Option<String>,
    http_error_code_returned_equals: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RedirectElement {
    host_name: Option<String>,
    http_redirect_code: Option<String>,
    protocol: Option<String>,
    replace_key_prefix_with: Option<String>,
    replace_key_with: Option<String>,
}

/// Reads a configuration (semantics 6.7.1).
fn read(element: WebsiteElement) -> Result<Website, S3Error> {
    let WebsiteElement { index_document, error_document, redirect_all_requests_to, routing_rules } =
        element;
    let rules = routing_rules.map(|element| element.rules);
    if let Some(HostElement { host_name, protocol }) = redirect_all_requests_to {
        if index_document.is_some() || error_document.is_some() || rules.is_some() {
            let message =
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
            return Err(S3Error::invalid_argument(message, "RedirectAllRequestsTo", "not null"));
        }
        let name = read_host(host_name)?;
        return Ok(Website::Redirect(WebsiteHost { name, protocol: read_protocol(protocol)? }));
    }
    let suffix = index_document.map(|element| element.suffix).ok_or_else(|| {
        let message =
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        S3Error::invalid_argument(message, "IndexDocument", "null")
    })?;
    if suffix.is_empty() || suffix.contains('/') || suffix.len() > OBJECT_KEY_BYTES_MAX {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(S3Error::invalid_argument(message, "IndexDocument", suffix));
    }
    let error_key = error_document.map(|element| element.key);
    if let Some(key) = error_key.as_ref().filter(|key| !is_key(key)) {
        let message = "The ErrorDocument Key is not well formed";
        return Err(S3Error::invalid_argument(message, "ErrorDocument", key.as_str()));
    }
    let rules = rules.unwrap_or_default();
    if rules.len() > RULES_MAX {
        return Err(S3Error::invalid_request(format!(
            "{} routing rules provided, the number of routing rules in a website configuration is limited to {RULES_MAX}.",
            rules.len()
        )));
    }
    let rules = rules.into_iter().map(read_rule).collect::<Result<_, _>>()?;
    Ok(Website::Pages(WebsitePages { index_suffix: suffix, error_key, rules }))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= OBJECT_KEY_BYTES_MAX
}

/// Reads one routing rule (semantics 6.7.2).
fn read_rule(element: RuleElement) -> Result<RoutingRule, S3Error> {
    let RuleElement { condition, redirect } = element;
    let (key_prefix, error_status) = match condition {
        None => (None, None),
        Some(ConditionElement {
            key_prefix_equals: None,
            http_error_code_returned_equals: None,
        }) => {
            return Err(S3Error::invalid_request(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
            ));
        }
        Some(ConditionElement { key_prefix_equals, http_error_code_returned_equals }) => {
            let status = http_error_code_returned_equals.map(read_error_status).transpose()?;
            (key_prefix_equals, status)
        }
    };
    let RedirectElement {
        host_name,
        http_redirect_code,
        protocol,
        replace_key_prefix_with,
        replace_key_with,
    } = redirect;
    let key = match (replace_key_prefix_with, replace_key_with) {
        (None, None) => None,
        (Some(prefix), None) => Some(KeyReplacement::Prefix(prefix)),
        (None, Some(key)) => Some(KeyReplacement::Whole(key)),
        (Some(_), Some(_)) => {
            return Err(S3Error::invalid_request(
                "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
            ));
        }
    };
    let redirect = RoutingRedirect {
        protocol: read_protocol(protocol)?,
        host: host_name.map(read_host).transpose()?,
        key,
        status: http_redirect_code.map(read_redirect_status).transpose()?,
    };
    if redirect == RoutingRedirect::default() {
        return Err(S3Error::new(Code::MalformedXml));
    }
    let replacement = redirect.key.as_ref().map_or("", KeyReplacement::as_str);
    let prefix = key_prefix.as_deref().unwrap_or_default();
    if prefix.len() > OBJECT_KEY_BYTES_MAX || replacement.len() > REPLACEMENT_BYTES_MAX {
        return Err(S3Error::new(Code::MalformedXml));
    }
    Ok(RoutingRule { key_prefix, error_status, redirect })
}

/// Reads the name of a host, perhaps with a port.
fn read_host(name: String) -> Result<String, S3Error> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if name.is_empty() || name.len() > HOST_BYTES_MAX || !name.bytes().all(is_host) {
        return Err(S3Error::invalid_argument("The HostName is not well formed", "HostName", name));
    }
    Ok(name)
}

fn read_protocol(text: Option<String>) -> Result<Option<WebProtocol>, S3Error> {
    let parse = |text: String| {
        WebProtocol::parse(&text).ok_or_else(|| {
            S3Error::invalid_request(
                "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
            )
        })
    };
    text.map(parse).transpose()
}

fn read_error_status(text: String) -> Result<u16, S3Error> {
    let status = text.parse().ok().filter(|status| (400..600).contains(status));
    status.ok_or_else(|| {
        let message = format!(
            "The provided HTTP error code ({text}) is not valid. Valid codes are 4XX or 5XX."
        );
        S3Error::invalid_argument(message, "HttpErrorCodeReturnedEquals", text)
    })
}

fn read_redirect_status(text: String) -> Result<u16, S3Error> {
    let status = text.parse().ok().filter(|status| (301..400).contains(status));
    status.ok_or_else(|| {
        let message = format!(
            "The provided HTTP redirect code ({text}) is not valid. Valid codes are 3XX except 300."
        );
        S3Error::invalid_argument(message, "HttpRedirectCode", text)
    })
}
