//! Files that are being sent to a request, and those that were.

use jiff::Timestamp;
use presign::Fingerprint;

use crate::{BucketRef, ObjectKey, StoreError, UploadId};

use super::ManagedLinkId;

/// The most files of one request that are under way at once: each is a record, and an upload, that cost whoever begins them
/// nothing.
pub const FILES_UNDER_WAY_MAX: u64 = 1000;
/// The most files of a request whose maker has not said how many.
pub const FILES_MAX_UNSAID: u64 = 10_000;
/// The most bytes of all files of a request, which every engine can sum up.
const BYTES_MAX: u64 = u64::MAX >> 1;

/// A file that somebody sends to a request for files. Its bytes arrive as those of an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFile {
    /// What the sender's page calls the file by: nobody guesses it.
    pub id: ManagedLinkId,
    /// The managed link by which it is sent.
    pub link: Fingerprint,
    /// The bucket that it is put into.
    pub bucket: BucketRef,
    /// The key that it is put at.
    pub key: ObjectKey,
    /// The name that the sender gave, cleaned.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// The upload of its parts; `None`: it has not begun yet.
    pub upload: Option<UploadId>,
    /// Whether its upload has become an object.
    pub is_done: bool,
    /// When it was last heard of: when its latest part came, or links for parts were asked for.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveFile {
    /// There is room, and it is the file's now.
    Reserved,
    /// The request has as many files as it may.
    TooManyFiles,
    /// [`FILES_UNDER_WAY_MAX`] files are under way.
    TooManyUnderWay,
    /// The file is larger than what is left: so many bytes.
    TooManyBytes(u64),
}

impl RequestTotals {
    /// How many of the idle files, which have these sizes, have to be given up so that one more file of that size has room, the
    /// first of them first; or why it has none. Every engine does as this says.
    pub(crate) fn make_room(
        mut self,
        size: u64,
        room: RequestRoom,
        idle: &[u64],
    ) -> Result<usize, ReserveFile> {
        let Some(refused) = self.refusal(size, room) else { return Ok(0) };
        for (given_up, bytes) in (1..).zip(idle) {
            self.files = self.files.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(*bytes);
            if self.refusal(size, room).is_none() {
                return Ok(given_up);
            }
        }
        Err(refused)
    }

    /// Why one more file of that size has no room.
    fn refusal(self, size: u64, room: RequestRoom) -> Option<ReserveFile> {
        if self.files >= room.files_max {
            return Some(ReserveFile::TooManyFiles);
        }
        if self.files.saturating_sub(self.done) >= FILES_UNDER_WAY_MAX {
            return Some(ReserveFile::TooManyUnderWay);
        }
        let left = room.bytes_max.min(BYTES_MAX).saturating_sub(self.bytes);
        (size > left).then_some(ReserveFile::TooManyBytes(left))
    }
}

impl RequestFile {
    /// An id that nobody guesses.
    pub fn new_id() -> Result<ManagedLinkId, StoreError> {
        ManagedLinkId::generate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_room_for_so_much() {
        let idle = |files, idle: &[u64], size, (files_max, bytes_max), expected| {
            let (files, bytes, done) = files;
            let room = RequestRoom { files_max, bytes_max, idle_before: Timestamp::MIN };
            let reserved = RequestTotals { files, bytes, done }.make_room(size, room, idle);
            assert_eq!(reserved, expected, "{files} {bytes} {done} {size} {room:?} {idle:?}");
        };
        let check = |files, size, room, expected| {
            let expected = if expected == ReserveFile::Reserved { Ok(0) } else { Err(expected) };
            idle(files, &[], size, room, expected);
        };
        let all = (u64::MAX, u64::MAX);
        check((0, 0, 0), 5, (1, 5), ReserveFile::Reserved);
        check((0, 0, 0), 6, (1, 5), ReserveFile::TooManyBytes(5));
        check((1, 0, 1), 0, (1, 5), ReserveFile::TooManyFiles);
        check((999, 0, 0), 0, all, ReserveFile::Reserved);
        check((1000, 0, 0), 0, all, ReserveFile::TooManyUnderWay);
        check((1000, 0, 1), 0, all, ReserveFile::Reserved);
        check((100_000, 0, 99_000), 0, all, ReserveFile::TooManyUnderWay);
        check((100_000, 0, 99_001), 0, all, ReserveFile::Reserved);
        check((1, BYTES_MAX - 5, 0), 5, all, ReserveFile::Reserved);
        check((1, BYTES_MAX - 5, 0), 6, all, ReserveFile::TooManyBytes(5));
        // So many of those that stand still are enough, or else none.
        idle((2, 4, 0), &[1, 3], 1, (3, 5), Ok(0));
        idle((2, 4, 0), &[1, 3], 2, (3, 5), Ok(1));
        idle((2, 4, 0), &[1, 3], 5, (3, 5), Ok(2));
        idle((2, 4, 0), &[1, 3], 6, (3, 5), Err(ReserveFile::TooManyBytes(1)));
        idle((2, 4, 1), &[1], 1, (2, 5), Ok(1));
        idle((1000, 0, 0), &[0, 0], 0, all, Ok(1));
    }
}
