//! Managed links as the API shows them.

use std::num::NonZeroU64;

use ledger::{LinkEntry, RecordedLink};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use store::{FileLimits, Landing, LinkPurpose, ManagedLink, Notice, NoticeState};

use super::state::LinkState;
use super::wanted::ranges;
use crate::api::error::ApiError;
use crate::api::link_rights::{own_name, owns};
use crate::api::uses::{ShownTotals, ShownUse};
use crate::error::refusal;
use crate::gate::{StoreAccess, iso_time};
use crate::link_ledger::kind;
use crate::origin::OWN_PREFIX;

/// A managed link as it is shown.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the document has a member for each")]
pub(crate) struct ShownLink {
    /// Names the link without giving it.
    fingerprint: String,
    /// The id, for whoever made the link or could make one like it: whoever has it has the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The short link, or the presigned URL of a link that was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    kind: &'static str,
    state: &'static str,
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    inline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    created_at: String,
    /// Who made the link.
    signer: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<NonZeroU64>,
    /// How many of the uses are taken; of `request`: how many files have come.
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_taken: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source_ip: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<NonZeroU64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Whether the link has a passphrase.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    passphrase: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    landing: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    show_creator: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delete_object_at_end: bool,
    #[serde(flatten)]
    limits: ShownLimits,
    /// The key that signed, of a link that somebody has signed themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// What became of the link in sum, as far as the ledger has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) totals: Option<ShownTotals>,
    /// What signs the notices that are posted, for whoever made the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
    /// What whoever made or changed the link just now should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
    /// The latest notices, if one link is shown alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notices: Vec<ShownNotice>,
    /// The latest uses, if one link is shown alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) recorded: Vec<ShownUse>,
}

/// A notice as it is shown with its link.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShownNotice {
    /// The same as its receiver is told.
    id: String,
    /// `first-use`, `upload`, `used-up` or `refused-after-end`.
    event: &'static str,
    at: String,
    target: String,
    /// `waiting`, `delivered` or `failed`.
    state: &'static str,
    tries: u64,
    /// Why the last try came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When it is tried next, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<String>,
}

impl ShownNotice {
    pub(super) fn of(notice: Notice) -> Self {
        let (state, next_at) = match notice.state {
            NoticeState::Waiting { next_at } => ("waiting", Some(next_at)),
            NoticeState::Delivered => ("delivered", None),
            NoticeState::Failed => ("failed", None),
        };
        Self {
            id: notice.id.to_string(),
            event: notice.event.name(),
            at: iso_time(notice.at),
            target: notice.target,
            state,
            tries: notice.tries,
            error: notice.error,
            next_try_at: next_at.map(iso_time),
        }
    }
}

/// What may be sent to a request for files.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct ShownLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_total_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ask_name: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ask_note: bool,
}

/// A target of notices: to others no more than its host, since the rest of it may be a secret.
fn shown_target(target: &str, is_own: bool) -> String {
    match target.split_once("://") {
        Some((scheme, rest)) if !is_own => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{}/…", host.rsplit('@').next().unwrap_or_default())
        }
        Some(_) | None => target.to_owned(),
    }
}

impl ShownLink {
    /// Shows a link to whoever may see it.
    pub(super) async fn of(
        access: &StoreAccess,
        link: &Arc<ManagedLink>,
        state: LinkState,
    ) -> Result<Self, ApiError> {
        // Whoever knows the id has the link, so nobody else is shown it.
        let is_own = owns(access, link);
        let mut shown = Self {
            fingerprint: link.fingerprint().to_string(),
            id: is_own.then(|| link.id.text()),
            url: None,
            kind: kind(&link.purpose),
            state: state.name(),
            bucket: link.purpose.bucket().as_str().to_owned(),
            created_at: iso_time(link.created_at),
            signer: link.creator.arn.clone(),
            expires_at: iso_time(link.expires_at),
            not_before: link.conditions.not_before.map(|at| iso_time(at.timestamp())),
            uses: link.conditions.uses,
            source_ip: link.conditions.source_ip.as_ref().map(ranges).unwrap_or_default(),
            rate: link.conditions.rate,
            label: link.conditions.label.as_ref().map(ToString::to_string),
            passphrase: link.passphrase.is_some(),
            landing: match link.landing {
                Landing::Auto => "auto",
                Landing::Always => "always",
                Landing::Never => "never",
            },
            show_creator: link.names_creator,
            notify: link.notify.iter().map(|target| shown_target(target, is_own)).collect(),
            delete_object_at_end: link.delete_object_at_end.is_some(),
            ..Self::default()
        };
        if let LinkPurpose::Request { .. } = &link.purpose {
            let totals = access.link_gate()?.request_totals(link).await?;
            shown.uses_taken = Some(totals.done);
        } else if link.conditions.uses.is_some() {
            let uses = access.store().link_uses(&link.fingerprint()).await;
            shown.uses_taken = Some(uses.map_err(refusal::of_store)?.taken);
        }
        shown.describe(&link.purpose);
        let is_short = !matches!(link.purpose, LinkPurpose::Presigned { .. });
        shown.url = shown.id.as_ref().filter(|_| is_short).map(|id| {
            // At the first public URL; without one, at the name by which the caller reaches this server.
            format!("{}{OWN_PREFIX}/s/{id}", access.context().public_origin())
        });
        Ok(shown)
    }

    /// Adds what signs the notices of the link that are posted, if the caller made it and there are any.
    pub(super) fn with_secret(mut self, access: &StoreAccess, link: &ManagedLink) -> Self {
        // All links of the identity have the same secret, so a session that policies restrict is not told it.
        let is_own = own_name(access).as_ref() == Some(&link.creator.signer);
        let posts = link.notify.iter().any(|target| !target.starts_with("mailto:"));
        if is_own && posts {
            let secret = access.store().webhook_secret(link);
            self.webhook_secret = Some(secret.expose().to_owned());
        }
        self
    }

    /// Shows a link that somebody has signed themselves, as the ledger has seen it.
    pub(super) fn seen(entry: &LinkEntry, state: LinkState) -> Self {
        let RecordedLink { fingerprint, facts } = &*entry.link;
        Self {
            fingerprint: fingerprint.to_string(),
            kind: "seen",
            state: state.name(),
            bucket: facts.bucket.clone(),
            key: Some(facts.key.clone()).filter(|key| !key.is_empty()),
            method: Some(facts.operation.clone()),
            created_at: iso_time(facts.signed_at.unwrap_or(entry.seen_at)),
            signer: facts.signer.arn.clone(),
            access_key_id: Some(facts.signer.access_key_id.clone()),
            expires_at: facts.ends_at.map(iso_time).unwrap_or_default(),
            label: facts.label.as_ref().map(ToString::to_string),
            totals: Some(ShownTotals::of(entry)),
            ..Self::default()
        }
    }

    fn describe(&mut self, purpose: &LinkPurpose) {
        match purpose {
            LinkPurpose::Object { bucket: _, key, version, filename, inline } => {
                self.key = Some(key.as_str().to_owned());
                self.version_id = version.as_ref().map(ToString::to_string);
                self.filename.clone_from(filename);
                self.inline = *inline;
            }
            LinkPurpose::Folder { bucket: _, prefix } => self.prefix = Some(prefix.clone()),
            LinkPurpose::Request { bucket: _, prefix, limits } => {
                self.prefix = Some(prefix.clone());
                let FileLimits { max_bytes, max_files, max_total_bytes, types, ask_name, ask_note } =
                    limits;
                self.limits = ShownLimits {
                    max_bytes: *max_bytes,
                    max_files: *max_files,
                    max_total_bytes: *max_total_bytes,
                    types: types.clone(),
                    ask_name: *ask_name,
                    ask_note: *ask_note,
                };
            }
            LinkPurpose::Presigned { bucket: _, key, method, signature: _ } => {
                self.key = Some(key.as_str().to_owned());
                self.method = Some(method.clone());
            }
        }
    }
}
