//! Takes managed links back, by their names.

use jiff::{SignedDuration, Timestamp};
use presign::{Fingerprint, QueryPairs};
use store::{
    LinkPurpose, ManagedLink, ManagedLinkId, REVOCATION_LIFE, Revocation, RevocationScope, Revoke,
    RevokedLinks,
};

use super::shown::{ShownRevocation, shown};
use crate::api::error::{ApiCode, ApiError};
use crate::api::link_rights::{REVOKE, denied, may_on, owns};
use crate::error::refusal;
use crate::gate::StoreAccess;
use crate::origin::OWN_PREFIX;

/// A revocation outlives its link by so much, as clocks may differ.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(15);

/// Takes back the managed link of that name. `None`: the account has none. Whoever has the whole name of a link knows that it
/// exists, so somebody who may not take it back is told just that.
pub(crate) async fn revoke_managed(
    access: &StoreAccess,
    name: &Fingerprint,
) -> Result<Option<ShownRevocation>, ApiError> {
    let found = access.link_gate()?.managed_link(name).await?;
    let account = access.account()?;
    let Some(link) = found.filter(|link| link.account == *account) else { return Ok(None) };
    let may = may_on(access, REVOKE, &link.purpose);
    let own = owns(access, &link).then(|| link.creator.signer.clone());
    if !may && own.is_none() {
        return Err(denied(REVOKE));
    }
    let signer = if may { None } else { own };
    let revocation = revocation(access, &link, signer)?;
    match access.store().revoke(revocation).await.map_err(refusal::of_store)? {
        Revoke::Recorded(recorded) => Ok(Some(shown(recorded))),
        Revoke::TooMany => Err(ApiError::new(ApiCode::TooManyRevocations)),
    }
}

fn revocation(
    access: &StoreAccess,
    link: &ManagedLink,
    signer: Option<String>,
) -> Result<Revocation, ApiError> {
    let now = access.now();
    let target = match &link.purpose {
        LinkPurpose::Object { bucket, key, .. } | LinkPurpose::Presigned { bucket, key, .. } => {
            Some((bucket.clone(), key.clone()))
        }
        LinkPurpose::Folder { .. } | LinkPurpose::Request { .. } => None,
    };
    let usual = now.checked_add(REVOCATION_LIFE).unwrap_or(Timestamp::MAX);
    let ends_at = link.expires_at.checked_add(CLOCKS_APART).unwrap_or(Timestamp::MAX);
    let lives_until = usual.max(ends_at);
    Ok(Revocation {
        links: RevokedLinks::Link {
            fingerprint: link.fingerprint(),
            target: target.filter(|_| signer.is_none()),
        },
        scope: RevocationScope { account: access.account()?.clone(), signer },
        signed_until: lives_until,
        lives_until,
        revoked_at: now,
        revoked_by: access.principal().to_string(),
    })
}

/// The id in the text of a short link, which may go on behind it. A presigned URL can lead to a key that looks like one.
pub(super) fn id_in_short_link(text: &str) -> Option<ManagedLinkId> {
    let (before, rest) = text.trim().split_once(&format!("{OWN_PREFIX}/s/"))?;
    let is_signed = |query: &str| {
        QueryPairs::new(query).any(|(name, _)| ["X-Amz-Signature", "Signature"].contains(&name))
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    if before.contains('?') || is_signed(query.split('#').next().unwrap_or_default()) {
        return None;
    }
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_link_is_told_from_a_presigned_url() {
        let id = "AAAAAAAAAAAAAAAAAAAAAA";
        let check = |text: &str, expected: bool| {
            let found = id_in_short_link(&text.replace("ID", id));
            assert_eq!(found.is_some_and(|found| found.text() == id), expected, "{text}");
        };
        check("https://files.test/_valet/s/ID", true);
        check(" https://files.test/below/_valet/s/ID?zip\n", true);
        check("http://h/_valet/s/ID/a/b#c", true);
        check("ID", false);
        check("http://h/_valet/s/x", false);
        check("http://h/b/_valet/s/ID?X-Amz-Signature=x", false);
        check("http://h/b/k?to=/_valet/s/ID", false);
    }
}
