//! A file that somebody offers to send, and what they say of it.

use serde::Deserialize;
use store::FileLimits;

use crate::disposition;
use crate::error::{Code, S3Error};
use crate::parts::PartPlan;
use crate::short::object::size_in_words;

/// The longest name and the longest note of a sender, in bytes: metadata of an object has 2 KiB.
const SENDER_BYTES_MAX: usize = 200;
/// See [`SENDER_BYTES_MAX`].
const NOTE_BYTES_MAX: usize = 1000;
/// The longest media type.
const TYPE_BYTES_MAX: usize = 128;
/// A file that somebody is about to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferedFile {
    pub(super) name: String,
    pub(super) size: u64,
    #[serde(default, rename = "type")]
    pub(super) media_type: String,
    #[serde(default)]
    pub(super) sender: String,
    #[serde(default)]
    pub(super) note: String,
}

impl OfferedFile {
    /// Refuses what the link does not take, in words for whoever sends it.
    pub(super) fn check(&self, limits: &FileLimits) -> Result<(), S3Error> {
        let refused = |code, message: String| Err(S3Error::with_message(code, message));
        if let Some(most) = limits.max_bytes.filter(|most| self.size > *most) {
            let message =
                format!("This file is too large: one file may have {}.", size_in_words(most));
            return refused(Code::EntityTooLarge, message);
        }
        if PartPlan::in_small_parts(self.size).is_err() {
            let message = "This file is larger than any that can be stored.".to_owned();
            return refused(Code::EntityTooLarge, message);
        }
        if !self.fits_types(&limits.types) {
            let message = format!(
                "Files of this kind are not taken, only {}.",
                kinds_in_words(&limits.types)
            );
            return refused(Code::InvalidRequest, message);
        }
        if limits.ask_name && shown(&self.sender).is_empty() {
            return refused(Code::InvalidRequest, "Please give your name.".to_owned());
        }
        let lengths = [
            (self.sender.len(), SENDER_BYTES_MAX, "The name"),
            (self.note.len(), NOTE_BYTES_MAX, "The note"),
            (self.media_type.len(), TYPE_BYTES_MAX, "The type"),
        ];
        match lengths.into_iter().find(|(length, most, _)| length > most) {
            None => Ok(()),
            Some((_, most, what)) => {
                refused(Code::InvalidRequest, format!("{what} is longer than {most} bytes."))
            }
        }
    }

    /// The type that the object is to have.
    pub(super) fn content_type(&self) -> &str {
        let media_type = self.media_type.trim();
        if is_media_type(media_type) { media_type } else { "application/octet-stream" }
    }

    /// Whether a file is of one of the types that are taken: by its media type, or by the ending of its name.
    fn fits_types(&self, types: &[String]) -> bool {
        let name = self.name.to_lowercase();
        let media_type = self.media_type.to_ascii_lowercase();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        types.is_empty()
            || types.iter().any(|taken| match taken.strip_suffix('*') {
                Some(kind) => media_type.starts_with(kind),
                None if taken.starts_with('.') => name.ends_with(taken.as_str()),
                None => media_type == taken,
            })
    }
}

/// Kinds of files for people: `.pdf files and pictures`.
pub(super) fn kinds_in_words(types: &[String]) -> String {
    let kind = |text: &String| match text.as_str() {
        "image/*" => "pictures".to_owned(),
        "video/*" => "videos".to_owned(),
        "audio/*" => "sound".to_owned(),
        "text/*" => "texts".to_owned(),
        "application/pdf" => "PDF files".to_owned(),
        "application/zip" => "zip files".to_owned(),
        "image/jpeg" => "JPEG pictures".to_owned(),
        "image/png" => "PNG pictures".to_owned(),
        other if other.starts_with('.') => format!("{other} files"),
        other => format!("files of the type {other}"),
    };
    let mut kinds: Vec<String> = types.iter().map(kind).collect();
    let Some(last) = kinds.pop() else { return String::new() };
    if kinds.is_empty() { last } else { format!("{} and {last}", kinds.join(", ")) }
}

fn is_media_type(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
    text.split_once('/').is_some_and(|(kind, sub)| {
        let subtype = sub.split(';').next().unwrap_or_default().trim_end();
        !kind.is_empty()
            && kind.chars().all(plain)
            && !subtype.is_empty()
            && subtype.chars().all(plain)
    }) && text.chars().all(|c| matches!(c, ' '..='~'))
}

/// What can be seen of a text. What is left at its ends when the unseen is taken out is trimmed, and not the other way round.
fn shown(text: &str) -> String {
    let seen: String = text.chars().filter(|c| !disposition::is_deceptive(*c)).collect();
    seen.trim().to_owned()
}

/// A text as a header has it: plain, or as RFC 2047 encodes other characters.
pub(super) fn header_text(text: &str) -> String {
    use base64::Engine as _;
    let shown = shown(text);
    if shown.chars().all(|c| matches!(c, ' '..='~')) && !shown.starts_with("=?") {
        return shown;
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(shown);
    format!("=?UTF-8?B?{encoded}?=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_media_type_or_ending() {
        let check = |types: &[&str], name: &str, media_type: &str, expected: bool| {
            let offered = OfferedFile {
                name: name.to_owned(),
                size: 0,
                media_type: media_type.to_owned(),
                sender: String::new(),
                note: String::new(),
            };
            let types: Vec<String> = types.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(offered.fits_types(&types), expected, "{types:?} {name} {media_type}");
        };
        check(&[], "a", "", true);
        check(&["image/*"], "a", "image/png", true);
        check(&["image/*"], "a.png", "", false);
        check(&["image/*"], "a", "imagex/png", false);
        check(&[".pdf"], "A.PDF", "", true);
        check(&[".pdf"], "a.pdf.exe", "application/pdf", false);
        check(&["application/pdf"], "a", "Application/PDF; x=y", true);
        check(&["application/pdf", ".txt"], "a.txt", "text/plain", true);
    }

    #[test]
    fn kinds_are_told_in_words() {
        let check = |types: &[&str], expected: &str| {
            let types: Vec<String> = types.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(kinds_in_words(&types), expected);
        };
        check(&[], "");
        check(&["image/*"], "pictures");
        check(&[".pdf", "image/*"], ".pdf files and pictures");
        check(
            &[".pdf", "font/ttf", "video/*"],
            ".pdf files, files of the type font/ttf and videos",
        );
    }

    #[test]
    fn what_a_sender_says_is_one_plain_header() {
        assert_eq!(header_text(" Ana "), "Ana");
        assert_eq!(header_text("\u{200b} Ana \u{200b}"), "Ana");
        assert_eq!(header_text(" \u{200b} \u{202e}\t"), "");
        assert_eq!(header_text("a\r\nx-amz-acl: public-read"), "ax-amz-acl: public-read");
        assert_eq!(header_text("Zoë"), "=?UTF-8?B?Wm/Dqw==?=");
        assert_eq!(header_text("=?x"), "=?UTF-8?B?PT94?=");
    }
}
