//! Small documents in the body of a request, checked against their signature and digests.

use std::time::Duration;

use bytes::Bytes;
use store::{ChecksumAlgorithms, Digests};

use crate::body::{BodySize, RequestBody};
use crate::error::{Code, S3Error};
use crate::gate::StoreAccess;
use crate::request::S3Request;
use crate::s3::checksum::{self, Announced};

/// The time for a whole document. It is short because the document takes effect by what the sender was
/// permitted when its head arrived.
const TIME_MAX: Duration = Duration::from_mins(1);

/// The digests that the client sent for a document.
#[derive(Debug)]
pub(crate) struct DocumentTerms {
    pub(crate) content_md5: Option<[u8; 16]>,
    pub(crate) checksum: Announced,
}

impl DocumentTerms {
    /// Reads the digests for a call where they are optional.
    pub(crate) fn read(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let content_md5 = checksum::content_md5(request)?;
        Ok(Self { content_md5, checksum: checksum::announced(request)? })
    }

    /// Reads the digests for a call where one is required (semantics 6.6.7).
    pub(crate) fn required(request: &S3Request<'_>) -> Result<Self, S3Error> {
        let terms = Self::read(request)?;
        if terms.content_md5.is_none() && terms.checksum == Announced::Nothing {
            return Err(S3Error::invalid_request(
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            ));
        }
        Ok(terms)
    }
}

/// Reads the whole document, which must have the signed hash.
pub(crate) async fn read(
    access: &StoreAccess,
    body: &mut RequestBody,
    bytes_max: usize,
) -> Result<Bytes, S3Error> {
    Ok(collect(access, body, bytes_max).await?.0)
}

/// Reads the document in a slot of its own. If too many documents are being read, the address that sends the
/// most is told to come back later.
async fn collect(
    access: &StoreAccess,
    body: &mut RequestBody,
    bytes_max: usize,
) -> Result<(Bytes, Vec<(String, String)>), S3Error> {
    let open = body.open(access.signature())?;
    let announced = match open.size() {
        Some(BodySize::Exact(size) | BodySize::About(size)) => usize::try_from(size).ok(),
        None => None,
    };
    let most = announced.map_or(bytes_max, |announced| announced.min(bytes_max));
    let mut slot = access.documents().enter(access.context().client, most);
    match slot.keep(tokio::time::timeout(TIME_MAX, open.collect(bytes_max))).await {
        Some(Ok(collected)) => collected,
        Some(Err(_elapsed)) => Err(S3Error::new(Code::RequestTimeout)),
        None => Err(S3Error::new(Code::SlowDown)),
    }
}

/// Like [`read`]; the document must also have the digests of its headers.
pub(crate) async fn read_digested(
    access: &StoreAccess,
    body: &mut RequestBody,
    bytes_max: usize,
    terms: &DocumentTerms,
) -> Result<Bytes, S3Error> {
    let (document, trailers) = collect(access, body, bytes_max).await?;
    let algorithm = terms.checksum.algorithm();
    let digests = Digests::of(&document, ChecksumAlgorithms::from(algorithm));
    checksum::check_md5(terms.content_md5, digests.md5())?;
    let trailer = |name: &str| {
        trailers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    terms.checksum.clone().verify(digests.checksum(algorithm), trailer)?;
    Ok(document)
}

/// Refuses an empty document.
pub(crate) fn present(document: Bytes) -> Result<Bytes, S3Error> {
    if document.is_empty() { Err(S3Error::new(Code::MissingRequestBody)) } else { Ok(document) }
}
