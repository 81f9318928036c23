//! The records of files that are sent to requests.

use std::future::Future;

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{
    ManagedLinkId, RequestFile, RequestRoom, RequestTotals, ReserveFile, StoreError, UploadId,
};

macro_rules! with_request_file_records {
    ($callback:ident) => {
        $callback! {
            /// What was sent to requests for files, and is being sent. A file goes with its upload: each part of it that comes
            /// touches the file, the step that makes an object of it finishes the file, and the one that aborts it gives the
            /// room of the file back.
            trait RequestFileRecords {
                /// Records a file that is about to be sent, if its request has room for it, whoever sends others at once.
                /// Of files that stand still so many are given up in the same step as the room needs.
                fn reserve_file(file: RequestFile, room: RequestRoom) -> ReserveFile;
                fn request_file(link: &Fingerprint, id: ManagedLinkId) -> Option<RequestFile>;
                /// Notes the upload of a file that has none. `false`: it has one, or is gone.
                fn begin_file(link: &Fingerprint, id: ManagedLinkId, upload: UploadId, now: Timestamp) -> bool;
                /// Notes that a file under way was heard of. `false`: there is none.
                fn touch_file(link: &Fingerprint, id: ManagedLinkId, now: Timestamp) -> bool;
                /// Notes that a file which is done is told of. `false`: it was noted before, or the file is not done.
                fn tell_file(link: &Fingerprint, id: ManagedLinkId) -> bool;
                /// Gives the room of a file under way back, and aborts its upload. `false`: there is none.
                fn release_file(link: &Fingerprint, id: ManagedLinkId, now: Timestamp) -> bool;
                fn request_totals(link: &Fingerprint) -> RequestTotals;
                /// The same for files under way that were last heard of before a time, as many as one transaction may. Says
                /// how many; 0: there are no more.
                fn release_idle_files(before: Timestamp, now: Timestamp) -> usize;
            }
        }
    };
}
pub(crate) use with_request_file_records;

with_request_file_records!(declare_records);
