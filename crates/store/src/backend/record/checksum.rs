//! The algorithm and type of a checksum, as one number.

use super::corrupt;
use crate::{ChecksumAlgorithm, ChecksumType, StoreError};

type ChecksumForm = (ChecksumAlgorithm, ChecksumType);

/// The number that stands for an algorithm and a type.
pub(crate) fn checksum_code((algorithm, kind): ChecksumForm) -> i64 {
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

/// The algorithm and type that a number stands for.
pub(crate) fn checksum_form(code: i64) -> Result<ChecksumForm, StoreError> {
    let all = ChecksumAlgorithm::ALL.into_iter().flat_map(|algorithm| {
        [ChecksumType::FullObject, ChecksumType::Composite].map(|kind| (algorithm, kind))
    });
    let mut matching = all.filter(|form| checksum_code(*form) == code);
    matching.next().ok_or(corrupt("checksum code"))
}
