//! Checksums of uploads: which one the client sends, in a header or trailer, and whether the body has it
//! (semantics 6.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderName;
use store::{ChecksumAlgorithm, ChecksumType, StoredChecksum};

use crate::error::{Code, S3Error};
use crate::request::S3Request;

const PREFIX: &str = "x-amz-checksum-";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
const UNSUPPORTED: &str = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]";
const SINGLE: &str =
    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";

/// How the client sends the checksum of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// The client sends no checksum; the server computes one of its own.
    Nothing,
    /// In the header of the algorithm.
    Inline(ChecksumAlgorithm, String),
    /// In the trailer of the algorithm.
    Trailing(ChecksumAlgorithm),
    /// In the header and the trailer: the AWS SDK for Java sends a value that it was given in both.
    Both(ChecksumAlgorithm, String),
}

/// The headers that name the algorithm of a checksum, and its type.
pub(crate) const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
pub(crate) const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// The header that carries a checksum of this algorithm.
pub(crate) fn header(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(header_name(algorithm))
}

/// The name of the header or trailer that carries a checksum of this algorithm.
pub(crate) fn header_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
        ChecksumAlgorithm::Sha512 => "x-amz-checksum-sha512",
        ChecksumAlgorithm::Md5 => "x-amz-checksum-md5",
        ChecksumAlgorithm::Xxhash64 => "x-amz-checksum-xxhash64",
        ChecksumAlgorithm::Xxhash3 => "x-amz-checksum-xxhash3",
        ChecksumAlgorithm::Xxhash128 => "x-amz-checksum-xxhash128",
    }
}

/// The XML element for a checksum of this algorithm, such as `ChecksumCRC32`.
pub(crate) fn element_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
        ChecksumAlgorithm::Sha512 => "ChecksumSHA512",
        ChecksumAlgorithm::Md5 => "ChecksumMD5",
        ChecksumAlgorithm::Xxhash64 => "ChecksumXXHASH64",
        ChecksumAlgorithm::Xxhash3 => "ChecksumXXHASH3",
        ChecksumAlgorithm::Xxhash128 => "ChecksumXXHASH128",
    }
}

/// The name of the algorithm, such as `CRC32`.
pub(crate) fn algorithm_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
        ChecksumAlgorithm::Sha512 => "SHA512",
        ChecksumAlgorithm::Md5 => "MD5",
        ChecksumAlgorithm::Xxhash64 => "XXHASH64",
        ChecksumAlgorithm::Xxhash3 => "XXHASH3",
        ChecksumAlgorithm::Xxhash128 => "XXHASH128",
    }
}

fn parse_algorithm(name: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm_name(*algorithm).eq_ignore_ascii_case(name))
}

/// The algorithm and type that `CreateMultipartUpload` asks for.
pub(crate) fn of_upload(
    request: &S3Request<'_>,
) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, S3Error> {
    let asked = request.header("x-amz-checksum-algorithm");
    let kind = request.header("x-amz-checksum-type");
    let algorithm = match asked.as_deref() {
        None if kind.is_some() => {
            return Err(S3Error::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ));
        }
        None => return Ok(None),
        Some(name) => parse_algorithm(name).ok_or_else(|| S3Error::invalid_request(UNSUPPORTED))?,
    };
    let kind = match kind.as_deref() {
        None if algorithm == ChecksumAlgorithm::Crc64Nvme => ChecksumType::FullObject,
        None => ChecksumType::Composite,
        Some(text) => parse_type(text)?,
    };
    if !algorithm.has(kind) {
        return Err(S3Error::invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            type_name(kind),
            algorithm_name(algorithm).to_ascii_lowercase(),
        )));
    }
    Ok(Some((algorithm, kind)))
}

/// The algorithm that a copy asks for, if it does.
pub(crate) fn of_copy(request: &S3Request<'_>) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    request
        .header("x-amz-checksum-algorithm")
        .map(|name| parse_algorithm(&name).ok_or_else(|| S3Error::invalid_request(UNSUPPORTED)))
        .transpose()
}

/// Reads how an upload brings its checksum. The query of a link may name checksums; they are signed but ignored
/// (semantics 1.3.7), so only headers as they were sent count.
pub(crate) fn announced(request: &S3Request<'_>) -> Result<Announced, S3Error> {
    announced_in(request, check_form)
}

/// The checksum type that a completion names, if it does.
pub(crate) fn type_of_completion(request: &S3Request<'_>) -> Result<Option<ChecksumType>, S3Error> {
    request.header("x-amz-checksum-type").map(|text| parse_type(&text)).transpose()
}

/// The name of a checksum type on the wire.
pub(crate) fn type_name(kind: ChecksumType) -> &'static str {
    match kind {
        ChecksumType::FullObject => "FULL_OBJECT",
        ChecksumType::Composite => "COMPOSITE",
    }
}

fn parse_type(text: &str) -> Result<ChecksumType, S3Error> {
    match text {
        "COMPOSITE" => Ok(ChecksumType::Composite),
        "FULL_OBJECT" => Ok(ChecksumType::FullObject),
        _ => Err(S3Error::invalid_request("Value for x-amz-checksum-type header is invalid.")),
    }
}

/// The checksum of the whole object, as the client computed it for the completion. If it was computed from the
/// checksums of the parts, the number of parts may follow after a dash.
pub(crate) fn of_completion(
    request: &S3Request<'_>,
) -> Result<Option<(ChecksumAlgorithm, String)>, S3Error> {
    let check = |algorithm, value: &str| match value.split_once('-') {
        Some((raw, count)) if count.parse::<u16>().is_ok() => check_form(algorithm, raw),
        Some(_) | None => check_form(algorithm, value),
    };
    match announced_in(request, check)? {
        Announced::Inline(algorithm, value) | Announced::Both(algorithm, value) => {
            Ok(Some((algorithm, value)))
        }
        Announced::Nothing | Announced::Trailing(_) => Ok(None),
    }
}

fn announced_in(
    request: &S3Request<'_>,
    check: impl Fn(ChecksumAlgorithm, &str) -> Result<(), S3Error>,
) -> Result<Announced, S3Error> {
    let mut inline = None;
    for name in request.headers.keys().map(HeaderName::as_str) {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if matches!(rest, "algorithm" | "type" | "mode") {
            continue;
        }
        let algorithm =
            parse_algorithm(rest).ok_or_else(|| S3Error::invalid_request(UNSUPPORTED))?;
        if inline.is_some() {
            return Err(S3Error::invalid_request(SINGLE));
        }
        let mut values = request.headers.get_all(name).iter();
        let value = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(second) = values.next() {
            let second = second.to_str().unwrap_or_default();
            return Err(S3Error::invalid_argument(
                "Only one value may be specified.",
                name,
                second,
            ));
        }
        check(algorithm, value)?;
        inline = Some((algorithm, value.to_owned()));
    }
    let trailing = trailing(request)?;
    let announced = match (inline, trailing) {
        (Some((algorithm, value)), Some(trailing)) if algorithm == trailing => {
            Announced::Both(algorithm, value)
        }
        (Some(_), Some(_)) => {
            return Err(S3Error::invalid_request("Expecting a single x-amz-checksum- header"));
        }
        (Some((algorithm, value)), None) => Announced::Inline(algorithm, value),
        (None, Some(algorithm)) => Announced::Trailing(algorithm),
        (None, None) => Announced::Nothing,
    };
    check_sdk_algorithm(request, &announced)?;
    Ok(announced)
}

fn trailing(request: &S3Request<'_>) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let mut found = None;
    for line in request.headers.get_all("x-amz-trailer") {
        for name in line.to_str().unwrap_or_default().split(',').map(str::trim) {
            let Some(rest) = name.get(PREFIX.len()..).filter(|_| {
                name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
            }) else {
                return Err(S3Error::invalid_request(
                    "The value specified in the x-amz-trailer header is not supported",
                ));
            };
            let algorithm =
                parse_algorithm(rest).ok_or_else(|| S3Error::invalid_request(UNSUPPORTED))?;
            if found.replace(algorithm).is_some() {
                return Err(S3Error::invalid_request(SINGLE));
            }
        }
    }
    Ok(found)
}

fn check_sdk_algorithm(request: &S3Request<'_>, announced: &Announced) -> Result<(), S3Error> {
    let Some(named) = request.sent_header(SDK_ALGORITHM) else { return Ok(()) };
    match announced {
        Announced::Nothing => Err(S3Error::invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
        )),
        Announced::Inline(algorithm, _)
        | Announced::Trailing(algorithm)
        | Announced::Both(algorithm, _) => {
            if parse_algorithm(&named) == Some(*algorithm) {
                Ok(())
            } else {
                Err(S3Error::invalid_request(
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.",
                ))
            }
        }
    }
}

/// Checks that a value is base64 of the algorithm's length.
pub(crate) fn check_form(algorithm: ChecksumAlgorithm, value: &str) -> Result<(), S3Error> {
    let fits = STANDARD.decode(value).is_ok_and(|bytes| bytes.len() == algorithm.size_bytes());
    if fits {
        return Ok(());
    }
    Err(S3Error::invalid_request(format!(
        "Value for {} header is invalid.",
        header_name(algorithm)
    )))
}

impl Announced {
    /// The algorithm to compute while the body streams. Where the client chose none, it is that of S3.
    pub(crate) fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Nothing => ChecksumAlgorithm::Crc64Nvme,
            Self::Inline(algorithm, _) | Self::Trailing(algorithm) | Self::Both(algorithm, _) => {
                *algorithm
            }
        }
    }

    /// Compares what the client sent with what arrived; returns the checksum to store.
    pub(crate) fn verify(
        self,
        computed: Option<String>,
        trailer: impl Fn(&str) -> Option<String>,
    ) -> Result<StoredChecksum, S3Error> {
        let algorithm = self.algorithm();
        let computed = computed.ok_or_else(|| S3Error::new(Code::InternalError))?;
        let trailing = match self {
            Self::Trailing(_) | Self::Both(..) => {
                let value = trailer(header_name(algorithm))
                    .ok_or_else(|| S3Error::new(Code::MalformedTrailer))?;
                check_form(algorithm, &value)?;
                Some(value)
            }
            Self::Nothing | Self::Inline(..) => None,
        };
        let inline = match self {
            Self::Inline(_, value) | Self::Both(_, value) => Some(value),
            Self::Nothing | Self::Trailing(_) => None,
        };
        if [inline, trailing].into_iter().flatten().any(|expected| expected != computed) {
            return Err(mismatch(algorithm));
        }
        Ok(StoredChecksum { algorithm, kind: ChecksumType::FullObject, value: computed })
    }
}

/// `BadDigest` for the checksum of a completed upload. Here S3 writes the algorithm in lower case.
pub(crate) fn mismatch_of_upload(algorithm: ChecksumAlgorithm) -> S3Error {
    S3Error::with_message(
        Code::BadDigest,
        format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm_name(algorithm).to_ascii_lowercase()
        ),
    )
}

/// `BadDigest` for a checksum.
pub(crate) fn mismatch(algorithm: ChecksumAlgorithm) -> S3Error {
    S3Error::with_message(
        Code::BadDigest,
        format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm_name(algorithm)
        ),
    )
}

/// Reads `Content-MD5`.
pub(crate) fn content_md5(request: &S3Request<'_>) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(text) = request.header("content-md5") else { return Ok(None) };
    let bytes = STANDARD.decode(text.as_bytes()).ok();
    match bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(md5) => Ok(Some(md5)),
        None => Err(S3Error::new(Code::InvalidDigest).detail("Content-MD5", text)),
    }
}

/// Compares `Content-MD5` with the MD5 of the body.
pub(crate) fn check_md5(expected: Option<[u8; 16]>, computed: [u8; 16]) -> Result<(), S3Error> {
    match expected {
        Some(expected) if expected != computed => Err(S3Error::new(Code::BadDigest)
            .detail("ExpectedDigest", STANDARD.encode(expected))
            .detail("CalculatedDigest", STANDARD.encode(computed))),
        Some(_) | None => Ok(()),
    }
}
