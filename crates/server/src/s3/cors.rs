//! `?cors`: the rules of a bucket for pages of other origins, written and read by its owner.

use hyper::StatusCode;
use serde::Deserialize;
use store::{BucketName, BucketSetting, CorsMethod, CorsRule};

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

/// Bytes of a `CORSConfiguration` (semantics 6.6.8).
const DOCUMENT_BYTES_MAX: usize = 65_536;
/// The most rules of one bucket.
const RULES_MAX: usize = 100;
/// The longest id of a rule, in characters.
const ID_CHARS_MAX: usize = 255;

named_operations! {
    /// `GET /bucket?cors`
    GetBucketCors "s3:GetBucketCORS" => get;
    /// `DELETE /bucket?cors`
    DeleteBucketCors "s3:PutBucketCORS" => delete;
}

async fn get(_: &StoreAccess, bucket: BucketRecord, _: &mut RequestBody) -> Result<Reply, S3Error> {
    if bucket.cors.is_empty() {
        return Err(absent(Code::NoSuchCorsConfiguration, &bucket));
    }
    Ok(Reply::xml(XmlWriter::result("CORSConfiguration", |xml| {
        for rule in &*bucket.cors {
            xml.element("CORSRule", |xml| write_rule(xml, rule));
        }
    })))
}

/// Writes the members of a rule in the order of AWS.
fn write_rule(xml: &mut XmlWriter, rule: &CorsRule) {
    let CorsRule {
        id,
        allowed_origins,
        allowed_methods,
        allowed_headers,
        expose_headers,
        max_age_seconds,
    } = rule;
    xml.optional("ID", id.as_deref());
    for origin in allowed_origins {
        xml.text("AllowedOrigin", origin);
    }
    for method in allowed_methods {
        xml.text("AllowedMethod", method.as_str());
    }
    if let Some(seconds) = max_age_seconds {
        xml.plain("MaxAgeSeconds", seconds);
    }
    for header in expose_headers {
        xml.text("ExposeHeader", header);
    }
    for header in allowed_headers {
        xml.text("AllowedHeader", header);
    }
}

async fn delete(
    access: &StoreAccess,
    bucket: BucketRecord,
    _: &mut RequestBody,
) -> Result<Reply, S3Error> {
    set(access, &bucket.name, BucketSetting::Cors(Vec::new())).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}

/// `PUT /bucket?cors`
#[derive(Debug)]
pub(crate) struct PutBucketCors {
    bucket: BucketName,
    terms: DocumentTerms,
}

impl Operation for PutBucketCors {
    fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self { bucket: request.bucket()?, terms: DocumentTerms::required(request)? })
    }

    fn permissions(&self) -> Vec<Permission<'_>> {
        vec![Permission::bucket("s3:PutBucketCORS", &self.bucket)]
    }

    async fn run(call: Authorized<Self>, body: &mut RequestBody) -> Result<Reply, S3Error> {
        let Self { bucket, terms } = call.operation();
        let bucket = of_bucket::found(&call, bucket).await?;
        let body = document::read_digested(call.access(), body, DOCUMENT_BYTES_MAX, terms).await?;
        let body = document::present(body)?;
        let rules = read_rules(xml::parse("CORSConfiguration", &body)?)?;
        set(call.access(), &bucket.name, BucketSetting::Cors(rules)).await?;
        Ok(Reply::new(StatusCode::OK))
    }
}

#[derive(Debug, Deserialize)]
struct CorsConfiguration {
    #[serde(rename = "CORSRule", default)]
    rules: Vec<RuleElement>,
}

/// The members of a rule may stand in any order, and those of the same name need not be adjacent.
#[derive(Debug, Deserialize)]
struct RuleElement {
    #[serde(rename = "$value", default)]
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
enum Member {
    #[serde(rename = "ID")]
    Id(String),
    AllowedOrigin(String),
    AllowedMethod(String),
    AllowedHeader(String),
    ExposeHeader(String),
    MaxAgeSeconds(String),
}

fn read_rules(read: CorsConfiguration) -> Result<Vec<CorsRule>, S3Error> {
    if read.rules.is_empty() {
        return Err(S3Error::new(Code::MalformedXml));
    }
    if read.rules.len() > RULES_MAX {
        return Err(S3Error::invalid_request(format!(
            "The number of CORS rules should not exceed allowed limit of {RULES_MAX} rules."
        )));
    }
    read.rules.into_iter().map(read_rule).collect()
}

fn read_rule(element: RuleElement) -> Result<CorsRule, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXml);
    let mut rule = CorsRule {
        id: None,
        allowed_origins: Vec::new(),
        allowed_methods: Vec::new(),
        allowed_headers: Vec::new(),
        expose_headers: Vec::new(),
        max_age_seconds: None,
    };
    for member in element.members {
        match member {
            Member::Id(id) => {
                let fits = id.chars().count() <= ID_CHARS_MAX;
                if !fits || rule.id.replace(id).is_some() {
                    return Err(malformed());
                }
            }
            Member::AllowedOrigin(origin) => {
                rule.allowed_origins.push(one_wildcard("AllowedOrigin", origin)?);
            }
            Member::AllowedMethod(name) => rule.allowed_methods.push(method(&name)?),
            Member::AllowedHeader(header) => {
                rule.allowed_headers.push(one_wildcard("AllowedHeader", header)?);
            }
            Member::ExposeHeader(header) if header.contains('*') => {
                return Err(S3Error::invalid_request(format!(
                    "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
                )));
            }
            Member::ExposeHeader(header) => rule.expose_headers.push(header),
            Member::MaxAgeSeconds(text) => {
                let seconds = text.trim().parse().map_err(|_| malformed())?;
                if rule.max_age_seconds.replace(seconds).is_some() {
                    return Err(malformed());
                }
            }
        }
    }
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(malformed());
    }
    Ok(rule)
}

fn method(name: &str) -> Result<CorsMethod, S3Error> {
    CorsMethod::parse(name).ok_or_else(|| {
        S3Error::invalid_request(format!(
            "Found unsupported HTTP method in CORS config. Unsupported method is {name}"
        ))
    })
}

fn one_wildcard(element: &str, text: String) -> Result<String, S3Error> {
    if text.matches('*').count() > 1 {
        return Err(S3Error::invalid_request(format!(
            "{element} \"{text}\" can not have more than one wildcard."
        )));
    }
    Ok(text)
}
