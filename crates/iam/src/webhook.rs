//! Signatures of what a server posts to others: HMAC-SHA256 under a secret that the receiver knows as well.

use std::fmt::{self, Write as _};

use zeroize::Zeroizing;

use crate::seal::hmac;

/// What every secret begins with, so that it is known for what it is.
const PREFIX: &str = "whsec_";

/// Makes the secrets of a master key: one for each name, always the same.
pub struct WebhookSecrets(Zeroizing<[u8; 32]>);

impl WebhookSecrets {
    pub(crate) fn under(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The secret of a name, which is a list of texts without NUL.
    pub fn secret(&self, name: &[&str]) -> WebhookSecret {
        let mac = hmac(self.0.as_slice(), &[name.join("\0").as_bytes()]);
        let mut text = Zeroizing::new(PREFIX.to_owned());
        text.push_str(&hex(mac.as_slice()));
        WebhookSecret(text)
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecrets(..)")
    }
}

/// A secret that signs what is posted. Wiped on drop, never printed.
pub struct WebhookSecret(Zeroizing<String>);

impl WebhookSecret {
    /// The secret itself, for whoever may have it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value of the header `x-valet-signature`: `t=<seconds since 1970>,v1=<hex of the HMAC of "<t>.<body>">`.
    /// The key is the text of the secret, with its prefix.
    pub fn sign(&self, seconds: i64, body: &[u8]) -> String {
        let mac = hmac(self.0.as_bytes(), &[seconds.to_string().as_bytes(), b".", body]);
        format!("t={seconds},v1={}", hex(mac.as_slice()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::MasterKey;

    /// Computed by Python's `hmac` and `hashlib`, from the key of 32 bytes 7.
    #[test]
    fn secrets_and_signatures_are_those_that_others_compute() {
        let secrets = MasterKey::from_bytes([7; 32]).webhook_secrets();
        let secret = secrets.secret(&["000000000000", "user", "AIDAEXAMPLE"]);
        assert_eq!(secret.expose(), SECRET);
        assert_eq!(secret.sign(1_781_524_800, br#"{"event":"first-use"}"#), SIGNATURE);
        let other = secrets.secret(&["000000000000", "role", "AIDAEXAMPLE"]);
        assert_ne!(other.expose(), secret.expose());
        assert_eq!(format!("{secrets:?} {secret:?}"), "WebhookSecrets(..) WebhookSecret(..)");
    }

    const SECRET: &str = "whsec_65bee5395502060674d456920bc263acc7f484ef3eb9aec6eb33d932d12fec58";
    const SIGNATURE: &str =
        "t=1781524800,v1=f8f050729a57f61d5a11157ceec3d53b05cc598407c7da9b3cd831ddd52a0dce";
}
