//! Makes signed URLs and signed cookies.

use super::encoding::encode;
use super::key::{CloudFrontHash, CloudFrontPrivateKey};
use super::policy::CloudFrontPolicy;

/// Whose bytes are made: signers differ in the order of conditions and of parameters, which no verifier minds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloudFrontStyle {
    /// The AWS CLI, and botocore under it.
    #[default]
    Cli,
    /// `@aws-sdk/cloudfront-signer`.
    JavaScript,
}

/// One cookie that a viewer must send.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudFrontCookie {
    /// The name, such as `CloudFront-Policy`.
    pub name: &'static str,
    /// The value. Together with the others it opens what the policy says.
    pub value: String,
}

impl std::fmt::Debug for CloudFrontCookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CloudFrontCookie").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Signs with one key, which the distribution knows by an id.
#[derive(Debug)]
pub struct CloudFrontSigner {
    key_pair_id: String,
    key: CloudFrontPrivateKey,
    hash: CloudFrontHash,
    style: CloudFrontStyle,
}

/// The parameters of a signature, in the order in which they are written.
type Parameters = Vec<(&'static str, String)>;

impl CloudFrontSigner {
    /// Signs over SHA-1, as every verifier takes it, in the style of the AWS CLI.
    pub fn new(key_pair_id: impl Into<String>, key: CloudFrontPrivateKey) -> Self {
        let (hash, style) = (CloudFrontHash::default(), CloudFrontStyle::default());
        Self { key_pair_id: key_pair_id.into(), key, hash, style }
    }

    /// Signs over this hash.
    #[must_use]
    pub fn with_hash(self, hash: CloudFrontHash) -> Self {
        Self { hash, ..self }
    }

    /// Makes the bytes of this signer.
    #[must_use]
    pub fn with_style(self, style: CloudFrontStyle) -> Self {
        Self { style, ..self }
    }

    /// The URL with what opens it. Where the policy says no more than a canned one can, it is not sent: then its resource
    /// must be this URL. `None`: the key cannot sign.
    pub fn sign_url(&self, url: &str, policy: &CloudFrontPolicy) -> Option<String> {
        let first = policy.is_canned().then(|| ("Expires", policy.epoch().to_string()));
        self.sign_url_by(url, &policy.to_json(self.style), first)
    }

    /// The URL with a policy that somebody else has written, and that is sent.
    pub fn sign_url_with_text(&self, url: &str, policy: &str) -> Option<String> {
        self.sign_url_by(url, policy, None)
    }

    /// The cookies that open what the policy says. `None`: the key cannot sign.
    pub fn sign_cookies(&self, policy: &CloudFrontPolicy) -> Option<Vec<CloudFrontCookie>> {
        let first = policy.is_canned().then(|| ("Expires", policy.epoch().to_string()));
        self.sign_cookies_by(&policy.to_json(self.style), first)
    }

    /// The cookies of a policy that somebody else has written, and that is sent.
    pub fn sign_cookies_with_text(&self, policy: &str) -> Option<Vec<CloudFrontCookie>> {
        self.sign_cookies_by(policy, None)
    }

    /// The token that stands in a path in front of what a policy opens, for players that lose the query:
    /// `~Policy~Signature~Key-Pair-Id`, with `~SHA256` behind if that is the hash. Only Valet knows it. `None`: the key cannot
    /// sign.
    pub fn path_token(&self, policy: &str) -> Option<String> {
        let values = self.parameters(policy, None)?;
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| format!("~{value}")).unwrap_or_default()
        };
        Some(["Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"].map(value).concat())
    }

    fn sign_cookies_by(
        &self,
        policy: &str,
        first: Option<(&'static str, String)>,
    ) -> Option<Vec<CloudFrontCookie>> {
        let cookies = self.parameters(policy, first)?.into_iter().map(|(name, value)| {
            let name = match name {
                "Expires" => "CloudFront-Expires",
                "Policy" => "CloudFront-Policy",
                "Signature" => "CloudFront-Signature",
                "Key-Pair-Id" => "CloudFront-Key-Pair-Id",
                _ => "CloudFront-Hash-Algorithm",
            };
            CloudFrontCookie { name, value }
        });
        Some(cookies.collect())
    }

    fn sign_url_by(
        &self,
        url: &str,
        policy: &str,
        first: Option<(&'static str, String)>,
    ) -> Option<String> {
        let mut signed = String::from(url);
        let mut before = if url.contains('?') { '&' } else { '?' };
        for (name, value) in self.parameters(policy, first)? {
            signed.push(before);
            signed.push_str(name);
            signed.push('=');
            signed.push_str(&value);
            before = '&';
        }
        Some(signed)
    }

    fn parameters(
        &self,
        policy: &str,
        first: Option<(&'static str, String)>,
    ) -> Option<Parameters> {
        let signature = encode(&self.key.sign(policy.as_bytes(), self.hash)?);
        let first = first.unwrap_or_else(|| ("Policy", encode(policy.as_bytes())));
        let signature = ("Signature", signature);
        let key = ("Key-Pair-Id", self.key_pair_id.clone());
        let mut parameters = match self.style {
            CloudFrontStyle::Cli => vec![first, signature, key],
            CloudFrontStyle::JavaScript => vec![first, key, signature],
        };
        if self.hash != CloudFrontHash::default() {
            parameters.push(("Hash-Algorithm", self.hash.name().to_owned()));
        }
        Some(parameters)
    }
}
