//! The numbers that stand for a link and for everything by which its uses are found.

use std::fmt::Write as _;

use presign::Fingerprint;

use crate::LedgerError;

/// By what uses are found: each is a dimension of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Link,
    Object,
    Bucket,
    Signer,
    Key,
    Label,
    Account,
}

impl Dimension {
    pub(crate) const ALL: [Self; 7] = [
        Self::Link,
        Self::Object,
        Self::Bucket,
        Self::Signer,
        Self::Key,
        Self::Label,
        Self::Account,
    ];

    /// The dimension's number on the disk.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Link => 1,
            Self::Object => 2,
            Self::Bucket => 3,
            Self::Signer => 4,
            Self::Key => 5,
            Self::Label => 6,
            Self::Account => 7,
        }
    }
}

/// A link's number, and the numbers of what it is for and who made it. Numbers begin at 1; 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LinkNumbers {
    pub(crate) link: u64,
    pub(crate) object: u64,
    pub(crate) bucket: u64,
    pub(crate) signer: u64,
    pub(crate) key: u64,
    pub(crate) label: u64,
    pub(crate) account: u64,
    pub(crate) bucket_account: u64,
}

impl LinkNumbers {
    /// How many numbers a link has.
    pub(crate) const COUNT: usize = 8;

    pub(crate) fn to_array(self) -> [u64; Self::COUNT] {
        let Self { link, object, bucket, signer, key, label, account, bucket_account } = self;
        [link, object, bucket, signer, key, label, account, bucket_account]
    }

    pub(crate) fn from_array(numbers: [u64; Self::COUNT]) -> Self {
        let [link, object, bucket, signer, key, label, account, bucket_account] = numbers;
        Self { link, object, bucket, signer, key, label, account, bucket_account }
    }

    /// Whether a place of the array has values of a dimension.
    pub(crate) fn is_column_of(column: usize, dimension: Dimension) -> bool {
        let of = match dimension {
            Dimension::Link => 0..1,
            Dimension::Object => 1..2,
            Dimension::Bucket => 2..3,
            Dimension::Signer => 3..4,
            Dimension::Key => 4..5,
            Dimension::Label => 5..6,
            Dimension::Account => 6..8,
        };
        of.contains(&column)
    }

    /// The values of a dimension: two accounts, if the bucket is not the signer's; nothing is 0.
    pub(crate) fn of(&self, dimension: Dimension) -> [u64; 2] {
        match dimension {
            Dimension::Link => [self.link, 0],
            Dimension::Object => [self.object, 0],
            Dimension::Bucket => [self.bucket, 0],
            Dimension::Signer => [self.signer, 0],
            Dimension::Key => [self.key, 0],
            Dimension::Label => [self.label, 0],
            Dimension::Account if self.account == self.bucket_account => [self.account, 0],
            Dimension::Account => [self.account, self.bucket_account],
        }
    }
}

/// The fingerprint of these 32 bytes.
pub(crate) fn fingerprint_of(bytes: &[u8]) -> Result<Fingerprint, LedgerError> {
    let mut digits = String::with_capacity(64);
    for byte in bytes {
        write!(digits, "{byte:02x}").map_err(|_| LedgerError::Corrupt("a fingerprint"))?;
    }
    digits.parse().map_err(|_| LedgerError::Corrupt("a fingerprint"))
}
