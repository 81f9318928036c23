//! Writes the format of a zip (PKWARE's APPNOTE 6.3) from its beginning to its end, without going back: files as they are,
//! each followed by its CRC-32 and size, and at last the directory of all. What needs 64 bits is written as Zip64, all else
//! as every reader knows it.
//!
//! The directory is kept as it will be sent, which is as short as it can be: some ninety bytes and a name for a file.

use crc_fast::{CrcAlgorithm, Digest};
use jiff::Timestamp;
use jiff::tz::Offset;

/// From this size, place or number on, it is told in 64 bits.
const LARGE: u64 = 0xffff_ffff;
const MANY: u64 = 0xffff;
/// What a reader must know: folders, or Zip64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made by a Unix, so that the rights of files are Unix's.
const MADE_BY: u16 = 3 * 256 + VERSION_ZIP64;
/// The CRC and sizes follow the file; the name is UTF-8.
const FLAGS_FILE: u16 = 1 << 3 | 1 << 11;
const FLAGS_FOLDER: u16 = 1 << 11;
/// Read by all and written by the owner, in the upper half.
const RIGHTS_FILE: u32 = 0o100_644 << 16;
/// The lowest bits are those of DOS: a folder.
const RIGHTS_FOLDER: u32 = 0o040_755 << 16 | 0x10;
const EXTRA_ZIP64: u16 = 1;
/// The time of the last change in seconds since 1970.
const EXTRA_TIME: u16 = 0x5455;

/// A zip that is being written.
#[derive(Debug, Default)]
pub(super) struct ZipWriter {
    /// How many bytes were written.
    offset: u64,
    entries: u64,
    directory: Vec<u8>,
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct ZipFile {
    entry: Entry,
    crc: Digest,
    taken: u64,
}

/// What stands in both headers of a file or folder.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    size: u64,
    modified: Timestamp,
    offset: u64,
}

/// A file has another size than was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrongSize;

impl ZipWriter {
    /// What the directory takes in memory, in bytes.
    pub(super) fn memory(&self) -> u64 {
        u64::try_from(self.directory.capacity()).unwrap_or(u64::MAX)
    }

    /// How long the directory is that is kept.
    pub(super) fn directory_bytes(&self) -> usize {
        self.directory.len()
    }

    /// Begins a file of so many bytes.
    pub(super) fn begin_file(
        &mut self,
        (name, size, modified): (String, u64, Timestamp),
        out: &mut Vec<u8>,
    ) -> ZipFile {
        let entry = Entry { name, size, modified, offset: self.offset };
        let mut header = Vec::new();
        entry.write_local(FLAGS_FILE, &mut header);
        self.put(&header, out);
        ZipFile { entry, crc: Digest::new(CrcAlgorithm::Crc32IsoHdlc), taken: 0 }
    }

    /// Ends a file, all of whose bytes were written.
    pub(super) fn end_file(&mut self, file: ZipFile, out: &mut Vec<u8>) -> Result<(), WrongSize> {
        let ZipFile { entry, crc, taken } = file;
        if taken != entry.size {
            return Err(WrongSize);
        }
        self.offset = self.offset.saturating_add(taken);
        let crc = u32::try_from(crc.finalize()).map_err(|_| WrongSize)?;
        let mut descriptor = Vec::new();
        put_u32(&mut descriptor, 0x0807_4b50);
        put_u32(&mut descriptor, crc);
        for size in [taken, taken] {
            if entry.is_large() {
                put_u64(&mut descriptor, size);
            } else {
                put_u32(&mut descriptor, low(size));
            }
        }
        self.put(&descriptor, out);
        entry.write_central((FLAGS_FILE, crc, RIGHTS_FILE), &mut self.directory);
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    /// Writes a folder, whose name ends with a slash.
    pub(super) fn folder(&mut self, name: String, modified: Timestamp, out: &mut Vec<u8>) {
        let entry = Entry { name, size: 0, modified, offset: self.offset };
        let mut header = Vec::new();
        entry.write_local(FLAGS_FOLDER, &mut header);
        self.put(&header, out);
        entry.write_central((FLAGS_FOLDER, 0, RIGHTS_FOLDER), &mut self.directory);
        self.entries = self.entries.saturating_add(1);
    }

    /// Ends the zip: the directory, and what follows it.
    pub(super) fn finish(self) -> Vec<u8> {
        let Self { offset, entries, directory: mut end } = self;
        let size = wide(end.len());
        let end_offset = offset.saturating_add(size);
        if entries >= MANY || size >= LARGE || offset >= LARGE {
            put_u32(&mut end, 0x0606_4b50);
            put_u64(&mut end, 44);
            put_u16(&mut end, MADE_BY);
            put_u16(&mut end, VERSION_ZIP64);
            put_u32(&mut end, 0);
            put_u32(&mut end, 0);
            for number in [entries, entries, size, offset] {
                put_u64(&mut end, number);
            }
            put_u32(&mut end, 0x0706_4b50);
            put_u32(&mut end, 0);
            put_u64(&mut end, end_offset);
            put_u32(&mut end, 1);
        }
        put_u32(&mut end, 0x0605_4b50);
        put_u32(&mut end, 0);
        let few = u16::try_from(entries.min(MANY)).unwrap_or(u16::MAX);
        put_u16(&mut end, few);
        put_u16(&mut end, few);
        put_u32(&mut end, low(size));
        put_u32(&mut end, low(offset));
        put_u16(&mut end, 0);
        end
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.offset = self.offset.saturating_add(wide(bytes.len()));
    }
}

impl ZipFile {
    /// Notes bytes of the file, which are written as they are.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.taken = self.taken.saturating_add(wide(bytes.len()));
    }
}

impl Entry {
    fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    /// The header before the file. CRC and size are not told there, as they follow.
    fn write_local(&self, flags: u16, out: &mut Vec<u8>) {
        let mut extra = Vec::new();
        if self.is_large() {
            // That the field is there says that the sizes behind the file have 64 bits.
            put_u16(&mut extra, EXTRA_ZIP64);
            put_u16(&mut extra, 16);
            put_u64(&mut extra, 0);
            put_u64(&mut extra, 0);
        }
        self.write_time_extra(&mut extra);
        put_u32(out, 0x0403_4b50);
        put_u16(out, if self.is_large() { VERSION_ZIP64 } else { VERSION });
        self.write_flags_and_time(flags, out);
        put_u32(out, 0);
        for _ in 0..2 {
            put_u32(out, if self.is_large() { u32::MAX } else { 0 });
        }
        put_u16(out, short(self.name.len()));
        put_u16(out, short(extra.len()));
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&extra);
    }

    /// The header in the directory.
    fn write_central(&self, (flags, crc, rights): (u16, u32, u32), out: &mut Vec<u8>) {
        let mut large = Vec::new();
        if self.is_large() {
            put_u64(&mut large, self.size);
            put_u64(&mut large, self.size);
        }
        if self.offset >= LARGE {
            put_u64(&mut large, self.offset);
        }
        let mut extra = Vec::new();
        if !large.is_empty() {
            put_u16(&mut extra, EXTRA_ZIP64);
            put_u16(&mut extra, short(large.len()));
            extra.extend_from_slice(&large);
        }
        self.write_time_extra(&mut extra);
        put_u32(out, 0x0201_4b50);
        put_u16(out, MADE_BY);
        put_u16(out, if large.is_empty() { VERSION } else { VERSION_ZIP64 });
        self.write_flags_and_time(flags, out);
        put_u32(out, crc);
        put_u32(out, low(self.size));
        put_u32(out, low(self.size));
        put_u16(out, short(self.name.len()));
        put_u16(out, short(extra.len()));
        // No comment, the first disk, nothing known of what is inside.
        for _ in 0..3 {
            put_u16(out, 0);
        }
        put_u32(out, rights);
        put_u32(out, low(self.offset));
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&extra);
    }

    /// The flags, that the file is not compressed, and when it was changed.
    fn write_flags_and_time(&self, flags: u16, out: &mut Vec<u8>) {
        let (date, time) = dos_time(self.modified);
        for number in [flags, 0, time, date] {
            put_u16(out, number);
        }
    }

    fn write_time_extra(&self, out: &mut Vec<u8>) {
        // After 2038, the time of DOS has to do.
        let Ok(seconds) = i32::try_from(self.modified.as_second()) else { return };
        put_u16(out, EXTRA_TIME);
        put_u16(out, 5);
        out.push(1);
        out.extend_from_slice(&seconds.to_le_bytes());
    }
}

/// Date and time as DOS has them, in steps of two seconds from 1980 to 2107. They have no zone: UTC.
fn dos_time(time: Timestamp) -> (u16, u16) {
    let time = Offset::UTC.to_datetime(time);
    let number = |number: i8| u16::try_from(number).unwrap_or_default();
    let date = |years: u16, month: u16, day: u16| years << 9 | month << 5 | day;
    let clock = |hour: u16, minute: u16, second: u16| hour << 11 | minute << 5 | (second / 2);
    match u16::try_from(time.year()).ok().and_then(|year| year.checked_sub(1980)) {
        None => (date(0, 1, 1), 0),
        Some(years) if years > 127 => (date(127, 12, 31), clock(23, 59, 58)),
        Some(years) => (
            date(years, number(time.month()), number(time.day())),
            clock(number(time.hour()), number(time.minute()), number(time.second())),
        ),
    }
}

fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// A number in 32 bits; all of them are set if it is told in 64 bits elsewhere.
fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The length of a name or of further fields. A key has 1,024 bytes at most, and so has a name of it.
fn short(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Seek, SeekFrom, Write};

    use super::*;

    const THEN: &str = "2026-06-15T12:34:56Z";

    fn then() -> Timestamp {
        THEN.parse().unwrap()
    }

    fn add(zip: &mut ZipWriter, name: &str, content: &[u8], out: &mut Vec<u8>) {
        let size = u64::try_from(content.len()).unwrap();
        let mut file = zip.begin_file((name.to_owned(), size, then()), out);
        for piece in content.chunks(3) {
            file.take(piece);
            out.extend_from_slice(piece);
        }
        zip.end_file(file, out).unwrap();
    }

    #[test]
    fn another_program_reads_what_is_written() {
        let (mut zip, mut out) = (ZipWriter::default(), Vec::new());
        add(&mut zip, "a.txt", b"hello", &mut out);
        zip.folder("b/".to_owned(), then(), &mut out);
        add(&mut zip, "b/\u{e4} \u{1f600}.bin", &[7; 1000], &mut out);
        add(&mut zip, "empty", b"", &mut out);
        out.extend(zip.finish());
        let mut read = zip::ZipArchive::new(Cursor::new(out)).unwrap();
        let names: Vec<_> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["a.txt", "b/", "b/\u{e4} \u{1f600}.bin", "empty"]);
        for (name, expected) in [("a.txt", &b"hello"[..]), (&names[2], &[7; 1000]), ("empty", b"")]
        {
            let mut file = read.by_name(name).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            assert_eq!(content, expected, "{name}");
            let time = file.last_modified().unwrap();
            assert_eq!(time.to_string(), "2026-06-15 12:34:56");
            assert_eq!(file.unix_mode(), Some(0o100_644));
        }
        assert!(read.by_name("b/").unwrap().is_dir());
    }

    #[test]
    fn an_empty_zip_is_one() {
        let end = ZipWriter::default().finish();
        assert_eq!(end.len(), 22);
        assert!(zip::ZipArchive::new(Cursor::new(end)).unwrap().is_empty());
    }

    #[test]
    fn a_file_has_the_size_that_was_said() {
        let (mut zip, mut out) = (ZipWriter::default(), Vec::new());
        let file = zip.begin_file(("a".to_owned(), 5, then()), &mut out);
        assert_eq!(zip.end_file(file, &mut out), Err(WrongSize));
    }

    /// Large files are holes in a file, whose bytes nobody reads: the CRC is that of nothing.
    #[test]
    fn what_is_large_is_told_in_64_bits() {
        for size in [LARGE - 1, LARGE, LARGE + 1, 5 << 30] {
            let mut rest = tempfile::tempfile().unwrap();
            let (mut zip, mut out) = (ZipWriter::default(), Vec::new());
            let mut file = zip.begin_file(("large".to_owned(), size, then()), &mut out);
            rest.write_all(&out).unwrap();
            rest.seek(SeekFrom::Current(i64::try_from(size).unwrap())).unwrap();
            out.clear();
            file.taken = size;
            zip.end_file(file, &mut out).unwrap();
            let descriptor = if size >= LARGE { 24 } else { 16 };
            assert_eq!(out.len(), descriptor, "{size}");
            add(&mut zip, "behind", b"hello", &mut out);
            out.extend(zip.finish());
            rest.write_all(&out).unwrap();
            let mut read = zip::ZipArchive::new(rest).unwrap();
            let large = read.by_name("large").unwrap();
            assert_eq!((large.size(), large.compressed_size()), (size, size));
            drop(large);
            let mut behind = read.by_name("behind").unwrap();
            assert!(behind.header_start() > size);
            let mut text = String::new();
            behind.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
        }
    }

    #[test]
    fn many_files_are_counted_in_64_bits() {
        for many in [65_534, 65_535, 65_536, 70_000] {
            let (mut zip, mut out) = (ZipWriter::default(), Vec::new());
            for number in 0..many {
                zip.folder(format!("{number}/"), then(), &mut out);
            }
            out.extend(zip.finish());
            let read = zip::ZipArchive::new(Cursor::new(out)).unwrap();
            assert_eq!(read.len(), many);
        }
    }

    #[test]
    fn times_of_dos() {
        let check = |time: &str, expected: (u16, u16)| {
            assert_eq!(dos_time(time.parse().unwrap()), expected, "{time}");
        };
        check("1970-01-01T00:00:00Z", (0x21, 0));
        check("1980-01-01T00:00:00Z", (0x21, 0));
        check("2026-06-15T12:34:57Z", (0x5ccf, 0x645c));
        check("2200-01-01T00:00:00Z", (0xff9f, 0xbf7d));
    }
}
