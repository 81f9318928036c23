//! The index of a segment: for each value of each dimension, the blocks of the segment that have uses of it.
//!
//! The values of a dimension are sorted and written into chunks of about 4 KiB, each a row named by segment, dimension and the
//! first value in it. So writing is sequential, and to look a value up is to find one row.

use rusqlite::{Connection, OptionalExtension as _};

use crate::LedgerError;
use crate::numbers::Dimension;
use crate::varint::{Reader, put};

/// Bytes that a chunk has at most, so that a row fits into a page; a single entry may be longer.
const CHUNK_BYTES: usize = 4000;
/// Bytes of the two numbers before an entry's blocks, at most.
const ENTRY_HEAD_BYTES: usize = 10;
/// The encoding that is written, as the first byte of a chunk.
const VERSION: u8 = 1;
/// Bits of a place that are the value.
const VALUE_BITS: u32 = 38;
/// Bits of a place that are the dimension.
const DIMENSION_BITS: u32 = 3;

/// Where a value of a dimension of a segment stands: the three numbers in one, in this order.
fn place(segment: u64, dimension: Dimension, value: u64) -> Option<i64> {
    let fits = value < 1 << VALUE_BITS && segment < 1 << (63 - VALUE_BITS - DIMENSION_BITS);
    let high = segment << DIMENSION_BITS | dimension.number();
    fits.then(|| (high << VALUE_BITS | value).cast_signed())
}

/// The places of a segment: from the first one to before the second one.
pub(crate) fn places(segment: u64) -> (i64, i64) {
    let first = |segment: u64| (segment << (DIMENSION_BITS + VALUE_BITS)).cast_signed();
    (first(segment), first(segment + 1))
}

/// Writes the chunks of one dimension of one segment.
#[derive(Debug)]
pub(crate) struct ChunkWriter<'c> {
    connection: &'c Connection,
    segment: u64,
    dimension: Dimension,
    first: u64,
    last: u64,
    chunk: Vec<u8>,
    entry: Vec<u8>,
}

impl<'c> ChunkWriter<'c> {
    pub(crate) fn new(connection: &'c Connection, segment: u64, dimension: Dimension) -> Self {
        let (chunk, entry) = (Vec::with_capacity(CHUNK_BYTES), Vec::new());
        Self { connection, segment, dimension, first: 0, last: 0, chunk, entry }
    }

    /// Adds a value, larger than the last one, and its blocks, counted from the segment's first, which rise.
    pub(crate) fn add(&mut self, value: u64, blocks: &[u32]) -> Result<(), LedgerError> {
        self.entry.clear();
        let mut before = 0;
        for block in blocks {
            put(&mut self.entry, u64::from(block.saturating_sub(before)));
            before = *block;
        }
        if self.chunk.len() + self.entry.len() + ENTRY_HEAD_BYTES > CHUNK_BYTES {
            self.write()?;
        }
        if self.chunk.is_empty() {
            self.chunk.push(VERSION);
            (self.first, self.last) = (value, value);
        }
        put(&mut self.chunk, value.saturating_sub(self.last));
        put(&mut self.chunk, u64::try_from(self.entry.len()).unwrap_or(u64::MAX));
        self.chunk.extend_from_slice(&self.entry);
        self.last = value;
        Ok(())
    }

    /// Writes what has gathered, if anything has.
    pub(crate) fn write(&mut self) -> Result<(), LedgerError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let place = place(self.segment, self.dimension, self.first);
        let place = place.ok_or(LedgerError::Corrupt("a number of too many bits"))?;
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO postings (place, chunk) VALUES (?1, ?2)")?;
        statement.execute((place, &self.chunk))?;
        self.chunk.clear();
        Ok(())
    }
}

/// Reads one dimension of one segment.
#[derive(Debug)]
pub(crate) struct ChunkReader<'c> {
    connection: &'c Connection,
    segment: u64,
    dimension: Dimension,
    /// How many rows were looked for, which is what reading costs.
    pub(crate) looks: u32,
}

impl<'c> ChunkReader<'c> {
    pub(crate) fn new(connection: &'c Connection, segment: u64, dimension: Dimension) -> Self {
        Self { connection, segment, dimension, looks: 0 }
    }

    /// The blocks of all these values, which rise, counted from the segment's first block.
    pub(crate) fn blocks(&mut self, values: &[u64]) -> Result<Vec<u32>, LedgerError> {
        let mut found = Vec::new();
        let mut rest = values;
        while let Some(value) = rest.first() {
            let before = rest.len();
            if let Some((first, chunk)) = self.chunk_at(*value)? {
                rest = take_found(&chunk, first, rest, &mut found)?;
            }
            if rest.len() == before {
                // The value lies between two chunks, or after the last one, and so may many that follow.
                let Some(next) = self.chunk_after(*value)? else { break };
                rest = rest.get(rest.partition_point(|value| *value < next)..).unwrap_or_default();
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The chunk in which a value stands if it is there, and the first value of that chunk.
    fn chunk_at(&mut self, value: u64) -> Result<Option<(u64, Vec<u8>)>, LedgerError> {
        self.looks += 1;
        let place = |value| place(self.segment, self.dimension, value);
        let mut statement = self.connection.prepare_cached(
            "SELECT place, chunk FROM postings WHERE place BETWEEN ?1 AND ?2
             ORDER BY place DESC LIMIT 1",
        )?;
        let row = statement
            .query_row((place(0), place(value)), |row| Ok((value_of(row.get(0)?), row.get(1)?)));
        Ok(row.optional()?)
    }

    /// The first value of the next chunk.
    fn chunk_after(&mut self, value: u64) -> Result<Option<u64>, LedgerError> {
        self.looks += 1;
        let place = |value| place(self.segment, self.dimension, value);
        let mut statement = self.connection.prepare_cached(
            "SELECT place FROM postings WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT 1",
        )?;
        let highest = place((1 << VALUE_BITS) - 1);
        let row = statement.query_row((place(value), highest), |row| Ok(value_of(row.get(0)?)));
        Ok(row.optional()?)
    }
}

/// The value in a place.
fn value_of(place: i64) -> u64 {
    place.cast_unsigned() & ((1 << VALUE_BITS) - 1)
}

/// Adds the blocks of those values that a chunk has, and gives back the values that are larger than its last one.
fn take_found<'v>(
    chunk: &[u8],
    first: u64,
    values: &'v [u64],
    found: &mut Vec<u32>,
) -> Result<&'v [u64], LedgerError> {
    let mut rest = values;
    for entry in Entries::new(chunk, first)? {
        let (entry, blocks) = entry?;
        while let [value, larger @ ..] = rest
            && *value < entry
        {
            rest = larger;
        }
        match rest {
            [] => break,
            [value, larger @ ..] if *value == entry => {
                rest = larger;
                let mut reader = Reader::new(blocks);
                let mut block = 0_u64;
                while !reader.is_empty() {
                    block = block.saturating_add(reader.number()?);
                    found.push(u32::try_from(block).map_err(|_| LedgerError::Corrupt("a block"))?);
                }
            }
            _ => {}
        }
    }
    Ok(rest)
}

/// The entries of a chunk: values, and the blocks of each as they are encoded.
struct Entries<'a> {
    reader: Reader<'a>,
    value: u64,
}

impl<'a> Entries<'a> {
    fn new(chunk: &'a [u8], first: u64) -> Result<Self, LedgerError> {
        let mut reader = Reader::new(chunk);
        match reader.byte()? {
            VERSION => Ok(Self { reader, value: first }),
            _ => Err(LedgerError::Corrupt("an unknown encoding of an index")),
        }
    }

    fn entry(&mut self) -> Result<(u64, &'a [u8]), LedgerError> {
        self.value = self.value.saturating_add(self.reader.number()?);
        let length = self.reader.count(usize::MAX)?;
        Ok((self.value, self.reader.bytes(length)?))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(u64, &'a [u8]), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.reader.is_empty()).then(|| self.entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(crate::database::SCHEMA).unwrap();
        connection
    }

    #[test]
    fn a_chunk_has_these_bytes() {
        let connection = database();
        let mut writer = ChunkWriter::new(&connection, 1, Dimension::Object);
        writer.add(5, &[0, 3]).unwrap();
        writer.add(300, &[200]).unwrap();
        writer.write().unwrap();
        let row = connection.query_row("SELECT place, chunk FROM postings", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let expected = vec![1, 0, 2, 0, 3, 0xa7, 2, 2, 0xc8, 1];
        assert_eq!(row.unwrap(), (((1 << 3) | 2) << 38 | 5, expected));
    }

    #[test]
    fn each_value_is_found_in_its_own_segment_and_dimension() {
        let connection = database();
        for (segment, dimension) in
            [(0, Dimension::Link), (0, Dimension::Label), (1, Dimension::Link)]
        {
            let mut writer = ChunkWriter::new(&connection, segment, dimension);
            for value in 1..5000_u32 {
                let blocks = [value % 7, 7 + u32::try_from(segment).unwrap(), 500];
                writer.add(u64::from(3 * value), &blocks).unwrap();
            }
            writer.write().unwrap();
        }
        let check = |segment, dimension, values: &[u64], expected: &[u32], looks: u32| {
            let mut reader = ChunkReader::new(&connection, segment, dimension);
            assert_eq!(
                reader.blocks(values).unwrap(),
                expected,
                "{segment} {dimension:?} {values:?}"
            );
            assert_eq!(reader.looks, looks, "{segment} {dimension:?} {values:?}");
        };
        check(0, Dimension::Link, &[3], &[1, 7, 500], 1);
        check(1, Dimension::Link, &[6, 9, 10], &[2, 3, 8, 500], 1);
        check(0, Dimension::Label, &[3, 14_997], &[1, 7, 500], 2);
        check(0, Dimension::Object, &[3], &[], 2);
        check(2, Dimension::Link, &[3], &[], 2);
        check(0, Dimension::Link, &[1, 2, 4], &[], 3);
        // Whatever is after the last chunk costs two looks, however much it is.
        let many: Vec<u64> = (20_000..30_000).collect();
        check(0, Dimension::Link, &many, &[], 2);
        let all: Vec<u64> = (1..15_000).collect();
        let mut reader = ChunkReader::new(&connection, 0, Dimension::Link);
        assert_eq!(reader.blocks(&all).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 500]);
        let chunks: u32 = connection
            .query_row(
                "SELECT count(*) FROM postings WHERE place < ?1",
                [place(0, Dimension::Object, 0)],
                |row| row.get(0),
            )
            .unwrap();
        assert!(
            chunks > 3 && reader.looks <= 3 * chunks + 2,
            "{} looks, {chunks} chunks",
            reader.looks
        );
    }
}
