"""What `valet presign` adds to a link: signed as any other parameter, and refused where it cannot be kept."""

import base64
import hashlib
import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import sigv4
from harness import FAKETIME_LIBRARY, ROOT_KEY, bare_environment, binary

CONTENT = b"the one content"
DIGEST = hashlib.sha256(CONTENT)


@pytest.fixture
def presign(tmp_path):
    """Runs the command at a server that need not be there; returns (status, output, notes)."""

    def presign(*arguments, stdin="", at=None, endpoint="http://127.0.0.1:9000"):
        settings = {
            **bare_environment(tmp_path),
            "AWS_ACCESS_KEY_ID": ROOT_KEY.id,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY.secret,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if endpoint:
            settings["AWS_ENDPOINT_URL"] = endpoint
        if at:
            settings |= {"LD_PRELOAD": FAKETIME_LIBRARY, "FAKETIME": at,
                         "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        ran = subprocess.run(
            [binary(), "presign", "--offline", *arguments], input=stdin, env=settings, cwd=tmp_path,
            capture_output=True, text=True, timeout=60,
        )
        return ran.returncode, ran.stdout.removesuffix("\n"), ran.stderr

    return presign


@pytest.fixture
def link(presign):
    def link(*arguments, **options):
        status, output, notes = presign(*arguments, **options)
        assert status == 0, notes
        return output

    return link


def conditions(url):
    """The parameters that Valet adds, but the random name."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    return {name: value for name, value in pairs if name.startswith("x-valet-") and name != "x-valet-id"}


def is_plain_sigv4(url, method, headers=()):
    """Signs the same request again, once by AWS's document and once by botocore: any signer's link."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    said = dict(pairs)
    own = [pair for pair in pairs if not pair[0].startswith("X-Amz-")]
    time = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    again = sigv4.Link(
        ROOT_KEY, parts.netloc, parts.path, method, query=own, headers=list(headers), time=time,
        expires=said["X-Amz-Expires"],
    )
    target = dict(parse_qsl(urlsplit(again.target()).query))
    assert target["X-Amz-Signature"] == said["X-Amz-Signature"], url

    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in own)
    request = AWSRequest(method, f"{parts.scheme}://{parts.netloc}{parts.path}?{query}",
                         headers=dict(headers))
    auth = S3SigV4QueryAuth(
        Credentials(ROOT_KEY.id, ROOT_KEY.secret), "s3", "us-east-1", int(said["X-Amz-Expires"])
    )
    request.context["timestamp"] = said["X-Amz-Date"]
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    assert auth.signature(auth.string_to_sign(request, canonical), request) == said["X-Amz-Signature"]
    return True


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("GET", ["--uses", "5"], {"x-valet-uses": "5"}),
        ("GET", ["--unique"], {}),
        ("PUT", ["--max-size", "1MiB"], {"x-valet-content-length-range": "0,1048576"}),
        ("PUT", ["--max-size", "10", "--min-size", "2"], {"x-valet-content-length-range": "2,10"}),
        ("GET", ["--source-ip", "192.0.2.0/24,2001:db8::1"],
         {"x-valet-source-ip": "192.0.2.0/24,2001:db8::1/128"}),
        ("HEAD", ["--rate", "64KiB"], {"x-valet-rate": "65536"}),
        ("DELETE", ["--label", "Invoice 7, für Zoë & Co"], {"x-valet-label": "Invoice 7, für Zoë & Co"}),
        ("PUT", ["--write-once"], {"x-valet-write-once": "true"}),
        ("GET", ["--allow-head"], {"x-valet-head": "true"}),
        ("GET", ["--uses", "1", "--allow-head", "--label", "all of it", "--rate", "1MiB",
                 "--source-ip", "127.0.0.1", "--filename", "a b.pdf"],
         {"x-valet-uses": "1", "x-valet-head": "true", "x-valet-label": "all of it",
          "x-valet-rate": "1048576", "x-valet-source-ip": "127.0.0.1/32"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_added_is_signed_as_any_parameter(link, method, options, expected):
    url = link("--method", method, *options, "s3://bucket/a key")
    assert conditions(url) == expected
    assert is_plain_sigv4(url, method)


def test_a_link_opens_when_it_was_asked_to(link):
    url = link("--not-before", "2027-01-02T03:04:05+01:00", "--expires-in", "7d", "s3://b/k",
               at="2027-01-01 12:00:00")
    assert conditions(url) == {"x-valet-not-before": "20270102T020405Z"}
    assert is_plain_sigv4(url, "GET")
    url = link("--not-before", "15m", "s3://b/k", at="2027-01-01 12:00:00")
    assert conditions(url) == {"x-valet-not-before": "20270101T121500Z"}


@pytest.mark.parametrize("options", [["--uses", "2"], ["--unique"]], ids=" ".join)
def test_links_that_are_their_own_differ(link, options):
    first, second = (link(*options, "s3://b/k", at="2027-01-01 12:00:00") for _ in range(2))
    assert first != second
    assert re.search(r"[?&]x-valet-id=[A-Za-z0-9_-]{22}&", first)
    plain = [link("s3://b/k", at="2027-01-01 12:00:00") for _ in range(2)]
    assert plain[0] == plain[1]


def test_links_of_a_period_are_the_same_bytes(link):
    options = ["--round-to", "10m", "--expires-in", "1h", "s3://b/k"]
    made = [link(*options, at=f"2027-01-01 {time}") for time in ("12:00:00", "12:04:05", "12:09:59")]
    assert len(set(made)) == 1
    assert link(*options, at="2027-01-01 12:10:00") != made[0]
    said = dict(parse_qsl(urlsplit(made[0]).query))
    assert (said["X-Amz-Date"], said["X-Amz-Expires"]) == ("20270101T120000Z", "4200")
    assert is_plain_sigv4(made[0], "GET")
    answer = json.loads(link(*options, "--json", at="2027-01-01 12:04:05"))
    assert answer["effective_expires_at"] == "2027-01-01T13:10:00Z"
    # As long as it was asked to, from when it was made.
    end = datetime.fromisoformat(answer["effective_expires_at"])
    assert end - datetime(2027, 1, 1, 12, 9, 59, tzinfo=timezone.utc) >= timedelta(hours=1)


@pytest.mark.parametrize("hash_of", ["digits", "file"])
def test_one_content_alone(link, presign, hash_of, tmp_path):
    (tmp_path / "content").write_bytes(CONTENT)
    known = DIGEST.hexdigest() if hash_of == "digits" else "content"
    options = ["--method", "PUT", "--sha256", known, "s3://b/k"]
    answer = json.loads(link(*options, "--json"))
    header = ("x-amz-checksum-sha256", base64.b64encode(DIGEST.digest()).decode())
    assert list(answer["headers"].items()) == [header]
    assert "X-Amz-SignedHeaders=host%3Bx-amz-checksum-sha256&" in answer["url"]
    assert is_plain_sigv4(answer["url"], "PUT", [header])
    assert f"--header '{header[0]}: {header[1]}'" in link(*options, "--curl")
    assert set(answer) == {"url", "method", "headers", "requested_expires_at",
                           "effective_expires_at", "limited_by", "fingerprint"}


def test_a_server_takes_the_one_content(link, server, bucket):
    options = ["--method", "PUT", "--sha256", DIGEST.hexdigest(), "--json", f"s3://{bucket}/k"]
    answer = json.loads(link(*options, endpoint=server.endpoint))
    target = answer["url"].removeprefix(server.endpoint)
    promised = list(answer["headers"].items())
    assert server.request("PUT", target, headers=promised, body=b"another").code() == "BadDigest"
    assert server.request("PUT", target, headers=[], body=CONTENT).status == 403
    other = [("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(b"another").digest()).decode())]
    assert server.request("PUT", target, headers=other, body=b"another").status == 403
    assert server.get(f"/{bucket}/k").status == 404
    assert server.request("PUT", target, headers=promised, body=CONTENT).status == 200
    assert server.get(f"/{bucket}/k").body == CONTENT


def test_a_server_takes_rounded_links_all_through_their_period(link, server, bucket):
    server.put(f"/{bucket}/k", b"kept by caches")
    url = link("--round-to", "10s", "--expires-in", "20s", f"s3://{bucket}/k", endpoint=server.endpoint)
    target = url.removeprefix(server.endpoint)
    assert server.request("GET", target).body == b"kept by caches"
    assert int(dict(parse_qsl(urlsplit(url).query))["X-Amz-Expires"]) == 30


UPLOAD = "is for the upload of an object with PUT"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--max-size", "1"], f"--max-size {UPLOAD}"),
        (["--min-size", "1"], f"--min-size {UPLOAD}"),
        (["--method", "HEAD", "--write-once"], f"--write-once {UPLOAD}"),
        (["--method", "DELETE", "--write-once"], f"--write-once {UPLOAD}"),
        (["--method", "PUT", "--allow-head"], "--allow-head is for the download of an object with GET"),
        (["--sha256", "0" * 64], f"--sha256 {UPLOAD}"),
        (["--method", "PUT", "--sha256", "0" * 63], "--sha256 takes 64 hex digits or a file"),
        (["--method", "PUT", "--max-size", "1", "--min-size", "2"], "--min-size is more than --max-size"),
        (["--uses", "0"], "expected a number from 1"),
        (["--rate", "1023"], "a link moves 1KiB to 1TiB a second"),
        (["--label", ""], "1 to 256 printable characters"),
        (["--label", "\u202egpj.exe"], "1 to 256 printable characters"),
        (["--source-ip", "192.0.2.0/33"], "1 to 32 addresses or CIDR ranges"),
        (["--not-before", "soon"], "expected a time like"),
        (["--not-before", "1h"], "which would never open"),
        (["--round-to", "31m"], "--round-to is at most half of --expires-in"),
        (["--round-to", "25h", "--expires-in", "7d"], "--round-to is at most half of --expires-in, and at most a day"),
        (["--round-to", "1h", "--expires-in", "7d"], "7 days"),
        (["--round-to", "1m", "--uses", "1"], "--uses would make each another"),
        (["--query", "x-valet-uses=two"], "x-valet-uses must be a number"),
        (["--query", "x-valet-count=2"], "x-valet-count is not a condition"),
        (["--query", "x-valet-uses=2", "--uses", "2"], "x-valet-uses is given twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_kept_is_refused(presign, options, expected):
    status, output, notes = presign(*options, "s3://bucket/key")
    assert (status, output) == (2, "")
    assert expected in notes


@pytest.mark.parametrize(
    "options",
    [["--uses", "1"], ["--unique"], ["--max-size", "1"], ["--min-size", "1"], ["--source-ip", "127.0.0.1"],
     ["--not-before", "5m"], ["--rate", "1MiB"], ["--label", "a"], ["--write-once"], ["--sha256", "0" * 64],
     ["--round-to", "1m"]],
    ids=" ".join,
)
def test_bundles_refuse_what_their_links_would_lose(presign, options):
    status, output, notes = presign("--multipart", "--size", "20MiB", *options, "s3://bucket/key")
    assert (status, output) == (2, "")
    assert f"a bundle cannot keep {options[0]}" in notes


def test_aws_is_not_asked_to_limit(presign):
    def noted(*options, endpoint=None, **more):
        status, _, notes = presign(*options, endpoint=endpoint, **more)
        assert status == 0, notes
        return notes

    told = "note: AWS ignores x-valet-rate, x-valet-label: at its endpoint the link is not limited by that\n"
    limits = ["--label", "a", "--rate", "1MiB", "s3://bucket/key"]
    assert noted(*limits) == told
    assert noted(*limits, endpoint="https://s3.eu-west-1.amazonaws.com") == told
    assert noted(*limits, endpoint="https://store.example.com") == ""
    assert noted("s3://bucket/key") == ""
    # Once is enough.
    lines = '{"uri": "s3://b/1"}\n' * 3
    assert noted("--label", "a", "--rate", "1MiB", "-", stdin=lines) == told


def test_lines_have_all_options_by_name(presign, tmp_path):
    (tmp_path / "content").write_bytes(CONTENT)
    rows = [
        ({"uses": 5, "label": "five", "allow_head": True, "rate": "1MiB", "source_ip": "127.0.0.1"},
         {"x-valet-uses": "5", "x-valet-label": "five", "x-valet-head": "true", "x-valet-rate": "1048576",
          "x-valet-source-ip": "127.0.0.1/32"}),
        ({"method": "PUT", "max_size": 10, "min_size": "1", "write_once": True},
         {"x-valet-content-length-range": "1,10", "x-valet-write-once": "true", "x-valet-label": "default"}),
        ({"not_before": "2027-01-01T12:30:00Z", "label": "x", "source_ip": ["127.0.0.1", "::1"]},
         {"x-valet-not-before": "20270101T123000Z", "x-valet-label": "x",
          "x-valet-source-ip": "127.0.0.1/32,::1/128"}),
        ({"method": "PUT", "sha256": DIGEST.hexdigest()}, {"x-valet-label": "default"}),
        ({"method": "PUT", "sha256": "content"}, {"x-valet-label": "default"}),
        ({"round_to": 600, "unique": False}, {"x-valet-label": "default"}),
        ({"unique": True, "not_before": 60},
         {"x-valet-label": "default", "x-valet-not-before": "20270101T120100Z"}),
        ({"use": 5}, "unknown field `use`"),
        ({"uses": 0}, "uses: expected a number from 1"),
        ({"uses": "many"}, "uses: expected a number from 1"),
        ({"max_size": 1}, f"--max-size {UPLOAD}"),
        ({"label": "a\nb"}, "label: expected 1 to 256 printable characters"),
        ({"round_to": "1h"}, "--round-to is at most half of --expires-in"),
        ({"source_ip": []}, "source_ip: expected 1 to 32 addresses"),
    ]
    text = "".join(json.dumps({"uri": "s3://b/k", **row}) + "\n" for row, _ in rows)
    status, output, notes = presign("--label", "default", "-", stdin=text, at="2027-01-01 12:00:00")
    answers = [json.loads(line) for line in output.splitlines()]
    assert (status, notes) == (1, "error: 7 line(s) made no link\n")
    assert len(answers) == len(rows)
    for (row, expected), answer in zip(rows, answers, strict=True):
        if isinstance(expected, str):
            assert expected in answer["error"], row
            continue
        assert conditions(answer["url"]) == expected, row
        assert ("x-valet-id=" in answer["url"]) == bool(row.get("uses") or row.get("unique"))
        assert is_plain_sigv4(answer["url"], answer["method"], answer["headers"].items())
        assert ("x-amz-checksum-sha256" in answer["headers"]) == ("sha256" in row)


def test_a_server_keeps_what_is_printed(link, server, bucket):
    """One row for each option; what each means exactly is told by the rows of the server."""
    def linked(*options, key="k"):
        return link(*options, f"s3://{bucket}/{key}", endpoint=server.endpoint).removeprefix(server.endpoint)

    def refusal(answer):
        return answer.status, answer.code(), dict(answer.error())["Message"]

    server.put(f"/{bucket}/k", b"0123456789")
    sized = linked("--method", "PUT", "--min-size", "2", "--max-size", "4", key="sized")
    assert server.request("PUT", sized, body=b"12345").code() == "EntityTooLarge"
    assert server.request("PUT", sized, body=b"1").code() == "EntityTooSmall"
    assert server.request("PUT", sized, body=b"1234").status == 200
    once = linked("--method", "PUT", "--write-once", key="once")
    assert server.request("PUT", once, body=b"first").status == 200
    assert server.request("PUT", once, body=b"second").code() == "PreconditionFailed"
    assert server.get(f"/{bucket}/once").body == b"first"
    assert server.request("HEAD", linked()).status == 403
    headed = linked("--allow-head")
    assert server.request("HEAD", headed).header("content-length") == "10"
    assert server.request("GET", headed).body == b"0123456789"
    later = server.request("GET", linked("--not-before", "30m"))
    assert refusal(later) == (403, "AccessDenied", "Request is not yet valid")
    assert server.request("GET", linked("--not-before", "2020-01-01T00:00:00Z")).status == 200
    assert server.request("GET", linked("--source-ip", "192.0.2.0/24")).code() == "AccessDenied"
    assert server.request("GET", linked("--source-ip", "192.0.2.0/24,127.0.0.1")).status == 200
    assert server.request("GET", linked("--rate", "1MiB", "--label", "Report", "--unique")).status == 200
