//! A cache of derived signing keys. To derive one costs as much as the rest of a verification.

use std::collections::HashMap;
use std::sync::RwLock;

use jiff::Timestamp;
use presign::{AdmissibleClaim, CredentialScope, SecretAccessKey, VerifyingKey};

/// The most access keys whose derived keys are cached.
const ACCESS_KEYS_MAX: usize = 4096;
/// The most derived keys of one access key. The links of a week may be from eight days; this is twice as many.
const SCOPES_MAX: usize = 16;

/// A derived key, and everything that it was derived from.
#[derive(Debug)]
struct DerivedKey {
    /// When the access key was created. A key that was deleted and created again is another one.
    made_at: Timestamp,
    /// Day, region and service; `None` for SigV2, which uses the secret itself.
    scope: Option<CredentialScope<'static>>,
    key: VerifyingKey,
}

/// The cached keys, by access key id.
#[derive(Debug, Default)]
pub(super) struct DerivedKeys(RwLock<HashMap<String, Vec<DerivedKey>>>);

/// A secret, and what tells its key from others that had the same id before.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyOf<'k> {
    pub(super) id: &'k str,
    pub(super) made_at: Timestamp,
    pub(super) secret: &'k SecretAccessKey,
}

impl DerivedKeys {
    /// The derived key, from the cache if possible.
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
