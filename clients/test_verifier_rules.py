"""What other stores got wrong about links, rule by rule: the numbers are those of
semantics F1 to F18. The last comes with short links.
"""

import re
from datetime import timedelta

import pytest

import sigv4
import test_post as forms
from harness import ROOT_KEY
from people import ACCOUNT, allow, client, deny, key_of, make_user, policy, trust


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def name(bucket_name):
    return bucket_name[:50]


@pytest.fixture
def path(server, bucket):
    server.put(f"/{bucket}/key", b"hello")
    return f"/{bucket}/key"


def answered(server, target, method="GET", **options):
    answer = server.request(method, target, **options)
    return answer.status, answer.code() if answer.body.startswith(b"<?xml") else None


@pytest.mark.parametrize("header", [
    "x-amz-copy-source", "x-amz-tagging", "x-amz-acl", "x-amz-storage-class",
    "x-amz-website-redirect-location", "x-amz-server-side-encryption", "x-amz-object-lock-mode",
    "x-amz-meta-added",
])
def test_01_no_header_of_ours_that_is_not_signed(server, path, header):
    link = server.link(path, method="PUT")
    answer = server.use(link, headers=[(header, path)], body=b"x")
    assert (answer.status, answer.code()) == (403, "AccessDenied")
    assert dict(answer.error())["HeadersNotSigned"] == header
    assert server.get(path).body == b"hello"


def test_02_no_route_by_what_is_not_signed(server, path):
    # An upload does not become a copy, a read does not become another read.
    for tail in ([("uploads", "")], [("versionId", "null")], [("acl", "")], [("tagging", "")]):
        assert answered(server, server.link(path, tail=tail).target()) == (403, "SignatureDoesNotMatch")


def test_03_one_mechanism_and_no_streaming_by_link(server, path):
    link = server.link(path, method="PUT", headers=[("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")])
    body = b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
    assert server.use(link, body=body).status in (400, 403)
    assert server.get(path).body == b"hello"
    both = server.request("GET", server.link(path).target(), headers=[("Authorization", "AWS4-HMAC-SHA256 x")])
    assert (both.status, both.code()) == (400, "InvalidArgument")


@pytest.mark.parametrize("expires, status, code", [
    ("604800", 200, None), ("604801", 400, "AuthorizationQueryParametersError"),
    ("-1", 400, "AuthorizationQueryParametersError"), ("1.5", 400, "AuthorizationQueryParametersError"),
    ("", 400, "AuthorizationQueryParametersError"), ("0", 403, "AccessDenied"),
])
def test_04_a_week_at_most(server, path, expires, status, code):
    link = server.link(path, expires=expires, time=sigv4.now() - timedelta(seconds=2))
    assert answered(server, link.target()) == (status, code)


def test_05_age_is_no_skew_and_the_future_is_refused(server, path):
    old = server.link(path, time=sigv4.now() - timedelta(days=6), expires="604800")
    assert answered(server, old.target())[0] == 200
    early = server.link(path, time=sigv4.now() + timedelta(minutes=20))
    assert answered(server, early.target()) == (403, "AccessDenied")


def test_06_an_expired_link_says_when(server, path):
    answer = server.use(server.link(path, time=sigv4.now() - timedelta(hours=2)))
    facts = dict(answer.error())
    assert (answer.status, facts["Code"], facts["Message"]) == (403, "AccessDenied", "Request has expired")
    assert facts["X-Amz-Expires"] == "3600" and facts["Expires"] < facts["ServerTime"]


def test_07_one_way_to_write_it(server, path):
    signature = server.link(path).target().rsplit("=", 1)[1]
    for broken in (signature.upper(), signature[:-1], signature + "0", ""):
        assert answered(server, server.link(path, signature=broken or "0").target())[0] == 403
    mixed = server.link(path).target().replace("X-Amz-Expires", "x-amz-expires")
    assert answered(server, mixed)[0] == 400
    v2 = server.link(path, tail=[("Signature", "x"), ("AWSAccessKeyId", "y"), ("Expires", "9")])
    assert answered(server, v2.target())[0] == 400


def test_08_scope_and_date_agree(server, path):
    for claims in ({"credential_day": "20200101"}, {"service": "ec2"}, {"terminal": "aws4"}):
        assert answered(server, server.link(path, **claims).target()) == (
            400, "AuthorizationQueryParametersError"), claims


def test_09_a_token_belongs_to_its_key(server, path, bucket, name):
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    ann = make_user(server, name, allow("sts:AssumeRole"))
    iam = client(server, "iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(allow("s3:GetObject")))
    sts = client(server, "sts", ann)
    one, two = (
        key_of(sts.assume_role(RoleArn=arn, RoleSessionName="ses")["Credentials"]) for _ in range(2))

    def use(key, token):
        link = sigv4.Link(sigv4.Key(key[0], key[1]), server.host, path, token=token)
        return answered(server, link.target())

    assert use(one, one[2])[0] == 200
    assert use(one, two[2]) == (403, "InvalidAccessKeyId")
    assert use(one, None) == (403, "InvalidAccessKeyId")
    assert use(one, "") == (403, "InvalidAccessKeyId")
    assert use(one, one[2][:-8] + "AAAAAAA=") == (400, "InvalidToken")
    assert use(ann, one[2]) == (400, "InvalidToken")
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    assert use(one, one[2]) == (403, "AccessDenied")
    iam.delete_role(RoleName=name)
    assert use(one, one[2]) == (403, "InvalidAccessKeyId")


def test_10_conditions_are_the_servers_own_word(server, path, bucket, name):
    young = {"NumericGreaterThan": {"s3:signatureAge": "60000"}}
    key = make_user(server, name, allow("s3:*"), deny("s3:*", Condition=young))
    old = sigv4.Link(
        sigv4.Key(key[0], key[1]), server.host, path, time=sigv4.now() - timedelta(minutes=2))
    fresh = sigv4.Link(sigv4.Key(key[0], key[1]), server.host, path)
    assert answered(server, fresh.target())[0] == 200
    for header in ("x-amz-signature-age", "s3-signature-age", "signatureage", "x-forwarded-for"):
        status, code = answered(server, old.target(), headers=[(header, "0")])
        assert (status, code) == (403, "AccessDenied"), header


def test_11_a_deny_of_the_bucket_binds_its_owner(server, path, bucket):
    s3 = client(server, "s3")
    link = server.link(path, time=sigv4.now() - timedelta(minutes=2))
    assert server.use(link).body == b"hello"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"NumericGreaterThan": {"s3:signatureAge": "60000"}}}))
    answer = server.use(link)
    assert (answer.status, dict(answer.error())["Message"]) == (403, (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: s3:GetObject on resource: "
        f'"arn:aws:s3:::{bucket}/key" with an explicit deny in a resource-based policy'))
    # The way out, when everything is denied.
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}))
    assert server.get(path).status == 403
    s3.delete_bucket_policy(Bucket=bucket)
    assert server.use(link).body == b"hello"


def test_12_a_form_does_what_its_policy_says_and_no_more(server, bucket):
    """That its range is enforced while the file streams, nothing kept, is in `test_post.py`."""
    other = f"{bucket[:50]}-b"
    server.make_bucket(other)
    good = forms.policy(bucket, ["starts-with", "$key", "up/"], ["content-length-range", 1, 5])

    def sent(document, target=f"/{bucket}", file=b"hello", **fields):
        return forms.code(forms.send(server, target, {"key": "up/k", **fields, **forms.sign(document)}, file))

    def having(*conditions):
        return {**good, "conditions": [*good["conditions"], *conditions]}

    not_a_policy, refused = (400, "InvalidPolicyDocument"), (403, "AccessDenied")
    # Its end must be there, and is an end.
    assert sent({"conditions": good["conditions"]}) == not_a_policy
    assert sent({**good, "expiration": ""}) == not_a_policy
    assert sent({**good, "expiration": forms.iso(timedelta(seconds=-2))}) == refused
    # Each field has its condition, and no operation is one that nobody knows.
    assert sent(good, acl="private") == sent(good, **{"x-amz-meta-a": "b"}) == refused
    for unknown in (["ends-with", "$key", "k"], ["", "$key", "k"], ["eq ", "$key", "up/k"]):
        assert sent(having(unknown)) == not_a_policy
    # Nothing is there twice, for readers would differ on which one counts.
    assert sent(having({"acl": "private", "key": "up/k"})) == not_a_policy
    assert sent(good, file=b"larger") == (400, "EntityTooLarge")
    assert sent(good, file=b"") == (400, "EntityTooSmall")
    # Bucket and key are the policy's, wherever the form is sent.
    assert sent(good, key="down/k") == sent(good, key="../up/k") == refused
    assert sent(good, target=f"/{other}") == sent(good, target=f"/{other}", bucket=bucket) == refused
    assert sent({**good, "conditions": good["conditions"][1:]}) == refused
    # The file is last: what follows it is not there.
    proof = list(forms.sign(good).items())
    late = b"".join([
        forms.part("key", "up/k"), *(forms.part(*field) for field in proof if field[0] != "policy"),
        forms.part("file", "hello"), forms.part("policy", dict(proof)["policy"]),
        f"--{forms.BOUNDARY}--\r\n".encode(),
    ])
    answer = server.request("POST", f"/{bucket}", headers=[forms.TYPE], body=late)
    assert forms.code(answer) == (400, "InvalidArgument")
    assert server.keys(bucket) == server.keys(other) == []
    assert sent(good)[0] == 204
    assert server.keys(bucket) == ["up/k"]


ORIGIN = "https://app.example"
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def test_13_pages_need_no_credentials_to_ask_and_can_read_refusals(server, path, bucket):
    client(server, "s3").put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
        "AllowedOrigins": [ORIGIN], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*"],
        "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]})

    def told(answer):
        return {
            name.lower(): value for name, value in answer.headers
            if name.lower() == "vary" or name.lower().startswith("access-control-")
        }

    to_all = {
        "access-control-allow-origin": ORIGIN, "access-control-allow-methods": "GET, PUT",
        "access-control-expose-headers": "ETag", "access-control-max-age": "60",
        "access-control-allow-credentials": "true", "vary": VARY,
    }
    ask = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT"),
           ("Access-Control-Request-Headers", "X-Amz-Date")]
    dead = server.link(path, method="PUT", signature="0" * 64)
    # Whether the path is bare, or what the page will use is dead, or is there at all.
    for target in (path, dead.target(), f"/{bucket}/none"):
        answer = server.request("OPTIONS", target, headers=ask)
        assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "0", b"")
        assert told(answer) == {**to_all, "access-control-allow-headers": "x-amz-date"}
    old = server.link(path, time=sigv4.now() - timedelta(hours=2))
    for link, status in [
        (server.link(path), 200), (old, 403), (dead, 403), (server.link(f"/{bucket}/none"), 404),
        (server.link(path, expires="x"), 400),
    ]:
        answer = server.use(link, headers=[("Origin", ORIGIN)])
        exposed = "ETag, x-valet-hint" if answer.header("x-valet-hint") else "ETag"
        expected = {**to_all, "access-control-expose-headers": exposed}
        assert (answer.status, told(answer)) == (status, expected), link
    # Another page is served and told nothing, and a preflight of it is refused.
    elsewhere = ("Origin", "https://other.example")
    for answer, status in [
        (server.use(server.link(path), headers=[elsewhere]), 200),
        (server.use(old, headers=[elsewhere]), 403),
        (server.request("OPTIONS", path, headers=[elsewhere, *ask[1:]]), 403),
    ]:
        assert (answer.status, told(answer)) == (status, {})


def test_14_paths_are_bytes(server, bucket):
    for raw, key in (("a%2Bb", "a+b"), ("x/../y", "x/../y"), ("a%20b", "a b"), ("//", "//")):
        path = f"/{bucket}/{raw}"
        server.put(path, raw.encode())
        assert server.use(server.link(path)).body == raw.encode(), raw
        assert key in server.keys(bucket)
    # A plus in a path is a plus, however it is spelled on the wire.
    target = server.link(f"/{bucket}/a%2Bb").target()
    assert server.request("GET", target.replace("/a%2Bb?", "/a+b?")).body == b"a%2Bb"


def test_15_nothing_read_by_a_link_outlives_it_in_a_cache(server, bucket):
    path, stored = f"/{bucket}/key", "public, max-age=31536000, immutable"
    put = server.put(path, b"hello", headers=[("cache-control", stored)])
    other = [("response-cache-control", "max-age=86400")]
    unchanged = [("If-None-Match", put.header("ETag"))]
    for link, headers, status in [
        (server.link(path, expires="60"), [], 200),
        (server.link(path, expires="60", method="HEAD"), [], 200),
        (server.link(path, expires="60"), [("Range", "bytes=1-2")], 206),
        (server.link(path, expires="60"), unchanged, 304),
        (server.link(path, expires="60", query=other), [], 200),
        # A link of an hour that was made an hour ago but for a minute.
        (server.link(path, time=sigv4.now() - timedelta(minutes=59)), [], 200),
    ]:
        answer = server.use(link, headers=headers)
        control = answer.header("Cache-Control")
        assert answer.status == status and "immutable" not in control, answer
        assert int(re.search(r"max-age=(\d+)", control)[1]) <= 60, control
    assert server.get(path).header("Cache-Control") == stored


def test_16_no_log_opens_anything(start):
    server = start()
    server.make_bucket("bucket")
    server.put("/bucket/key", b"hello")
    arn = f"arn:aws:iam::{ACCOUNT}:role/reader"
    ann = make_user(server, "ann", allow("sts:AssumeRole"))
    iam = client(server, "iam")
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=policy(allow("s3:*")))
    session = key_of(client(server, "sts", ann).assume_role(RoleArn=arn, RoleSessionName="ses")["Credentials"])
    link = sigv4.Link(sigv4.Key(session[0], session[1]), server.host, "/bucket/key", token=session[2])
    target = link.target()
    assert server.request("GET", target).status == 200
    assert server.request("GET", target + "0").status == 403
    server.stop()
    log = server.log.read_text()
    signature = target.rsplit("=", 1)[1]
    for secret in (signature, session[2], session[1], ann[1], ROOT_KEY.secret, "X-Amz-Signature", "X-Amz-Credential="):
        assert secret not in log
    assert "AssumeRole" in log and session[0] in log


def test_17_another_region_is_named_and_never_redirected(server, path):
    answer = server.use(server.link(path, region="eu-west-1"))
    assert (answer.status, dict(answer.error())["Region"]) == (400, "us-east-1")
    assert answer.header("Location") is None
