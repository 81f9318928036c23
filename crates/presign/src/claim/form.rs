//! Reading and verifying the claim of a browser form, which signs its policy alone
//! (semantics 3.2).

use std::borrow::Cow;

use super::error::Echo;
use super::v4::{Credential, CredentialDefect, check_scope};
use super::{
    ExpectedScope, Mechanism, Payload, Proof, SigV2Use, SignatureFacts, SignatureMismatch,
    TokenClaim, VerifiedSignature, VerifyError,
};
use crate::canonical::ALGORITHM;
use crate::form::FormFields;
use crate::key::{KeyKind, VerifyingKey};
use crate::scope::{AmzDate, CredentialScope};
use crate::sigv2;

/// The fields that a form of each version needs, in the order in which S3 misses them.
const V4_FIELDS: [&str; 5] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "Policy"];
const V2_FIELDS: [&str; 3] = ["AWSAccessKeyId", "Signature", "Policy"];

/// The form cannot be read as signed: 400 `InvalidArgument` (semantics 3.2.1 to 3.2.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormClaimError {
    /// Fields of both versions.
    ///
    /// "Only one auth mechanism allowed; …", as for links (semantics 1.4.20).
    #[error("fields of two authentication mechanisms")]
    TwoMechanisms,
    /// "Bucket POST must contain a field named '…'.  If it is specified, please check the order of
    /// the fields." with `ArgumentName` and an empty `ArgumentValue`.
    #[error("no field {name}")]
    MissingField {
        /// The name of the field in the spelling of S3, for instance `X-Amz-Credential`.
        name: &'static str,
    },
    /// The field `X-Amz-Algorithm` is not `AWS4-HMAC-SHA256`.
    #[error("unsupported x-amz-algorithm")]
    UnsupportedAlgorithm {
        /// The value of the field, as the sender wrote it.
        value: Echo,
    },
    /// "the Credential is mal-formed; expecting …"
    #[error("malformed x-amz-credential")]
    MalformedCredential,
    /// "a non-empty Access Key (AKID) must be provided in the credential."
    #[error("no access key id in x-amz-credential")]
    EmptyAccessKeyId,
    /// "incorrect date format "…". …"
    #[error("malformed date in x-amz-credential: {value:?}")]
    MalformedCredentialDate {
        /// The date as the sender wrote it.
        value: String,
    },
    /// "X-Amz-Date must be formated via ISO8601 Long format"
    #[error("malformed x-amz-date")]
    MalformedDate {
        /// The value of the field, as the sender wrote it.
        value: Echo,
    },
}

/// What a form says about who signed it.
pub(super) struct FormClaim<'a> {
    fields: &'a FormFields,
    version: Version<'a>,
    /// As sent: what is signed, whatever it says.
    policy: Cow<'a, str>,
    signature: Cow<'a, str>,
}

enum Version<'a> {
    V4 { credential: Credential<'a>, date: AmzDate },
    V2 { access_key_id: Cow<'a, str> },
}

impl<'a> FormClaim<'a> {
    /// `Ok(None)`: no field has to do with a signature. A policy alone proves nothing.
    pub(super) fn read(fields: &'a FormFields) -> Result<Option<Self>, FormClaimError> {
        let is_signing = |name: &&str| !name.eq_ignore_ascii_case("policy");
        let any = |names: &[&str]| names.iter().filter(|n| is_signing(n)).any(|n| fields.has(n));
        match (any(&V4_FIELDS), any(&V2_FIELDS)) {
            (false, false) => Ok(None),
            (true, false) => Self::read_v4(fields).map(Some),
            (false, true) => Self::read_v2(fields).map(Some),
            (true, true) => Err(FormClaimError::TwoMechanisms),
        }
    }

    fn read_v4(fields: &'a FormFields) -> Result<Self, FormClaimError> {
        let [algorithm, credential, date, signature, policy] = all(fields, V4_FIELDS)?;
        if algorithm != ALGORITHM {
            return Err(FormClaimError::UnsupportedAlgorithm { value: Echo::new(algorithm) });
        }
        let credential = Credential::parse(&credential).map_err(|defect| match defect {
            CredentialDefect::Shape => FormClaimError::MalformedCredential,
            CredentialDefect::Date(value) => FormClaimError::MalformedCredentialDate { value },
        })?;
        if credential.access_key_id.is_empty() {
            return Err(FormClaimError::EmptyAccessKeyId);
        }
        let Some(date) = AmzDate::parse(&date) else {
            return Err(FormClaimError::MalformedDate { value: Echo::new(date) });
        };
        let version = Version::V4 { credential, date };
        Ok(Self { fields, version, policy, signature })
    }

    fn read_v2(fields: &'a FormFields) -> Result<Self, FormClaimError> {
        let [access_key_id, signature, policy] = all(fields, V2_FIELDS)?;
        Ok(Self { fields, version: Version::V2 { access_key_id }, policy, signature })
    }

    pub(super) fn mechanism(&self) -> Mechanism {
        match self.version {
            Version::V4 { .. } => Mechanism::V4Form,
            Version::V2 { .. } => Mechanism::V2Form,
        }
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.signature.as_bytes()
    }

    pub(super) fn access_key_id(&self) -> &str {
        match &self.version {
            Version::V4 { credential, date: _ } => &credential.access_key_id,
            Version::V2 { access_key_id } => access_key_id,
        }
    }

    pub(super) fn scope(&self) -> Option<&CredentialScope<'a>> {
        match &self.version {
            Version::V4 { credential, date: _ } => Some(&credential.scope),
            Version::V2 { .. } => None,
        }
    }

    /// By place alone: how long a form lives is said by its policy, and no clock is compared with its
    /// date (semantics 1.6.2a).
    pub(super) fn check(&self, expected: &ExpectedScope<'_>) -> Result<(), VerifyError> {
        match (&self.version, expected.sigv2) {
            (Version::V4 { credential, date }, _) => {
                check_scope(self.mechanism(), credential, *date, expected)
            }
            (Version::V2 { .. }, SigV2Use::Allow) => Ok(()),
            (Version::V2 { .. }, SigV2Use::Deny) => Err(VerifyError::SigV2Denied),
        }
    }

    /// A field that repeats itself says one thing still; its policy is another matter
    /// (semantics 3.3.7).
    pub(super) fn session_token(&self) -> TokenClaim<'_> {
        let mut tokens = self.fields.values("x-amz-security-token");
        match tokens.next() {
            None => TokenClaim::Absent,
            Some(token) if tokens.all(|other| other == token) => {
                TokenClaim::Present(Cow::Borrowed(token.as_bytes()))
            }
            Some(_) => TokenClaim::Conflicting,
        }
    }

    pub(super) fn verify(self, key: &VerifyingKey) -> Result<VerifiedSignature, SignatureMismatch> {
        let policy = self.policy.as_bytes();
        let computed = match (&self.version, &key.0) {
            (Version::V4 { .. }, KeyKind::V4(key)) => Some(key.signature(policy)),
            (Version::V2 { .. }, KeyKind::V2(secret)) => Some(sigv2::signature(secret, policy)),
            (Version::V4 { .. }, KeyKind::V2(_)) | (Version::V2 { .. }, KeyKind::V4(_)) => None,
        };
        let proven = computed.and_then(|computed| {
            let provided = self.signature.as_bytes();
            Proof { computed: computed.as_bytes(), provided }.check()
        });
        match proven {
            Some(proven) => Ok(proven.signature_of(self.into_facts())),
            None => Err(SignatureMismatch {
                access_key_id: self.access_key_id().to_owned(),
                string_to_sign: self.policy.into_owned(),
                signature_provided: self.signature.into_owned(),
                canonical_request: None,
            }),
        }
    }

    fn into_facts(self) -> SignatureFacts {
        let signed_at = match &self.version {
            Version::V4 { credential: _, date } => Some(date.timestamp()),
            Version::V2 { .. } => None,
        };
        SignatureFacts {
            access_key_id: self.access_key_id().to_owned(),
            mechanism: self.mechanism(),
            payload: Payload::Unsigned,
            signed_at,
            expires_at: None,
            chunk_context: None,
            post_policy: Some(self.policy.into_owned()),
        }
    }
}

/// All of the fields, or the first that is not there.
fn all<'a, const N: usize>(
    fields: &'a FormFields,
    names: [&'static str; N],
) -> Result<[Cow<'a, str>; N], FormClaimError> {
    let missing = names.into_iter().find(|name| !fields.has(name));
    if let Some(name) = missing {
        return Err(FormClaimError::MissingField { name });
    }
    Ok(names.map(|name| fields.get(name).unwrap_or_default()))
}
