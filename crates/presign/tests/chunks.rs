//! aws-chunked bodies: what is refused, and why (semantics 1.5.2b, 6.6.5, 6.6.9).
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/harness.rs"]
mod harness;

use bytes::Bytes;
use harness::{DATE, Request, SCOPE, credentials, hex, now_plus, sign_string};
use presign::{
    ChunkDecoder, ChunkEncoder, ChunkError, ChunkEvent, SignedPayload, Signer, StreamingMode,
    sign_request,
};
use sha2::{Digest, Sha256};

const CHECKSUM: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");
const MIN: usize = 8192;

/// A signed upload: its encoder, and what makes decoders for it.
struct Upload {
    request: Request,
    encoder: ChunkEncoder,
}

impl Upload {
    fn new(mode: StreamingMode) -> Self {
        let mut request = Request::new("PUT", "/b/k");
        let credentials = credentials(None);
        let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3" };
        let payload = SignedPayload::Streaming(mode);
        let signed =
            request.read(|head| sign_request(head, payload, &signer, now_plus(0)).unwrap());
        for (name, value) in &signed.headers {
            request = request.with(name, value.clone());
        }
        Self { request, encoder: signed.chunk_encoder().unwrap() }
    }

    fn decoder(&self, decoded_length: usize, trailers: &[&str]) -> ChunkDecoder {
        let length = u64::try_from(decoded_length).unwrap();
        self.request.verify().unwrap().chunk_decoder(length, trailers).unwrap()
    }

    fn seed(&self) -> &str {
        self.request.headers.last().unwrap().1.rsplit_once('=').unwrap().1
    }

    /// The body in chunks of these sizes.
    fn encode(&self, sizes: &[usize], trailers: &[(&str, &str)]) -> Vec<u8> {
        let mut encoder = self.encoder.clone();
        let mut body = Vec::new();
        for size in sizes {
            body.extend(encoder.chunk(Bytes::from(vec![b'x'; *size])).concat());
        }
        body.extend(encoder.finish(trailers));
        body
    }
}

/// How many bytes came out, and the trailers; or why not.
fn decode(
    mut decoder: ChunkDecoder,
    body: &[u8],
) -> Result<(usize, Vec<(String, String)>), ChunkError> {
    let mut input = Bytes::copy_from_slice(body);
    let (mut length, mut end) = (0, None);
    while let Some(event) = decoder.decode(&mut input)? {
        match event {
            ChunkEvent::Data(data) => length += data.len(),
            ChunkEvent::End { trailers } => end = Some(trailers),
        }
    }
    decoder.finish()?;
    Ok((length, end.unwrap()))
}

const MODES: [StreamingMode; 3] =
    [StreamingMode::Signed, StreamingMode::SignedTrailer, StreamingMode::UnsignedTrailer];

fn trailers_of(mode: StreamingMode) -> &'static [(&'static str, &'static str)] {
    if mode.has_trailers() { &[CHECKSUM] } else { &[] }
}

fn names_of(mode: StreamingMode) -> &'static [&'static str] {
    if mode.has_trailers() { &[CHECKSUM.0] } else { &[] }
}

#[test]
fn what_is_encoded_is_decoded() {
    for mode in MODES {
        let upload = Upload::new(mode);
        for sizes in [&[][..], &[1], &[MIN], &[MIN, 1], &[MIN, MIN + 1, 5]] {
            let length = sizes.iter().sum();
            let body = upload.encode(sizes, trailers_of(mode));
            let (decoded, trailers) =
                decode(upload.decoder(length, names_of(mode)), &body).unwrap();
            assert_eq!(decoded, length);
            assert_eq!(trailers.len(), trailers_of(mode).len());
        }
    }
}

#[test]
fn the_encoded_length_is_known_before() {
    for mode in MODES {
        let upload = Upload::new(mode);
        for (length, chunk_size, sizes) in [
            (0, MIN, &[][..]),
            (1, MIN, &[1]),
            (MIN, MIN, &[MIN]),
            (MIN * 2 + 15, MIN, &[MIN, MIN, 15]),
            (MIN * 8 + 16, MIN * 8, &[MIN * 8, 16]),
        ] {
            let body = upload.encode(sizes, trailers_of(mode));
            let [length, chunk_size, encoded] =
                [length, chunk_size, body.len()].map(|size| u64::try_from(size).unwrap());
            let told = ChunkEncoder::encoded_length(mode, length, chunk_size, trailers_of(mode));
            assert_eq!(told, encoded, "{mode:?} {length}");
        }
    }
    let huge = ChunkEncoder::encoded_length(StreamingMode::Signed, u64::MAX, 0, &[]);
    assert_eq!(huge, u64::MAX);
}

#[test]
fn empty_data_encodes_to_nothing() {
    let mut encoder = Upload::new(StreamingMode::Signed).encoder;
    assert!(encoder.chunk(Bytes::new()).concat().is_empty());
}

#[test]
fn a_short_chunk_must_be_the_last() {
    for mode in MODES {
        let upload = Upload::new(mode);
        let check = |sizes: &[usize], expected: Option<(u64, u64)>| {
            let body = upload.encode(sizes, trailers_of(mode));
            let result = decode(upload.decoder(sizes.iter().sum(), names_of(mode)), &body);
            let expected =
                expected.map(|(chunk, size)| ChunkError::InvalidChunkSize { chunk, size });
            assert_eq!(result.err(), expected, "{sizes:?}");
        };
        check(&[MIN, 5], None);
        check(&[MIN, 5, 1], Some((2, 5)));
        check(&[MIN - 1, MIN], Some((1, 8191)));
    }
}

#[test]
fn every_byte_of_a_signed_body_is_covered() {
    for mode in [StreamingMode::Signed, StreamingMode::SignedTrailer] {
        let upload = Upload::new(mode);
        let body = upload.encode(&[9], trailers_of(mode));
        // Letters of a trailer's name may be of either case.
        let shown = String::from_utf8(body.clone()).unwrap();
        let names = [CHECKSUM.0, "x-amz-trailer-signature"];
        let in_name = |at: usize| {
            names.iter().any(|name| {
                shown.find(name).is_some_and(|start| (start..start + name.len()).contains(&at))
            })
        };
        for at in 0..body.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = body.clone();
                changed[at] ^= flip;
                let result = decode(upload.decoder(9, names_of(mode)), &changed);
                let is_letter = flip == 0x20 && body[at].is_ascii_alphabetic();
                assert_eq!(result.is_ok(), is_letter && in_name(at), "{mode:?} {at} {flip}");
            }
        }
    }
}

#[test]
fn a_bad_signature_shows_the_chunk_and_the_request() {
    let upload = Upload::new(StreamingMode::Signed);
    let mut body = upload.encode(&[9], &[]);
    let last = body.len() - 5;
    body[last] ^= 1;
    let Err(ChunkError::Signature(mismatch)) = decode(upload.decoder(9, &[]), &body) else {
        panic!("verified")
    };
    let hash = |data: &[u8]| hex(&Sha256::digest(data));
    let string = |previous: &str, data: &[u8]| {
        format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{}\n{}",
            hash(b""),
            hash(data)
        )
    };
    let first = sign_string(&string(upload.seed(), b"xxxxxxxxx"));
    assert_eq!(mismatch.string_to_sign, string(&first, b""));
    assert_ne!(mismatch.signature_provided, sign_string(&mismatch.string_to_sign));
    assert_eq!(mismatch.signature_provided.len(), 64);
    let canonical_request = mismatch.canonical_request.unwrap();
    assert!(canonical_request.starts_with("PUT\n/b/k\n"), "{canonical_request}");
    assert!(canonical_request.ends_with("\nSTREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
}

#[test]
fn data_comes_out_before_its_signature_and_the_end_after_it() {
    let upload = Upload::new(StreamingMode::Signed);
    let body = upload.encode(&[9], &[]);
    let mut decoder = upload.decoder(9, &[]);
    let data_start = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut input = Bytes::copy_from_slice(&body[..data_start + 4]);
    let event = decoder.decode(&mut input).unwrap();
    assert_eq!(event, Some(ChunkEvent::Data(Bytes::from_static(b"xxxx"))));
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert_eq!(decoder.finish(), Err(ChunkError::IncompleteBody));
    let mut rest = Bytes::copy_from_slice(&body[data_start + 4..]);
    let event = decoder.decode(&mut rest).unwrap();
    assert_eq!(event, Some(ChunkEvent::Data(Bytes::from_static(b"xxxxx"))));
    let event = decoder.decode(&mut rest).unwrap();
    assert_eq!(event, Some(ChunkEvent::End { trailers: Vec::new() }));
    assert_eq!(decoder.finish(), Ok(()));
    let mut more = Bytes::from_static(b"\r\n");
    assert_eq!(decoder.decode(&mut more), Err(ChunkError::IncompleteBody));
    assert_eq!(decoder.finish(), Err(ChunkError::IncompleteBody));
}

/// Bodies without signatures, so that rows can be written by hand.
#[track_caller]
fn check_unsigned(body: &str, length: usize, trailers: &[&str], expected: &str) {
    let upload = Upload::new(StreamingMode::UnsignedTrailer);
    let outcome = match decode(upload.decoder(length, trailers), body.as_bytes()) {
        Ok((length, trailers)) => format!("{length} {trailers:?}"),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(outcome, expected, "{body:?}");
}

#[test]
fn the_frame_must_be_whole() {
    let check = |body: &str, expected: &str| check_unsigned(body, 3, &[], expected);
    check("3\r\nabc\r\n0\r\n\r\n", "3 []");
    check("0000000000000003\r\nabc\r\n0\r\n\r\n", "3 []");
    for cut in ["", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n"] {
        check(cut, "IncompleteBody");
    }
    for broken in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "\r\nabc\r\n0\r\n\r\n",
        "x\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "00000000000000003\r\nabc\r\n0\r\n\r\n",
        "3;chunk-signature=0\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\nx",
        &"3".repeat(200),
    ] {
        check(broken, "IncompleteBody");
    }
}

#[test]
fn the_decoded_length_must_be_as_declared() {
    let check = |length: usize, expected: &str| {
        check_unsigned("3\r\nabc\r\n0\r\n\r\n", length, &[], expected);
    };
    check(3, "3 []");
    check(2, "DecodedLength { declared: 2 }");
    check(4, "DecodedLength { declared: 4 }");
    check_unsigned("ffffffffffffffff\r\nabc", 3, &[], "DecodedLength { declared: 3 }");
}

#[test]
fn trailers_must_be_the_declared_ones() {
    let check = |trailers: &str, declared: &[&str], expected: &str| {
        check_unsigned(&format!("0\r\n{trailers}\r\n"), 0, declared, expected);
    };
    check("a:1\r\n", &["a"], "0 [(\"a\", \"1\")]");
    check("B : 2 \r\nA:1:1\r\n", &["a", "b"], "0 [(\"b\", \"2\"), (\"a\", \"1:1\")]");
    check("a:1\r\n", &["A"], "0 [(\"a\", \"1\")]");
    check("a:1\r\n", &[], "MalformedTrailer");
    check("", &["a"], "MalformedTrailer");
    check("b:1\r\n", &["a"], "MalformedTrailer");
    check("a:1\r\na:1\r\n", &["a"], "MalformedTrailer");
    check("a:\u{fffd}\r\n", &["a"], "0 [(\"a\", \"\u{fffd}\")]");
    check("x-amz-trailer-signature:0\r\n", &[], "MalformedTrailer");
    check("a\r\n", &["a"], "IncompleteBody");
    let long = format!("a:{}\r\n", "1".repeat(9000));
    check(&long, &["a"], "MalformedTrailer");
    let half = "1".repeat(5000);
    check(&format!("a:{half}\r\nb:{half}\r\n"), &["a", "b"], "MalformedTrailer");
}

/// minio-go ends a trailer with the line feed that is signed, and then the line (`mc cp --checksum`).
#[test]
fn a_line_feed_may_end_a_trailer() {
    let check = |end: &str, expected: &str| {
        check_unsigned(&format!("0\r\n{end}"), 0, &["a", "b"], expected);
    };
    let both = "0 [(\"a\", \"1\"), (\"b\", \"2\")]";
    for end in ["a:1\nb:2\n\r\n", "a:1\nb:2\n\r\n\r\n", "a:1\r\nb:2\n\r\n", "a:1\nb:2\r\n\r\n"] {
        check(end, both);
    }
    for cut in ["a:1\nb:2\n", "a:1\nb:2", "a:1\nb:2\n\r", "a:1\nb:2\n\r\n\r"] {
        check(cut, "IncompleteBody");
    }
    for more in [
        "a:1\nb:2\n\n",
        "a:1\r\nb:2\r\n\r\n\r\n",
        "a:1\nb:2\n\r\n\n",
        "a:1\nb:2\n\r\nx",
        "a:1\nb:2\n\r\n\r\n\r\n",
        "a:1\nb:2\n\r\nc:3\r\n",
    ] {
        check(more, "IncompleteBody");
    }
    check("a:1\n\r\nb:2\n\r\n", "MalformedTrailer");
}

#[test]
fn a_line_feed_may_end_a_signed_trailer() {
    let upload = Upload::new(StreamingMode::SignedTrailer);
    let body = String::from_utf8(upload.encode(&[], &[CHECKSUM])).unwrap();
    let (rest, signature) = body.split_once("x-amz-trailer-signature:").unwrap();
    let rest = rest.strip_suffix("\r\n").unwrap();
    let check = |between: &str, after: &str, expected: &str| {
        let body = format!("{rest}{between}x-amz-trailer-signature:{}{after}", signature.trim());
        let outcome = match decode(upload.decoder(0, &[CHECKSUM.0]), body.as_bytes()) {
            Ok(_) => "Ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(outcome, expected, "{between:?} {after:?}");
    };
    check("\n\r\n", "\r\n\r\n", "Ok");
    check("\n", "\r\n\r\n", "Ok");
    check("\r\n", "\r\n\r\n", "Ok");
    check("\r\n\r\n", "\r\n\r\n", "IncompleteBody");
    check("\n\r\n\r\n", "\r\n\r\n", "IncompleteBody");
    check("\n\r\nb:1\r\n", "\r\n\r\n", "MalformedTrailer");
    check("\n\r\n", "\r\n", "IncompleteBody");
    check("\u{c}\n", "\r\n\r\n", "IncompleteBody");
    check("\n\r\n", "\r\n\r\n\r\n", "IncompleteBody");
    check("\n\r\n", "\r\n", "IncompleteBody");
    // Without the signature it is no end.
    let unsigned = format!("{rest}\n\r\n\r\n");
    let outcome = decode(upload.decoder(0, &[CHECKSUM.0]), unsigned.as_bytes());
    assert_eq!(outcome, Err(ChunkError::IncompleteBody));
}

#[test]
fn signed_trailers_need_their_signature_last() {
    let upload = Upload::new(StreamingMode::SignedTrailer);
    let body = String::from_utf8(upload.encode(&[], &[CHECKSUM])).unwrap();
    let check = |body: &str, declared: &[&str], expected: &str| {
        let outcome = match decode(upload.decoder(0, declared), body.as_bytes()) {
            Ok(_) => "Ok".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(outcome.split('(').next(), Some(expected), "{body}");
    };
    let names = &[CHECKSUM.0];
    check(&body, names, "Ok");
    let (rest, signature) = body.split_once("x-amz-trailer-signature:").unwrap();
    check(&format!("{rest}\r\n"), names, "IncompleteBody");
    check(&format!("{rest}x-amz-trailer-signature:{signature}x"), names, "IncompleteBody");
    let line = format!("{}:{}\r\n", CHECKSUM.0, CHECKSUM.1);
    check(&body.replace(&line, ""), names, "MalformedTrailer");
    check(&body.replace("\r\n\r\n", "\r\nb:1\r\n\r\n"), &[CHECKSUM.0, "b"], "MalformedTrailer");
    check(&body.replace("AAAAAA==", "AAAAAB=="), names, "Signature");
    check(&body.replace("AAAAAA==", " AAAAAA== "), names, "Ok");
    let head = body.split_once("\r\n").unwrap().0;
    check(&format!("{head}\r\n{line}x-amz-trailer-signature:\r\n\r\n"), names, "Signature");
}

#[test]
fn a_mode_without_trailers_takes_none() {
    let upload = Upload::new(StreamingMode::Signed);
    let mut body = upload.encode(&[], &[CHECKSUM]);
    assert!(decode(upload.decoder(0, &[]), &body).is_ok(), "none are written");
    body.truncate(body.len() - 2);
    for line in ["a:1\r\n\r\n", "a", "\u{1}\r\n", &"a".repeat(9000)] {
        let with = [&*body, line.as_bytes()].concat();
        let result = decode(upload.decoder(0, &["a"]), &with);
        assert_eq!(result, Err(ChunkError::IncompleteBody), "{line}");
    }
}

#[test]
fn signed_chunks_need_their_signature() {
    let upload = Upload::new(StreamingMode::Signed);
    for body in [
        "0\r\n\r\n",
        "0;\r\n\r\n",
        "0;chunk-signature\r\n\r\n",
        "0; chunk-signature=0\r\n\r\n",
        "0;x=y;chunk-signature=0\r\n\r\n",
    ] {
        let result = decode(upload.decoder(0, &[]), body.as_bytes());
        assert_eq!(result, Err(ChunkError::IncompleteBody), "{body}");
    }
    let result = decode(upload.decoder(0, &[]), b"0;chunk-signature=\r\n\r\n");
    assert!(matches!(result, Err(ChunkError::Signature(_))));
}

#[test]
fn nothing_of_a_body_is_printed() {
    let upload = Upload::new(StreamingMode::Signed);
    let mut encoder = upload.encoder.clone();
    let pieces = encoder.chunk(Bytes::from_static(b"x"));
    assert_eq!(format!("{encoder:?}"), "ChunkEncoder(Signed, ..)");
    assert_eq!(format!("{:?}", upload.decoder(0, &[])), "ChunkDecoder(Signed, ..)");
    assert_eq!(format!("{:?}", ChunkEvent::Data(pieces[1].clone())), "Data(1 bytes)");
}
