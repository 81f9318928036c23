//! Bundles: how a file is cut into the parts of an upload, and the links that carry the parts.
//!
//! Whoever starts an upload signs the first links with their own key. The server signs fresh links with that
//! same key for whoever holds the bundle's `renew` link.

use jiff::Timestamp;
use presign::{Addressing, Endpoint, EndpointError, ExpiresIn, Presign, PresignError, Presigner};
use store::{PART_NUMBER_MAX, PART_SIZE_MIN, PartNumber};

/// The longest part. One request carries no more.
pub const PART_SIZE_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// The length of parts where nobody chose one, as in the AWS command line.
const PART_SIZE_DEFAULT: u64 = 8 * 1024 * 1024;

/// How a file is cut: all parts have the same length, except that the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
    count: u16,
}

/// One part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPart {
    /// The number of the part; the first is 1.
    pub number: PartNumber,
    /// Where the part begins in the file.
    pub offset: u64,
    /// The length of the part in bytes.
    pub size: u64,
}

/// Why a file cannot be cut into parts of a given length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartPlanError {
    /// The length is below or above what a part may have.
    #[error("a part has 5 MiB to 5 GiB")]
    PartSize,
    /// There would be more parts than an upload can have.
    #[error("an upload has 10,000 parts at most: make them larger")]
    TooMany,
}

impl PartPlan {
    /// Cuts a file of `size` bytes. An empty file has one empty part.
    pub fn new(size: u64, part_size: u64) -> Result<Self, PartPlanError> {
        if !(PART_SIZE_MIN..=PART_SIZE_MAX).contains(&part_size) {
            return Err(PartPlanError::PartSize);
        }
        let count = u16::try_from(size.div_ceil(part_size).max(1)).ok();
        let count = count.filter(|count| *count <= PART_NUMBER_MAX);
        Ok(Self { size, part_size, count: count.ok_or(PartPlanError::TooMany)? })
    }

    /// Cuts a file into parts of 8 MiB, doubled until 10,000 of them are enough.
    pub fn of_size(size: u64) -> Result<Self, PartPlanError> {
        Self::doubled_from(PART_SIZE_DEFAULT, size)
    }

    /// Cuts a file into parts of 5 MiB, doubled until 10,000 of them are enough: little is lost with a part that is broken off.
    pub(crate) fn in_small_parts(size: u64) -> Result<Self, PartPlanError> {
        Self::doubled_from(PART_SIZE_MIN, size)
    }

    fn doubled_from(first: u64, size: u64) -> Result<Self, PartPlanError> {
        let doubled = std::iter::successors(Some(first), |size| size.checked_mul(2));
        let sizes = doubled.take_while(|part_size| *part_size < PART_SIZE_MAX);
        let mut plans = sizes.chain([PART_SIZE_MAX]).map(|part_size| Self::new(size, part_size));
        plans.find_map(Result::ok).ok_or(PartPlanError::TooMany)
    }

    /// The length of the file, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The length of every part but the last, in bytes.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The part with this number; `None` beyond the last.
    pub fn part(&self, number: PartNumber) -> Option<PlannedPart> {
        let before = u64::from(number.number()).checked_sub(1)?;
        let offset = before.checked_mul(self.part_size)?;
        let size = self.part_size.min(self.size.saturating_sub(offset));
        (number.number() <= self.count).then_some(PlannedPart { number, offset, size })
    }

    /// All parts in order.
    pub fn parts(&self) -> impl Iterator<Item = PlannedPart> + use<'_> {
        let numbers = (1..=self.count).filter_map(|number| PartNumber::new(number).ok());
        numbers.filter_map(|number| self.part(number))
    }
}

/// An upload to make links for, and where its links lead.
#[derive(Clone, Copy, Debug)]
pub struct UploadLinks<'u> {
    /// The address of the service, as users of the links see it.
    pub endpoint: &'u Endpoint,
    /// Where the bucket stands in a URL: in the host or in the path.
    pub addressing: Addressing,
    /// The bucket of the new object.
    pub bucket: &'u str,
    /// The key of the new object.
    pub key: &'u str,
    /// The id of the upload.
    pub upload_id: &'u str,
}

impl UploadLinks<'_> {
    /// The link for one part. The length is signed: the link carries exactly this many bytes.
    pub fn part(
        &self,
        part: PlannedPart,
        presigner: &mut Presigner,
        expires_in: ExpiresIn,
        now: Timestamp,
    ) -> Result<String, PresignError> {
        let (number, size) = (part.number.to_string(), part.size.to_string());
        let query = [("partNumber", number.as_str()), ("uploadId", self.upload_id)];
        let headers = [("content-length", size.as_str())];
        let presign = self.presign("PUT", expires_in).with_headers(&headers).with_query(&query);
        Ok(presigner.presign(&presign, now)?.url)
    }

    /// The link that completes the upload (`POST`), or aborts it (`DELETE`).
    pub fn end(
        &self,
        method: &str,
        presigner: &mut Presigner,
        expires_in: ExpiresIn,
        now: Timestamp,
    ) -> Result<String, PresignError> {
        let query = [("uploadId", self.upload_id)];
        let presign = self.presign(method, expires_in).with_query(&query);
        Ok(presigner.presign(&presign, now)?.url)
    }

    /// The link at which the server signs fresh links for parts.
    pub fn renew(
        &self,
        plan: &PartPlan,
        presigner: &mut Presigner,
        expires_in: ExpiresIn,
        now: Timestamp,
    ) -> Result<String, PresignError> {
        let path = format!("api/v1/uploads/{}/parts", self.upload_id);
        let (size, part_size) = (plan.size.to_string(), plan.part_size.to_string());
        let endpoint = self.endpoint.to_string();
        let query = [
            (Renewal::BUCKET, self.bucket),
            (Renewal::KEY, self.key),
            (Renewal::SIZE, size.as_str()),
            (Renewal::PART_SIZE, part_size.as_str()),
            (Renewal::ENDPOINT, endpoint.as_str()),
        ];
        // The path is signed like that of an object in a bucket `_valet`. No bucket can have that name.
        let presign = Presign::new("POST", self.endpoint, "_valet", path.as_bytes(), expires_in)
            .with_query(&query);
        Ok(presigner.presign(&presign, now)?.url)
    }

    fn presign<'p>(&'p self, method: &'p str, expires_in: ExpiresIn) -> Presign<'p> {
        let Self { endpoint, addressing, bucket, key, upload_id: _ } = *self;
        let key = key.as_bytes();
        Presign::new(method, endpoint, bucket, key, expires_in).with_addressing(addressing)
    }
}

/// What the signer of a `renew` link put into its query.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) plan: PartPlan,
    pub(crate) endpoint: Endpoint,
}

/// Why a query is not that of a `renew` link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RenewalError {
    #[error("The link must say its {0}.")]
    Missing(&'static str),
    #[error("The link says something that is not understood.")]
    Unknown { name: String, value: String },
    #[error("The link says something twice.")]
    Repeated { name: &'static str, value: String },
    #[error("The link's {0} is not a number.")]
    NotANumber(&'static str),
    #[error("The link's parts are impossible: {0}.")]
    Plan(PartPlanError),
    #[error("The link's endpoint is impossible: {0}.")]
    Endpoint(EndpointError),
}

impl Renewal {
    pub(crate) const BUCKET: &str = "bucket";
    const KEY: &str = "key";
    const SIZE: &str = "size";
    const PART_SIZE: &str = "part-size";
    const ENDPOINT: &str = "endpoint";
    /// All that a link says, besides its signature.
    pub(crate) const PARAMETERS: [&str; 5] =
        [Self::BUCKET, Self::KEY, Self::SIZE, Self::PART_SIZE, Self::ENDPOINT];

    /// Reads a query without the parameters of its signature. An unknown parameter is an error, since it could
    /// be a condition that the signer relies on.
    pub(crate) fn read<'q>(
        query: impl Iterator<Item = (&'q str, &'q str)>,
    ) -> Result<Self, RenewalError> {
        let mut values = Self::PARAMETERS.map(|name| (name, None));
        for (name, value) in query {
            let found = values.iter_mut().find(|(known, _)| *known == name);
            let Some((known, slot)) = found else {
                let (name, value) = (name.to_owned(), value.to_owned());
                return Err(RenewalError::Unknown { name, value });
            };
            if slot.replace(value).is_some() {
                return Err(RenewalError::Repeated { name: known, value: value.to_owned() });
            }
        }
        let present = |(name, value): (&'static str, Option<&'q str>)| {
            value.ok_or(RenewalError::Missing(name))
        };
        let number = |text: &str, name| text.parse().map_err(|_| RenewalError::NotANumber(name));
        let [bucket, key, size, part_size, endpoint] = values;
        let size = number(present(size)?, Self::SIZE)?;
        let part_size = number(present(part_size)?, Self::PART_SIZE)?;
        Ok(Self {
            bucket: present(bucket)?.to_owned(),
            key: present(key)?.to_owned(),
            plan: PartPlan::new(size, part_size).map_err(RenewalError::Plan)?,
            endpoint: Endpoint::parse(present(endpoint)?).map_err(RenewalError::Endpoint)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn files_are_cut_into_parts() {
        let check = |size, part_size, expected: Result<&[(u16, u64, u64)], PartPlanError>| {
            let plan = PartPlan::new(size, part_size);
            let parts = plan.map(|plan| {
                let row = |part: PlannedPart| (part.number.number(), part.offset, part.size);
                plan.parts().map(row).collect::<Vec<_>>()
            });
            assert_eq!(parts.as_deref().map_err(|error| *error), expected, "{size} {part_size}");
        };
        let five = 5 * MIB;
        check(0, five, Ok(&[(1, 0, 0)]));
        check(1, five, Ok(&[(1, 0, 1)]));
        check(five, five, Ok(&[(1, 0, five)]));
        check(five + 1, five, Ok(&[(1, 0, five), (2, five, 1)]));
        check(1, five - 1, Err(PartPlanError::PartSize));
        check(1, PART_SIZE_MAX + 1, Err(PartPlanError::PartSize));
        check(10_000 * five + 1, five, Err(PartPlanError::TooMany));
        check(u64::MAX, PART_SIZE_MAX, Err(PartPlanError::TooMany));
        let most = PartPlan::new(10_000 * five, five).unwrap();
        assert_eq!(most.parts().count(), 10_000);
        assert_eq!(most.parts().map(|part| part.size).sum::<u64>(), most.size());
        assert_eq!(PartPlan::new(1, five).unwrap().part(PartNumber::new(2).unwrap()), None);
    }

    #[test]
    fn parts_are_doubled_until_there_are_not_too_many() {
        let check = |size, expected: Option<u64>| {
            let plan = PartPlan::of_size(size).ok();
            assert_eq!(plan.map(|plan| plan.part_size()), expected, "{size}");
        };
        let small = |size| PartPlan::in_small_parts(size).ok().map(|plan| plan.part_size());
        assert_eq!(small(0), Some(5 * MIB));
        assert_eq!(small(50_000 * MIB + 1), Some(10 * MIB));
        assert_eq!(small(10_000 * PART_SIZE_MAX), Some(PART_SIZE_MAX));
        check(0, Some(8 * MIB));
        check(80_000 * MIB, Some(8 * MIB));
        check(80_000 * MIB + 1, Some(16 * MIB));
        check(10_000 * 4096 * MIB + 1, Some(PART_SIZE_MAX));
        check(10_000 * PART_SIZE_MAX, Some(PART_SIZE_MAX));
        check(10_000 * PART_SIZE_MAX + 1, None);
    }

    #[test]
    fn what_a_renewal_says_is_closed() {
        let full = [
            ("bucket", "b"),
            ("key", "a/k"),
            ("size", "6291456"),
            ("part-size", "5242880"),
            ("endpoint", "http://h"),
        ];
        let renewal = Renewal::read(full.into_iter()).unwrap();
        assert_eq!((&*renewal.bucket, &*renewal.key), ("b", "a/k"));
        assert_eq!((renewal.plan.size(), renewal.endpoint.signed_host()), (6_291_456, "h"));
        let check = |at: usize, pair: Option<(&'static str, &'static str)>, expected: &str| {
            let mut pairs = full.to_vec();
            match pair {
                Some(pair) if at < pairs.len() => pairs[at] = pair,
                Some(pair) => pairs.push(pair),
                None => drop(pairs.remove(at)),
            }
            let refused = Renewal::read(pairs.into_iter()).unwrap_err();
            assert_eq!(refused.to_string(), expected, "{pair:?}");
        };
        for (at, (name, _)) in full.into_iter().enumerate() {
            check(at, None, &format!("The link must say its {name}."));
            check(9, Some((name, "1")), "The link says something twice.");
        }
        let unknown = "The link says something that is not understood.";
        check(9, Some(("x-valet-uses", "1")), unknown);
        check(2, Some(("size", "-1")), "The link's size is not a number.");
        check(
            3,
            Some(("part-size", "1")),
            "The link's parts are impossible: a part has 5 MiB to 5 GiB.",
        );
        check(
            4,
            Some(("endpoint", "h")),
            "The link's endpoint is impossible: an endpoint begins with http:// or https://.",
        );
    }
}
