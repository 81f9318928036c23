//! Settings that hold a secret: wherever something is wrong with them, they are not repeated.

use std::fmt;

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;
use server::SmtpUrl;

use super::Settings;

/// A setting that is printed nowhere.
#[derive(Clone, Deserialize)]
pub(super) struct SecretText(String);

impl SecretText {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn smtp_url(&self) -> Result<SmtpUrl> {
        SmtpUrl::parse(&self.0).context("smtp-url")
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Reads the settings of a file.
pub(super) fn parse_file(text: &str) -> Result<Settings> {
    toml::from_str(text).map_err(|error| {
        if !text.contains("smtp-url") {
            return error.into();
        }
        // The error shows the line where it is, and that one may hold a password.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(0, |before| before.matches('\n').count()).saturating_add(1);
        anyhow!("line {line}: {}", error.message())
    })
}
