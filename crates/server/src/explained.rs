//! What is said of a link, as the API writes it and `valet explain` reads and writes it: one shape for both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presign::{Explanation, LinkVerdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An explanation of a link, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedLink {
    /// Whether it works.
    pub works: ExplainedVerdict,
    /// What would have to be known to tell, for instance `secret`.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Why it does not work, the likeliest first.
    #[serde(default)]
    pub causes: Vec<ExplainedCause>,
    /// What it allows; `None` where the text is not readable as a link.
    pub allows: Option<ExplainedGrant>,
    /// What whoever has it may choose.
    #[serde(default)]
    pub unsigned: Vec<String>,
    /// What is worth knowing of it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Its conditions, by the names of their parameters.
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
    /// The name of its signature; `None` where it has none.
    pub fingerprint: Option<String>,
}

/// Whether a link works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExplainedVerdict {
    /// Nothing that was asked speaks against it.
    Yes,
    /// It does not.
    No,
    /// That cannot be told without what is missing.
    Unknown,
}

/// One reason why a link does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedCause {
    /// The kind of the reason, for programs.
    pub code: String,
    /// What is wrong, for people.
    pub text: String,
    /// What mends it, for people.
    pub mend: String,
}

/// What a link is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedGrant {
    /// Method and operation in words.
    pub operation: String,
    /// The method, where it is known.
    pub method: Option<String>,
    /// The bucket that it names.
    pub bucket: String,
    /// The key that it names; empty for an operation on a bucket.
    pub key: String,
    /// The access key id that is claimed to have signed it.
    pub signer: String,
    /// The region it is signed for; `None` for SigV2.
    pub region: Option<String>,
    /// The first second in which it works, RFC 3339.
    pub from: Option<String>,
    /// The last second in which it works, RFC 3339.
    pub until: Option<String>,
    /// What ends it then, for instance `requested`.
    pub limited_by: Vec<String>,
}

impl From<&Explanation> for ExplainedLink {
    fn from(explanation: &Explanation) -> Self {
        let text = |text: &str| text.to_owned();
        let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let causes = explanation.causes.iter().map(|cause| ExplainedCause {
            code: text(cause.code.as_str()),
            text: cause.text.clone(),
            mend: cause.mend.clone(),
        });
        let allows = explanation.allows.as_ref().map(|grant| ExplainedGrant {
            operation: grant.operation.clone(),
            method: grant.method.clone(),
            bucket: grant.bucket.clone(),
            key: grant.key.clone(),
            signer: grant.signer.clone(),
            region: grant.region.clone(),
            from: grant.from.map(time),
            until: grant.until.map(time),
            limited_by: grant.limited_by.iter().map(|limit| text(limit.as_str())).collect(),
        });
        let conditions = explanation.conditions.parameters().into_iter();
        Self {
            works: ExplainedVerdict::of(explanation.works),
            missing: explanation.missing.iter().map(|fact| text(fact.as_str())).collect(),
            causes: causes.collect(),
            allows,
            unsigned: explanation.unsigned.iter().map(presign::LinkFreedom::text).collect(),
            notes: explanation.notes.iter().map(|note| text(&note.text())).collect(),
            conditions: conditions.map(|(name, value)| (text(name), value)).collect(),
            fingerprint: explanation.fingerprint.map(|fingerprint| fingerprint.to_string()),
        }
    }
}

impl ExplainedVerdict {
    fn of(verdict: LinkVerdict) -> Self {
        match verdict {
            LinkVerdict::Works => Self::Yes,
            LinkVerdict::Fails => Self::No,
            // A verdict that is not known here is none.
            LinkVerdict::Unknown | _ => Self::Unknown,
        }
    }
}
