//! Managed links in memory.

use std::sync::Arc;

use jiff::Timestamp;
use presign::Fingerprint;

use super::{MemoryMetadata, Records, page};
use crate::backend::metadata::managed_links::ManagedLinkRecords;
use crate::managed_link::one_more_try;
use crate::{
    CloseManagedLink, DeleteObject, EndedPlace, LinkPurpose, ListManagedLinks, MANAGED_LINKS_MAX,
    ManagedLink, ManagedLinkPage, ManagedLinksOf, PutManagedLink, StoreError, UsedUpLinks,
};

impl ManagedLinkRecords for MemoryMetadata {
    async fn put_managed_link(&self, link: ManagedLink) -> Result<PutManagedLink, StoreError> {
        self.write(|records| {
            let others = records.managed_links.values().filter(|one| one.account == link.account);
            if u64::try_from(others.count()).is_ok_and(|count| count >= MANAGED_LINKS_MAX) {
                return PutManagedLink::TooMany;
            }
            records.managed_links.insert(link.fingerprint(), Arc::new(link));
            PutManagedLink::Recorded
        })
    }

    async fn managed_link(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Arc<ManagedLink>>, StoreError> {
        self.read(|records| records.managed_links.get(fingerprint).cloned())
    }

    async fn change_managed_link(&self, link: ManagedLink) -> Result<bool, StoreError> {
        self.write(|records| records.change_managed_link(link))
    }

    async fn try_passphrase(&self, link: &Fingerprint, now: Timestamp) -> Result<bool, StoreError> {
        self.write(|records| {
            let tried = records.passphrase_tries.entry(*link).or_default();
            match one_more_try(tried, now) {
                Some(more) => {
                    *tried = more;
                    true
                }
                None => false,
            }
        })
    }

    async fn managed_links(&self, query: ListManagedLinks) -> Result<ManagedLinkPage, StoreError> {
        let ListManagedLinks { account, within, after, limit } = query;
        self.read(|records| {
            let place = |link: &ManagedLink| {
                (link.created_at.as_millisecond(), *link.fingerprint().as_bytes())
            };
            let fits = |link: &&Arc<ManagedLink>| {
                let is_within = within.as_ref().is_none_or(|(bucket, prefix)| {
                    let own = link.purpose.key_or_prefix();
                    let is_folder = matches!(link.purpose, LinkPurpose::Folder { .. });
                    let leads_to = own.starts_with(prefix) || is_folder && prefix.starts_with(own);
                    link.purpose.bucket() == bucket && leads_to
                });
                let is_after = after.is_none_or(|after| {
                    place(link) < (after.created_ms, *after.fingerprint.as_bytes())
                });
                link.account == account && is_within && is_after
            };
            let mut all: Vec<_> = records.managed_links.values().filter(fits).cloned().collect();
            all.sort_by_key(|link| std::cmp::Reverse(place(link)));
            let (links, more) = page(all.into_iter(), limit);
            let next = links.last().filter(|_| more).map(|last| last.place());
            ManagedLinkPage { links, next }
        })
    }

    async fn managed_links_end(&self, of: ManagedLinksOf) -> Result<Option<Timestamp>, StoreError> {
        self.read(|records| {
            let fits = |link: &&Arc<ManagedLink>| match &of {
                ManagedLinksOf::Bucket(bucket) => link.purpose.bucket() == bucket,
                ManagedLinksOf::Account(account) => link.account == *account,
            };
            let open = records.managed_links.values().filter(|link| link.closed_at.is_none());
            open.filter(fits).map(|link| link.expires_at).max()
        })
    }

    async fn ended_managed_links(
        &self,
        now: Timestamp,
        after: Option<EndedPlace>,
        limit: usize,
    ) -> Result<Vec<Arc<ManagedLink>>, StoreError> {
        self.read(|records| {
            let place = |place: EndedPlace| (place.ended_ms, place.fingerprint.as_bytes().to_vec());
            let open = records.managed_links.values().filter(|link| link.closed_at.is_none());
            let ended = open.filter(|link| link.expires_at <= now);
            let mut ended: Vec<_> = ended
                .filter(|link| after.is_none_or(|after| place(link.ended_place()) > place(after)))
                .cloned()
                .collect();
            ended.sort_by_key(|link| place(link.ended_place()));
            ended.truncate(limit);
            ended
        })
    }

    async fn used_up_managed_links(
        &self,
        after: Option<Fingerprint>,
        looked_at: usize,
    ) -> Result<UsedUpLinks, StoreError> {
        self.read(|records| {
            let after = after.map(|after| *after.as_bytes());
            let open = records.managed_links.values().filter(|link| link.closed_at.is_none());
            let mut counted: Vec<_> = open
                .filter(|link| link.conditions.uses.is_some())
                .filter(|link| after.is_none_or(|after| *link.fingerprint().as_bytes() > after))
                .collect();
            counted.sort_by_key(|link| *link.fingerprint().as_bytes());
            counted.truncate(looked_at);
            let last = counted.last().map(|last| last.fingerprint());
            let next = last.filter(|_| counted.len() == looked_at);
            let used_up = counted.into_iter().filter(|link| {
                let taken = records.link_uses.get(&link.fingerprint()).map(|(uses, _)| uses.taken);
                let uses_max = link.conditions.uses.map(std::num::NonZeroU64::get);
                taken.zip(uses_max).is_some_and(|(taken, most)| taken >= most)
            });
            UsedUpLinks { links: used_up.cloned().collect(), next }
        })
    }

    async fn close_managed_link(
        &self,
        link: ManagedLink,
        delete: Option<DeleteObject>,
        now: Timestamp,
    ) -> Result<Option<CloseManagedLink>, StoreError> {
        self.write(|records| {
            let fingerprint = link.fingerprint();
            if !records.change_managed_link(link) {
                return Ok(Some(CloseManagedLink::Changed));
            }
            records.give_up_files(|file| file.link == fingerprint, now);
            let delete = delete.map(|delete| records.delete_object(&delete, now)).transpose();
            delete.map(|outcome| Some(CloseManagedLink::Closed(outcome)))
        })?
    }

    async fn forget_managed_links(&self, ended_before: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| {
            let before = records.managed_links.len();
            records
                .managed_links
                .retain(|_, link| link.closed_at.is_none() || link.expires_at >= ended_before);
            let Records { managed_links, notices_told, request_files, .. } = records;
            notices_told.retain(|(link, _), _| managed_links.contains_key(link));
            request_files.retain(|(link, _), _| managed_links.contains_key(link));
            before - managed_links.len()
        })
    }
}

impl Records {
    fn change_managed_link(&mut self, link: ManagedLink) -> bool {
        let fingerprint = link.fingerprint();
        let known = self.managed_links.get(&fingerprint);
        if known.is_none_or(|known| known.revision + 1 != link.revision) {
            return false;
        }
        if let Some((_, ends_at)) = self.link_uses.get_mut(&fingerprint) {
            *ends_at = link.expires_at.max(*ends_at);
        }
        self.managed_links.insert(fingerprint, Arc::new(link));
        true
    }
}
