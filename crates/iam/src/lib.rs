//! Who may do what: principals, policies and the decision; and the envelope that keeps secrets sealed.
//!
//! Pure: no clock, I/O, randomness or environment. Keys and nonces come in as arguments.

mod account;
mod action;
mod arn;
mod condition;
mod evaluate;
mod fold;
mod horizon;
mod json;
mod pattern;
mod policy;
mod principal;
mod rebind;
mod seal;
mod session;
mod text_position;
mod unknown;
mod validate;
mod webhook;
mod work;

pub use account::{AccountId, AccountIdError};
pub use evaluate::{
    AccessRequest, Cause, Context, Decision, NamedPolicy, PolicyKind, PolicySet, Values, evaluate,
    evaluate_trust,
};
pub use fold::fold_case;
pub use horizon::{
    HoldsUntil, LinkLife, PolicyLimit, Verdict, foresee, foresee_allowed, unknown_keys,
};
pub use policy::{POLICY_BYTES_MAX, Policy, PolicyError};
pub use principal::{CLOUDFRONT_SERVICE, Principal};
pub use seal::{
    CustomerKey, CustomerSealers, MasterKey, MasterKeyId, NONCE_BYTES, Purpose, RECORD_SEAL_BYTES,
    RecordField, RecordSealer, SEALED_OVERHEAD_BYTES, Sealer, UnsealError,
};
pub use session::{
    Issuer, OpenedBy, RootKeyMaking, SESSION_KEY_RANDOM_BYTES, Session, SessionKey,
    SessionPrincipal, SessionSealer, TOKEN_CHARS_MAX, TokenError, token_expires_at,
};
pub use text_position::TextPosition;
pub use validate::{BUCKET_POLICY_BYTES_MAX, DocumentFault, PolicyFault, s3_action_has_key};
pub use webhook::{WebhookSecret, WebhookSecrets};
pub use work::{DECISION_STEPS_MAX, REQUEST_STEPS_MAX, VALUE_BYTES_MAX, Work};
