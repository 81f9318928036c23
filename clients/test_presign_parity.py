"""`valet presign` beside `aws s3 presign` of the CLI v2: the same bytes for the same inputs."""

import subprocess

import pytest

from content import ODD_KEYS, key_name
from harness import AWS_V2, FAKETIME_LIBRARY, bare_environment, binary

# Without an `@` the clock stands still, and so both commands read the same second.
INSTANT = "2026-02-03 04:05:06"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEBY/aDK+example=token//with+all=="


@pytest.fixture
def both(tmp_path):
    """Runs both commands with the same arguments at the same instant: (theirs, ours)."""

    def both(*arguments, environment=None, config=None):
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws" / "config").write_text(config or "")
        settings = {
            **bare_environment(tmp_path),
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
            "LD_PRELOAD": FAKETIME_LIBRARY,
            "FAKETIME": INSTANT,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        return tuple(
            subprocess.run(
                [*command, *arguments], env=settings, capture_output=True, timeout=60, check=True
            ).stdout
            for command in ([AWS_V2, "s3", "presign"], [binary(), "presign"])
        )

    return both


def check(pair):
    theirs, ours = pair
    assert b"X-Amz-Date=20260203T040506Z" in theirs
    assert ours == theirs
    return theirs.decode()


ENDPOINT = ["--endpoint-url", "http://127.0.0.1:9000"]


@pytest.mark.parametrize("key", [*ODD_KEYS, "key", "dir/sub/key.txt", "a~b_c-d.e", "@:,$"], ids=key_name)
@pytest.mark.parametrize("endpoint", [[], ENDPOINT], ids=["aws", "endpoint"])
def test_keys(both, key, endpoint):
    check(both(f"s3://my-bucket/{key}", *endpoint))


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3://my-bucket/key", "--expires-in", "1"],
        ["s3://my-bucket/key", "--expires-in", "604800"],
        ["s3://my-bucket/key", "--region", "eu-central-1"],
        ["s3://my-bucket/key", "--region", "us-gov-west-1"],
        ["s3://my-bucket/key", "--region", "cn-north-1"],
        ["s3://my-bucket/key", "--region", "ap-southeast-4"],
        ["s3://bucket.with.dots/key"],
        ["s3://bucket.with.dots/key", "--region", "eu-west-1"],
        ["s3://bucket.with.dots/key", *ENDPOINT],
        ["s3://my-bucket/key", *ENDPOINT, "--region", "eu-west-3"],
        ["s3://my-bucket/key", "--endpoint-url", "http://localhost:9000"],
        ["s3://my-bucket/key", "--endpoint-url", "http://localhost:9000/"],
        ["s3://my-bucket/key", "--endpoint-url", "https://s3.example.com"],
        ["s3://my-bucket/key", "--endpoint-url", "https://s3.example.com:443"],
        ["s3://my-bucket/key", "--endpoint-url", "http://s3.example.com:80"],
        ["s3://my-bucket/key", "--endpoint-url", "https://s3.example.com:8443/store"],
        ["s3://my-bucket/key", "--endpoint-url", "https://s3.example.com/store/"],
        ["s3://bucket.with.dots/key", "--endpoint-url", "https://s3.example.com"],
        ["my-bucket/key"],
    ],
    ids=" ".join,
)
def test_options(both, arguments):
    check(both(*arguments))


def test_session_tokens(both):
    url = check(both("s3://my-bucket/key", environment={"AWS_SESSION_TOKEN": TOKEN}))
    assert "X-Amz-Security-Token=" in url
    check(both("s3://my-bucket/key", *ENDPOINT, environment={"AWS_SESSION_TOKEN": TOKEN}))


def test_profiles(both):
    config = f"""
[profile other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = other/secret+
region = eu-north-1
"""
    variables = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_DEFAULT_REGION": None}
    url = check(
        both("s3://my-bucket/key", "--profile", "other", environment=variables, config=config)
    )
    assert "AKIDOTHER%2F20260203%2Feu-north-1" in url
    check(
        both("s3://my-bucket/key", environment={**variables, "AWS_PROFILE": "other"}, config=config)
    )


def test_addressing_styles(both):
    for style in ("virtual", "path", "auto"):
        config = f"[default]\ns3 =\n  addressing_style = {style}\n"
        check(both("s3://my-bucket/key", config=config))
        check(both("s3://my-bucket/key", "--endpoint-url", "https://s3.example.com", config=config))


def test_no_sign_request_is_not_ours(tmp_path):
    """A link that is not signed is no link: the option does not exist."""
    result = subprocess.run(
        [binary(), "presign", "--no-sign-request", "s3://my-bucket/key"],
        env=bare_environment(tmp_path), capture_output=True,
    )
    assert result.returncode == 2


@pytest.mark.parametrize("expires", ["604801", "8d", "0", "-1", "soon"])
def test_lives_that_no_server_grants(tmp_path, expires):
    """Where the aws command signs and the server then refuses, ours refuses to sign."""
    result = subprocess.run(
        [binary(), "presign", f"--expires-in={expires}", "s3://my-bucket/key"],
        env={**bare_environment(tmp_path), "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET},
        capture_output=True,
    )
    assert (result.returncode, result.stdout) == (2, b"")
