//! Numbers of one to ten bytes, and columns of them: what blocks and chunks are made of.

use crate::LedgerError;

/// A column in which every number is the same.
const SAME: u8 = 0;
/// A column that has all its numbers.
const EACH: u8 = 1;

/// Writes seven bits a byte, the lowest first; every byte but the last has its highest bit set.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Writes a column: one number if all are the same, else each.
pub(crate) fn put_column(out: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone) {
    let mut rest = values.clone();
    let first = rest.next().unwrap_or_default();
    if rest.all(|value| value == first) {
        out.push(SAME);
        put(out, first);
    } else {
        out.push(EACH);
        values.for_each(|value| put(out, value));
    }
}

/// Writes a column of numbers that are near to each other, as the differences.
pub(crate) fn put_differences(out: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone) {
    let mut before = 0_u64;
    // Of either sign: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4.
    let differences = values.map(move |value| {
        let difference = value.wrapping_sub(before).cast_signed();
        before = value;
        (difference.cast_unsigned() << 1) ^ (difference >> 63).cast_unsigned()
    });
    put_column(out, differences);
}

/// Reads what the functions above write.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, LedgerError> {
        let (first, rest) = self.rest.split_first().ok_or_else(ended)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], LedgerError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(ended)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn number(&mut self) -> Result<u64, LedgerError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(LedgerError::Corrupt("a number of more than 64 bits"))
    }

    /// A number of things that are to be read, which is never more than the bytes that are left.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, LedgerError> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count <= most { Ok(count) } else { Err(LedgerError::Corrupt("too large a count")) }
    }

    /// All numbers of a column, in their order.
    pub(crate) fn column(&mut self, count: usize) -> Result<Vec<u64>, LedgerError> {
        match self.byte()? {
            SAME => Ok(vec![self.number()?; count]),
            EACH => (0..count).map(|_| self.number()).collect(),
            _ => Err(LedgerError::Corrupt("an unknown kind of column")),
        }
    }

    /// All numbers of a column of differences.
    pub(crate) fn differences(&mut self, count: usize) -> Result<Vec<u64>, LedgerError> {
        let mut numbers = self.column(count)?;
        let mut value = 0_u64;
        for number in &mut numbers {
            let difference = (*number >> 1).cast_signed() ^ -(*number & 1).cast_signed();
            value = value.wrapping_add(difference.cast_unsigned());
            *number = value;
        }
        Ok(numbers)
    }
}

fn ended() -> LedgerError {
    LedgerError::Corrupt("it ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_these_bytes() {
        let check = |value: u64, expected: &[u8]| {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, expected, "{value}");
            assert_eq!(Reader::new(&out).number().unwrap(), value);
        };
        check(0, &[0]);
        check(127, &[0x7f]);
        check(128, &[0x80, 1]);
        check(300, &[0xac, 2]);
        check(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        for wrong in [&[][..], &[0x80], &[0xff; 9], &[0xff; 10], &[0x80; 11]] {
            assert!(Reader::new(wrong).number().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn columns_have_these_bytes() {
        let check = |values: &[u64], plain: &[u8], differences: &[u8]| {
            let mut columns = [Vec::new(), Vec::new()];
            put_column(&mut columns[0], values.iter().copied());
            put_differences(&mut columns[1], values.iter().copied());
            assert_eq!(columns, [plain, differences], "{values:?}");
            assert_eq!(Reader::new(plain).column(values.len()).unwrap(), values);
            assert_eq!(Reader::new(differences).differences(values.len()).unwrap(), values);
        };
        check(&[], &[0, 0], &[0, 0]);
        check(&[7, 7, 7], &[0, 7], &[1, 14, 0, 0]);
        check(&[5, 10, 15], &[1, 5, 10, 15], &[0, 10]);
        check(&[128, 64], &[1, 128, 1, 64], &[1, 128, 2, 127]);
        check(
            &[1, 0, u64::MAX],
            &[1, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            &[1, 2, 1, 1],
        );
        assert!(Reader::new(&[2, 0]).column(1).is_err(), "an unknown kind");
    }
}
