//! Files that are being sent to a request, and those that were.

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{ObjectKey, StoreError, UploadId};

use super::ManagedLinkId;

/// A file that somebody sends to a request for files. Its bytes arrive as those of an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFile {
    /// What the sender's page calls the file by: nobody guesses it.
    pub id: ManagedLinkId,
    /// The managed link by which it is sent.
    pub link: Fingerprint,
    /// The key that it is put at.
    pub key: ObjectKey,
    /// The name that the sender gave, cleaned.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// The upload of its parts; `None`: it has not begun yet.
    pub upload: Option<UploadId>,
    /// Whether the file is there as a whole, or is about to be.
    pub is_done: bool,
    /// When it was last heard of.
    pub touched_at: Timestamp,
}

/// The most files and bytes that a request takes, counting those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRoom {
    /// Files, done or under way.
    pub files_max: u64,
    /// Bytes of all these files.
    pub bytes_max: u64,
    /// Files under way that were last heard of before have their room only for as long as no other file needs it.
    pub idle_before: Timestamp,
}

/// What a request has so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTotals {
    /// Files, done or under way.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// Files that are done.
    pub done: u64,
}

/// What came of the attempt to reserve room for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReserveFile {
    /// There is room, and it is the file's now.
    Reserved {
        /// Files that stood still, whose room it was. They are gone, and their uploads are still there.
        given_up: Vec<RequestFile>,
    },
    /// The request has as many files as it may.
    TooManyFiles,
    /// The file is larger than what is left: so many bytes.
    TooManyBytes(u64),
}

impl RequestTotals {
    /// Whether one more file of that size has room, if need be that of some of the `idle` files, the first of them first.
    /// Every engine does as this says.
    pub(crate) fn reserve(
        mut self,
        size: u64,
        room: RequestRoom,
        idle: Vec<RequestFile>,
    ) -> ReserveFile {
        let (mut given_up, mut idle) = (Vec::new(), idle.into_iter());
        let first = self.refusal(size, room);
        let mut refused = first.clone();
        while let Some(refusal) = refused {
            let Some(file) = idle.next() else { return first.unwrap_or(refusal) };
            self.files = self.files.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(file.size);
            given_up.push(file);
            refused = self.refusal(size, room);
        }
        ReserveFile::Reserved { given_up }
    }

    /// Why one more file of that size has no room.
    fn refusal(self, size: u64, room: RequestRoom) -> Option<ReserveFile> {
        if self.files >= room.files_max {
            return Some(ReserveFile::TooManyFiles);
        }
        let left = room.bytes_max.saturating_sub(self.bytes);
        (size > left).then_some(ReserveFile::TooManyBytes(left))
    }
}

impl RequestFile {
    /// An id that nobody guesses.
    pub fn new_id() -> Result<ManagedLinkId, StoreError> {
        ManagedLinkId::generate()
    }
}
