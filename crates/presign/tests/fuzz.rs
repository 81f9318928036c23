//! The fuzzers' entry points, for a bounded while, so that they run without a fuzzer. The real ones
//! are in `fuzz/` at the root of the repository.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "support/entries.rs"]
mod entries;

use proptest::prelude::*;

/// Pieces that requests are made of, so that random strings of them get far.
fn request_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&",
        "X-Amz-Credential=AKID/20260615/us-east-1/s3/aws4_request&",
        "X-Amz-Date=20260615T120000Z&",
        "X-Amz-Expires=3600&",
        "X-Amz-SignedHeaders=host&",
        "X-Amz-SignedHeaders=host%3Bx-amz-acl%3B&",
        "X-Amz-Signature=00&",
        "X-Amz-Security-Token=%zz%&",
        "AWSAccessKeyId=AKID&",
        "Signature=c2ln&",
        "Expires=1781524860&",
        "x-amz-acl=private&",
        "acl&",
        "\nauthorization: AWS4-HMAC-SHA256 Credential=AKID/20260615/r/s3/aws4_request, ",
        "SignedHeaders=host;x-amz-date, Signature=0",
        "\nauthorization: AWS AKID:c2ln",
        "\nx-amz-date: 20260615T120000Z",
        "\nx-amz-content-sha256: UNSIGNED-PAYLOAD",
        "\nhost: h",
        "%",
        "?",
        "é",
        ",",
    ]);
    let piece = prop_oneof![3 => piece.prop_map(str::to_owned), 1 => "[ -~]{0,4}"];
    let pieces = prop::collection::vec(piece, 0..16);
    pieces.prop_map(|pieces| format!("GET\n/b/k?{}", pieces.concat()).into_bytes())
}

fn chunk_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "3\r\nabc\r\n",
        "0\r\n",
        "\r\n",
        ";chunk-signature=0000000000000000000000000000000000000000000000000000000000000000",
        "x-amz-checksum-crc32:AAAAAA==\r\n",
        "x-amz-trailer-signature:00\r\n",
        "ffffffffffffffff",
        "2000\r\n",
        "\n",
        "é",
    ]);
    let header = (0..3_u8, 0..10_u8, 1..20_u8);
    let body = prop::collection::vec(piece, 0..10);
    (header, body).prop_map(|((mode, length, piece_size), body)| {
        [&[mode, length, piece_size], body.concat().as_bytes()].concat()
    })
}

fn form_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "--b",
        "\r\n--b",
        "\r\n",
        "--",
        "\r",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=key\r\n\r\nup/${filename}\r\n",
        "--b\r\nContent-Disposition: form-data; name=policy\r\n\r\ne30=\r\n",
        "--b\r\nContent-Disposition: form-data; name=AWSAccessKeyId\r\n\r\nA\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\nc2ln\r\n",
        "--b\r\n\r\n",
        "\"",
        "\\",
        "é",
    ]);
    let pieces = prop::collection::vec(piece, 0..12);
    (1..20_u8, pieces).prop_map(|(piece_size, body)| {
        let head = b"multipart/form-data; boundary=b\n";
        [&[piece_size], &head[..], body.concat().as_bytes()].concat()
    })
}

fn post_policy_bytes() -> impl Strategy<Value = Vec<u8>> {
    let condition = prop::sample::select(vec![
        "{\"bucket\":\"bucket\"}",
        "[\"starts-with\", \"$key\", \"\"]",
        "[\"eq\", \"$acl\", \"private\"]",
        "[\"content-length-range\", 0, 10]",
        "{}",
        "[]",
        "\"\\ud83d\\ude00\"",
        "-1",
    ]);
    let line =
        prop::sample::select(vec!["\nkey=k", "\nacl=private", "\nbucket=bucket", "\n", "\nx"]);
    let conditions = prop::collection::vec(condition, 0..5);
    (conditions, prop::collection::vec(line, 0..4)).prop_map(|(conditions, lines)| {
        let (conditions, lines) = (conditions.join(","), lines.concat());
        let expiration = "2026-06-15T13:00:00Z";
        format!("{{\"expiration\":\"{expiration}\",\"conditions\":[{conditions}]}}{lines}")
            .into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn claims(data in prop_oneof![request_bytes(), prop::collection::vec(any::<u8>(), 0..512)]) {
        entries::claim(&data);
    }

    #[test]
    fn explained(data in prop_oneof![
        request_bytes().prop_map(|request| {
            // Method and path stand before the query.
            let request = request.strip_prefix(b"GET\n").map(<[u8]>::to_vec);
            [b"https://h", &*request.unwrap_or_default()].concat()
        }),
        prop::collection::vec(any::<u8>(), 0..512),
    ]) {
        entries::explained(&data);
    }

    #[test]
    fn chunks(data in prop_oneof![chunk_bytes(), prop::collection::vec(any::<u8>(), 0..64)]) {
        entries::chunks(&data);
    }

    #[test]
    fn forms(data in prop_oneof![form_bytes(), prop::collection::vec(any::<u8>(), 0..64)]) {
        entries::form(&data);
    }

    #[test]
    fn post_policies(data in prop_oneof![
        post_policy_bytes(),
        "[\\[\\]{}\",:\\\\$a-z0-9é-]{0,64}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..64),
    ]) {
        entries::post_policy(&data);
    }

    #[test]
    fn encoding(data in prop_oneof![
        "[%0-9a-fA-F&=+/é~ -]{0,64}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..64),
    ]) {
        entries::encoding(&data);
    }
}
