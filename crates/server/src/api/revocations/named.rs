//! Which links a document names.

use jiff::Timestamp;
use presign::{CauseCode, ExplainQuestion, Fingerprint, explain};
use store::{BucketName, ObjectKey, RevokedLinks};

use super::WantedRevocation;
use crate::api::error::ApiError;
use crate::api::link_rights::ALL_OBJECTS;
use crate::gate::StoreAccess;
use crate::reading::Reading;
use crate::route::{self, Target};

/// The longest id of an access key: some are from other stores.
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;
/// What stands for any further characters of a key where a permission on a whole prefix is asked for. There are many, so
/// that a pattern that allows a few characters does not allow all.
const ANY_KEY: &str = "********************************";

/// Who a link says has signed it.
#[derive(Clone, Debug)]
pub(super) struct SignerClaim {
    pub(super) access_key_id: String,
    pub(super) token: Option<String>,
}

/// Whether a link is so broken that its signature cannot be the one that was made.
fn is_broken(code: CauseCode) -> bool {
    [CauseCode::CutOff, CauseCode::ParameterMissing, CauseCode::ParameterChanged].contains(&code)
}

/// The links that are named.
#[derive(Debug)]
pub(super) struct NamedLinks {
    pub(super) links: RevokedLinks,
    /// Who the link itself says has signed it.
    signer: Option<SignerClaim>,
    /// When the link itself says it ends, if nothing bounds that.
    pub(super) link_ends_at: Option<Timestamp>,
}

impl NamedLinks {
    pub(super) fn of(links: RevokedLinks) -> Self {
        Self { links, signer: None, link_ends_at: None }
    }

    /// Reads the one member that says which links are meant.
    pub(super) fn read(wanted: &WantedRevocation, access: &StoreAccess) -> Result<Self, ApiError> {
        let WantedRevocation { url, fingerprint, access_key_id, object, prefix, before, until: _ } =
            wanted;
        let one_of = "Name the links by one of `url`, `fingerprint`, `access_key_id`, `object` and `prefix`.";
        let named = (url, fingerprint, access_key_id, object, prefix);
        let links = match named {
            (Some(url), None, None, None, None) => Self::by_url(url, access)?,
            (None, Some(fingerprint), None, None, None) => {
                let fingerprint = fingerprint.parse::<Fingerprint>();
                let fingerprint = fingerprint.map_err(|cause| {
                    let message =
                        format!("`fingerprint`: {cause}. The short name of a link is not enough.");
                    ApiError::invalid_argument("fingerprint", message)
                })?;
                Self::of(RevokedLinks::Link { fingerprint, target: None })
            }
            (None, None, Some(id), None, None) => {
                // An object's key was meant, more likely.
                let is_path = id.contains(['/', '.', ':']);
                if id.is_empty() || is_path || id.len() > ACCESS_KEY_ID_BYTES_MAX {
                    let message = "`access_key_id` is the id of an access key; links to an object are named by `object`.";
                    return Err(ApiError::invalid_argument("access_key_id", message));
                }
                Self::of(RevokedLinks::AccessKey(id.clone()))
            }
            (None, None, None, Some(object), None) => {
                let (bucket, key) = place("object", object)?;
                let key = ObjectKey::parse(key).map_err(|cause| {
                    ApiError::invalid_argument("object", format!("`object`: {cause}."))
                })?;
                Self::of(RevokedLinks::Object(bucket, key))
            }
            (None, None, None, None, Some(prefix)) => {
                let (bucket, prefix) = place("prefix", prefix)?;
                if prefix.len() > store::OBJECT_KEY_BYTES_MAX {
                    return Err(ApiError::invalid_argument(
                        "prefix",
                        "`prefix` is longer than any key.",
                    ));
                }
                Self::of(RevokedLinks::Prefix(bucket, prefix.to_owned()))
            }
            _ => return Err(ApiError::invalid_request(one_of)),
        };
        if before.is_some() && matches!(links.links, RevokedLinks::Link { .. }) {
            let message = "`before` is for an access key, an object or a prefix: one link is known by its signature.";
            return Err(ApiError::invalid_argument("before", message));
        }
        Ok(links)
    }

    /// The link of a URL, as it may have been pasted. Whether it was ever made is asked when its signer is known.
    fn by_url(text: &str, access: &StoreAccess) -> Result<Self, ApiError> {
        let wrong = |message: String| ApiError::invalid_argument("url", message);
        let question = ExplainQuestion::new(text);
        let told = explain(&question, access.now());
        let told =
            told.map_err(|cause| wrong(format!("`url` is not a presigned link: {cause}.")))?;
        let broken = told.causes.iter().find(|cause| is_broken(cause.code));
        if let Some(cause) = broken {
            return Err(wrong(format!(
                "`url` is no whole link, so nothing was revoked. {} {}",
                cause.text, cause.mend
            )));
        }
        let none = || wrong("`url` is not a presigned link, or is not whole.".to_owned());
        let (request, fingerprint) = question.request().zip(told.fingerprint).ok_or_else(none)?;
        let grant = told.allows.ok_or_else(none)?;
        let reading = Reading::at(&request.host, &request.path, &access.context().config);
        let target = match route::target(reading.resource()) {
            Ok(Target::Object(bucket, key)) => Some((bucket, key)),
            Ok(Target::Service | Target::Bucket(_)) | Err(_) => None,
        };
        // How long a SigV2 link lives after it opens, nothing bounds.
        let link_ends_at = grant.region.is_none().then_some(grant.until).flatten();
        Ok(Self {
            links: RevokedLinks::Link { fingerprint, target },
            signer: Some(SignerClaim {
                access_key_id: grant.signer,
                token: request.session_token(),
            }),
            link_ends_at,
        })
    }

    /// Who says to have signed the one link that is named by its URL, and what it is for.
    pub(super) fn claim(&self) -> Option<(&SignerClaim, Target)> {
        let target = match &self.links {
            RevokedLinks::Link { target: Some((bucket, key)), .. } => {
                Target::Object(bucket.clone(), key.clone())
            }
            RevokedLinks::Link { .. }
            | RevokedLinks::AccessKey(_)
            | RevokedLinks::Object(_, _)
            | RevokedLinks::Prefix(_, _) => Target::Service,
        };
        Some((self.signer.as_ref()?, target))
    }

    /// The key that signed all of the links, as far as they say it.
    pub(super) fn access_key(&self) -> Option<&str> {
        match &self.links {
            RevokedLinks::AccessKey(id) => Some(id),
            RevokedLinks::Link { .. } => {
                self.signer.as_ref().map(|signer| signer.access_key_id.as_str())
            }
            RevokedLinks::Object(_, _) | RevokedLinks::Prefix(_, _) => None,
        }
    }

    /// Whether a permission on objects is given for all that the links are for. What they are for is not known of an
    /// access key, or of a fingerprint alone: those take it on all objects.
    pub(super) fn is_within(&self, may: impl Fn(&str) -> bool) -> bool {
        match &self.links {
            RevokedLinks::Link { target: Some((bucket, key)), .. }
            | RevokedLinks::Object(bucket, key) => may(&format!("arn:aws:s3:::{bucket}/{key}")),
            RevokedLinks::Prefix(bucket, prefix) => ["*", ANY_KEY]
                .iter()
                .all(|any| may(&format!("arn:aws:s3:::{bucket}/{prefix}{any}"))),
            RevokedLinks::Link { target: None, .. } | RevokedLinks::AccessKey(_) => {
                may(ALL_OBJECTS)
            }
        }
    }

    /// The same links, whatever they are used for: for a caller who need not ask.
    pub(super) fn wherever_used(self) -> Self {
        let links = match self.links {
            RevokedLinks::Link { fingerprint, target: _ } => {
                RevokedLinks::Link { fingerprint, target: None }
            }
            other @ (RevokedLinks::AccessKey(_)
            | RevokedLinks::Object(_, _)
            | RevokedLinks::Prefix(_, _)) => other,
        };
        Self { links, ..self }
    }
}

/// The bucket, and what follows the slash after it.
fn place<'t>(argument: &'static str, text: &'t str) -> Result<(BucketName, &'t str), ApiError> {
    let wrong = || {
        let message = format!("`{argument}` is written s3://bucket/{argument}.");
        ApiError::invalid_argument(argument, message)
    };
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((BucketName::parse(bucket).map_err(|_| wrong())?, rest))
}
