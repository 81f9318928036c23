//! A cache of opened sessions. To open a token costs as much as the rest of a verification.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use iam::Session;

/// The most memory for cached sessions, in bytes, approximately. A session is cached with everything that its
/// token contains.
const SESSIONS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The overhead of a cached session in bytes: the hash of its token, and its entry in the map.
const SESSION_ENTRY_BYTES: usize = 256;

/// Opened sessions by the SHA-256 of their token. The token itself is not stored.
#[derive(Debug, Default)]
pub(super) struct Sessions(RwLock<Opened>);

#[derive(Debug, Default)]
struct Opened {
    sessions: HashMap<String, Arc<Session>>,
    weight_bytes: usize,
}

impl Sessions {
    pub(super) fn get(&self, token: &[u8]) -> Option<Arc<Session>> {
        self.0.read().ok()?.sessions.get(&presign::payload_hash(token)).cloned()
    }

    pub(super) fn put(&self, token: &[u8], session: &Arc<Session>) {
        let Ok(mut opened) = self.0.write() else { return };
        let weight = session.weight_bytes().saturating_add(SESSION_ENTRY_BYTES);
        if opened.weight_bytes.saturating_add(weight) > SESSIONS_BYTES_MAX {
            *opened = Opened::default();
        }
        if opened.sessions.insert(presign::payload_hash(token), Arc::clone(session)).is_none() {
            opened.weight_bytes = opened.weight_bytes.saturating_add(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use iam::{AccountId, Policy, SessionPrincipal};
    use jiff::Timestamp;
    use presign::SecretAccessKey;

    use super::*;

    /// Whoever opens sessions all day keeps no more than the bound, whatever stands in them.
    #[test]
    fn opened_sessions_are_bounded_by_what_they_weigh() {
        let patterns = "*?".repeat(2500);
        let policy = Policy::parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*",
                "Condition":{{"StringLike":{{"aws:UserAgent":"{patterns}"}}}}}}}}"#
        ))
        .unwrap();
        let heavy = Arc::new(Session {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret: SecretAccessKey::new("secret".to_owned()),
            principal: SessionPrincipal::User {
                account: AccountId::parse("111122223333").unwrap(),
                user_id: "AIDA2222222222222222A".to_owned(),
            },
            issued_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            policies: Some(vec![Arc::new(policy)]),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            federated_provider: None,
        });
        let sessions = Sessions::default();
        let bytes = |sessions: &Sessions| {
            let opened = sessions.0.read().unwrap();
            let bytes: usize = opened.sessions.values().map(|session| session.weight_bytes()).sum();
            assert!(opened.weight_bytes >= bytes, "{} of {bytes}", opened.weight_bytes);
            opened.weight_bytes
        };
        let mut most = 0;
        for n in 0..5000_u32 {
            sessions.put(&n.to_be_bytes(), &heavy);
            assert!(sessions.get(&n.to_be_bytes()).is_some());
            most = most.max(sessions.0.read().unwrap().weight_bytes);
        }
        assert!(bytes(&sessions) <= SESSIONS_BYTES_MAX && most <= SESSIONS_BYTES_MAX, "{most}");
        assert!(most > SESSIONS_BYTES_MAX / 2, "the room is used: {most}");
    }
}
