"""Signed URLs and cookies of CloudFront: the bytes of `valet cloudfront` are those of other signers."""

import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from harness import AWS_V1, AWS_V2, binary

VECTORS = Path(__file__).parent.parent / "crates/presign/tests/vectors/cloudfront"
RSA = VECTORS / "cf-rsa.pem"
KEY_ID = "K2JCJMDEHXQW5F"


def valet(*words):
    return subprocess.run([binary(), "cloudfront", *words], capture_output=True, text=True)


def sign(url, *words):
    signed = valet("sign-url", "--url", url, "--key-pair-id", KEY_ID, "--private-key", str(RSA), *words)
    assert signed.returncode == 0, signed.stderr
    return signed.stdout


ROWS = [
    ("https://d.test/a.jpg", ["--date-less-than", "2026-12-31"]),
    ("https://d.test/a.jpg?x=1&y", ["--date-less-than", "2026-12-31T12:00:00Z"]),
    ('https://d.test/a b"é', ["--date-less-than", "1798718400"]),
    ("https://d.test/*", ["--date-less-than", "2026-12-31", "--date-greater-than", "2026-01-01"]),
    ("https://d.test/*", ["--date-less-than", "2026-12-31", "--ip-address", "192.0.2.1"]),
    (
        "http*://d.test/*?x=*",
        ["--date-less-than", "2026-12-31", "--ip-address", "192.0.2.0/24"]
        + ["--date-greater-than", "2026-01-01T01:00:00+01:00"],
    ),
]


@pytest.mark.parametrize("aws", [AWS_V1, AWS_V2], ids=["v1", "v2"])
@pytest.mark.parametrize(("url", "words"), ROWS)
def test_the_aws_command_prints_the_same(aws, url, words):
    command = [aws, "cloudfront", "sign", "--url", url, "--key-pair-id", KEY_ID]
    command += ["--private-key", f"file://{RSA}", *words]
    theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert sign(url, *words) == theirs


def test_botocore_makes_the_same():
    key = serialization.load_pem_private_key(RSA.read_bytes(), None)
    signer = CloudFrontSigner(
        KEY_ID, lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1())
    )
    end = datetime(2026, 12, 31, tzinfo=timezone.utc)
    url = "https://d.test/a.jpg?x=1"
    theirs = signer.generate_presigned_url(url, date_less_than=end)
    assert sign(url, "--date-less-than", "2026-12-31") == theirs
    policy = signer.build_policy("https://d.test/*", end, ip_address="192.0.2.7")
    theirs = signer.generate_presigned_url("https://d.test/*", policy=policy)
    words = ["--date-less-than", "2026-12-31", "--ip-address", "192.0.2.7"]
    assert sign("https://d.test/*", *words) == theirs


def test_what_cannot_be_signed_says_why(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no key")
    rows = [
        (["--url", "a", "--private-key", str(RSA)], "needs a whole URL"),
        (["--url", "https://a", "--private-key", str(bad)], "openssl genrsa"),
        (["--url", "https://a", "--private-key", str(tmp_path / "none")], "cannot read"),
    ]
    for words, expected in rows:
        refused = valet(
            "sign-url", "--key-pair-id", "K", "--date-less-than", "2026-12-31", *words
        )
        assert refused.returncode == 2 and expected in refused.stderr, refused.stderr
        assert not refused.stdout


@pytest.mark.parametrize(
    "words, said",
    [
        (["--url", "https://d.test/a"], ""),
        (["--url", "https://d.test/a", "--policy-resource", "https://d.test/*"], ""),
        (["--url", "https://d.test/a", "--policy-resource", "https://d.test/b/*"], "does not open this URL"),
        (["--url", "https://d.test/a", "--policy-resource", "d.test/*"], "without https://"),
        (["--url", "https://d.test/ü"], "encode it"),
        (["--url", "https://d.test/*"], "write %2A"),
        (["--url", "https://d.test/a#b"], "encode it"),
        (["--url", "s3://d.test/a"], "http:// or https://"),
        (["--url", "https://d.test/a", "--date-less-than", "2020-01-01"], "ended at 2020-01-01"),
        (["--url", "https://d.test/a", "--date-greater-than", "2038-01-01"], "ends before it begins"),
    ],
)
def test_what_opens_nothing_is_noted_and_signed_all_the_same(words, said):
    if "--date-less-than" not in words:
        words = [*words, "--date-less-than", "2037-12-01"]
    words = [*words, "--key-pair-id", "K1", "--private-key", str(RSA)]
    made = subprocess.run([binary(), "cloudfront", "sign-url", *words], capture_output=True, text=True, check=True)
    assert "Signature=" in made.stdout
    assert said in made.stderr and (said != "" or made.stderr == ""), made.stderr
