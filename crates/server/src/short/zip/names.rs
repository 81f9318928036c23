//! The names of files in a zip. A key may be any text; a name there becomes a path on somebody's disk. So it never leads out
//! of the folder that it is unpacked in, looks like what it is, and is the name of one file on any system.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::disposition::is_deceptive;

/// The longest part of a path, in bytes: file systems allow 255, and a number must fit as well.
const PART_BYTES_MAX: usize = 240;

/// How many names of files and folders are remembered of one zip.
const NAMES_MAX: usize = 250_000;

/// The names that were given, by their hashes: if two of them should be alike, a file has a number that it need not have.
#[derive(Debug, Default)]
pub(super) struct ZipNames {
    hashes: RandomState,
    given: HashMap<u64, Given>,
}

/// What a name was given to.
#[derive(Clone, Copy, Debug)]
struct Given {
    is_file: bool,
    /// The number to try for the next file of this name.
    next_file: u32,
    /// The number of the folder of this name, which is the name of a file; 0: it has none yet.
    folder: u32,
}

impl Given {
    const FILE: Self = Self { is_file: true, next_file: 2, folder: 0 };
    const FOLDER: Self = Self { is_file: false, ..Self::FILE };
}

impl ZipNames {
    /// What the names take in memory, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let entry = size_of::<u64>().saturating_add(size_of::<Given>()).saturating_add(1);
        u64::try_from(self.given.capacity().saturating_mul(entry)).unwrap_or(u64::MAX)
    }

    /// Whether so many names were given that no more are remembered.
    pub(super) fn is_full(&self) -> bool {
        self.given.len() >= NAMES_MAX
    }

    /// The name of the file of this key.
    pub(super) fn file(&mut self, key: &str) -> String {
        let mut parts: Vec<String> = parts(key).collect();
        let last = parts.pop().unwrap_or_else(|| "_".to_owned());
        let folder = self.enter(&parts);
        let name = format!("{folder}{last}");
        let hash = self.hash(&name);
        let Some(known) = self.given.get(&hash) else {
            self.given.insert(hash, Given::FILE);
            return name;
        };
        let mut number = known.next_file;
        loop {
            let name = format!("{folder}{}", numbered(&last, number));
            number = number.saturating_add(1);
            let hash_of_name = self.hash(&name);
            if self.given.contains_key(&hash_of_name) {
                continue;
            }
            self.given.insert(hash_of_name, Given::FILE);
            if let Some(known) = self.given.get_mut(&hash) {
                known.next_file = number;
            }
            return name;
        }
    }

    /// The name of a folder, with a slash at its end; `None`: it was given already.
    pub(super) fn folder(&mut self, key: &str) -> Option<String> {
        let parts: Vec<String> = parts(key).collect();
        let given = self.given.len();
        let name = self.enter(&parts);
        (self.given.len() > given).then_some(name)
    }

    /// The folder of these parts, with a slash at its end.
    fn enter(&mut self, parts: &[String]) -> String {
        let mut path = String::new();
        for part in parts {
            path = self.below(&path, part) + "/";
        }
        path
    }

    /// One folder in another. If a file has its name, it has a number.
    fn below(&mut self, path: &str, part: &str) -> String {
        let name = format!("{path}{part}");
        let hash = self.hash(&name);
        let known = *self.given.entry(hash).or_insert(Given::FOLDER);
        if !known.is_file {
            return name;
        }
        let mut number = known.folder.max(2);
        loop {
            let name = format!("{path}{}", numbered(part, number));
            let hash_of_name = self.hash(&name);
            if !self.given.entry(hash_of_name).or_insert(Given::FOLDER).is_file {
                if let Some(known) = self.given.get_mut(&hash) {
                    known.folder = number;
                }
                return name;
            }
            number = number.saturating_add(1);
        }
    }

    /// Names that differ only in the case of their letters are one on many systems.
    fn hash(&self, name: &str) -> u64 {
        self.hashes.hash_one(name.to_lowercase())
    }
}

/// The parts of a key, each of which is the name of a file on any system.
fn parts(key: &str) -> impl Iterator<Item = String> {
    key.split('/').filter(|part| !part.is_empty()).map(clean)
}

fn clean(part: &str) -> String {
    let shown = part.chars().filter(|c| !is_deceptive(*c));
    let replaced = |c: char| if "\\:*?\"<>|".contains(c) { '_' } else { c };
    let mut name: String = shown.map(replaced).collect();
    while name.len() > PART_BYTES_MAX {
        name.pop();
    }
    // Windows takes what ends with a dot or a space for the name without them; and dots alone lead elsewhere.
    let kept = name.trim_end_matches(['.', ' ']).len();
    let ends = name.len().saturating_sub(kept);
    name.truncate(kept);
    name.extend(std::iter::repeat_n('_', ends));
    if name.is_empty() || is_device(&name) {
        name.insert(0, '_');
    }
    name
}

/// Whether Windows takes the name for a device: `CON`, `nul.txt`, `COM1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) {
        return true;
    }
    let digit = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    digit.is_some_and(|digit| digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name with a number, before its ending.
fn numbered(name: &str, number: u32) -> String {
    if number == 1 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem} ({number}).{ending}"),
        Some(_) | None => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_safe() {
        let check = |key: &str, expected: &str| {
            assert_eq!(ZipNames::default().file(key), expected, "{key:?}");
        };
        check("a.txt", "a.txt");
        check("a/b c/\u{e4} \u{1f600}.txt", "a/b c/\u{e4} \u{1f600}.txt");
        check(".gitignore", ".gitignore");
        check("/etc/passwd", "etc/passwd");
        check("../../etc/passwd", "__/__/etc/passwd");
        check("a/./b", "a/_/b");
        check("a//b", "a/b");
        check("..", "__");
        check("", "_");
        check("//", "_");
        check("a\\..\\b", "a_.._b");
        check("C:\\x", "C__x");
        check("C:/x", "C_/x");
        check("a.", "a_");
        check("a. . ", "a____");
        check(" a", " a");
        check("con", "_con");
        check("NUL.txt", "_NUL.txt");
        check("com1", "_com1");
        check("com10", "com10");
        check("a\u{0}b\nc\u{1b}[31m", "abc[31m");
        check("invoice\u{202e}fdp.exe", "invoicefdp.exe");
        check("\u{200b}", "_");
        check(".\u{200b}.", "__");
        check(&"\u{e9}".repeat(200), &"\u{e9}".repeat(120));
    }

    #[test]
    fn two_files_have_two_names() {
        let check = |keys: &[&str], expected: &[&str]| {
            let mut names = ZipNames::default();
            let names: Vec<_> = keys.iter().map(|key| names.file(key)).collect();
            assert_eq!(names, expected, "{keys:?}");
        };
        check(&["a:b", "a?b", "a_b"], &["a_b", "a_b (2)", "a_b (3)"]);
        check(&["a:.txt", "a?.txt"], &["a_.txt", "a_ (2).txt"]);
        check(&["README", "readme"], &["README", "readme (2)"]);
        check(&["a", "a/b", "a/c"], &["a", "a (2)/b", "a (2)/c"]);
        check(&["a/b", "a"], &["a/b", "a (2)"]);
        check(&["a//b", "a/b"], &["a/b", "a/b (2)"]);
        check(&["a (2)", "a", "a/x"], &["a (2)", "a", "a (3)/x"]);
        check(&["..", "__"], &["__", "__ (2)"]);
        let mut names = ZipNames::default();
        assert_eq!(names.folder("a/b/").as_deref(), Some("a/b/"));
        assert_eq!(names.folder("a/b/"), None);
        assert_eq!(names.folder("a/"), None);
        assert_eq!(names.file("a/b"), "a/b (2)");
    }

    proptest! {
        #[test]
        fn no_key_leads_out(keys in proptest::collection::vec("[./\\\\a:\u{202e} ]{0,12}", 1..20)) {
            let mut names = ZipNames::default();
            let mut given = std::collections::HashSet::new();
            for key in keys {
                let name = names.file(&key);
                prop_assert!(!name.starts_with('/') && !name.contains('\\') && !name.contains(':'));
                prop_assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")));
                prop_assert!(given.insert(name.to_lowercase()), "{name}");
            }
        }
    }
}
