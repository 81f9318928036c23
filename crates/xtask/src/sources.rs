//! The sources and documents of the repository: read once, with the parts a check wants to look at.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context as _, Result};

/// Folders with Rust sources, of this workspace and of those that stand beside it.
const FOLDERS: [&str; 4] = ["crates", "clients", "fuzz", "bench"];
/// Folders with documents alone, and the root itself, of which only the files are read.
const DOCUMENT_FOLDERS: [&str; 2] = ["docs", "packaging"];
/// How the names of files end in which one may refer to a document.
const TEXTS: [&str; 6] = ["js", "json", "md", "mjs", "py", "rs"];
/// What tools put between the sources.
const NOT_OURS: [&str; 4] = ["target", "node_modules", ".venv", "__pycache__"];

/// One file of text.
pub(crate) struct SourceFile {
    /// From the repository's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    /// The lines before the module of unit tests, with their numbers from 1; none of a file that
    /// is a test as a whole.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let wanted = if self.is_test() { 0 } else { usize::MAX };
        self.numbered_lines().take_while(|(_, line)| !line.starts_with("#[cfg(test)]")).take(wanted)
    }

    /// All lines that are not comments, with their numbers from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered_lines().filter(|(_, line)| !is_comment(line))
    }

    /// Whether cargo compiles the file only for tests.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/")
    }

    fn numbered_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().zip(1..).map(|(line, number)| (number, line))
    }
}

pub(crate) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust source, in order of path.
pub(crate) fn all() -> Result<Vec<SourceFile>> {
    let mut found = texts_in(&FOLDERS)?;
    found.retain(|source| has_extension(&source.path, &["rs"]));
    Ok(found)
}

/// Every source and document in which something may be referred to, in order of path.
pub(crate) fn texts() -> Result<Vec<SourceFile>> {
    let mut found = texts_in(&[&FOLDERS[..], &DOCUMENT_FOLDERS[..]].concat())?;
    for entry in fs::read_dir(root()).context("reading the root")? {
        let entry = entry.context("reading the root")?;
        let path = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && has_extension(&path, &TEXTS) {
            let text = fs::read_to_string(entry.path()).with_context(|| path.clone())?;
            found.push(SourceFile { path, text });
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn texts_in(folders: &[&str]) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), folder, &mut found)
            .with_context(|| format!("reading {folder}"))?;
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn collect(folder: &Path, path: &str, found: &mut Vec<SourceFile>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let inner = format!("{path}/{name}");
        if entry.file_type()?.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&entry.path(), &inner, found)?;
            }
        } else if has_extension(&name, &TEXTS) {
            found.push(SourceFile { path: inner, text: fs::read_to_string(entry.path())? });
        }
    }
    Ok(())
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}
