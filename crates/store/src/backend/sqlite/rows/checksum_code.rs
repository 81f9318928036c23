//! The algorithm and type of a checksum, as one number in a column.

use rusqlite::Row;

use super::corrupt;
use crate::backend::sqlite::engine;
use crate::{ChecksumAlgorithm, ChecksumType, StoreError};

type ChecksumForm = (ChecksumAlgorithm, ChecksumType);

pub(in super::super) fn checksum_column((algorithm, kind): ChecksumForm) -> i64 {
    let algorithm = match algorithm {
        ChecksumAlgorithm::Crc32 => 10,
        ChecksumAlgorithm::Crc32c => 20,
        ChecksumAlgorithm::Crc64Nvme => 30,
        ChecksumAlgorithm::Sha1 => 40,
        ChecksumAlgorithm::Sha256 => 50,
        ChecksumAlgorithm::Sha512 => 60,
        ChecksumAlgorithm::Md5 => 70,
        ChecksumAlgorithm::Xxhash64 => 80,
        ChecksumAlgorithm::Xxhash3 => 90,
        ChecksumAlgorithm::Xxhash128 => 100,
    };
    algorithm
        + match kind {
            ChecksumType::FullObject => 1,
            ChecksumType::Composite => 2,
        }
}

pub(in super::super) fn checksum_form(code: i64) -> Result<ChecksumForm, StoreError> {
    let all = ChecksumAlgorithm::ALL.into_iter().flat_map(|algorithm| {
        [ChecksumType::FullObject, ChecksumType::Composite].map(|kind| (algorithm, kind))
    });
    let mut matching = all.filter(|form| checksum_column(*form) == code);
    matching.next().ok_or(corrupt("checksum code"))
}

pub(in super::super) fn checksum_of(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<ChecksumForm>, StoreError> {
    let code: Option<i64> = row.get(column).map_err(engine)?;
    code.map(checksum_form).transpose()
}
