"""What a request signed in its Authorization header is answered, word for word."""

import hashlib
import re
from datetime import timedelta

import pytest

import sigv4
from answers import ANY, MISMATCH, NO_SUCH_KEY_ID, UNSIGNED_HEADERS, check, iso, spaced_hex
from harness import REGION, ROOT_KEY


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def path(server, bucket):
    server.put(f"/{bucket}/key", b"0123456789")
    return f"/{bucket}/key"


@pytest.fixture
def send(server, path):
    """A GET of the object whose signed headers went through `change` before they were sent."""

    def send(change=lambda headers: headers, **options):
        headers = sigv4.authorization(ROOT_KEY, "GET", server.host, path, **options)
        return server.request("GET", path, headers=change(headers))

    return send


def edit(pattern, replacement):
    """Edits the Authorization header."""

    def change(headers):
        return [(n, re.sub(pattern, replacement, v) if n == "authorization" else v) for n, v in headers]

    return change


def without(name):
    return lambda headers: [(n, v) for n, v in headers if n != name]


def test_a_good_request_works(send):
    assert send().body == b"0123456789"


@pytest.mark.parametrize("minutes", [-20, 20, -16, 16])
def test_1_6_1_the_clock_is_off(send, minutes):
    time = sigv4.now() + timedelta(minutes=minutes)
    answer = send(time=time)
    check(
        answer, 403, "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        ("RequestTime", sigv4.amz_date(time)), ("ServerTime", ANY),
        ("MaxAllowedSkewMilliseconds", "900000"),
    )
    assert dict(answer.error())["ServerTime"] <= iso(sigv4.now())


@pytest.mark.parametrize("minutes", [-14, -5, 5, 14])
def test_1_6_1_a_small_skew_is_tolerated(send, minutes):
    assert send(time=sigv4.now() + timedelta(minutes=minutes)).status == 200


def test_1_9_2_the_region_is_wrong(send, server, bucket):
    check(
        send(region="eu-west-1"), 400, "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'eu-west-1' is wrong;"
        f" expecting '{REGION}'",
        ("Region", REGION),
    )
    answer = server.signed("GET", f"/{bucket}", region="eu-west-1")
    assert answer.header("x-amz-bucket-region") == REGION


def test_the_signature_does_not_match(send, server, path):
    headers = sigv4.authorization(ROOT_KEY, "GET", server.host, path)
    date = dict(headers)["x-amz-date"]
    names = ["host", "x-amz-content-sha256", "x-amz-date"]
    canonical = sigv4.canonical_request(
        "GET", path, [], [("host", server.host), *headers], names, sigv4.EMPTY_SHA256
    )
    to_sign = sigv4.string_to_sign(date, f"{date[:8]}/{REGION}/s3/aws4_request", canonical)
    answer = server.request(
        "GET", path, headers=edit("Signature=.*", f"Signature={'0' * 64}")(headers)
    )
    check(
        answer, 403, "SignatureDoesNotMatch", MISMATCH,
        ("AWSAccessKeyId", ROOT_KEY.id), ("StringToSign", to_sign), ("SignatureProvided", "0" * 64),
        ("StringToSignBytes", spaced_hex(to_sign)), ("CanonicalRequest", canonical),
        ("CanonicalRequestBytes", spaced_hex(canonical)),
    )


def test_the_key_is_unknown(send):
    check(
        send(edit(ROOT_KEY.id, "AKIANOBODYKNOWSTHIS0")), 403, "InvalidAccessKeyId", NO_SUCH_KEY_ID,
        ("AWSAccessKeyId", "AKIANOBODYKNOWSTHIS0"),
    )


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (edit(".*", "garbage"), 400, "InvalidArgument"),
        (edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), 400, "InvalidArgument"),
        # SigV2 in the header is always refused.
        (edit(".*", f"AWS {ROOT_KEY.id}:c2lnbmF0dXJl"), 400, "InvalidRequest"),
        (edit("Credential=[^,]*, ", ""), 400, "AuthorizationHeaderMalformed"),
        (edit("SignedHeaders=[^,]*, ", ""), 400, "AuthorizationHeaderMalformed"),
        (edit(", Signature=.*", ""), 400, "AuthorizationHeaderMalformed"),
        (edit("(, Signature=.*)", r"\1\1"), 400, "AuthorizationHeaderMalformed"),
        (edit("$", ", Other=1"), 400, "AuthorizationHeaderMalformed"),
        (edit("Credential=[^,]*", "Credential=AKIA/20130524/us-east-1"), 400,
         "AuthorizationHeaderMalformed"),
        (without("x-amz-date"), 403, "AccessDenied"),
        (without("x-amz-content-sha256"), 400, "InvalidRequest"),
    ],
)
def test_1_7_0a_headers_that_cannot_be_read(send, change, status, code):
    answer = send(change)
    assert (answer.status, answer.code()) == (status, code), answer.body


def test_1_7_0a_two_authorization_headers(send):
    answer = send(lambda headers: [*headers, headers[-1]])
    check(
        answer, 501, "NotImplemented",
        "A header you provided implies functionality that is not implemented",
        ("Header", "Authorization"),
    )


def test_1_2_12_e_the_payload_header_is_demanded(send):
    check(
        send(without("x-amz-content-sha256")), 400, "InvalidRequest",
        "Missing required header for this request: x-amz-content-sha256",
    )


def test_1_3_2_an_unsigned_header(send):
    answer = send(lambda headers: [*headers, ("x-amz-meta-b", "1"), ("x-amz-acl", "private")])
    check(
        answer, 403, "AccessDenied", UNSIGNED_HEADERS,
        ("HeadersNotSigned", "x-amz-acl, x-amz-meta-b"),
    )


def test_1_7_0a_an_unsigned_checksum_comes_before_the_digest(server, path):
    headers = sigv4.authorization(ROOT_KEY, "PUT", server.host, path, body=b"x")
    answer = server.request(
        "PUT", path, headers=[*headers, ("x-amz-checksum-crc32", "AAAAAA==")], body=b"x"
    )
    check(
        answer, 403, "AccessDenied", UNSIGNED_HEADERS, ("HeadersNotSigned", "x-amz-checksum-crc32")
    )


def test_1_7_0a_date_alone_is_enough(server, path):
    date = sigv4.amz_date(sigv4.now())
    headers = [("host", server.host), ("date", date), ("x-amz-content-sha256", sigv4.EMPTY_SHA256)]
    names = sorted(name for name, _ in headers)
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    canonical = sigv4.canonical_request("GET", path, [], headers, names, sigv4.EMPTY_SHA256)
    key = sigv4.signing_key(ROOT_KEY.secret, date[:8])
    signature = sigv4.hmac_sha256(key, sigv4.string_to_sign(date, scope, canonical)).hex()
    value = (
        f"AWS4-HMAC-SHA256 Credential={ROOT_KEY.id}/{scope},SignedHeaders={';'.join(names)},"
        f"Signature={signature}"
    )
    answer = server.request("GET", path, headers=[*headers[1:], ("Authorization", value)])
    assert answer.status == 200, answer


def test_1_7_0a_signed_headers_may_come_unsorted_and_in_capitals(send):
    change = edit("SignedHeaders=[^,]*", "SignedHeaders=X-Amz-Date;Host;x-amz-content-sha256;host")
    assert send(change).status == 200


def test_1_7_0a_an_odd_expectation_is_ignored(server, path):
    headers = sigv4.authorization(ROOT_KEY, "PUT", server.host, path, body=b"x")
    answer = server.request("PUT", path, headers=[*headers, ("Expect", "garbage")], body=b"x")
    assert answer.status == 200, answer


def test_expect_100_continue(server, path):
    body = b"after the continue"
    headers = sigv4.authorization(ROOT_KEY, "PUT", server.host, path, body=body)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with server.connect() as connection:
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {server.host}\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n".encode()
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert server.get(path).body == body


def test_1_7_0a_a_key_that_is_not_utf_8(server, bucket):
    answer = server.signed("GET", f"/{bucket}/%80")
    assert (answer.status, answer.code()) == (400, "InvalidURI")


def test_1_2_12_c_the_body_does_not_match(server, path):
    payload = hashlib.sha256(b"another body").hexdigest()
    answer = server.signed("PUT", path, body=b"this body", payload=payload)
    assert (answer.status, answer.code()) == (400, "XAmzContentSHA256Mismatch")
    elements = dict(answer.error())
    assert elements["ClientComputedContentSHA256"] == payload
    assert elements["S3ComputedContentSHA256"] == hashlib.sha256(b"this body").hexdigest()
    assert server.get(path).body == b"0123456789"


def test_content_md5(server, path):
    right, wrong = "XrY7u+Ae7tCTyyK7j1rNww==", "AAAAAAAAAAAAAAAAAAAAAA=="
    assert server.signed("PUT", path, headers=[("content-md5", right)], body=b"hello world").status == 200
    answer = server.signed("PUT", path, headers=[("content-md5", wrong)], body=b"other")
    assert (answer.status, answer.code()) == (400, "BadDigest")
    answer = server.signed("PUT", path, headers=[("content-md5", "short")], body=b"other")
    assert (answer.status, answer.code()) == (400, "InvalidDigest")
    assert server.get(path).body == b"hello world"


def test_1_7_the_order_of_checks(server, path):
    """Skew, region, unknown key, signature, unexpected token: the first is told."""
    nobody = sigv4.Key("AKIANOBODYKNOWSTHIS0", "x")

    def told(key=ROOT_KEY, change=lambda headers: headers, **options):
        headers = sigv4.authorization(key, "GET", server.host, path, **options)
        return server.request("GET", path, headers=change(headers)).code()

    token = [("x-amz-security-token", "t")]
    late = sigv4.now() - timedelta(hours=1)
    broken = edit("Signature=.*", f"Signature={'0' * 64}")
    assert told(nobody, time=late, region="x") == "RequestTimeTooSkewed"
    assert told(nobody, region="x") == "AuthorizationHeaderMalformed"
    assert told(nobody, broken, headers=token) == "InvalidAccessKeyId"
    assert told(ROOT_KEY, broken, headers=token) == "SignatureDoesNotMatch"
    assert told(headers=token) == "InvalidToken"


# --- aws-chunked bodies


def chunked(server, path, pieces, *, headers=(), mode="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", break_at=None):
    """Signs a body in chunks, as SDKs do over plain HTTP."""
    length = sum(map(len, pieces))
    date = sigv4.amz_date(sigv4.now())
    made = sigv4.authorization(
        ROOT_KEY, "PUT", server.host, path, payload=mode, date=date,
        headers=[("x-amz-decoded-content-length", str(length)), ("content-encoding", "aws-chunked"), *headers],
    )
    previous = dict(made)["authorization"].rpartition("Signature=")[2]
    key = sigv4.signing_key(ROOT_KEY.secret, date[:8])
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    body = b""
    for number, piece in enumerate([*pieces, b""]):
        to_sign = "\n".join([
            "AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, sigv4.EMPTY_SHA256,
            hashlib.sha256(piece).hexdigest(),
        ])
        previous = sigv4.hmac_sha256(key, to_sign).hex()
        sent = "0" * 64 if number == break_at else previous
        body += f"{len(piece):x};chunk-signature={sent}\r\n".encode() + piece + b"\r\n"
    return server.request("PUT", path, headers=made, body=body)


def test_a_body_signed_in_chunks(server, path):
    pieces = [b"a" * 65536, b"b" * 10_000, b"end"]
    assert chunked(server, path, pieces, headers=[("content-type", "text/x-chunked")]).status == 200
    answer = server.get(path)
    assert answer.body == b"".join(pieces)
    # The coding of the transfer is not the object's.
    assert answer.header("content-encoding") is None


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_1_5_2b_a_chunk_that_does_not_match(server, path, broken):
    answer = chunked(server, path, [b"a" * 8192, b"end"], break_at=broken)
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch"), answer
    elements = dict(answer.error())
    assert elements["StringToSign"].startswith("AWS4-HMAC-SHA256-PAYLOAD\n")
    assert elements["SignatureProvided"] == "0" * 64
    assert elements["CanonicalRequest"].startswith(f"PUT\n{path}\n")
    assert server.get(path).body == b"0123456789"
