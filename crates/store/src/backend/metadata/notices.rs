//! The records of notices.

use std::future::Future;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{NewNotice, Notice, NoticeId, NoticeTry, PutNotice, StoreError};

macro_rules! with_notice_records {
    ($callback:ident) => {
        $callback! {
            /// What is to be told of managed links.
            trait NoticeRecords {
                /// Records what has happened, unless it was told of before and is not told of again. What was told of a link
                /// is remembered for as long as the link, whatever becomes of the notices.
                fn put_notice(new: NewNotice) -> PutNotice;
                /// Notices whose time has come, at most so many of each account, and of each those first that are due first.
                fn due_notices(now: Timestamp, of_each: usize) -> Vec<Notice>;
                /// Notes what came of a try. `false`: the notice is gone, or waits no more.
                fn end_notice_try(id: NoticeId, came: NoticeTry, now: Timestamp) -> bool;
                /// The notices about a link, the newest first.
                fn notices_of(link: &Fingerprint, limit: usize) -> Vec<Notice>;
                /// How many notices wait, of all accounts.
                fn waiting_notices() -> u64;
                /// Forgets notices whose time is over, as many as one transaction may. Says how many; 0: there are no more.
                fn forget_notices(now: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_notice_records;

with_notice_records!(declare_records);
