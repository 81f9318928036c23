"""Honest expiry: what `valet presign` says of a link's end is what happens to the link."""

import json
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest

from identities import Clock, Valet

ARN = "arn:aws:iam::000000000000"
WEEK = timedelta(days=7)


def time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def target(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def role_session(server, home, name, bucket):
    """The `valet` command with a session of a role that may read and write a bucket."""
    root = Valet(server, home)
    user = root.user(name)
    root("role", "create", name, "--trust", f"{ARN}:user/{name}",
         "--read", f"s3://{bucket}", "--write", f"s3://{bucket}")
    session = json.loads(user("credentials", "print", "--role", name))
    return Valet(server, home, {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }), time(session["Expiration"])


@pytest.fixture
def session(server, tmp_path, bucket, bucket_name):
    return role_session(server, tmp_path, bucket_name, bucket)


@pytest.mark.parametrize("offline", [[], ["--offline"]], ids=["asked", "offline"])
def test_a_session_limits_its_links(session, bucket, offline):
    """The session's end is read from its token; nothing in the environment says it."""
    valet, end = session
    link = ["presign", f"s3://{bucket}/k", "--expires-in", "7d", *offline]
    found = valet.json(*link)
    assert time(found["effective_expires_at"]) == end
    assert found["limited_by"] == ["session"]
    asked = time(found["requested_expires_at"])
    assert abs(asked - datetime.now(timezone.utc) - WEEK) < timedelta(minutes=1)
    assert valet(*link, "--strict", status=4) == ""
    trimmed = valet.json(*link, "--trim")
    assert "X-Amz-Expires=604800" not in trimmed["url"]
    assert time(trimmed["effective_expires_at"]) == end
    # A short one holds.
    short = ["presign", f"s3://{bucket}/k", "--expires-in", "15m", "--strict", *offline]
    assert valet(*short).startswith("http")


def test_a_long_term_key_has_only_the_maximum(server, tmp_path, bucket):
    valet = Valet(server, tmp_path)
    assert valet.json("presign", f"s3://{bucket}/k", "--expires-in", "7d")["limited_by"] == [
        "requested", "maximum",
    ]
    valet("presign", f"s3://{bucket}/k", "--expires-in", "8d", status=2)
    trimmed = valet.json("presign", f"s3://{bucket}/k", "--expires-in", "8d", "--trim")
    assert "X-Amz-Expires=604800&" in trimmed["url"]
    assert trimmed["limited_by"] == ["maximum"]


def test_a_policy_on_the_age_of_signatures_limits(server, tmp_path, bucket):
    """Only the server knows its policies, so it is asked."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}},
        }],
    }
    answer = server.signed(
        "PUT", f"/{bucket}", query=[("policy", "")], body=json.dumps(policy).encode()
    )
    assert answer.status == 204, answer
    valet = Valet(server, tmp_path)
    link = ["presign", f"s3://{bucket}/k", "--expires-in", "1h"]
    found = valet.json(*link)
    assert found["limited_by"] == ["signature-age"]
    life = time(found["requested_expires_at"]) - time(found["effective_expires_at"])
    assert timedelta(minutes=49) < life <= timedelta(minutes=50)
    assert valet.json(*link, "--offline")["limited_by"] == ["requested"]
    valet(*link, "--strict", status=4)
    assert "X-Amz-Expires=60" in valet(*link, "--trim")


def test_lines_are_trimmed_in_bulk(session, bucket):
    valet, end = session
    rows = [
        {"uri": f"s3://{bucket}/1", "expires_in": "7d"},
        {"uri": f"s3://{bucket}/2", "expires_in": "7d", "trim": True},
        {"uri": f"s3://{bucket}/3", "expires_in": "7d", "strict": True},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    first, trimmed, strict = map(json.loads, valet("presign", "-", stdin=text, status=4).splitlines())
    assert "X-Amz-Expires=604800&" in first["url"] and first["limited_by"] == ["session"]
    assert "X-Amz-Expires=604800&" not in trimmed["url"]
    assert time(trimmed["effective_expires_at"]) == end
    assert strict["line"] == 3 and "no link was made" in strict["error"]


def test_the_gotcha(start, tmp_path):
    """A role's session signs a link for 7 days; the session ends, and the link with it."""
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    server.put("/demo/report.pdf", b"a report")
    valet, end = role_session(server, tmp_path, "night", "demo")
    link = ["presign", "s3://demo/report.pdf", "--expires-in", "7d"]
    long, short = valet(*link).strip(), valet(*link, "--trim").strip()
    for url in (long, short):
        assert server.request("GET", target(url)).body == b"a report"
    clock.move("+61m")
    dead = server.request("GET", target(long))
    assert (dead.status, dict(dead.error())["Code"]) == (400, "ExpiredToken")
    # The honest link had said when it would end.
    ended = server.request("GET", target(short))
    assert (ended.status, dict(ended.error())["Message"]) == (403, "Request has expired")
