//! Making browser forms: the same policies and fields as botocore makes.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{Addressing, Endpoint, ExpiresIn, Presign, PresignError, Presigner, Target, end};
use crate::canonical::ALGORITHM;
use crate::credentials::SessionToken;
use crate::form::{FILE_NAME, FormFields};
use crate::key::Fingerprint;
use crate::post::push_ascii_string;
use crate::scope::{AmzDate, CredentialScope};
use crate::sigv2;

/// Fields that are the signer's own, or that the file is.
const RESERVED_FIELDS: [&str; 12] = [
    "awsaccesskeyid",
    "bucket",
    "file",
    "key",
    "policy",
    "signature",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "content-length-range",
];

/// One form to make: an input of [`Presigner::presign_post`].
///
/// [`PresignPost::new`] makes a form in path style that asks for the file alone; the `with_` functions say the
/// rest. Nothing is checked before the form is made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PresignPost<'p> {
    /// The origin of the service, and a path prefix if it has one.
    pub endpoint: &'p Endpoint,
    /// Where the bucket stands in the URL.
    pub addressing: Addressing,
    /// The bucket in which the object will be.
    pub bucket: &'p str,
    /// Its key. Where it holds `${filename}`, the client names the file, and anything may follow
    /// what stands before that.
    pub key: &'p str,
    /// Further fields, sent as given. Each must have its value, unless a condition says otherwise.
    pub fields: &'p [(&'p str, &'p str)],
    /// Conditions on the fields and on the length of the file, besides those of the fields themselves.
    pub conditions: &'p [PostCondition<'p>],
    /// How long the form is to live.
    pub expires_in: ExpiresIn,
}

impl<'p> PresignPost<'p> {
    /// A form in path style that has no fields but its own, and takes a file of any length.
    pub const fn new(
        endpoint: &'p Endpoint,
        bucket: &'p str,
        key: &'p str,
        expires_in: ExpiresIn,
    ) -> Self {
        let addressing = Addressing::Path;
        Self { endpoint, addressing, bucket, key, fields: &[], conditions: &[], expires_in }
    }

    /// The same form with the bucket in another place of its URL.
    #[must_use]
    pub const fn with_addressing(self, addressing: Addressing) -> Self {
        Self { addressing, ..self }
    }

    /// The same form with these fields. Each must have its value, unless a condition says otherwise.
    #[must_use]
    pub const fn with_fields(self, fields: &'p [(&'p str, &'p str)]) -> Self {
        Self { fields, ..self }
    }

    /// The same form under these conditions, for instance [`PostCondition::ContentLengthRange`].
    #[must_use]
    pub const fn with_conditions(self, conditions: &'p [PostCondition<'p>]) -> Self {
        Self { conditions, ..self }
    }
}

/// One condition on a form. Names are without the dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostCondition<'p> {
    /// The field has this value.
    Equals(&'p str, &'p str),
    /// The field begins with this; with nothing: it is there.
    StartsWith(&'p str, &'p str),
    /// The file has so many bytes, both ends included.
    ContentLengthRange(u64, u64),
}

/// A form, and where it goes. The fields are a credential: debug output does not show them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresignedPost {
    /// Where to send it, as `multipart/form-data`.
    pub url: String,
    /// What to send, in this order, before the file.
    pub fields: FormFields,
    /// The last second in which it works, unless the credentials end before.
    pub expires_at: Timestamp,
    /// A name of the form for logs and lists, from which the form cannot be found.
    pub fingerprint: Fingerprint,
}

impl fmt::Debug for PresignedPost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PresignedPost")
            .field("expires_at", &self.expires_at)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Presigner {
    /// Makes a form under a SigV4 policy.
    pub fn presign_post(
        &mut self,
        form: &PresignPost<'_>,
        now: Timestamp,
    ) -> Result<PresignedPost, PresignError> {
        let date = AmzDate::from_timestamp(now);
        let scope = CredentialScope {
            day: date.day(),
            region: self.region.clone().into(),
            service: "s3".into(),
        };
        let credential = format!("{}/{scope}", self.credentials.access_key_id);
        let date_text = date.to_string();
        let own = [
            ("x-amz-algorithm", ALGORITHM),
            ("x-amz-credential", credential.as_str()),
            ("x-amz-date", date_text.as_str()),
        ];
        let draft = Draft::new(form, &own, self.token(), date)?;
        let secret = &self.credentials.secret_access_key;
        let key = super::kept_key(&mut self.key_of_the_day, secret, &scope);
        Ok(draft.signed("x-amz-signature", |policy| key.signature(policy)))
    }

    /// Makes a form under a SigV2 policy, as boto3 does by default.
    pub fn presign_post_v2(
        &self,
        form: &PresignPost<'_>,
        now: Timestamp,
    ) -> Result<PresignedPost, PresignError> {
        let date = AmzDate::from_timestamp(now);
        let mut draft = Draft::new(form, &[], self.token(), date)?;
        draft.fields.push("AWSAccessKeyId", self.credentials.access_key_id.as_str());
        let secret = &self.credentials.secret_access_key;
        Ok(draft.signed("signature", |policy| sigv2::signature(secret, policy)))
    }

    fn token(&self) -> Option<&str> {
        self.credentials.session_token.as_ref().map(SessionToken::expose)
    }
}

/// A form that lacks its signature alone.
struct Draft {
    url: String,
    fields: FormFields,
    policy: String,
    expires_at: Timestamp,
}

impl Draft {
    /// `own` are the signer's fields, which are conditions as well.
    fn new(
        form: &PresignPost<'_>,
        own: &[(&str, &str)],
        token: Option<&str>,
        date: AmzDate,
    ) -> Result<Self, PresignError> {
        let PresignPost { endpoint, addressing, bucket, key, fields, conditions, expires_in } =
            *form;
        if bucket.is_empty() {
            return Err(PresignError::MalformedBucket);
        }
        if key.is_empty() {
            return Err(PresignError::EmptyKey);
        }
        let target = Target::of(&Presign {
            method: "POST",
            endpoint,
            addressing,
            bucket,
            key: b"",
            headers: &[],
            query: &[],
            expires_in,
            conditions: None,
        })?;
        check_fields(fields)?;
        let own = own.iter().copied().chain(token.map(|token| ("x-amz-security-token", token)));
        let key_condition = match key.split_once(FILE_NAME) {
            Some((before, _)) => PostCondition::StartsWith("key", before),
            None => PostCondition::Equals("key", key),
        };
        let is_named = |name: &str| conditions.iter().any(|condition| condition.names(name));
        let of_fields = fields.iter().filter(|(name, _)| !is_named(name));
        let equals = |(name, value)| PostCondition::Equals(name, value);
        let conditions = conditions
            .iter()
            .copied()
            .chain(of_fields.copied().map(equals))
            .chain([PostCondition::Equals("bucket", bucket), key_condition])
            .chain(own.clone().map(equals));
        let expires_at = end(date, expires_in)?;
        let policy = policy(expires_at, conditions);
        let fields = fields.iter().copied().chain([("key", key)]).chain(own).collect();
        let url = [target.origin, target.path].concat();
        Ok(Self { url, fields, policy: STANDARD.encode(policy), expires_at })
    }

    fn signed(self, field: &str, sign: impl FnOnce(&[u8]) -> String) -> PresignedPost {
        let Self { url, mut fields, policy, expires_at } = self;
        let signature = sign(policy.as_bytes());
        let fingerprint = Fingerprint::of_signature(signature.as_bytes());
        fields.push("policy", policy);
        fields.push(field, signature);
        PresignedPost { url, fields, expires_at, fingerprint }
    }
}

impl PostCondition<'_> {
    fn names(&self, name: &str) -> bool {
        match self {
            Self::Equals(field, _) | Self::StartsWith(field, _) => field.eq_ignore_ascii_case(name),
            Self::ContentLengthRange(_, _) => false,
        }
    }

    fn push_to(&self, out: &mut String) {
        let mut list = |operation: &str, name: &str, value: &str| {
            out.push('[');
            push_ascii_string(out, operation);
            out.push_str(", ");
            push_ascii_string(out, &format!("${name}"));
            out.push_str(", ");
            push_ascii_string(out, value);
            out.push(']');
        };
        match self {
            Self::StartsWith(name, prefix) => list("starts-with", name, prefix),
            Self::Equals(name, value) => {
                out.push('{');
                push_ascii_string(out, name);
                out.push_str(": ");
                push_ascii_string(out, value);
                out.push('}');
            }
            Self::ContentLengthRange(min, max) => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "[\"content-length-range\", {min}, {max}]");
            }
        }
    }
}

/// The policy, with the white space that Python's `json` puts in.
fn policy<'c>(
    expires_at: Timestamp,
    conditions: impl Iterator<Item = PostCondition<'c>>,
) -> String {
    let mut out = String::from("{\"expiration\": ");
    push_ascii_string(&mut out, &expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    out.push_str(", \"conditions\": [");
    for (index, condition) in conditions.enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        condition.push_to(&mut out);
    }
    out.push_str("]}");
    out
}

/// A field twice would be its values joined, and so fail its own condition.
fn check_fields(fields: &[(&str, &str)]) -> Result<(), PresignError> {
    for (index, (name, _)) in fields.iter().enumerate() {
        let lower = name.to_ascii_lowercase();
        let is_malformed = name.is_empty() || name.contains(|c: char| c.is_control() || c == '"');
        if is_malformed {
            return Err(PresignError::MalformedField { name: (*name).to_owned() });
        }
        if RESERVED_FIELDS.contains(&&*lower) {
            return Err(PresignError::ReservedField { name: (*name).to_owned() });
        }
        if fields.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(PresignError::RepeatedField { name: lower });
        }
    }
    Ok(())
}
