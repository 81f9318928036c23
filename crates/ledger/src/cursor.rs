//! Where a page ended, as text that its reader hands back.

use std::fmt;
use std::str::FromStr;

/// The version of the text, its first character.
const VERSION: char = '1';

/// Where the next page begins. As text it is opaque, and names its version and the kind of query that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) list: CursorList,
    pub(crate) place: u64,
}

/// The list that a cursor points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorList {
    /// Links before this number.
    Links,
    /// Uses before this place.
    NewestUses,
    /// Uses from this place on.
    OldestUses,
}

/// Not a cursor, or one of another query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the cursor of an earlier page of this query")]
pub struct CursorError;

impl Cursor {
    /// The place, if the cursor is of that list; without one, where the list begins.
    pub(crate) fn place_in(
        cursor: Option<Self>,
        list: CursorList,
    ) -> Result<Option<u64>, CursorError> {
        match cursor {
            None => Ok(None),
            Some(cursor) if cursor.list == list => Ok(Some(cursor.place)),
            Some(_) => Err(CursorError),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self.list {
            CursorList::Links => 'l',
            CursorList::NewestUses => 'n',
            CursorList::OldestUses => 'o',
        };
        write!(formatter, "{VERSION}{list}{:016x}", self.place)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (list, digits) = match text.split_at_checked(2) {
            Some(("1l", digits)) => (CursorList::Links, digits),
            Some(("1n", digits)) => (CursorList::NewestUses, digits),
            Some(("1o", digits)) => (CursorList::OldestUses, digits),
            _ => return Err(CursorError),
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 16 || !digits.bytes().all(is_hex) {
            return Err(CursorError);
        }
        // Places are numbers of rows, which SQLite takes with a sign.
        let place = u64::from_str_radix(digits, 16).map_err(|_| CursorError)?;
        if i64::try_from(place).is_err() {
            return Err(CursorError);
        }
        Ok(Self { list, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_this_text() {
        let check = |list, place, text: &str| {
            let cursor = Cursor { list, place };
            assert_eq!(cursor.to_string(), text);
            assert_eq!(text.parse(), Ok(cursor));
        };
        check(CursorList::Links, 0, "1l0000000000000000");
        check(CursorList::NewestUses, 0xabc, "1n0000000000000abc");
        check(CursorList::OldestUses, u64::MAX >> 1, "1o7fffffffffffffff");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "",
            "1",
            "1l",
            "1l000000000000000",
            "1l00000000000000000",
            "2l0000000000000000",
            "1x0000000000000000",
            "1l+000000000000000",
            "1l000000000000000A",
            "1l8000000000000000",
            "é0000000000000000",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
        let cursor = Cursor { list: CursorList::Links, place: 5 };
        let check = |cursor, list, expected| assert_eq!(Cursor::place_in(cursor, list), expected);
        check(Some(cursor), CursorList::Links, Ok(Some(5)));
        check(Some(cursor), CursorList::OldestUses, Err(CursorError));
        check(None, CursorList::OldestUses, Ok(None));
    }
}
