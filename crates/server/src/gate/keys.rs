//! Derived keys, kept: deriving one costs as much as the rest of a verification.

use std::collections::HashMap;
use std::sync::RwLock;

use jiff::Timestamp;
use presign::{AdmissibleClaim, CredentialScope, SecretAccessKey, VerifyingKey};

/// Access keys whose derived keys are kept.
const ACCESS_KEYS_MAX: usize = 4096;
/// Derived keys kept of one access key: links of a week have eight days, and as many again.
const SCOPES_MAX: usize = 16;

/// A key derived from a secret, and all it was derived from.
#[derive(Debug)]
struct DerivedKey {
    /// A key that was deleted and made again is another one.
    made_at: Timestamp,
    /// Day, region and service; none for SigV2, which uses the secret as it is.
    scope: Option<CredentialScope<'static>>,
    key: VerifyingKey,
}

/// By access key id.
#[derive(Debug, Default)]
pub(super) struct DerivedKeys(RwLock<HashMap<String, Vec<DerivedKey>>>);

/// A secret, and which of the keys that ever had its id it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyOf<'k> {
    pub(super) id: &'k str,
    pub(super) made_at: Timestamp,
    pub(super) secret: &'k SecretAccessKey,
}

impl DerivedKeys {
    /// The derived key, from the cache if it is there.
    pub(super) fn get(&self, claim: &AdmissibleClaim<'_>, of: KeyOf<'_>) -> VerifyingKey {
        let scope = claim.key_scope();
        if let Ok(keys) = self.0.read()
            && let Some(of_id) = keys.get(of.id)
            && let Some(known) = of_id
                .iter()
                .find(|known| known.made_at == of.made_at && known.scope.as_ref() == scope)
        {
            return known.key.clone();
        }
        let derived = VerifyingKey::derive(claim, of.secret);
        let scope = scope.map(|scope| scope.clone().into_owned());
        if let Ok(mut keys) = self.0.write() {
            if keys.len() >= ACCESS_KEYS_MAX {
                keys.clear();
            }
            let of_id = keys.entry(of.id.to_owned()).or_default();
            of_id.truncate(SCOPES_MAX - 1);
            of_id.insert(0, DerivedKey { made_at: of.made_at, scope, key: derived.clone() });
        }
        derived
    }
}
