//! Notices in memory.

use std::collections::HashMap;

use iam::AccountId;
use jiff::Timestamp;
use presign::Fingerprint;

use super::{MemoryMetadata, Records};
use crate::backend::metadata::notices::NoticeRecords;
use crate::{
    NOTICE_KEPT, NOTICE_KEPT_DELIVERED, NOTICES_WAITING_MAX, NOTICES_WAITING_OF_LINK_MAX,
    NewNotice, Notice, NoticeId, NoticeState, NoticeTry, PutNotice, StoreError,
};

impl NoticeRecords for MemoryMetadata {
    async fn put_notice(&self, new: NewNotice) -> Result<PutNotice, StoreError> {
        self.write(|records| records.put_notice(new))
    }

    async fn due_notices(&self, now: Timestamp, of_each: usize) -> Result<Vec<Notice>, StoreError> {
        self.read(|records| {
            let mut due: Vec<_> = records
                .notices
                .values()
                .filter_map(|(notice, _)| {
                    let next = next(notice).filter(|next| *next <= now)?;
                    Some((next, notice))
                })
                .collect();
            due.sort_by_key(|(next, notice)| (*next, notice.id));
            let mut taken = HashMap::<AccountId, usize>::new();
            due.retain(|(_, notice)| {
                let of_account = taken.entry(notice.account.clone()).or_default();
                *of_account += 1;
                *of_account <= of_each
            });
            due.sort_by_key(|(_, notice)| notice.account.clone());
            due.into_iter().map(|(_, notice)| notice.clone()).collect()
        })
    }

    async fn end_notice_try(
        &self,
        id: NoticeId,
        came: NoticeTry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|records| records.end_notice_try(id, came, now))
    }

    async fn notices_of(
        &self,
        link: &Fingerprint,
        limit: usize,
    ) -> Result<Vec<Notice>, StoreError> {
        self.read(|records| {
            let all = records.notices.values().map(|(notice, _)| notice);
            let mut of_link: Vec<_> = all.filter(|notice| notice.link == *link).cloned().collect();
            of_link.sort_by_key(|notice| (std::cmp::Reverse(notice.at), notice.id));
            of_link.truncate(limit);
            of_link
        })
    }

    async fn waiting_notices(&self) -> Result<u64, StoreError> {
        self.read(|records| {
            let waiting = records.notices.values().filter(|(notice, _)| next(notice).is_some());
            u64::try_from(waiting.count()).unwrap_or(u64::MAX)
        })
    }

    async fn forget_notices(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|records| {
            let before = records.notices.len();
            records.notices.retain(|_, (_, forget_at)| *forget_at > now);
            before - records.notices.len()
        })
    }
}

/// When a notice is tried next, if it waits.
fn next(notice: &Notice) -> Option<Timestamp> {
    match notice.state {
        NoticeState::Waiting { next_at } => Some(next_at),
        NoticeState::Delivered | NoticeState::Failed => None,
    }
}

impl Records {
    fn put_notice(&mut self, new: NewNotice) -> PutNotice {
        let NewNotice { link, account, event, at, facts, targets } = new;
        let told = self.notices_told.get(&(link, event));
        if told.is_some_and(|told_at| !event.is_told_again(*told_at, at)) {
            return PutNotice::Known;
        }
        let waits = |(one, _): &&(Notice, Timestamp)| one.account == account && next(one).is_some();
        let waiting = self.notices.values().filter(waits);
        let (mut of_account, mut of_link) = (targets.len(), targets.len());
        for (one, _) in waiting {
            of_account += 1;
            of_link += usize::from(one.link == link);
        }
        let is_over = |waiting: usize, most| u64::try_from(waiting).is_ok_and(|all| all > most);
        if is_over(of_account, NOTICES_WAITING_MAX) || is_over(of_link, NOTICES_WAITING_OF_LINK_MAX)
        {
            return PutNotice::TooMany;
        }
        let forget_at = at.saturating_add(NOTICE_KEPT).unwrap_or(Timestamp::MAX);
        for (id, target) in targets {
            let notice = Notice {
                id,
                link,
                account: account.clone(),
                event,
                at,
                facts: facts.clone(),
                target,
                state: NoticeState::Waiting { next_at: at },
                tries: 0,
                error: None,
            };
            self.notices.insert(id, (notice, forget_at));
        }
        self.notices_told.insert((link, event), at);
        PutNotice::Recorded
    }

    fn end_notice_try(&mut self, id: NoticeId, came: NoticeTry, now: Timestamp) -> bool {
        let Some((notice, forget_at)) = self.notices.get_mut(&id) else { return false };
        if next(notice).is_none() {
            return false;
        }
        notice.tries += 1;
        let until = match came {
            NoticeTry::Delivered => {
                (notice.state, notice.error) = (NoticeState::Delivered, None);
                *forget_at = now.saturating_add(NOTICE_KEPT_DELIVERED).unwrap_or(Timestamp::MAX);
                return true;
            }
            NoticeTry::Failed { error } => {
                (notice.state, notice.error) = (NoticeState::Failed, Some(error));
                return true;
            }
            NoticeTry::PutOff { until, error } => {
                notice.error = Some(error);
                notice.state = NoticeState::Waiting { next_at: until };
                until
            }
        };
        let (account, target) = (notice.account.clone(), notice.target.clone());
        for (other, _) in self.notices.values_mut() {
            let is_sibling = other.account == account && other.target == target;
            if is_sibling && next(other).is_some_and(|next| next < until) {
                other.state = NoticeState::Waiting { next_at: until };
            }
        }
        true
    }
}
