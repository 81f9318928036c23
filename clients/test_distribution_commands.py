"""`valet distribution`, `public-key`, `key-group` and `invalidation`; what viewers get of what they made."""

import subprocess
import uuid
from pathlib import Path

import pytest

from harness import binary
from identities import Valet
from people import client

KEYS = Path(__file__).parent.parent / "crates/presign/tests/vectors/cloudfront"
PRIVATE = KEYS / "cf-rsa.pem"
PUBLIC = KEYS / "cf-rsa.pub.pem"


@pytest.fixture
def root(http_server, tmp_path):
    return Valet(http_server, tmp_path)


@pytest.fixture
def name():
    return f"n-{uuid.uuid4().hex[:20]}"


def sign(url, key):
    words = ["sign-url", "--url", url, "--key-pair-id", key, "--private-key", str(PRIVATE)]
    words += ["--date-less-than", "2037-01-01"]
    return subprocess.run(
        [binary(), "cloudfront", *words], capture_output=True, text=True, check=True
    ).stdout


def fetch(url):
    got = subprocess.run(
        ["curl", "-s", "--path-as-is", "-o", "-", "-w", "\n%{http_code}", url],
        capture_output=True, text=True, check=True,
    )
    body, status = got.stdout.rsplit("\n", 1)
    return int(status), body


def test_a_bucket_is_served_to_whoever_has_a_signature(root, http_server, name):
    s3 = client(http_server, "s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="videos/one.txt", Body=b"one")
    s3.put_object(Bucket=name, Key="videos/index.html", Body=b"index", ContentType="text/html")
    s3.put_object(Bucket=name, Key="other.txt", Body=b"other")
    key = root.json("public-key", "add", name, str(PUBLIC))["id"]
    group = root.json("key-group", "create", name, name)
    assert group["keys"] == [key]
    made = root.json(
        "distribution", "create", "--bucket", name, "--prefix", "videos/", "--key-group", name,
        "--default-root-object", "index.html",
    )
    address = made["address"]
    assert made["key_groups"] == [group["id"]]
    assert fetch(sign(f"{address}one.txt", key)) == (200, "one")
    assert fetch(sign(address, key)) == (200, "index")
    assert fetch(sign(f"{address}../other.txt", key))[0] != 200
    assert fetch(sign(f"{address}other.txt", key))[0] == 403
    assert fetch(f"{address}one.txt")[0] == 403

    # What is cached stays until somebody says that it is stale.
    s3.put_object(Bucket=name, Key="videos/one.txt", Body=b"two")
    assert fetch(sign(f"{address}one.txt", key)) == (200, "one")
    order = root("distribution", "invalidate", made["id"], "/one.txt").strip()
    assert fetch(sign(f"{address}one.txt", key)) == (200, "two")
    assert root.json("invalidation", "show", made["id"], order)["paths"] == ["/one.txt"]
    assert order in root("invalidation", "ls", made["id"])

    shown = root.json("distribution", "show", made["id"])
    assert shown == made
    assert address in root("distribution", "ls")
    assert f"key group     {group['id']}" in root("distribution", "show", made["id"])
    root("key-group", "rm", name, status=1)
    root("distribution", "rm", made["id"])
    assert fetch(sign(f"{address}one.txt", key))[0] != 200
    with pytest.raises(s3.exceptions.ClientError) as none:
        s3.get_bucket_policy(Bucket=name)
    assert none.value.response["Error"]["Code"] == "NoSuchBucketPolicy"
    controls = client(http_server, "cloudfront").list_origin_access_controls()
    named = [item["Description"] for item in controls["OriginAccessControlList"].get("Items", [])]
    assert not any(name in description for description in named)
    root("key-group", "rm", name)
    root("public-key", "rm", key)
    assert key not in root("public-key", "ls")
    assert name not in root("key-group", "ls")


def test_statements_of_others_stay_in_the_bucket_policy(root, http_server, name):
    s3 = client(http_server, "s3")
    s3.create_bucket(Bucket=name)
    other = (
        '{"Version":"2012-10-17","Statement":{"Sid":"Other","Effect":"Deny","Principal":"*",'
        f'"Action":"s3:PutObject","Resource":"arn:aws:s3:::{name}/closed/*"}}}}'
    )
    s3.put_bucket_policy(Bucket=name, Policy=other)
    s3.put_object(Bucket=name, Key="a.txt", Body=b"a")
    one = root.json("distribution", "create", "--bucket", name)
    two = root.json("distribution", "create", "--bucket", name)
    assert fetch(f"{one['address']}a.txt") == (200, "a")
    root("distribution", "rm", one["id"])
    policy = s3.get_bucket_policy(Bucket=name)["Policy"]
    assert '"Other"' in policy and two["id"] in policy and one["id"] not in policy
    assert fetch(f"{two['address']}a.txt") == (200, "a")
    s3.delete_object(Bucket=name, Key="a.txt")
    s3.delete_bucket(Bucket=name)
    root("distribution", "rm", two["id"])


def test_what_cannot_be_made_leaves_nothing_behind(root, http_server, name):
    cloudfront = client(http_server, "cloudfront")

    def number():
        controls = cloudfront.list_origin_access_controls()["OriginAccessControlList"]
        return controls["Quantity"], cloudfront.list_distributions()["DistributionList"]["Quantity"]

    before = number()
    root("distribution", "create", "--bucket", name, status=1)
    client(http_server, "s3").create_bucket(Bucket=name)
    root("distribution", "create", "--bucket", name, "--key-group", "nobody", status=1)
    root("distribution", "create", "--bucket", name, "--alias", "not a host", status=1)
    root("distribution", "create", "--bucket", name, "--prefix", "a*", status=2)
    root("public-key", "add", name, str(PRIVATE), status=2)
    root("key-group", "create", name, "nobody", status=1)
    root("distribution", "show", "../public-key", status=2)
    assert number() == before


def test_a_key_leaves_its_group_and_opens_nothing_more(root, http_server, name):
    s3 = client(http_server, "s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="film/one.ts", Body=b"one")
    key = root.json("public-key", "add", name, str(PUBLIC))["id"]
    other = root.json("public-key", "add", f"{name}-2", str(KEYS / "cf-ec.pub.pem"))["id"]
    root("key-group", "create", name, name)
    address = root.json(
        "distribution", "create", "--bucket", name, "--key-group", name, "--cors"
    )["address"]
    words = ["--url", f"{address}film/one.ts", "--policy-resource", f"{address}film/*", "--in-path"]
    words += ["--key-pair-id", key, "--private-key", str(PRIVATE), "--date-less-than", "2037-01-01"]
    token = subprocess.run(
        [binary(), "cloudfront", "sign-url", *words], capture_output=True, text=True, check=True
    )
    assert token.stderr == "" and token.stdout.startswith(f"{address}~")
    links = [sign(f"{address}film/one.ts", key), token.stdout]
    assert [fetch(link) for link in links] == [(200, "one")] * 2
    # A page of any site may read it.
    headers = subprocess.run(
        ["curl", "-s", "-D", "-", "-o", "/dev/null", "-H", "Origin: https://player.test", links[1]],
        capture_output=True, text=True, check=True,
    ).stdout.lower()
    assert "access-control-allow-origin: *" in headers
    both = root.json("key-group", "update", name, name, f"{name}-2")
    assert both["keys"] == [key, other]
    assert [fetch(link)[0] for link in links] == [200, 200]
    root("key-group", "update", name, f"{name}-2")
    assert [fetch(link)[0] for link in links] == [403, 403]
    root("key-group", "update", f"{name}-x", name, status=1)
