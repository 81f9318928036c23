//! Who signs: an access key id, its secret, and the token of a temporary session.

use std::fmt;

use zeroize::Zeroizing;

/// The secret half of an access key. Wiped from memory on drop, never printed.
#[derive(Clone)]
pub struct SecretAccessKey(Zeroizing<String>);

impl SecretAccessKey {
    /// Takes the secret's text as it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself. Whoever calls this must not print or keep it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretAccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretAccessKey(..)")
    }
}

/// The token of a temporary session. Wiped from memory on drop, never printed.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// Takes the token's text as it is.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Zeroizing::new(token.into()))
    }

    /// The token itself. Whoever calls this must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionToken(..)")
    }
}

/// An access key, long-term or of a temporary session, to sign with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The id of the key, which every signed request names. It is no secret.
    pub access_key_id: String,
    /// The secret of the key, which is never sent.
    pub secret_access_key: SecretAccessKey,
    /// The token of the session, where the credentials are temporary: it is sent along, also in links.
    pub session_token: Option<SessionToken>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_secret() {
        let credentials = Credentials {
            access_key_id: "AKID".into(),
            secret_access_key: SecretAccessKey::new("hidden"),
            session_token: Some(SessionToken::new("hidden")),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("hidden"), "{shown}");
    }
}
