"""SigV2 links, which boto3 still makes unasked: what works, and what is answered when not."""

import time
from datetime import datetime, timezone

import pytest

import sigv4
from answers import ANY, EXPIRED, MISMATCH, NOT_YET_VALID, check, iso, spaced_hex
from harness import ROOT_KEY

MISSING = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
DAY = 86_400


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def path(server, bucket):
    server.put(f"/{bucket}/key", b"0123456789")
    return f"/{bucket}/key"


def soon():
    return int(time.time()) + 600


def instant(seconds):
    return iso(datetime.fromtimestamp(seconds, timezone.utc))


def test_links_work(server, path):
    assert server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", path, soon())).body == b"0123456789"
    put = sigv4.sigv2_target(ROOT_KEY, "PUT", path, soon(), content_type="text/x-v2",
                             amz=[("x-amz-meta-a", "b")])
    assert server.request("PUT", put, headers=[("Content-Type", "text/x-v2")], body=b"x").status == 200
    overridden = sigv4.sigv2_target(
        ROOT_KEY, "GET", path, soon(), query=[("response-content-type", "text/html; a=b")]
    )
    answer = server.request("GET", overridden)
    assert answer.header("content-type") == "text/html; a=b"
    assert answer.header("x-amz-meta-a") == "b"


def test_1_5_3_a_signature_that_does_not_match(server, path):
    expires = soon()
    target = sigv4.sigv2_target(ROOT_KEY, "GET", path, expires, signature="AAAA+/A=")
    to_sign = sigv4.sigv2_string_to_sign("GET", path, expires)
    check(
        server.request("GET", target), 403, "SignatureDoesNotMatch", MISMATCH,
        ("AWSAccessKeyId", ROOT_KEY.id), ("StringToSign", to_sign),
        ("SignatureProvided", "AAAA+/A="), ("StringToSignBytes", spaced_hex(to_sign)),
    )


def test_other_headers_break_the_signature(server, path):
    target = sigv4.sigv2_target(ROOT_KEY, "PUT", path, soon())
    for header in (("Content-Type", "text/plain"), ("x-amz-meta-a", "b"), ("Content-MD5", "x")):
        answer = server.request("PUT", target, headers=[header], body=b"y")
        assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch"), header
    assert server.get(path).body == b"0123456789"


@pytest.mark.parametrize("name", ["AWSAccessKeyId", "Expires", "Signature"])
def test_1_10_4_a_parameter_is_missing(server, path, name):
    target = sigv4.sigv2_target(ROOT_KEY, "GET", path, soon())
    base, _, query = target.partition("?")
    kept = "&".join(pair for pair in query.split("&") if not pair.startswith(name + "="))
    check(server.request("GET", f"{base}?{kept}"), 403, "AccessDenied", MISSING)


def test_1_10_4_it_has_expired(server, path):
    expires = int(time.time()) - 5
    answer = server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", path, expires))
    check(
        answer, 403, "AccessDenied", EXPIRED, ("Expires", instant(expires)), ("ServerTime", ANY)
    )


def test_1_10_4_a_date_beyond_31_bits(server, path):
    answer = server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", path, 2**31))
    check(
        answer, 403, "AccessDenied", f"Invalid date (should be seconds since epoch): {2**31}"
    )


def test_it_opens_a_week_before_its_end(server, path):
    early = int(time.time()) + 7 * DAY + 3600
    answer = server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", path, early))
    assert (answer.status, answer.code()) == (403, "AccessDenied")
    assert dict(answer.error())["Message"] == NOT_YET_VALID
    week = int(time.time()) + 7 * DAY - 10
    assert server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", path, week)).status == 200


def test_1_4_23_where_sigv2_is_denied(start):
    server = start(options=["--sigv2", "deny"])
    server.make_bucket("bucket")
    server.put("/bucket/key", b"x")
    check(
        server.request("GET", sigv4.sigv2_target(ROOT_KEY, "GET", "/bucket/key", soon())),
        400, "InvalidRequest",
        "The authorization mechanism you have provided is not supported."
        " Please use AWS4-HMAC-SHA256.",
    )
    assert server.use(server.link("/bucket/key")).status == 200
