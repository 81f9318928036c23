//! The policy that is signed: written as signers write it, and read strictly (semantics 7.1, 7.2).

use core::net::{IpAddr, Ipv4Addr};
use std::fmt::Write as _;

use ipnet::Ipv4Net;
use jiff::Timestamp;

use super::refusal::{CloudFrontRefusal, DenialReason};
use super::resource;
use super::sign::CloudFrontStyle;
use crate::post::json::{Json, push_ascii_string};

/// The last second that a policy may name: later ones are most often milliseconds (semantics 7.2.4).
const EPOCH_MAX: i64 = 2_147_483_647;
/// The longest policy that is read, in bytes.
pub(super) const POLICY_BYTES_MAX: usize = 8 * 1024;

/// What is signed: resources, and under which conditions they may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudFrontPolicy {
    /// `None`: everything that the key's distributions have.
    resource: Option<String>,
    ends_at: i64,
    starts_after: Option<i64>,
    source: Option<Ipv4Net>,
}

/// Why a policy cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudFrontPolicyError {
    /// The time is before 1970 or after 2038-01-19: CloudFront takes no other.
    #[error("the time {0} is not between 1970 and 2038-01-19T03:14:07Z")]
    Time(Timestamp),
    /// The resource is longer than a policy may be.
    #[error("the resource is too long")]
    TooLong,
}

impl CloudFrontPolicy {
    /// A policy for a resource (a URL, in which a custom policy may have `*` and `?`) until a time, which is cut to whole
    /// seconds.
    pub fn new(
        resource: impl Into<String>,
        ends_at: Timestamp,
    ) -> Result<Self, CloudFrontPolicyError> {
        let resource = resource.into();
        if resource.len() > POLICY_BYTES_MAX / 2 {
            return Err(CloudFrontPolicyError::TooLong);
        }
        let ends_at = epoch_of(ends_at)?;
        Ok(Self { resource: Some(resource), ends_at, starts_after: None, source: None })
    }

    /// Nothing may be had until this second is over.
    pub fn with_start(self, starts_after: Timestamp) -> Result<Self, CloudFrontPolicyError> {
        Ok(Self { starts_after: Some(epoch_of(starts_after)?), ..self })
    }

    /// Only for viewers whose address is in this network.
    #[must_use]
    pub fn with_source(self, source: Ipv4Net) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Whether it needs no more than a canned policy says.
    pub(super) fn is_canned(&self) -> bool {
        self.starts_after.is_none() && self.source.is_none()
    }

    pub(super) fn epoch(&self) -> i64 {
        self.ends_at
    }

    /// The text of the policy, without white space, its conditions in the order of the signer that is imitated.
    pub fn to_json(&self, style: CloudFrontStyle) -> String {
        let mut text = String::from("{\"Statement\":[{");
        if let Some(resource) = &self.resource {
            text.push_str("\"Resource\":");
            match style {
                CloudFrontStyle::Cli => push_ascii_string(&mut text, resource),
                CloudFrontStyle::JavaScript => push_json(&mut text, resource),
            }
            text.push(',');
        }
        let start = self
            .starts_after
            .map(|epoch| format!(",\"DateGreaterThan\":{{\"AWS:EpochTime\":{epoch}}}"));
        let source =
            self.source.map(|source| format!(",\"IpAddress\":{{\"AWS:SourceIp\":\"{source}\"}}"));
        let (first, second) = match style {
            CloudFrontStyle::Cli => (source, start),
            CloudFrontStyle::JavaScript => (start, source),
        };
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "\"Condition\":{{\"DateLessThan\":{{\"AWS:EpochTime\":{}}}{}{}}}}}]}}",
            self.ends_at,
            first.unwrap_or_default(),
            second.unwrap_or_default()
        );
        text
    }

    /// Reads a policy as a viewer sends it. What is not understood is no condition to be left out.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= POLICY_BYTES_MAX)?;
        let [statements] = members(Json::parse(text).ok()?, ["Statement"])?;
        let Json::List(statements) = statements? else { return None };
        let [statement] = <[Json; 1]>::try_from(statements).ok()?;
        let [resource, condition] = members(statement, ["Resource", "Condition"])?;
        let resource = match resource {
            None => None,
            Some(Json::String(resource)) => Some(resource),
            Some(_) => return None,
        };
        let names = ["DateLessThan", "DateGreaterThan", "IpAddress"];
        let [end, start, source] = members(condition?, names)?;
        let ends_at = read_epoch(end?)?;
        let starts_after = match start {
            None => None,
            Some(start) => Some(read_epoch(start)?),
        };
        let source = match source {
            None => None,
            Some(source) => {
                let [source] = members(source, ["AWS:SourceIp"])?;
                let Json::String(source) = source? else { return None };
                Some(read_network(&source)?)
            }
        };
        Some(Self { resource, ends_at, starts_after, source })
    }

    /// Whether a viewer at an address may have one of these URLs now. All are the one that was asked for: by the names
    /// under which it may have been asked for.
    pub(super) fn judge(
        &self,
        urls: &[String],
        client: IpAddr,
        now: Timestamp,
    ) -> Result<(), CloudFrontRefusal> {
        let denied = |reason| Err(CloudFrontRefusal::AccessDenied(reason));
        // In whole seconds: `as_second` rounds times after 1970 down.
        let second = now.as_second();
        if self.starts_after.is_some_and(|start| second <= start) {
            return denied(DenialReason::NotYetValid);
        }
        if second >= self.ends_at {
            return denied(DenialReason::Expired);
        }
        if self.source.is_some_and(|source| !contains(source, client)) {
            return denied(DenialReason::Source);
        }
        let fits = |resource: &String| urls.iter().any(|url| resource::matches(resource, url));
        if self.resource.as_ref().is_some_and(|resource| !fits(resource)) {
            return denied(DenialReason::Resource);
        }
        Ok(())
    }

    /// Whether the policy is about a URL, whoever asks for it and whenever.
    pub fn covers(&self, url: &str) -> bool {
        self.resource.as_ref().is_none_or(|resource| resource::matches(resource, url))
    }

    pub(super) fn names(&self, text: &str) -> bool {
        self.resource.as_ref().is_none_or(|resource| resource == "*" || resource.contains(text))
    }

    /// From when on and until when it allows something; the first second of both does not count.
    pub fn span(&self) -> (Option<Timestamp>, Timestamp) {
        let start = self.starts_after.and_then(|second| Timestamp::from_second(second).ok());
        (start, self.ends_at())
    }

    pub(super) fn ends_at(&self) -> Timestamp {
        Timestamp::from_second(self.ends_at).unwrap_or(Timestamp::MIN)
    }
}

/// An address of another family is in no network, but IPv4 written as IPv6 is what it is.
fn contains(network: Ipv4Net, client: IpAddr) -> bool {
    match client.to_canonical() {
        IpAddr::V4(client) => network.contains(&client),
        IpAddr::V6(_) => false,
    }
}

fn epoch_of(time: Timestamp) -> Result<i64, CloudFrontPolicyError> {
    let second = time.as_second();
    let is_told = (0..=EPOCH_MAX).contains(&second);
    is_told.then_some(second).ok_or(CloudFrontPolicyError::Time(time))
}

fn read_epoch(value: Json) -> Option<i64> {
    let [epoch] = members(value, ["AWS:EpochTime"])?;
    let Json::Number(digits) = epoch? else { return None };
    digits.parse().ok().filter(|epoch| *epoch <= EPOCH_MAX)
}

/// `192.0.2.0/24`, or one address. Bits behind the prefix are looked over, as in policies of IAM.
fn read_network(text: &str) -> Option<Ipv4Net> {
    let one = |address: Ipv4Addr| Ipv4Net::new(address, 32).ok();
    text.parse().ok().or_else(|| one(text.parse().ok()?))
}

/// The members of an object by name, where it has no others and none of them twice.
fn members<const N: usize>(value: Json, names: [&str; N]) -> Option<[Option<Json>; N]> {
    let Json::Object(found) = value else { return None };
    let mut values = [const { None }; N];
    for (name, value) in found {
        let place = names.iter().position(|known| *known == name)?;
        let slot = values.get_mut(place)?;
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(values)
}

/// Appends a string as `JSON.stringify` writes it.
fn push_json(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
