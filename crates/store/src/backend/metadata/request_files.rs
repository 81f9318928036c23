//! The records of files that are sent to requests.

use std::future::Future;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, StoreError};

macro_rules! with_request_file_records {
    ($callback:ident) => {
        $callback! {
            /// What was sent to requests for files, and is being sent.
            trait RequestFileRecords {
                /// Records a file that is about to be sent, if its request has room for it, whoever sends others at once.
                /// Of files that stand still so many are removed in the same step as the room needs.
                fn reserve_file(file: RequestFile, room: RequestRoom) -> ReserveFile;
                fn request_file(link: &Fingerprint, id: ManagedLinkId) -> Option<RequestFile>;
                /// Puts the file in the place of itself. `false`: it is gone, or was done already, and nothing was written.
                fn change_file(file: RequestFile) -> bool;
                /// Makes a file that is done one that is under way again: it did not come about. `false`: there is no such file.
                fn reopen_file(link: &Fingerprint, id: ManagedLinkId) -> bool;
                /// Gives the room of a file under way back. `false`: there is none.
                fn release_file(link: &Fingerprint, id: ManagedLinkId) -> bool;
                fn request_totals(link: &Fingerprint) -> RequestTotals;
                /// Gives the room of files back that were last heard of before a time and are not done, as many as one
                /// transaction may. Says how many; 0: there are no more.
                fn release_idle_files(before: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_request_file_records;

with_request_file_records!(declare_records);
