//! Writes a listing as one JSON document, page by page, so that it is never held in memory.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use super::{CommonPrefix, Page};
use crate::failure::Failure;
use crate::output;

/// A listing with objects and folders. Objects are written as they come. Folders come in between but are
/// written last; until then they wait in a file without a name.
pub(super) struct Document {
    folders: BufWriter<File>,
    folders_begun: bool,
    objects_begun: bool,
}

impl Document {
    /// Writes the beginning of the document.
    pub(super) fn begin(bucket: &str, prefix: &str) -> Result<Self, Failure> {
        let folders = tempfile::tempfile().context("cannot make a temporary file")?;
        output::piece(&format!(
            "{{\"bucket\":{},\"prefix\":{},\"objects\":[",
            output::json(&bucket)?,
            output::json(&prefix)?
        ))?;
        let folders = BufWriter::new(folders);
        Ok(Self { folders, folders_begun: false, objects_begun: false })
    }

    /// Writes the objects of a page.
    pub(super) fn add(&mut self, page: &Page) -> Result<(), Failure> {
        let Page { objects, common_prefixes, .. } = page;
        for CommonPrefix { prefix } in common_prefixes {
            let comma = comma(&mut self.folders_begun);
            write!(self.folders, "{comma}{}", output::json(prefix)?).context(CANNOT_KEEP)?;
        }
        let mut text = String::new();
        for object in objects {
            text += comma(&mut self.objects_begun);
            text += &output::json(object)?;
        }
        output::piece(&text)
    }

    /// Writes the folders and the end of the document.
    pub(super) fn end(self) -> Result<(), Failure> {
        let mut folders = self
            .folders
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .context(CANNOT_KEEP)?;
        folders.rewind().context(CANNOT_KEEP)?;
        output::piece("],\"folders\":[")?;
        let mut folders = io::BufReader::new(folders);
        let mut bytes = vec![0; crate::transfer::READ_BYTES];
        loop {
            match folders.read(&mut bytes).context(CANNOT_KEEP)? {
                0 => break,
                count => output::bytes(bytes.get(..count).unwrap_or_default())?,
            }
        }
        output::piece("]}\n")
    }
}

/// A document with one list, written page by page.
pub(super) struct List {
    begun: bool,
}

impl List {
    /// Writes the beginning of the document.
    pub(super) fn begin(name: &str) -> Result<Self, Failure> {
        output::piece(&format!("{{{}:[", output::json(&name)?))?;
        Ok(Self { begun: false })
    }

    /// Writes the items of one page.
    pub(super) fn add(&mut self, page: &[impl Serialize]) -> Result<(), Failure> {
        let mut text = String::new();
        for item in page {
            text += comma(&mut self.begun);
            text += &output::json(item)?;
        }
        output::piece(&text)
    }

    /// Writes the end of the document.
    pub(super) fn end(_of: Self) -> Result<(), Failure> {
        output::piece("]}\n")
    }
}

const CANNOT_KEEP: &str = "cannot keep the folders in a temporary file";

/// The separator before the next item.
fn comma(begun: &mut bool) -> &'static str {
    if std::mem::replace(begun, true) { "," } else { "" }
}
