//! Receives the body of an upload into the store. It is bounded, hashed while it streams, and compared with
//! everything that the client announced. Nothing of it is visible until all of that fits.

use std::ops::RangeInclusive;
use std::pin::pin;

use store::{BodyStage, ChecksumAlgorithms, StageSpec, StagedBody, StoredChecksum};

use crate::body::{BodySize, OpenBody, RequestBody, length};
use crate::error::{Code, S3Error, refusal};
use crate::gate::StoreAccess;
use crate::link_rate::Throttle;
use crate::request::S3Request;
use crate::s3::checksum::{self, Announced};
use crate::s3::encryption::EncryptionChoice;
use crate::uploads::Takes;

/// The longest body of one PUT or one part: 5 GiB.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// What the headers of an upload announce about its body.
#[derive(Debug)]
pub(crate) struct UploadTerms {
    content_md5: Option<[u8; 16]>,
    checksum: Announced,
    /// The allowed lengths of the body, in bytes.
    sizes: RangeInclusive<u64>,
}

/// A body that has been staged and is as announced.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) body: StagedBody,
    pub(crate) checksum: StoredChecksum,
}

impl UploadTerms {
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        Ok(Self {
            content_md5: checksum::content_md5(request)?,
            checksum: checksum::announced(request)?,
            sizes: 0..=UPLOAD_BYTES_MAX,
        })
    }

    /// The same, with other allowed lengths.
    pub(crate) fn within(mut self, sizes: &RangeInclusive<u64>) -> Self {
        self.sizes = *sizes.start()..=UPLOAD_BYTES_MAX.min(*sizes.end());
        self
    }

    /// The lengths that these terms and the caller's link both allow.
    fn sizes_with(&self, of_link: &RangeInclusive<u64>) -> RangeInclusive<u64> {
        let (min, max) = (self.sizes.start(), self.sizes.end());
        *min.max(of_link.start())..=*max.min(of_link.end())
    }

    /// The checksum that the client announced.
    pub(crate) fn checksum(&self) -> &Announced {
        &self.checksum
    }

    /// Streams the body into a stage of the store, if there is room for another upload.
    pub(crate) async fn ingest(
        &self,
        access: &StoreAccess,
        body: &mut RequestBody,
        wanted: Wanted<'_>,
    ) -> Result<Ingested, S3Error> {
        let mut body = body.open(access.signature())?;
        let sizes = self.sizes_with(&access.link_sizes());
        let max = *sizes.end();
        let size = match body.size() {
            None => return Err(body.without_length()),
            Some(BodySize::Exact(size)) => {
                check_size(size, &sizes)?;
                size
            }
            Some(BodySize::About(size)) => size,
        };
        let mut checksums = ChecksumAlgorithms::from(self.checksum.algorithm());
        if let Some(also) = wanted.also {
            checksums = checksums.with(also);
        }
        let sha256 = body.expected_sha256().is_some();
        let size_hint = Some(size.min(max));
        let spec = StageSpec { size_hint, checksums, sha256, ..wanted.choice.stage() };
        let stage = access.store().stage(spec).await.map_err(refusal::of_store)?;
        let takes = Takes::of(&stage);
        let staged = {
            let bounds = Bounds { sizes: &sizes, announced: size, throttle: access.throttle()? };
            let receiving = pin!(receive(stage, &mut body, bounds));
            access.context().uploads.take_in(takes, receiving).await?
        };
        if let Some(expected) = body.expected_sha256() {
            let computed = hex(&staged.sha256().unwrap_or_default());
            if computed != expected {
                return Err(refusal::content_sha256_mismatch(expected, &computed));
            }
        }
        checksum::check_md5(self.content_md5, staged.md5())?;
        let computed = staged.checksum(self.checksum.algorithm());
        let checksum =
            self.checksum.clone().verify(computed, |name| body.trailer(name).map(str::to_owned))?;
        Ok(Ingested { body: staged, checksum })
    }
}

/// What bounds a body while it is received.
struct Bounds<'b> {
    sizes: &'b RangeInclusive<u64>,
    announced: u64,
    throttle: Option<Throttle>,
}

/// Receives the whole body; fails if its length is not allowed.
async fn receive(
    mut stage: BodyStage,
    body: &mut OpenBody<'_>,
    bounds: Bounds<'_>,
) -> Result<StagedBody, S3Error> {
    let Bounds { sizes, announced, mut throttle } = bounds;
    let (min, max) = (*sizes.start(), *sizes.end());
    let mut received = 0_u64;
    while let Some(bytes) = body.next().await? {
        received = received.saturating_add(length(&bytes));
        if received > max {
            return Err(too_large(received.max(announced), max));
        }
        if let Some(throttle) = &mut throttle {
            throttle.pass(bytes.len()).await;
        }
        stage.write(bytes).await.map_err(refusal::of_store)?;
    }
    if received < min {
        return Err(too_small(received, min));
    }
    stage.finish().await.map_err(refusal::of_store)
}

/// What the server itself requires of the staged bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'w> {
    pub(crate) choice: &'w EncryptionChoice,
    pub(crate) also: Option<store::ChecksumAlgorithm>,
}

/// Refuses a length that is not allowed.
pub(crate) fn check_size(size: u64, sizes: &RangeInclusive<u64>) -> Result<(), S3Error> {
    let (min, max) = (*sizes.start(), *sizes.end());
    if size > max {
        return Err(too_large(size, max));
    }
    if size < min {
        return Err(too_small(size, min));
    }
    Ok(())
}

/// `EntityTooLarge`.
pub(crate) fn too_large(size: u64, max: u64) -> S3Error {
    S3Error::new(Code::EntityTooLarge)
        .detail("ProposedSize", size.to_string())
        .detail("MaxSizeAllowed", max.to_string())
}

fn too_small(size: u64, min: u64) -> S3Error {
    S3Error::new(Code::EntityTooSmall)
        .detail("ProposedSize", size.to_string())
        .detail("MinSizeAllowed", min.to_string())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
