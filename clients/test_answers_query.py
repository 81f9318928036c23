"""What a SigV4 link that is not right is answered, word for word.

The numbers are those of docs/semantics.md; links are signed by `sigv4.py`.
"""

import hashlib
import time
from datetime import timedelta

import pytest

import sigv4
from answers import (
    ANY, EXPIRED, INVALID_TOKEN, MISMATCH, NO_SUCH_KEY_ID, NOT_YET_VALID, QUERY_PARAMETERS,
    TWO_MECHANISMS, UNSIGNED_HEADERS, check, iso, spaced_hex,
)
from harness import REGION, ROOT_KEY

PARAMETERS = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
MISSING = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential,"
    " X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
CREDENTIAL = "Error parsing the X-Amz-Credential parameter; "
MALFORMED = (
    CREDENTIAL + 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/'
    'aws4_request".'
)
EXPIRES_NUMBER = "X-Amz-Expires should be a number"
EXPIRES_WEEK = (
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be"
    " less than 604800 seconds"
)
DATE_FORMAT = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def path(server, bucket):
    server.put(f"/{bucket}/key", b"0123456789")
    return f"/{bucket}/key"


@pytest.fixture
def use(server, path):
    """Uses a link to the object with some of its claims changed."""

    def use(**claims):
        return server.use(server.link(path, **claims))

    return use


def test_a_good_link_works(use):
    answer = use()
    assert (answer.status, answer.body) == (200, b"0123456789")


@pytest.mark.parametrize("name", PARAMETERS)
def test_1_4_1_a_parameter_is_missing(use, name):
    check(use(drop=(name,)), 400, QUERY_PARAMETERS, MISSING)


def today():
    return sigv4.amz_date(sigv4.now())[:8]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        # semantics 1.4.2
        ({"algorithm": "AWS4-HMAC-SHA512"},
         'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"'),
        # semantics 1.4.3
        ({"date": "yesterday", "credential_day": "20130524"}, DATE_FORMAT),
        ({"date": "2013-05-24T00:00:00Z", "credential_day": "20130524"}, DATE_FORMAT),
        ({"date": "20131324T000000Z", "credential_day": "20130524"}, DATE_FORMAT),
        # semantics 1.4.5
        ({"credential": "AKIA/20130524/us-east-1/s3"}, MALFORMED),
        ({"credential": "AKIA"}, MALFORMED),
        ({"credential": "AKIA%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"}, MALFORMED),
        # semantics 1.4.6
        ({"credential_day": "2013-05-24"},
         CREDENTIAL + 'incorrect date format "2013-05-24". This date in the credential must be in'
         ' the format "yyyyMMdd".'),
        # semantics 1.4.8
        ({"service": "sts"},
         CREDENTIAL + 'incorrect service "sts". This endpoint belongs to "s3".'),
        # semantics 1.4.9
        ({"terminal": "aws5_request"},
         CREDENTIAL + 'incorrect terminal "aws5_request". This endpoint uses "aws4_request".'),
        # semantics 1.4.10
        ({"expires": "soon"}, EXPIRES_NUMBER),
        ({"expires": ""}, EXPIRES_NUMBER),
        ({"expires": "1.5"}, EXPIRES_NUMBER),
        ({"expires": str(2**63)}, EXPIRES_NUMBER),
        # semantics 1.4.11
        ({"expires": "-1"}, "X-Amz-Expires must be non-negative"),
        # semantics 1.4.12
        ({"expires": "604801"}, EXPIRES_WEEK),
        ({"expires": str(2**63 - 1)}, EXPIRES_WEEK),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_1_4_2_to_12_a_claim_cannot_be_read(use, claims, message):
    check(use(**claims), 400, QUERY_PARAMETERS, message)


def test_1_4_4_the_days_differ(use):
    day = sigv4.amz_date(sigv4.now() - timedelta(days=1))[:8]
    check(
        use(credential_day=day), 400, QUERY_PARAMETERS,
        f'Invalid credential date "{day}". This date is not the same as X-Amz-Date: "{today()}".',
    )


def test_1_4_7_the_region_is_wrong(use, server, bucket):
    wrong = (
        400, QUERY_PARAMETERS,
        CREDENTIAL + f"the region 'eu-west-1' is wrong; expecting '{REGION}'", ("Region", REGION),
    )
    answer = use(region="eu-west-1")
    check(answer, *wrong)
    # semantics 1.4.24a: only where the request is the bucket's.
    assert answer.header("x-amz-bucket-region") is None
    answer = server.use(server.link(f"/{bucket}", region="eu-west-1"))
    check(answer, *wrong)
    assert answer.header("x-amz-bucket-region") == REGION


@pytest.mark.parametrize("expires", ["1", "604799", "604800"])
def test_1_4_12_up_to_a_week_is_fine(use, expires):
    assert use(expires=expires).status == 200


@pytest.mark.parametrize(
    ("age", "expires"), [(3601, 3600), (604801, 604800), (10, 0), (3, 1)], ids=str
)
def test_1_4_13_it_has_expired(use, age, expires):
    signed_at = sigv4.now() - timedelta(seconds=age)
    before = sigv4.now()
    answer = use(time=signed_at, expires=str(expires))
    check(
        answer, 403, "AccessDenied", EXPIRED, ("X-Amz-Expires", str(expires)),
        ("Expires", iso(signed_at + timedelta(seconds=expires))), ("ServerTime", ANY),
    )
    assert iso(before) <= dict(answer.error())["ServerTime"] <= iso(sigv4.now())


def test_1_6_2_an_old_link_that_lives_works(use):
    assert use(time=sigv4.now() - timedelta(days=6), expires="604800").status == 200


def test_1_4_14_it_is_not_yet_valid(use):
    signed_at = sigv4.now() + timedelta(hours=1)
    answer = use(time=signed_at)
    milliseconds = str(int(signed_at.timestamp()) * 1000)
    check(
        answer, 403, "AccessDenied", NOT_YET_VALID, ("X-Amz-Date", milliseconds),
        ("Expires", iso(signed_at + timedelta(hours=1))), ("ServerTime", ANY),
    )


def test_1_6_3_a_small_skew_is_tolerated(use):
    assert use(time=sigv4.now() + timedelta(minutes=10)).status == 200


def test_1_3_1_the_host_is_not_signed(use):
    check(
        use(headers=[("x-other", "1")], signed_headers="x-other"), 403, "AccessDenied",
        UNSIGNED_HEADERS, ("HeadersNotSigned", "host"),
    )


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([("x-amz-meta-wrong", "1")], "x-amz-meta-wrong"),
        ([("X-Amz-Copy-Source", "/a/b")], "x-amz-copy-source"),
        ([("x-amz-tagging", "a=b")], "x-amz-tagging"),
        ([("x-amz-acl", "public-read")], "x-amz-acl"),
        ([("x-amz-server-side-encryption-customer-algorithm", "AES256")],
         "x-amz-server-side-encryption-customer-algorithm"),
        ([("x-amz-website-redirect-location", "/")], "x-amz-website-redirect-location"),
        ([("x-amz-checksum-crc32", "AAAAAA==")], "x-amz-checksum-crc32"),
        ([("x-amz-security-token", "t")], "x-amz-security-token"),
        ([("x-amz-user-agent", "x")], "x-amz-user-agent"),
        ([("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-decoded-content-length", "1"),
          ("x-amz-date", "20130524T000000Z")], "x-amz-date, x-amz-decoded-content-length"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_1_3_2_a_header_is_not_signed(server, path, headers, named):
    link = server.link(path, method="PUT")
    answer = server.use(link, headers=headers, body=b"changed")
    check(answer, 403, "AccessDenied", UNSIGNED_HEADERS, ("HeadersNotSigned", named))
    assert server.get(path).body == b"0123456789"


def test_1_3_3_an_unsigned_content_sha256_is_let_through(server, path):
    link = server.link(path)
    answer = server.use(link, headers=[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")])
    assert answer.status == 200
    answer = server.use(link, headers=[("x-amz-content-sha256", sigv4.EMPTY_SHA256)])
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_1_3_4_other_headers_need_no_signature(server, path):
    link = server.link(path, method="PUT")
    headers = [("Content-Type", "text/x-any"), ("Cache-Control", "no-store"), ("X-Foo", "1"),
               ("User-Agent", "test"), ("Origin", "https://example.com")]
    assert server.use(link, headers=headers, body=b"x").status == 200
    answer = server.use(server.link(path), headers=[("Range", "bytes=0-0"), ("If-Match", "*")])
    assert answer.status == 206
    assert answer.header("content-type") == "text/x-any"


@pytest.mark.parametrize("key_id", ["AKIANOBODYKNOWSTHIS0", "nobody", "ASIANOBODYKNOWSTHIS0"])
def test_1_4_16_the_key_is_unknown(server, path, key_id):
    link = server.link(path)
    link.key = sigv4.Key(key_id, "secret")
    check(
        server.use(link), 403, "InvalidAccessKeyId", NO_SUCH_KEY_ID, ("AWSAccessKeyId", key_id)
    )


def test_1_4_18_a_token_with_a_long_term_key(use, server, path):
    check(use(token="no token"), 400, "InvalidToken", INVALID_TOKEN, ("Token-0", "no token"))
    # The signature is judged first.
    answer = use(token="no token", signature="0" * 64)
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_1_4_20_two_mechanisms(server, path):
    for authorization in ("AWS4-HMAC-SHA256 Credential=x", "garbage"):
        for link in (server.link(path), server.link(path, expires="-1")):
            answer = server.use(link, headers=[("Authorization", authorization)])
            check(
                answer, 400, "InvalidArgument", TWO_MECHANISMS,
                ("ArgumentName", "Authorization"), ("ArgumentValue", authorization),
            )


def test_1_4_21_overrides_on_an_anonymous_request(server, path):
    check(
        server.request("GET", f"{path}?response-content-type=text%2Fhtml"), 400, "InvalidRequest",
        "Request specific response headers cannot be used for anonymous GET requests.",
    )


def test_1_4_22_an_override_outside_latin_1(use):
    check(
        use(query=[("response-cache-control", "max-age=5 🎈")]), 400, "InvalidArgument",
        "Header value cannot be represented using ISO-8859-1.",
        ("ArgumentName", "response-cache-control"), ("ArgumentValue", "max-age=5 🎈"),
    )


def test_1_4_24_a_put_without_a_length(server, path):
    link = server.link(path, method="PUT")
    head = f"PUT {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n"
    answer = raw(server, head.encode())
    assert b" 411 " in answer.splitlines()[0], answer
    assert b"<Code>MissingContentLength</Code>" in answer
    assert b"<Message>You must provide the Content-Length HTTP header.</Message>" in answer
    assert server.get(path).body == b"0123456789"


def raw(server, request):
    with server.connect() as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    ("claims", "status"),
    [({"expires": "604801"}, 400), ({"signature": "0" * 64}, 403), ({"drop": ("X-Amz-Date",)}, 400)],
    ids=str,
)
def test_1_4_25_head_has_no_body(server, path, claims, status):
    answer = server.use(server.link(path, method="HEAD", **claims))
    check(answer, status, None, None, head=True)


def test_1_5_1_a_signature_that_does_not_match(server, path):
    link = server.link(path, query=[("a&b", "<c>"), ("list", "")], signature="f" * 64)
    _, _, _, canonical, to_sign = link.signed()
    check(
        server.use(link), 403, "SignatureDoesNotMatch", MISMATCH,
        ("AWSAccessKeyId", ROOT_KEY.id), ("StringToSign", to_sign), ("SignatureProvided", "f" * 64),
        ("StringToSignBytes", spaced_hex(to_sign)), ("CanonicalRequest", canonical),
        ("CanonicalRequestBytes", spaced_hex(canonical)),
    )


@pytest.mark.parametrize("signature", ["0", "0" * 63, "0" * 65, "z" * 64, "é" * 32], ids=ascii)
def test_1_5_signatures_that_no_signer_writes(use, signature):
    answer = use(signature=signature)
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_an_upper_case_signature_does_not_match(server, path):
    link = server.link(path)
    signature = link.sign(link.signed()[-1])
    assert signature != signature.upper()
    answer = server.use(server.link(path, time=link.time, signature=signature.upper()))
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("tail", [[("x-id", "GetObject")], [("a", "")], [("versionId", "null")]], ids=str)
def test_1_2_7_a_parameter_added_later_breaks_the_signature(use, tail):
    answer = use(tail=tail)
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_1_2_7_unknown_parameters_that_are_signed_are_ignored(use):
    assert use(query=[("requestedBy", "abcDEF123"), ("x-custom", "a b/c"), ("empty", "")]).status == 200


def test_1_1_7_the_first_of_two_counts(server, path):
    def target(first, second):
        link = server.link(path, query=[("X-Amz-Expires", first)], expires=second)
        return server.use(link)

    assert target("3600", "-1").status == 200
    check(target("-1", "3600"), 400, QUERY_PARAMETERS, "X-Amz-Expires must be non-negative")


def test_1_1_2_slashes_of_the_credential_may_stand_plain(server, path):
    target = server.link(path).target()
    head, _, rest = target.partition("X-Amz-Credential=")
    credential, _, rest = rest.partition("&")
    plain = f"{head}X-Amz-Credential={credential.replace('%2F', '/')}&{rest}"
    assert server.request("GET", plain).status == 200


def test_1_2_5_other_spellings_of_the_same_bytes(server, bucket):
    server.put(f"/{bucket}/a%2Bb%21%2A%28%29", b"x")
    link = server.link(f"/{bucket}/a%2Bb%21%2A%28%29")
    target = link.target()
    for spelling in (target.replace("%2Bb", "%2bb"), target.replace("%21%2A%28%29", "!*()")):
        assert server.request("GET", spelling).status == 200


def test_1_2_11_a_signed_header_taken_from_the_query(server, path):
    link = server.link(
        path, method="PUT", query=[("x-amz-meta-a", "b")], headers=[("x-amz-meta-a", "b")]
    )
    assert server.use(link, headers=[], body=b"x").status == 200
    assert server.get(path).header("x-amz-meta-a") == "b"
    # Signed with a value, and then not sent.
    missing = server.link(path, method="PUT", headers=[("x-not-present", "1")])
    answer = server.use(missing, headers=[], body=b"y")
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_1_2_12_b_the_body_may_be_signed(server, path):
    body = b"signed body"
    digest = hashlib.sha256(body).hexdigest()
    link = server.link(
        path, method="PUT", headers=[("x-amz-content-sha256", digest)], payload=digest
    )
    assert server.use(link, body=body).status == 200
    answer = server.use(link, body=b"forged body")
    assert (answer.status, answer.code()) == (400, "XAmzContentSHA256Mismatch")
    elements = dict(answer.error())
    assert elements["ClientComputedContentSHA256"] == digest
    assert elements["S3ComputedContentSHA256"] == hashlib.sha256(b"forged body").hexdigest()
    assert server.get(path).body == body


def test_1_2_12_f_links_take_no_chunked_bodies(server, path):
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = [("x-amz-content-sha256", mode), ("x-amz-decoded-content-length", "5")]
    link = server.link(path, method="PUT", headers=headers, payload=mode)
    answer = server.use(link, body=b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n")
    assert answer.status == 400
    assert answer.code() in ("XAmzContentSHA256Mismatch", "IncompleteBody")
    assert server.get(path).body == b"0123456789"


def test_1_3_6_headers_in_the_query_act(server, path):
    query = [("x-amz-meta-foo", "bar"), ("x-amz-storage-class", "STANDARD_IA")]
    assert server.use(server.link(path, method="PUT", query=query), body=b"x").status == 200
    answer = server.get(path)
    assert answer.header("x-amz-meta-foo") == "bar"
    assert answer.header("x-amz-storage-class") == "STANDARD_IA"


def test_1_3_6_preconditions_in_the_query_act(server, path):
    for query in ([("If-None-Match", "*")], [("If-Match", '"0"')]):
        link = server.link(path, method="PUT", query=query)
        answer = server.use(link, body=b"x")
        check(
            answer, 412, "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            ("Condition", query[0][0]),
        )
    assert server.get(path).body == b"0123456789"


def test_1_3_7_checksums_in_the_query_are_signed_and_ignored(server, path):
    query = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]
    link = server.link(path, method="PUT", query=query)
    assert server.use(link, body=b"123456789").status == 200
    answer = server.signed("HEAD", path, headers=[("x-amz-checksum-mode", "ENABLED")])
    assert answer.header("x-amz-checksum-crc32") is None
    assert answer.header("x-amz-checksum-crc64nvme") == "rosUhgp5mIg="
    changed = link.target().replace("AAAAAA%3D%3D", "BBBBBB%3D%3D")
    refused = server.request("PUT", changed, body=b"x")
    assert (refused.status, refused.code()) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(("signed", "used"), [("GET", "HEAD"), ("HEAD", "GET"), ("GET", "PUT"), ("PUT", "GET"), ("GET", "DELETE"), ("GET", "POST")])
def test_1_8_1_the_method_is_signed(server, path, signed, used):
    answer = server.use(server.link(path, method=signed), method=used)
    assert answer.status == 403
    if used == "HEAD":
        assert answer.body == b""
    else:
        assert answer.code() == "SignatureDoesNotMatch"
    assert server.get(path).body == b"0123456789"


def test_1_8_2_a_body_of_a_get_is_ignored(server, path):
    answer = server.use(server.link(path), body=b"ignored")
    assert (answer.status, answer.body) == (200, b"0123456789")


def test_1_8_4_ranges(server, path):
    for span, status, body in (
        ("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-2", 206, b"89"),
        ("bytes=5-500", 206, b"56789"), ("bytes=0-0", 206, b"0"), ("lines=1-2", 200, b"0123456789"),
    ):
        answer = server.use(server.link(path), headers=[("Range", span)])
        assert (answer.status, answer.body) == (status, body), span
    answer = server.use(server.link(path), headers=[("Range", "bytes=10-")])
    check(
        answer, 416, "InvalidRange", "The requested range is not satisfiable",
        ("RangeRequested", "bytes=10-"), ("ActualObjectSize", "10"),
    )
    signed = server.link(path, headers=[("range", "bytes=2-4")])
    assert server.use(signed).body == b"234"
    answer = server.use(signed, headers=[("range", "bytes=2-5")])
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_1_7_first_things_first(server, path):
    """Of several faults the earlier one is told."""
    def told(**claims):
        answer = server.use(server.link(path, **claims))
        return dict(answer.error())["Message"]

    past = sigv4.now() - timedelta(days=3)
    assert told(drop=("X-Amz-Date",), algorithm="x") == MISSING
    assert told(credential="x", expires="-1") == MALFORMED
    assert told(date="x", credential_day="20130524", expires="-1") == DATE_FORMAT
    assert told(expires="604801", time=past, credential_day="20130524") == EXPIRES_WEEK
    # The time window comes before the comparison of the days, the region and the service.
    assert told(time=past, credential_day="20130524") == EXPIRED
    assert told(time=past, region="x", service="x") == EXPIRED
    assert told(credential_day="20130524", region="x").startswith("Invalid credential date")
    assert "the region 'x'" in told(region="x", service="x")
    assert 'incorrect service "x"' in told(service="x", terminal="x")
    assert 'incorrect terminal "x"' in told(terminal="x", signed_headers="x-other", headers=[("x-other", "1")])
    unsigned = server.link(path)
    unsigned.key = sigv4.Key("AKIANOBODYKNOWSTHIS0", "x")
    answer = server.use(unsigned, headers=[("x-amz-meta-a", "b")])
    assert dict(answer.error())["Message"] == UNSIGNED_HEADERS


def test_1_7_2_authentication_before_existence(server, bucket):
    answer = server.use(server.link(f"/{bucket}-none/key", signature="0" * 64))
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")
    answer = server.use(server.link(f"/{bucket}-none/key"))
    check(
        answer, 404, "NoSuchBucket", "The specified bucket does not exist",
        ("BucketName", f"{bucket}-none"),
    )
    answer = server.use(server.link(f"/{bucket}/none"))
    check(answer, 404, "NoSuchKey", "The specified key does not exist.", ("Key", "none"))


def test_anonymous_requests_are_denied(server, path):
    for method, body in (("GET", b""), ("PUT", b"x"), ("DELETE", b"")):
        check(server.request(method, path, body=body), 403, "AccessDenied", "Access Denied")
    assert server.get(path).body == b"0123456789"


def test_1_6_5_what_began_in_time_runs_to_its_end(server, bucket):
    body = bytes(3_000_000)
    server.put(f"/{bucket}/big", body)
    link = server.link(f"/{bucket}/big", expires="2")
    with server.connect() as connection:
        connection.sendall(
            f"GET {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode()
        )
        received = len(connection.recv(1000))
        time.sleep(4)
        while piece := connection.recv(1 << 20):
            received += len(piece)
    assert received > len(body)
    assert server.use(link).code() == "AccessDenied"
