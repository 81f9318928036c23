//! What a page of a listing shows, decided row by row for every engine: an engine walks along its index in order, shows
//! each row to the page, and seeks where the page says.

use std::cmp::Reverse;

use crate::names::PLACES_MAX;
use crate::{
    ListAfter, ListEntry, ListObjects, ListUploads, ListVersions, ObjectKey, ObjectPage,
    ObjectSummary, StoreError, Upload, UploadAfter, UploadEntry, UploadPage, VersionAfter,
    VersionEntry, VersionId, VersionPage,
};

/// How many entries one page holds at most, as S3 has it.
const PAGE_MAX: usize = 1000;
/// How many older versions of a key are stepped over before the walk seeks to the next key.
const STEPS_BEFORE_SEEK: u32 = 16;
/// How many rows a page looks at, at most: deleted keys and old versions make no entries. A page that
/// has looked at so many ends early.
const ROWS_MAX: u32 = if cfg!(test) { 50 } else { 100_000 };
/// After every upload id there can be.
const AFTER_ALL_UPLOADS: [u8; 25] = [0xff; 25];

/// What an engine does after it has shown a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step<P> {
    /// The engine shows the next row.
    Next,
    /// The engine skips rows: it goes on with the first one after this place.
    Seek(P),
    /// The engine shows no more rows: the page is complete.
    End,
}

/// Which keys a listing is about, and which of them it shows as one.
#[derive(Clone, Copy, Debug)]
struct Group<'q> {
    prefix: &'q str,
    delimiter: Option<&'q str>,
}

impl<'q> Group<'q> {
    fn new(prefix: &'q str, delimiter: Option<&'q str>) -> Self {
        Self { prefix, delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()) }
    }

    /// The first key after all that begin with the prefix.
    fn end(&self) -> Vec<u8> {
        after_all(self.prefix)
    }

    /// The common prefix that a key of this listing is shown by, if it is.
    fn common_prefix(&self, key: &ObjectKey) -> Option<String> {
        let key = key.as_str();
        let delimiter = self.delimiter?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len().checked_add(rest.find(delimiter)?)?;
        key.get(..end.checked_add(delimiter.len())?).map(str::to_owned)
    }
}

/// The first bytes after all keys that begin with `prefix`: no UTF-8 has the byte 0xff.
fn after_all(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    bytes.push(0xff);
    bytes
}

/// The first bytes after `key` itself.
fn after_key(key: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn key_of(bytes: &[u8]) -> Result<ObjectKey, StoreError> {
    ObjectKey::from_bytes(bytes).map_err(|_| StoreError::Corrupt { what: "key of an object" })
}

/// A page of current objects. It is shown all versions of each key, the newest first.
#[derive(Debug)]
pub(crate) struct ObjectsWalk<'q> {
    group: Group<'q>,
    limit: usize,
    page: ObjectPage,
    /// The key of the row before, unless the walk has sought since.
    last: Option<ObjectKey>,
    looked_at: u32,
    /// How many versions of that key came after its newest.
    steps: u32,
}

impl<'q> ObjectsWalk<'q> {
    /// The page, and the first key that it may show.
    pub(crate) fn begin(query: &'q ListObjects) -> (Self, Vec<u8>) {
        let after = match &query.after {
            ListAfter::Start => Vec::new(),
            ListAfter::Key(key) => after_key(key),
            ListAfter::CommonPrefix(prefix) => after_all(prefix),
        };
        let walk = Self {
            group: Group::new(&query.prefix, query.delimiter.as_deref()),
            limit: query.limit.min(PAGE_MAX),
            page: ObjectPage { entries: Vec::new(), next: None },
            last: None,
            looked_at: 0,
            steps: 0,
        };
        (walk, after.max(query.prefix.clone().into_bytes()))
    }

    /// The first key that it does not show.
    pub(crate) fn end(&self) -> Vec<u8> {
        self.group.end()
    }

    /// Looks at a version; `summary` reads it if it is to be shown.
    pub(crate) fn see(
        &mut self,
        key: &[u8],
        is_marker: bool,
        summary: impl FnOnce(ObjectKey) -> Result<ObjectSummary, StoreError>,
    ) -> Result<Step<Vec<u8>>, StoreError> {
        if let Some(last) = self.last.as_ref().filter(|last| last.as_bytes() == key) {
            self.steps = self.steps.saturating_add(1);
            if self.steps < STEPS_BEFORE_SEEK {
                return Ok(Step::Next);
            }
            let next = after_key(last.as_str());
            return Ok(self.seek(next));
        }
        if let Some(last) = self.last.as_ref().filter(|_| self.looked_at >= ROWS_MAX) {
            self.page.next = Some(ListAfter::Key(last.as_str().to_owned()));
            return Ok(Step::End);
        }
        self.looked_at = self.looked_at.saturating_add(1);
        self.steps = 0;
        let key = key_of(key)?;
        if is_marker {
            self.last = Some(key);
            return Ok(Step::Next);
        }
        if self.page.entries.len() >= self.limit {
            self.page.next = self.page.entries.last().map(ListEntry::end);
            return Ok(Step::End);
        }
        if let Some(prefix) = self.group.common_prefix(&key) {
            let next = after_all(&prefix);
            self.page.entries.push(ListEntry::CommonPrefix(prefix));
            return Ok(self.seek(next));
        }
        self.page.entries.push(ListEntry::Object(summary(key.clone())?));
        self.last = Some(key);
        Ok(Step::Next)
    }

    fn seek(&mut self, next: Vec<u8>) -> Step<Vec<u8>> {
        self.last = None;
        Step::Seek(next)
    }

    /// The page, once there are no more rows or it has said so.
    pub(crate) fn finish(self) -> ObjectPage {
        self.page
    }
}

impl ListEntry {
    fn end(&self) -> ListAfter {
        match self {
            Self::Object(object) => ListAfter::Key(object.key.as_str().to_owned()),
            Self::CommonPrefix(prefix) => ListAfter::CommonPrefix(prefix.clone()),
        }
    }
}

/// Where a walk along versions begins: at the version of this key below that place, or at a later key. Greater is
/// further on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionsFrom {
    pub(crate) key: Vec<u8>,
    pub(crate) below: Reverse<u64>,
}

impl VersionsFrom {
    /// At the newest version of the first key that is not less than these bytes.
    fn key(key: Vec<u8>) -> Self {
        Self { key, below: Reverse(PLACES_MAX) }
    }
}

/// A page of versions. It is shown all of each key, the newest first.
#[derive(Debug)]
pub(crate) struct VersionsWalk<'q> {
    group: Group<'q>,
    limit: usize,
    page: VersionPage,
    last: Option<ObjectKey>,
}

impl<'q> VersionsWalk<'q> {
    /// The page, and where it begins. `place` finds the place of a version, which is lost if it was the null version
    /// and is gone: the key is then listed from its newest.
    pub(crate) fn begin(
        query: &'q ListVersions,
        place: impl FnOnce(&ObjectKey, VersionId) -> Result<Option<u64>, StoreError>,
    ) -> Result<(Self, VersionsFrom), StoreError> {
        let after = match &query.after {
            VersionAfter::Start => VersionsFrom::key(Vec::new()),
            VersionAfter::Key(key) => {
                VersionsFrom { key: key.clone().into_bytes(), below: Reverse(0) }
            }
            VersionAfter::CommonPrefix(prefix) => VersionsFrom::key(after_all(prefix)),
            VersionAfter::Version(key, version) => {
                let below = Reverse(place(key, *version)?.unwrap_or(PLACES_MAX));
                VersionsFrom { key: key.as_bytes().to_vec(), below }
            }
        };
        let walk = Self {
            group: Group::new(&query.prefix, query.delimiter.as_deref()),
            limit: query.limit.min(PAGE_MAX),
            page: VersionPage { entries: Vec::new(), next: None },
            last: None,
        };
        Ok((walk, after.max(VersionsFrom::key(query.prefix.clone().into_bytes()))))
    }

    /// The first key that it does not show.
    pub(crate) fn end(&self) -> Vec<u8> {
        self.group.end()
    }

    /// Looks at a version. `is_newest` says whether it is the newest of its key, and is asked only if the walk may have
    /// begun in the middle of a key; `entry` reads it.
    pub(crate) fn see(
        &mut self,
        key: &[u8],
        is_newest: impl FnOnce(&ObjectKey) -> Result<bool, StoreError>,
        entry: impl FnOnce(ObjectKey, bool) -> Result<VersionEntry, StoreError>,
    ) -> Result<Step<VersionsFrom>, StoreError> {
        if self.page.entries.len() >= self.limit {
            self.page.next = self.page.entries.last().map(VersionEntry::end);
            return Ok(Step::End);
        }
        let key = key_of(key)?;
        if let Some(prefix) = self.group.common_prefix(&key) {
            let next = VersionsFrom::key(after_all(&prefix));
            self.page.entries.push(VersionEntry::CommonPrefix(prefix));
            self.last = None;
            return Ok(Step::Seek(next));
        }
        let is_latest = match &self.last {
            Some(last) => *last != key,
            None => is_newest(&key)?,
        };
        self.page.entries.push(entry(key.clone(), is_latest)?);
        self.last = Some(key);
        Ok(Step::Next)
    }

    /// The page, once there are no more rows or it has said so.
    pub(crate) fn finish(self) -> VersionPage {
        self.page
    }
}

impl VersionEntry {
    fn end(&self) -> VersionAfter {
        match self {
            Self::Version(version) => {
                VersionAfter::Version(version.object.key.clone(), version.version_id)
            }
            Self::DeleteMarker { key, version_id, .. } => {
                VersionAfter::Version(key.clone(), *version_id)
            }
            Self::CommonPrefix(prefix) => VersionAfter::CommonPrefix(prefix.clone()),
        }
    }
}

/// Where a walk along uploads begins: after this upload of this key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UploadsAfter {
    pub(crate) key: Vec<u8>,
    pub(crate) upload: Vec<u8>,
}

/// A page of uploads, by key, and the oldest first within a key.
#[derive(Debug)]
pub(crate) struct UploadsWalk<'q> {
    group: Group<'q>,
    limit: usize,
    page: UploadPage,
}

impl<'q> UploadsWalk<'q> {
    /// The page, and where it begins.
    pub(crate) fn begin(query: &'q ListUploads) -> (Self, UploadsAfter) {
        let at = |key: Vec<u8>| UploadsAfter { key, upload: Vec::new() };
        let after = match &query.after {
            UploadAfter::Start => at(Vec::new()),
            UploadAfter::Key(key) => {
                UploadsAfter { key: key.clone().into_bytes(), upload: AFTER_ALL_UPLOADS.to_vec() }
            }
            UploadAfter::Upload(key, id) => {
                UploadsAfter { key: key.as_bytes().to_vec(), upload: id.as_bytes().to_vec() }
            }
            UploadAfter::CommonPrefix(prefix) => at(after_all(prefix)),
        };
        let walk = Self {
            group: Group::new(&query.prefix, query.delimiter.as_deref()),
            limit: query.limit.min(PAGE_MAX),
            page: UploadPage { entries: Vec::new(), next: None },
        };
        (walk, after.max(at(query.prefix.clone().into_bytes())))
    }

    /// The first key that it does not show.
    pub(crate) fn end(&self) -> Vec<u8> {
        self.group.end()
    }

    /// Looks at an upload; `upload` reads it if it is to be shown.
    pub(crate) fn see(
        &mut self,
        key: &[u8],
        upload: impl FnOnce(ObjectKey) -> Result<Upload, StoreError>,
    ) -> Result<Step<UploadsAfter>, StoreError> {
        if self.page.entries.len() >= self.limit {
            self.page.next = self.page.entries.last().map(UploadEntry::end);
            return Ok(Step::End);
        }
        let key = key_of(key)?;
        if let Some(prefix) = self.group.common_prefix(&key) {
            let next = UploadsAfter { key: after_all(&prefix), upload: Vec::new() };
            self.page.entries.push(UploadEntry::CommonPrefix(prefix));
            return Ok(Step::Seek(next));
        }
        self.page.entries.push(UploadEntry::Upload(upload(key)?.into()));
        Ok(Step::Next)
    }

    /// The page, once there are no more rows or it has said so.
    pub(crate) fn finish(self) -> UploadPage {
        self.page
    }
}

impl UploadEntry {
    fn end(&self) -> UploadAfter {
        match self {
            Self::Upload(upload) => UploadAfter::Upload(upload.key.clone(), upload.id),
            Self::CommonPrefix(prefix) => UploadAfter::CommonPrefix(prefix.clone()),
        }
    }
}
