//! Names of a link: one for machines, one for people.

use std::fmt;
use std::str::FromStr;

/// The most characters of a [`LinkId`].
pub const LINK_ID_CHARS_MAX: usize = 64;

/// The most characters of a [`LinkLabel`].
pub const LINK_LABEL_CHARS_MAX: usize = 256;

/// What makes a link one of its own: 1 to 64 of `A-Za-z0-9_-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(String);

/// What people call a link: 1 to 256 printable characters.
///
/// A character that no screen shows, or that turns the direction of a line (U+202E makes `exe.jpg` of `gpj.exe`), is
/// not printable: the label is shown in logs, terminals and pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLabel(String);

/// Not the name of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkNameError {
    /// Not 1 to 64 of the characters that an id may have.
    #[error("expected 1 to 64 of the characters A-Z, a-z, 0-9, _ and -")]
    Id,
    /// Not 1 to 256 printable characters.
    #[error("expected 1 to 256 printable characters")]
    Label,
}

impl FromStr for LinkId {
    type Err = LinkNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let fits = (1..=LINK_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(LinkNameError::Id) }
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl LinkLabel {
    /// The label itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkLabel {
    type Err = LinkNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No text of so many bytes is short enough, whatever its characters are.
        let short = text.len() <= 4 * LINK_LABEL_CHARS_MAX;
        // Most labels are plain, and a link's is read with each of its requests.
        if (1..=LINK_LABEL_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        {
            return Ok(Self(text.to_owned()));
        }
        let fits = short
            && (1..=LINK_LABEL_CHARS_MAX).contains(&text.chars().count())
            && text.chars().all(is_printable);
        if fits { Ok(Self(text.to_owned())) } else { Err(LinkNameError::Label) }
    }
}

impl fmt::Display for LinkLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a character is shown, and leaves the rest of its line as it is.
fn is_printable(character: char) -> bool {
    let unseen = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !unseen
}
