//! Temporary credentials, sealed into their token: any node opens it, and nobody else can make one.
//!
//! ```text
//! token  = base64("VALET" | version (1) | expires (8, seconds, big-endian) | sealed)
//! sealed = the envelope of `seal.rs` around the JSON of the session; the 14 bytes before it are its
//!          associated data
//! ```
//!
//! The token of a root's session, or of a federated user's whom a root vouched for, also bears a mark of the key
//! that opened it: a root has no id that is never given twice.
//!
//! ```text
//! mark = HMAC-SHA256(sub-key "key mark", account (12 digits) | key id | 00 | made | secret)
//! made = 00, of a key that is given from outside at each start, or 01 | milliseconds since 1970 (8, big-endian)
//! ```
//!
//! So whoever holds a token can read when it ends, and nobody can change that.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use presign::SecretAccessKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::seal::{Marker, MasterKey, NONCE_BYTES, Purpose, Sealer};
use crate::{AccountId, Policy};

/// Bytes of the random source that [`SessionKey::from_random`] takes.
pub const SESSION_KEY_RANDOM_BYTES: usize = 56;
/// Characters of the longest token that is opened: it has to travel in headers and in links.
pub const TOKEN_CHARS_MAX: usize = 32 * 1024;

const MAGIC: &[u8] = b"VALET\x01";
const CLEAR_BYTES: usize = MAGIC.len() + 8;
const RECORD_VERSION: u8 = 1;
const MARK_BYTES: usize = 32;
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The access key of a session: its id and its secret.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// The id of the session's access key, `ASIA…`.
    pub access_key_id: String,
    /// The secret that the session signs with; never printed.
    pub secret: SecretAccessKey,
}

impl SessionKey {
    /// A key of 16 and 40 characters, out of 56 bytes of a good random source.
    pub fn from_random(random: &[u8; SESSION_KEY_RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(16);
        let letters = |bytes: &[u8], alphabet: &[u8]| -> String {
            bytes.iter().map(|byte| letter(alphabet, *byte)).collect()
        };
        Self {
            access_key_id: format!("ASIA{}", letters(id, ID_ALPHABET)),
            secret: SecretAccessKey::new(letters(secret, SECRET_ALPHABET)),
        }
    }
}

fn letter(alphabet: &[u8], byte: u8) -> char {
    let index = usize::from(byte).checked_rem(alphabet.len());
    index.and_then(|index| alphabet.get(index)).map_or('A', |&letter| char::from(letter))
}

/// Temporary credentials and all that goes with them.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id of the session's access key, `ASIA…`.
    pub access_key_id: String,
    /// The secret that the session signs with; never printed.
    pub secret: SecretAccessKey,
    /// Whose session it is: by ids that are never given twice, so that it dies with its issuer and
    /// sees names and policies as they are.
    pub principal: SessionPrincipal,
    /// When the session was opened, in whole seconds.
    pub issued_at: Timestamp,
    /// When the session ends, in whole seconds: from this second on nothing signed by it is accepted.
    pub expires_at: Timestamp,
    /// The session policies, which restrict what the identity may do and give nothing; `None`: the session was
    /// opened without.
    pub policies: Option<Vec<Arc<Policy>>>,
    /// The tags of the session: pairs of key and value.
    pub tags: Vec<(String, String)>,
    /// The keys of those tags that the next session in a chain inherits.
    pub transitive_tags: Vec<String>,
    /// Who began the chain, as it was said then; it cannot be changed.
    pub source_identity: Option<String>,
    /// The identity provider, where a web identity opened it.
    pub federated_provider: Option<String>,
}

/// The long-term key that opened a session, by its making: a key of the same id that was made anew, or
/// that has another secret, is another.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedBy {
    /// The id of the long-term key, `AKIA…`.
    pub access_key_id: String,
    mark: [u8; MARK_BYTES],
}

impl OpenedBy {
    /// The mark as text, to be kept in a record.
    pub fn mark_text(&self) -> String {
        STANDARD.encode(self.mark)
    }

    /// A key by its id and the text of its mark; `None`: the text is none of a mark.
    pub fn of_mark_text(access_key_id: &str, mark: &str) -> Option<Self> {
        let mark = STANDARD.decode(mark).ok()?.try_into().ok()?;
        Some(Self { access_key_id: access_key_id.to_owned(), mark })
    }
}

impl fmt::Debug for OpenedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedBy({})", self.access_key_id)
    }
}

/// A key of a root, to be marked.
#[derive(Clone, Copy, Debug)]
pub struct RootKeyMaking<'k> {
    /// The account to whose root the key belongs.
    pub account: &'k AccountId,
    /// The id of the root's key, `AKIA…`.
    pub access_key_id: &'k str,
    /// When the key was made; `None`: the environment gives it at each start.
    pub made_at: Option<Timestamp>,
    /// The secret of the key, which enters the mark.
    pub secret: &'k SecretAccessKey,
}

/// The identity that a session acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPrincipal {
    /// The root of an account (`GetSessionToken`).
    Root {
        /// The id of the account.
        account: AccountId,
        /// The root's key that opened the session. When that key is deleted or replaced, the session ends.
        opened_by: OpenedBy,
    },
    /// A user, in a session of its own (`GetSessionToken`).
    User {
        /// The id of the account.
        account: AccountId,
        /// The unique id of the user, `AIDA…`.
        user_id: String,
    },
    /// A role that the caller assumed (`AssumeRole`, `AssumeRoleWithWebIdentity`).
    AssumedRole {
        /// The account of the role.
        account: AccountId,
        /// The unique id of the role, `AROA…`.
        role_id: String,
        /// The name that the caller gave to the session.
        session_name: String,
    },
    /// Somebody whom a user or root vouched for (`GetFederationToken`).
    Federated {
        /// The account of the issuer.
        account: AccountId,
        /// The name that the issuer gave to the federated user.
        name: String,
        /// The user or root that called `GetFederationToken`.
        issuer: Issuer,
    },
}

/// The identity that vouched for a federated user, and with which the session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// A user of the account.
    User {
        /// The unique id of the user, `AIDA…`.
        id: String,
    },
    /// The root of the account, by one of its keys.
    Root {
        /// The root's key that called. When that key is deleted or replaced, the session ends.
        opened_by: OpenedBy,
    },
}

impl Session {
    /// The account that the session acts in.
    pub fn account(&self) -> &AccountId {
        match &self.principal {
            SessionPrincipal::Root { account, .. }
            | SessionPrincipal::User { account, .. }
            | SessionPrincipal::AssumedRole { account, .. }
            | SessionPrincipal::Federated { account, .. } => account,
        }
    }
}

impl Session {
    /// The root's key that opened the session, with which the session ends. `None` for sessions of users and roles,
    /// which end with their unique id.
    pub fn opened_by(&self) -> Option<&OpenedBy> {
        match &self.principal {
            SessionPrincipal::Root { opened_by, .. }
            | SessionPrincipal::Federated { issuer: Issuer::Root { opened_by }, .. } => {
                Some(opened_by)
            }
            SessionPrincipal::User { .. }
            | SessionPrincipal::AssumedRole { .. }
            | SessionPrincipal::Federated { issuer: Issuer::User { .. }, .. } => None,
        }
    }

    /// How much memory it takes, in bytes, about: its policies compiled, its tags, every text.
    pub fn weight_bytes(&self) -> usize {
        const TEXT_BYTES: usize = 64;
        // Ids, names and the secret, which are short.
        const NAMES_BYTES: usize = 512;
        let texts = self.tags.iter().flat_map(|(key, value)| [key, value]);
        let texts = texts.chain(&self.transitive_tags).chain(&self.source_identity);
        let texts = texts.chain(&self.federated_provider);
        let texts: usize = texts.map(|text| text.len().saturating_add(TEXT_BYTES)).sum();
        let policies = self.policies.iter().flatten();
        let policies: usize = policies.map(|policy| policy.weight_bytes()).sum();
        size_of::<Self>().saturating_add(NAMES_BYTES).saturating_add(texts).saturating_add(policies)
    }
}

/// Seals sessions into tokens and opens them.
#[derive(Clone)]
pub struct SessionSealer(Arc<Keys>);

struct Keys {
    sealer: Sealer,
    marker: Marker,
}

impl SessionSealer {
    /// The sealer of a store's master key.
    pub fn new(master: &MasterKey) -> Self {
        let (sealer, marker) = (master.sealer(Purpose::Session), master.marker());
        Self(Arc::new(Keys { sealer, marker }))
    }

    /// Marks the key of a root, for the sessions that it opens.
    pub fn mark(&self, key: &RootKeyMaking<'_>) -> OpenedBy {
        let RootKeyMaking { account, access_key_id, made_at, secret } = key;
        let made = made_at.map(|at| at.as_millisecond().to_be_bytes());
        let made = made.map_or_else(|| vec![0], |made| [&[1], made.as_slice()].concat());
        let mark = self.0.marker.mark(&[
            account.as_str().as_bytes(),
            access_key_id.as_bytes(),
            &[0],
            &made,
            secret.expose().as_bytes(),
        ]);
        OpenedBy { access_key_id: (*access_key_id).to_owned(), mark }
    }

    /// The token of a session. The nonce is random and used once.
    pub fn seal(&self, session: &Session, nonce: [u8; NONCE_BYTES]) -> String {
        let mut token = clear_part(session.expires_at);
        let record = Zeroizing::new(Record::of(session).to_json());
        let sealed = self.0.sealer.seal(nonce, &record, &token);
        token.extend(sealed);
        STANDARD.encode(token)
    }

    /// The session of a token that this server sealed. Whether it has ended is asked afterwards.
    pub fn open(&self, token: &str) -> Result<Session, TokenError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Malformed);
        }
        let bytes = STANDARD.decode(token).map_err(|_| TokenError::Malformed)?;
        let (clear, sealed) = bytes.split_at_checked(CLEAR_BYTES).ok_or(TokenError::Malformed)?;
        let expires_at = read_clear(clear).ok_or(TokenError::Malformed)?;
        let json = self.0.sealer.open(sealed, clear).map_err(|_| TokenError::NotOurs)?;
        let record: Record = serde_json::from_slice(&json).map_err(|_| TokenError::NotOurs)?;
        record.parse(expires_at).ok_or(TokenError::NotOurs)
    }
}

impl fmt::Debug for SessionSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSealer(..)")
    }
}

/// Why a token opens no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not the shape of a token.
    #[error("not a session token")]
    Malformed,
    /// It was sealed with another key, or changed since.
    #[error("not a session token of this server")]
    NotOurs,
}

/// When the session of a token ends, as anybody who holds it can read; `None`: it is no token of
/// Valet's. Nothing is verified.
pub fn token_expires_at(token: &str) -> Option<Timestamp> {
    // So many characters hold the clear part, and are whole groups.
    let head = token.get(..CLEAR_BYTES.div_ceil(3) * 4)?;
    read_clear(STANDARD.decode(head).ok()?.get(..CLEAR_BYTES)?)
}

fn clear_part(expires_at: Timestamp) -> Vec<u8> {
    let mut clear = MAGIC.to_vec();
    clear.extend(expires_at.as_second().to_be_bytes());
    clear
}

fn read_clear(clear: &[u8]) -> Option<Timestamp> {
    let seconds = clear.strip_prefix(MAGIC)?.try_into().ok()?;
    Timestamp::from_second(i64::from_be_bytes(seconds)).ok()
}

/// The content of a token, as JSON before it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    v: u8,
    key: String,
    secret: Zeroizing<String>,
    account: String,
    kind: Kind,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitive: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Root(OpenerRecord),
    User {
        id: String,
    },
    Role {
        id: String,
        session: String,
    },
    /// By a user of that id, or by the key of a root: one of the two.
    Federated {
        name: String,
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OpenerRecord>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenerRecord {
    key: String,
    mark: String,
}

impl OpenerRecord {
    fn of(opened_by: &OpenedBy) -> Self {
        Self { key: opened_by.access_key_id.clone(), mark: opened_by.mark_text() }
    }

    fn parse(self) -> Option<OpenedBy> {
        OpenedBy::of_mark_text(&self.key, &self.mark)
    }
}

impl Record {
    fn of(session: &Session) -> Self {
        let Session {
            access_key_id,
            secret,
            principal,
            issued_at,
            expires_at: _,
            policies,
            tags,
            transitive_tags,
            source_identity,
            federated_provider,
        } = session;
        let kind = match principal {
            SessionPrincipal::Root { opened_by, .. } => Kind::Root(OpenerRecord::of(opened_by)),
            SessionPrincipal::User { user_id, .. } => Kind::User { id: user_id.clone() },
            SessionPrincipal::AssumedRole { role_id, session_name, .. } => {
                Kind::Role { id: role_id.clone(), session: session_name.clone() }
            }
            SessionPrincipal::Federated { name, issuer, .. } => {
                let (id, by) = match issuer {
                    Issuer::User { id } => (Some(id.clone()), None),
                    Issuer::Root { opened_by } => (None, Some(OpenerRecord::of(opened_by))),
                };
                Kind::Federated { name: name.clone(), id, by }
            }
        };
        let texts = |policies: &Vec<Arc<Policy>>| {
            policies.iter().map(|policy| policy.text().to_owned()).collect()
        };
        Self {
            v: RECORD_VERSION,
            key: access_key_id.clone(),
            secret: Zeroizing::new(secret.expose().to_owned()),
            account: session.account().to_string(),
            kind,
            at: issued_at.as_second(),
            policies: policies.as_ref().map(texts),
            tags: tags.clone(),
            transitive: transitive_tags.clone(),
            source: source_identity.clone(),
            provider: federated_provider.clone(),
        }
    }

    #[expect(clippy::expect_used, reason = "texts, numbers and lists of them are always JSON")]
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record is JSON")
    }

    fn parse(self, expires_at: Timestamp) -> Option<Session> {
        if self.v != RECORD_VERSION {
            return None;
        }
        let account = AccountId::parse(&self.account).ok()?;
        let principal = match self.kind {
            Kind::Root(by) => SessionPrincipal::Root { account, opened_by: by.parse()? },
            Kind::User { id } => SessionPrincipal::User { account, user_id: id },
            Kind::Role { id, session } => {
                SessionPrincipal::AssumedRole { account, role_id: id, session_name: session }
            }
            Kind::Federated { name, id, by } => {
                let issuer = match (id, by) {
                    (Some(id), None) => Issuer::User { id },
                    (None, Some(by)) => Issuer::Root { opened_by: by.parse()? },
                    // A root's of before keys were marked, or of nobody.
                    (None, None) | (Some(_), Some(_)) => return None,
                };
                SessionPrincipal::Federated { account, name, issuer }
            }
        };
        let parse = |text: String| Policy::parse(&text).map(Arc::new).ok();
        let policies = match self.policies {
            None => None,
            Some(texts) => Some(texts.into_iter().map(parse).collect::<Option<Vec<_>>>()?),
        };
        Some(Session {
            access_key_id: self.key,
            secret: SecretAccessKey::new(self.secret.as_str()),
            principal,
            issued_at: Timestamp::from_second(self.at).ok()?,
            expires_at,
            policies,
            tags: self.tags,
            transitive_tags: self.transitive,
            source_identity: self.source,
            federated_provider: self.provider,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let SessionKey { access_key_id, secret } = SessionKey::from_random(&[9; 56]);
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        Session {
            access_key_id,
            secret,
            principal: SessionPrincipal::AssumedRole {
                account: AccountId::parse("123456789012").unwrap(),
                role_id: "AROAEXAMPLE".to_owned(),
                session_name: "s".to_owned(),
            },
            issued_at: "2026-06-15T12:00:00Z".parse().unwrap(),
            expires_at: "2026-06-15T13:00:00Z".parse().unwrap(),
            policies: Some(vec![Arc::new(Policy::parse(text).unwrap())]),
            tags: vec![("team".to_owned(), "a".to_owned())],
            transitive_tags: vec!["team".to_owned()],
            source_identity: Some("ann".to_owned()),
            federated_provider: None,
        }
    }

    fn sealer(byte: u8) -> SessionSealer {
        SessionSealer::new(&MasterKey::from_bytes([byte; 32]))
    }

    #[test]
    fn a_token_opens_to_its_session_and_shows_its_end() {
        let session = session();
        let token = sealer(1).seal(&session, [3; NONCE_BYTES]);
        assert!(token.len() >= 100, "{}", token.len());
        let opened = sealer(1).open(&token).unwrap();
        assert_eq!(opened.access_key_id, session.access_key_id);
        assert_eq!(opened.secret.expose(), session.secret.expose());
        assert_eq!(opened.principal, session.principal);
        assert_eq!((opened.issued_at, opened.expires_at), (session.issued_at, session.expires_at));
        assert_eq!(opened.policies.unwrap()[0].text(), session.policies.unwrap()[0].text());
        assert_eq!((opened.tags, opened.transitive_tags), (session.tags, session.transitive_tags));
        assert_eq!(opened.source_identity, session.source_identity);
        assert_eq!(token_expires_at(&token), Some(session.expires_at));
    }

    #[test]
    fn nothing_else_opens() {
        let token = sealer(1).seal(&session(), [3; NONCE_BYTES]);
        let refused = |token: &str| sealer(1).open(token).map(drop).unwrap_err();
        assert_eq!(sealer(2).open(&token).map(drop), Err(TokenError::NotOurs));
        for bad in ["", "garbage", "FwoGZXIvYXdzEJr//////////wEaDExample", "VkFMRVQB"] {
            assert_eq!(refused(bad), TokenError::Malformed, "{bad}");
        }
        let bytes = STANDARD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let found = refused(&STANDARD.encode(&changed));
            match at {
                0..6 => assert_eq!(found, TokenError::Malformed, "byte {at}"),
                // A time that is out of all reason is not even one.
                6..14 => {}
                _ => assert_eq!(found, TokenError::NotOurs, "byte {at}"),
            }
        }
        for cut in [CLEAR_BYTES, CLEAR_BYTES + 1, bytes.len() - 1] {
            assert!(sealer(1).open(&STANDARD.encode(&bytes[..cut])).is_err(), "{cut}");
        }
    }

    /// The layout is a promise to every link that is under way: this token was made from the drawing
    /// above with another implementation of the cipher.
    #[test]
    fn layout_is_pinned() {
        let token = concat!(
            "VkFMRVQBAAAAAGov91ABncE4XBynhkIHBwcHBwcHBwcHBwcmA6xaX8CPvaQvTqRmYScTPeDeV+885xae",
            "rRV3hG93o/QXRsDY+XcwfgU5XBSHBwXOKH2tGaevsxgfBPvFrZPsGiETNAhodRIZJB/Kyw//xg9CphuP",
            "BIM7CCorgpWgJL6zv1wxfkrksYycAOEyz15u3NwRLIq+dYiFP3fNEXcWmuj0eDtiNMb8PmMzxfnnqER5",
            "/kQcZWUfSkrTunS9Mu4Ryuv68xmNxb/S7OUvZUMLnLh54t5PV/jjiUS7XxVFF2D24z0M5C0+1Jiei+ZF",
            "2dhnJc4rxKQyWYCBubYhreEdMgdiHvi6eOgRYsoa/Oyus/YcoMpOfl6FNRGaPcYcP1HWjA==",
        );
        let master = MasterKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
        let opened = SessionSealer::new(&master).open(token).unwrap();
        assert_eq!(opened.access_key_id, "ASIAEXAMPLEEXAMPLE22");
        assert_eq!(opened.secret.expose(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let principal = SessionPrincipal::AssumedRole {
            account: AccountId::parse("123456789012").unwrap(),
            role_id: "AROAEXAMPLE".to_owned(),
            session_name: "ses".to_owned(),
        };
        assert_eq!(opened.principal, principal);
        assert_eq!(opened.issued_at.to_string(), "2026-06-15T12:00:00Z");
        assert_eq!(opened.expires_at.to_string(), "2026-06-15T13:00:00Z");
        assert!(opened.policies.is_none() && opened.federated_provider.is_none());
        assert_eq!(opened.tags, [("team".to_owned(), "a".to_owned())]);
        assert_eq!(opened.transitive_tags, ["team"]);
        assert_eq!(opened.source_identity.as_deref(), Some("ann"));
        assert_eq!(token_expires_at(token), Some(opened.expires_at));
        assert_eq!(SessionSealer::new(&master).seal(&opened, [7; NONCE_BYTES]), token);
    }

    /// Every kind of principal comes back as it went.
    #[test]
    fn principals() {
        let account = || AccountId::parse("123456789012").unwrap();
        let user_id = || "AIDAEXAMPLE".to_owned();
        let secret = SecretAccessKey::new("s");
        let opened_by = || {
            sealer(1).mark(&RootKeyMaking {
                account: &account(),
                access_key_id: "AKIAEXAMPLE",
                made_at: None,
                secret: &secret,
            })
        };
        for principal in [
            SessionPrincipal::Root { account: account(), opened_by: opened_by() },
            SessionPrincipal::User { account: account(), user_id: user_id() },
            SessionPrincipal::Federated {
                account: account(),
                name: "bob".to_owned(),
                issuer: Issuer::User { id: user_id() },
            },
            SessionPrincipal::Federated {
                account: account(),
                name: "bob".to_owned(),
                issuer: Issuer::Root { opened_by: opened_by() },
            },
        ] {
            // A session that may do nothing is not one that may do everything.
            let session =
                Session { principal: principal.clone(), policies: Some(Vec::new()), ..session() };
            let opened = sealer(1).open(&sealer(1).seal(&session, [3; NONCE_BYTES])).unwrap();
            assert_eq!(opened.principal, principal);
            assert_eq!(opened.policies.map(|policies| policies.len()), Some(0));
        }
    }

    /// What opens the envelope is not yet a session.
    #[test]
    fn records_are_read_strictly() {
        let by = format!(r#"{{"key":"AKIA","mark":"{}"}}"#, STANDARD.encode([1; MARK_BYTES]));
        let record = format!(
            r#"{{"v":1,"key":"ASIA","secret":"s","account":"123456789012","kind":{{"root":{by}}},"at":0}}"#
        );
        let record = record.as_str();
        let open = |record: &str| {
            let master = MasterKey::from_bytes([1; 32]);
            let clear = clear_part("2026-06-15T13:00:00Z".parse().unwrap());
            let sealed =
                master.sealer(Purpose::Session).seal([3; NONCE_BYTES], record.as_bytes(), &clear);
            SessionSealer::new(&master).open(&STANDARD.encode([clear, sealed].concat())).map(drop)
        };
        assert_eq!(open(record), Ok(()));
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("123456789012", "12345678901"),
            ("\"root\"", "\"king\""),
            // A root's session of before its key was marked.
            (&format!("{{\"root\":{by}}}"), "\"root\""),
            (&format!("{{\"root\":{by}}}"), r#"{"federated":{"name":"n","id":null}}"#),
            (
                &format!("{{\"root\":{by}}}"),
                &format!(r#"{{"federated":{{"name":"n","id":"AIDA","by":{by}}}}}"#),
            ),
            ("AQEB", "AQ=="),
            ("\"key\":\"AKIA\"", "\"key\":\"AKIA\",\"more\":1"),
            ("\"at\":0", "\"at\":0,\"more\":1"),
            ("\"at\":0", "\"at\":0,\"at\":0"),
            ("\"at\":0", "\"at\":9223372036854775807"),
            ("\"at\":0", "\"at\":0,\"policies\":[\"{\"]"),
            ("}", "}x"),
        ] {
            assert_eq!(open(&record.replace(from, to)), Err(TokenError::NotOurs), "{to}");
        }
    }

    /// The layout of a mark is a promise to the sessions that bear it.
    #[test]
    fn marks_tell_keys_apart() {
        let of = |account: &str, id: &str, made_ms: Option<i64>, secret: &str, master: u8| {
            let account = AccountId::parse(account).unwrap();
            let made_at = made_ms.map(|ms| Timestamp::from_millisecond(ms).unwrap());
            let secret = SecretAccessKey::new(secret);
            let key =
                RootKeyMaking { account: &account, access_key_id: id, made_at, secret: &secret };
            sealer(master).mark(&key)
        };
        let one = of("123456789012", "AKIA", Some(5), "secret", 1);
        assert_eq!(one, of("123456789012", "AKIA", Some(5), "secret", 1));
        for other in [
            of("123456789013", "AKIA", Some(5), "secret", 1),
            of("123456789012", "AKIB", Some(5), "secret", 1),
            of("123456789012", "AKIA", Some(6), "secret", 1),
            of("123456789012", "AKIA", None, "secret", 1),
            of("123456789012", "AKIA", Some(5), "other", 1),
            of("123456789012", "AKIA", Some(5), "secret", 2),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn another_purpose_is_another_key() {
        let clear = clear_part("2026-06-15T13:00:00Z".parse().unwrap());
        let master = MasterKey::from_bytes([1; 32]);
        for purpose in [Purpose::AccessKey, Purpose::BlobKey] {
            let json = Record::of(&session()).to_json();
            let sealed = master.sealer(purpose).seal([3; NONCE_BYTES], &json, &clear);
            let token = STANDARD.encode([clear.as_slice(), &sealed].concat());
            assert_eq!(sealer(1).open(&token).map(drop), Err(TokenError::NotOurs), "{purpose:?}");
        }
    }

    /// A token has one spelling: no other letters, white space, padding or loose bits.
    #[test]
    fn a_token_has_one_spelling() {
        let token = sealer(1).seal(&session(), [3; NONCE_BYTES]);
        let refused = |token: &str| {
            assert!(sealer(1).open(token).is_err(), "{token}");
        };
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            refused(&changed);
        }
        for cut in 0..token.len() {
            refused(token.split_at(cut).0);
        }
        for changed in [format!("{token} "), format!("{token}="), format!("{token}\n")] {
            refused(&changed);
        }
        let long = "A".repeat(TOKEN_CHARS_MAX + 1);
        assert_eq!(sealer(1).open(&long).map(drop), Err(TokenError::Malformed));
    }

    #[test]
    fn the_end_is_read_from_tokens_of_valet_only() {
        for other in ["", "x", "FwoGZXIvYXdzEJr//////////wEaDExample", "IQoJb3JpZ2luX2VjEJT"] {
            assert_eq!(token_expires_at(other), None, "{other}");
        }
    }

    #[test]
    fn prints_no_secret() {
        let session = session();
        assert!(!format!("{session:?}").contains(session.secret.expose()));
        assert_eq!(format!("{:?}", sealer(1)), "SessionSealer(..)");
    }
}
