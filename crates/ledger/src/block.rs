//! A block: up to 256 uses, in the order in which they were recorded, encoded column by column.
//!
//! The links of a block stand apart from its uses, so that whoever looks for a link, an object or a signer reads no more than
//! these. Texts, addresses and versions are listed once a block: a stranger who chooses them fills no table that others need.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::LedgerError;
use crate::link_use::VersionBytes;
use crate::numbers::{Dimension, LinkNumbers};
use crate::varint::{Reader, put, put_column, put_differences};

/// Uses that a block has at most. The place of a use is `block * 256 + its index`.
pub(crate) const BLOCK_USES: usize = 256;
/// The encoding that is written, as the first byte of both parts.
const VERSION: u8 = 1;
/// Bytes of a text at most: an agent's characters have up to four each.
const TEXT_BYTES_MAX: usize = 2048;

/// A use as it is kept. What is a text, an address or a version is a place in the block's list, and 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredUse {
    /// Which of the block's links it is of; the first is 0.
    pub(crate) link: usize,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) operation: usize,
    pub(crate) status: u16,
    pub(crate) code: usize,
    pub(crate) version: usize,
    pub(crate) bytes: u64,
    /// Microseconds that it took.
    pub(crate) duration: u64,
    pub(crate) address: usize,
    pub(crate) agent: usize,
}

impl StoredUse {
    /// Whether the use was answered with what was asked for.
    pub(crate) fn is_served(&self) -> bool {
        self.status < 400
    }
}

/// What a use says beside numbers, on its way into a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UseTexts<'a> {
    pub(crate) operation: &'a str,
    pub(crate) code: Option<&'a str>,
    pub(crate) version: Option<VersionBytes>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: Option<&'a str>,
}

/// Values that are listed once, found by their hash.
#[derive(Clone, Debug)]
pub(crate) struct ValueList<T> {
    values: Vec<T>,
    places: HashMap<T, usize, foldhash::fast::RandomState>,
}

impl<T> Default for ValueList<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> ValueList<T> {
    /// The place of a value, counted from 1, which is listed if it is not yet.
    fn place<B>(&mut self, value: &B) -> usize
    where
        B: ?Sized + Hash + Eq + ToOwned<Owned = T>,
        T: std::borrow::Borrow<B>,
    {
        // Most blocks have one or two operations, codes and agents: no hash is needed for the first.
        if self.values.first().is_some_and(|first| first.borrow() == value) {
            return 1;
        }
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.values.push(value.to_owned());
        self.places.insert(value.to_owned(), self.values.len());
        self.values.len()
    }

    fn from_values(values: Vec<T>) -> Self {
        let places = values.iter().cloned().zip(1..).collect();
        Self { values, places }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.places.clear();
    }
}

/// A block that is being filled, or that was read to be filled further.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenBlock {
    links: ValueList<LinkNumbers>,
    operations: ValueList<String>,
    codes: ValueList<String>,
    agents: ValueList<String>,
    addresses: ValueList<IpAddr>,
    versions: ValueList<VersionBytes>,
    uses: Vec<StoredUse>,
}

impl OpenBlock {
    /// Adds a use, of which link, time, status, bytes and duration are told by `use_of`.
    pub(crate) fn push(
        &mut self,
        numbers: &LinkNumbers,
        mut stored: StoredUse,
        texts: UseTexts<'_>,
    ) {
        stored.link = self.links.place(numbers) - 1;
        stored.operation = self.operations.place(texts.operation);
        stored.code = texts.code.map_or(0, |code| self.codes.place(code));
        stored.version = texts.version.map_or(0, |version| self.versions.place(&version));
        stored.address = texts.address.map_or(0, |address| self.addresses.place(&address));
        stored.agent = texts.agent.map_or(0, |agent| self.agents.place(agent));
        self.uses.push(stored);
    }

    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }

    /// When the first and the last of its uses were, in milliseconds.
    pub(crate) fn times(&self) -> (i64, i64) {
        let times = || self.uses.iter().map(|stored| stored.at);
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    pub(crate) fn clear(&mut self) {
        self.links.clear();
        self.operations.clear();
        self.codes.clear();
        self.agents.clear();
        self.addresses.clear();
        self.versions.clear();
        self.uses.clear();
    }

    /// The first part: a version, the count, and eight columns of numbers, each with its length before it.
    pub(crate) fn encode_links(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(VERSION);
        let links = &self.links.values;
        put(out, length(links.len()));
        let mut bytes = Vec::new();
        for column in 0..LinkNumbers::COUNT {
            let numbers = links.iter().map(|numbers| number_at(numbers, column));
            bytes.clear();
            put_differences(&mut bytes, numbers);
            put(out, length(bytes.len()));
            out.extend_from_slice(&bytes);
        }
    }

    /// The second part: a version, the count, the lists, and a column for each member of a use.
    pub(crate) fn encode_uses(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(VERSION);
        put(out, length(self.uses.len()));
        for texts in [&self.operations, &self.codes, &self.agents] {
            put(out, length(texts.values.len()));
            for text in &texts.values {
                put(out, length(text.len()));
                out.extend_from_slice(text.as_bytes());
            }
        }
        put(out, length(self.addresses.values.len()));
        for address in &self.addresses.values {
            put_address(out, *address);
        }
        put(out, length(self.versions.values.len()));
        self.versions.values.iter().for_each(|version| out.extend_from_slice(version));
        let uses = self.uses.iter();
        put_column(out, uses.clone().map(|stored| length(stored.link)));
        put_differences(out, uses.clone().map(|stored| stored.at.cast_unsigned()));
        put_column(out, uses.clone().map(|stored| length(stored.operation)));
        put_column(out, uses.clone().map(|stored| u64::from(stored.status)));
        put_column(out, uses.clone().map(|stored| length(stored.code)));
        put_column(out, uses.clone().map(|stored| length(stored.version)));
        put_column(out, uses.clone().map(|stored| stored.bytes));
        put_column(out, uses.clone().map(|stored| stored.duration));
        put_column(out, uses.clone().map(|stored| length(stored.address)));
        put_column(out, uses.map(|stored| length(stored.agent)));
    }

    /// Reads both parts, so that the block can be filled further.
    pub(crate) fn decode(links: &[u8], uses: &[u8]) -> Result<Self, LedgerError> {
        let links = decode_links(links)?;
        let BlockUses { operations, codes, agents, addresses, versions, uses } =
            BlockUses::decode(uses)?;
        if uses.iter().any(|stored| stored.link >= links.len()) {
            return Err(LedgerError::Corrupt("a use of a link that its block has not"));
        }
        Ok(Self {
            links: ValueList::from_values(links),
            operations: ValueList::from_values(operations),
            codes: ValueList::from_values(codes),
            agents: ValueList::from_values(agents),
            addresses: ValueList::from_values(addresses),
            versions: ValueList::from_values(versions),
            uses,
        })
    }
}

/// The links of a block, in the order in which its uses name them.
pub(crate) fn decode_links(bytes: &[u8]) -> Result<Vec<LinkNumbers>, LedgerError> {
    let mut columns = LinkColumns::new(bytes)?;
    let mut rows = vec![[0_u64; LinkNumbers::COUNT]; columns.count];
    for column in 0..LinkNumbers::COUNT {
        for (row, number) in rows.iter_mut().zip(columns.read()?) {
            row.iter_mut().skip(column).take(1).for_each(|cell| *cell = number);
        }
    }
    Ok(rows.into_iter().map(LinkNumbers::from_array).collect())
}

/// Whether a block has a link with one of these values, which are sorted. It reads no more columns than it must.
pub(crate) fn has_links_of(
    bytes: &[u8],
    dimension: Dimension,
    values: &[u64],
) -> Result<bool, LedgerError> {
    let mut columns = LinkColumns::new(bytes)?;
    for column in 0..LinkNumbers::COUNT {
        if !LinkNumbers::is_column_of(column, dimension) {
            columns.skip()?;
            continue;
        }
        let found = match values {
            [value] => columns.read()?.contains(value),
            values => columns.read()?.iter().any(|number| values.binary_search(number).is_ok()),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The columns of the links of a block, one after the other.
struct LinkColumns<'a> {
    reader: Reader<'a>,
    count: usize,
}

impl<'a> LinkColumns<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::new(bytes);
        check_version(&mut reader)?;
        let count = reader.count(BLOCK_USES)?;
        Ok(Self { reader, count })
    }

    fn skip(&mut self) -> Result<&'a [u8], LedgerError> {
        let length = self.reader.count(usize::MAX)?;
        self.reader.bytes(length)
    }

    fn read(&mut self) -> Result<Vec<u64>, LedgerError> {
        Reader::new(self.skip()?).differences(self.count)
    }
}

/// The uses of a block and what they name, as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockUses {
    operations: Vec<String>,
    codes: Vec<String>,
    agents: Vec<String>,
    addresses: Vec<IpAddr>,
    versions: Vec<VersionBytes>,
    pub(crate) uses: Vec<StoredUse>,
}

impl BlockUses {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::new(bytes);
        check_version(&mut reader)?;
        let count = reader.count(BLOCK_USES)?;
        let operations = read_texts(&mut reader)?;
        let codes = read_texts(&mut reader)?;
        let agents = read_texts(&mut reader)?;
        let addresses = read_list(&mut reader, read_address)?;
        let versions = read_list(&mut reader, |reader| {
            reader.bytes(24)?.try_into().map_err(|_| LedgerError::Corrupt("a version"))
        })?;
        let mut links = reader.column(count)?.into_iter();
        let mut times = reader.differences(count)?.into_iter();
        let mut column = || reader.column(count).map(Vec::into_iter);
        let (mut operation, mut status, mut code) = (column()?, column()?, column()?);
        let (mut version, mut bytes, mut duration) = (column()?, column()?, column()?);
        let (mut address, mut agent) = (column()?, column()?);
        let mut one = || {
            Some(StoredUse {
                link: place(links.next()?, BLOCK_USES)?,
                at: times.next()?.cast_signed(),
                operation: place(operation.next()?, operations.len())?,
                status: u16::try_from(status.next()?).ok()?,
                code: place(code.next()?, codes.len())?,
                version: place(version.next()?, versions.len())?,
                bytes: bytes.next()?,
                duration: duration.next()?,
                address: place(address.next()?, addresses.len())?,
                agent: place(agent.next()?, agents.len())?,
            })
        };
        let uses: Option<Vec<_>> = (0..count).map(|_| one()).collect();
        let uses = uses.ok_or(LedgerError::Corrupt("a use names what its block has not"))?;
        Ok(Self { operations, codes, agents, addresses, versions, uses })
    }

    /// What a use of this block says beside numbers.
    pub(crate) fn texts(&self, stored: &StoredUse) -> UseTexts<'_> {
        UseTexts {
            operation: listed(&self.operations, stored.operation).map_or("", String::as_str),
            code: listed(&self.codes, stored.code).map(String::as_str),
            version: listed(&self.versions, stored.version).copied(),
            address: listed(&self.addresses, stored.address).copied(),
            agent: listed(&self.agents, stored.agent).map(String::as_str),
        }
    }
}

/// What stands at a place that is counted from 1.
fn listed<T>(values: &[T], place: usize) -> Option<&T> {
    values.get(place.checked_sub(1)?)
}

/// A place in a list of so many, or 0.
fn place(value: u64, most: usize) -> Option<usize> {
    usize::try_from(value).ok().filter(|place| *place <= most)
}

fn number_at(numbers: &LinkNumbers, column: usize) -> u64 {
    numbers.to_array().get(column).copied().unwrap_or_default()
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn check_version(reader: &mut Reader<'_>) -> Result<(), LedgerError> {
    match reader.byte()? {
        VERSION => Ok(()),
        _ => Err(LedgerError::Corrupt("an unknown encoding")),
    }
}

fn read_list<'a, T>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let count = reader.count(BLOCK_USES)?;
    (0..count).map(|_| read(reader)).collect()
}

fn read_texts(reader: &mut Reader<'_>) -> Result<Vec<String>, LedgerError> {
    read_list(reader, |reader| {
        let length = reader.count(TEXT_BYTES_MAX)?;
        let text = String::from_utf8(reader.bytes(length)?.to_vec());
        text.map_err(|_| LedgerError::Corrupt("a text that is none"))
    })
}

/// An address is its length, 4 or 16, and its bytes.
fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            put(out, 4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            put(out, 16);
            out.extend_from_slice(&address.octets());
        }
    }
}

fn read_address(reader: &mut Reader<'_>) -> Result<IpAddr, LedgerError> {
    let length = reader.count(16)?;
    let bytes = reader.bytes(length)?;
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(four));
    }
    let sixteen = <[u8; 16]>::try_from(bytes);
    sixteen.map(IpAddr::from).map_err(|_| LedgerError::Corrupt("an address of no length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(link: u64, label: u64) -> LinkNumbers {
        LinkNumbers {
            link,
            object: 300,
            bucket: 2,
            signer: 1,
            key: 4,
            label,
            account: 3,
            bucket_account: 3,
        }
    }

    fn block() -> OpenBlock {
        let mut block = OpenBlock::default();
        let texts = UseTexts {
            operation: "GetObject",
            code: None,
            version: None,
            address: Some(IpAddr::from([192, 0, 2, 7])),
            agent: Some("curl"),
        };
        let stored =
            StoredUse { at: 1000, status: 200, bytes: 5, duration: 128, ..StoredUse::default() };
        block.push(&numbers(9, 0), stored, texts);
        let texts = UseTexts { code: Some("X"), version: Some([7; 24]), agent: None, ..texts };
        let stored = StoredUse { at: 999, status: 404, bytes: 0, duration: 128, ..stored };
        block.push(&numbers(8, 6), stored, texts);
        block
    }

    #[test]
    fn a_block_has_these_bytes() {
        let (mut links, mut uses) = (Vec::new(), Vec::new());
        block().encode_links(&mut links);
        block().encode_uses(&mut uses);
        #[rustfmt::skip]
        let expected_links = [
            1, 2,
            3, 1, 18, 1,        // links 9 and 8
            4, 1, 0xd8, 4, 0,   // object 300 twice
            3, 1, 4, 0,         // bucket
            3, 1, 2, 0,         // signer
            3, 1, 8, 0,         // key
            3, 1, 0, 12,        // labels none and 6
            3, 1, 6, 0,         // account
            3, 1, 6, 0,         // the bucket's account
        ];
        assert_eq!(links, expected_links);
        let mut expected = vec![1, 2];
        expected.extend(b"\x01\x09GetObject\x01\x01X\x01\x04curl\x01\x04\xc0\x00\x02\x07\x01");
        expected.extend([7; 24]);
        #[rustfmt::skip]
        expected.extend([
            1, 0, 1,                   // of the first and the second link
            1, 0xd0, 0x0f, 1,          // at 1000 and one earlier
            0, 1,                      // the same operation
            1, 0xc8, 1, 0x94, 3,       // 200 and 404
            1, 0, 1,                   // code
            1, 0, 1,                   // version
            1, 5, 0,                   // bytes
            0, 0x80, 1,                // 128 microseconds each
            0, 1,                      // the same address
            1, 1, 0,                   // agent
        ]);
        assert_eq!(uses, expected);
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        let (mut links, mut uses) = (Vec::new(), Vec::new());
        block().encode_links(&mut links);
        block().encode_uses(&mut uses);
        assert_eq!(decode_links(&links).unwrap(), [numbers(9, 0), numbers(8, 6)]);
        let check = |dimension, values: &[u64], expected| {
            assert_eq!(has_links_of(&links, dimension, values).unwrap(), expected, "{values:?}");
        };
        check(Dimension::Link, &[8], true);
        check(Dimension::Link, &[7], false);
        check(Dimension::Link, &[3, 9], true);
        check(Dimension::Object, &[300], true);
        check(Dimension::Label, &[5, 7], false);
        check(Dimension::Account, &[3], true);
        check(Dimension::Account, &[9], false);
        let read = BlockUses::decode(&uses).unwrap();
        let [first, second] = read.uses[..] else { panic!("two uses") };
        assert_eq!((first.link, first.at, first.status, first.bytes), (0, 1000, 200, 5));
        assert_eq!((second.link, second.at, second.status, second.duration), (1, 999, 404, 128));
        assert!(first.is_served() && !second.is_served());
        let (texts, other) = (read.texts(&first), read.texts(&second));
        assert_eq!((texts.operation, texts.code, texts.agent), ("GetObject", None, Some("curl")));
        assert_eq!((other.code, other.version, other.agent), (Some("X"), Some([7; 24]), None));
        assert_eq!(other.address, Some(IpAddr::from([192, 0, 2, 7])));
        // What was read and is encoded again is the same, so a block can be filled further.
        let mut again = Vec::new();
        OpenBlock::decode(&links, &uses).unwrap().encode_uses(&mut again);
        assert_eq!(again, uses);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let (mut links, mut uses) = (Vec::new(), Vec::new());
        block().encode_links(&mut links);
        block().encode_uses(&mut uses);
        for cut in 0..links.len() {
            assert!(decode_links(&links[..cut]).is_err(), "{cut}");
        }
        for cut in 0..uses.len() {
            assert!(BlockUses::decode(&uses[..cut]).is_err(), "{cut}");
        }
        let agent = uses.len() - 2;
        for (place, byte) in [(0, 2), (2, 0), (agent, 2)] {
            let mut wrong = uses.clone();
            wrong[place] = byte;
            assert!(BlockUses::decode(&wrong).is_err(), "{place}");
        }
        links[0] = 2;
        assert!(decode_links(&links).is_err());
        let mut one = Vec::new();
        let mut short = OpenBlock::default();
        short.push(
            &numbers(1, 0),
            StoredUse::default(),
            UseTexts { operation: "", code: None, version: None, address: None, agent: None },
        );
        short.encode_links(&mut one);
        assert!(OpenBlock::decode(&one, &uses).is_err(), "a use of a second link");
    }
}
