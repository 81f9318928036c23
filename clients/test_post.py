"""Browser forms: as boto3, the SDK for JavaScript and `valet presign-post` make them, sent by curl and by
hand. `sign` is written from the AWS documentation alone, so that no mistake of the product's hides.
"""

import base64
import hashlib
import hmac
import html.parser
import json
import re
import socket
import time
import urllib.parse
import xml.etree.ElementTree as xml
from datetime import datetime, timedelta, timezone

import pytest
from botocore.config import Config

from content import body, pieces
from harness import CLIENTS, FULL, MIB, REGION, ROOT_KEY, Answer
from identities import Valet
from people import ACCOUNT, allow, client as boto_client, key_of, make_user, policy as iam_policy, trust

BOUNDARY = "----formboundary7MA4YWxkTrZu0gW"
LARGE = 1024 * MIB if FULL else 256 * MIB
RESIDENT_MAX = 128 * MIB


# --- forms by hand


def iso(delta):
    return (datetime.now(timezone.utc) + delta).strftime("%Y-%m-%dT%H:%M:%SZ")


def mac(key, text, algorithm="sha256"):
    return hmac.new(key, text.encode(), algorithm).digest()


def sign(policy, *, v2=False, key=ROOT_KEY, region=REGION):
    """The fields that prove a policy, and the conditions that SigV4 needs for them."""
    def encode(document):
        text = document if isinstance(document, str) else json.dumps(document)
        return base64.b64encode(text.encode()).decode()

    if v2:
        text = encode(policy)
        signature = base64.b64encode(mac(key.secret.encode(), text, "sha1")).decode()
        return {"AWSAccessKeyId": key.id, "policy": text, "signature": signature}
    date = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = [date[:8], region, "s3", "aws4_request"]
    fields = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": "/".join([key.id, *scope]),
        "x-amz-date": date,
    }
    if isinstance(policy, dict) and isinstance(policy.get("conditions"), list):
        policy = {**policy, "conditions": policy["conditions"] + [{n: v} for n, v in fields.items()]}
    text = encode(policy)
    signing_key = f"AWS4{key.secret}".encode()
    for part in scope:
        signing_key = mac(signing_key, part)
    return {**fields, "policy": text, "x-amz-signature": mac(signing_key, text).hex()}


def policy(bucket, *conditions, life=timedelta(hours=1)):
    return {"expiration": iso(life), "conditions": [{"bucket": bucket}, *conditions]}


def part(name, value, more=""):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"


def encoded(fields, file=b"hello", name="cat.txt"):
    """A form as a browser sends it."""
    fields = fields.items() if isinstance(fields, dict) else fields
    parts = [part(field, value) for field, value in fields]
    if file is not None:
        parts.append(part("file", file, "" if name is None else f'; filename="{name}"'))
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


TYPE = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")


def send(server, target, fields, file=b"hello", name="cat.txt", headers=(), host=None) -> Answer:
    data = encoded(fields, file, name)
    return server.request("POST", target, headers=[TYPE, *headers], body=data, host=host)


def code(answer):
    return answer.status, answer.code()


def told(answer):
    """Status and message."""
    return answer.status, dict(answer.error())["Message"]


@pytest.mark.parametrize("v2", [False, True], ids=["v4", "v2"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_form_by_hand(server, bucket, v2, slash):
    conditions = [["starts-with", "$key", "up/"], ["eq", "$Content-Type", "text/plain"],
                  {"x-amz-meta-a": "b"}, ["content-length-range", 5, 5]]
    proof = sign(policy(bucket, *conditions), v2=v2)
    fields = {"key": "up/${filename}", "Content-Type": "text/plain", "x-amz-meta-a": "b", **proof}
    answer = send(server, f"/{bucket}{slash}", fields)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Location") == f"{server.endpoint}/{bucket}/up%2Fcat.txt"
    assert answer.header("ETag") == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert answer.header("Content-Type") is answer.header("Content-Length") is None
    got = server.get(f"/{bucket}/up/cat.txt")
    assert (got.body, got.header("Content-Type")) == (b"hello", "text/plain")
    assert got.header("x-amz-meta-a") == "b"


def test_what_other_clients_write(server, bucket):
    """As s3-tests does it: every part has a file name; names in any case; SigV2."""
    conditions = [["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}, ["content-length-range", 0, 1024],
                  ["StArTs-WiTh", "$CoNtEnT-TyPe", "text/plain"]]
    proof = sign(policy(bucket, *conditions), v2=True)
    fields = [("kEy", "foo.txt"), ("AWSAccessKeyId", proof["AWSAccessKeyId"]), ("aCl", "private"),
              ("signature", proof["signature"]), ("pOLICy", proof["policy"]),
              ("Content-Type", "text/plain"), ("x-ignore-foo", "bar")]
    data = b"".join(part(name, value, f'; filename="{name}"') for name, value in fields)
    data += part("file", "bar", '; filename="file"') + f"--{BOUNDARY}--\r\n".encode()
    answer = server.request("POST", f"/{bucket}", headers=[TYPE], body=data)
    assert answer.status == 204, answer
    assert server.get(f"/{bucket}/foo.txt").body == b"bar"
    unquoted = re.sub(rb'name="([^";]*)"', rb"name=\1", data)
    assert server.request("POST", f"/{bucket}", headers=[TYPE], body=unquoted).status == 204


def test_keys_that_begin_with_an_escaped_dollar(server, bucket):
    proof = sign(policy(bucket, ["starts-with", "$key", "\\$foo"]), v2=True)
    assert send(server, f"/{bucket}", {"key": "\\$foo.txt", **proof}).status == 204
    assert server.keys(bucket) == ["\\$foo.txt"]


@pytest.mark.parametrize("name, expected", [
    ("foo.txt", "foo.txt"), ("C:\\dir\\foo.txt", "foo.txt"), ("../../foo.txt", "foo.txt"),
    ("ü – 1.pdf", "ü – 1.pdf"), ("", ""), (None, "${filename}"),
])
def test_the_file_names_the_object(server, bucket, name, expected):
    proof = sign(policy(bucket, ["starts-with", "$key", "up/"]))
    answer = send(server, f"/{bucket}", {"key": "up/${filename}", **proof}, name=name)
    assert answer.status == 204, answer
    assert server.keys(bucket) == [f"up/{expected}"]


def test_answers_of_success(server, bucket):
    def answered(**fields):
        proof = sign(policy(bucket, {"key": "up/a b"}, *({n: v} for n, v in fields.items())))
        return send(server, f"/{bucket}", {"key": "up/a b", **fields, **proof})

    place = f"{server.endpoint}/{bucket}/up%2Fa%20b"
    for status, expected in [("200", 200), ("204", 204), ("404", 204), ("999", 204)]:
        answer = answered(success_action_status=status)
        assert (answer.status, answer.body, answer.header("Location")) == (expected, b"", place)
    answer = answered(success_action_status="201")
    assert (answer.status, answer.header("Content-Type")) == (201, "application/xml")
    etag = answer.header("ETag")
    elements = [(element.tag, element.text) for element in xml.fromstring(answer.body)]
    assert elements == [("Location", place), ("Bucket", bucket), ("Key", "up/a b"), ("ETag", etag)]
    page = "http://localhost:3000/done?a=b"
    answer = answered(success_action_redirect=page)
    assert (answer.status, answer.body) == (303, b"")
    location = f"{page}&bucket={bucket}&key=up%2Fa+b&etag={urllib.parse.quote(etag)}"
    assert answer.header("Location") == location
    assert answered(success_action_redirect="/wrong/redirect/relative").status == 204


@pytest.mark.parametrize("conditions, fields, expected", [
    ([{"key": "k"}, {}], {}, (400, "InvalidPolicyDocument")),
    ([{"key": "k"}, ["unknown-op", "$key", "k"]], {}, (400, "InvalidPolicyDocument")),
    ([{"key": "k"}, ["content-length-range", 0]], {}, (400, "InvalidPolicyDocument")),
    ([{"key": "k"}, ["content-length-range", -1, 0]], {}, (400, "InvalidPolicyDocument")),
    ([{"key": "k"}, ["content-length-range", 0, 0]], {}, (400, "EntityTooLarge")),
    ([{"key": "k"}, ["content-length-range", 512, 1000]], {}, (400, "EntityTooSmall")),
    ([{"key": "other"}], {}, (403, "AccessDenied")),
    ([{"key": "k"}, ["starts-with", "$x-amz-meta-foo", "bar"]], {}, (403, "AccessDenied")),
    ([{"key": "k"}, ["eq", "$x-amz-meta-foo", ""]], {"x-amz-meta-foo": "x"}, (403, "AccessDenied")),
    ([{"key": "k"}], {"submit": "Upload"}, (403, "AccessDenied")),
    ([{"key": "k"}, {"acl": "public-read"}], {"acl": "public-read"}, (400, "AccessControlListNotSupported")),
    ([{"key": "k"}, {"x-valet-uses": "1"}], {"x-valet-uses": "1"}, (400, "InvalidArgument")),
])
@pytest.mark.parametrize("v2", [False, True], ids=["v4", "v2"])
def test_refusals(server, bucket, conditions, fields, expected, v2):
    proof = sign(policy(bucket, *conditions), v2=v2)
    answer = send(server, f"/{bucket}", {"key": "k", **fields, **proof})
    assert code(answer) == expected
    assert server.keys(bucket) == []


def test_policies_that_are_none(server, bucket):
    good = policy(bucket, {"key": "k"})
    for document in [
        {"expiration": good["expiration"]},
        {"conditions": good["conditions"]},
        {**good, "expiration": str(datetime.now(timezone.utc))},
        {"EXPIRATION": good["expiration"], "conditions": good["conditions"]},
        {"expiration": good["expiration"], "CONDITIONS": good["conditions"]},
        {**good, "conditions": []},
        {**good, "Statement": []},
    ]:
        answer = send(server, f"/{bucket}", {"key": "k", **sign(document, v2=True)})
        assert code(answer) == (400, "InvalidPolicyDocument"), document
    # Readers differ on which of two members counts.
    text = json.dumps(good)
    for twice in [text[:-1] + f', "expiration": "{good["expiration"]}"}}',
                  text.replace('{"key": "k"}', '{"key": "x", "key": "k"}'),
                  text[:-1] + f', "conditions": {json.dumps(good["conditions"])}}}']:
        answer = send(server, f"/{bucket}", {"key": "k", **sign(twice, v2=True)})
        assert code(answer) == (400, "InvalidPolicyDocument"), twice
    old = sign(policy(bucket, {"key": "k"}, life=timedelta(seconds=-10)))
    expired = (403, "Invalid according to Policy: Policy expired.")
    assert told(send(server, f"/{bucket}", {"key": "k", **old})) == expired


def test_a_bucket_that_the_policy_does_not_name(server, bucket):
    other = f"{bucket[:50]}-b"
    server.make_bucket(other)
    proof = sign(policy(bucket, ["starts-with", "$key", ""]))
    fields = {"key": "k", "bucket": bucket, **proof}
    assert code(send(server, f"/{other}", fields)) == (403, "AccessDenied")
    assert code(send(server, f"/{bucket}", {**fields, "bucket": other})) == (403, "AccessDenied")
    assert send(server, f"/{bucket}", fields).status == 204


def test_a_virtual_host(start):
    server = start(options=["--domain", "s3.valet.test"])
    server.make_bucket("bucket")
    host = f"bucket.s3.valet.test:{server.port}"
    proof = sign(policy("bucket", {"key": "up/k"}))
    answer = send(server, "/", {"key": "up/k", **proof}, host=host)
    assert (answer.status, answer.header("Location")) == (204, f"http://{host}/up%2Fk")


def test_sigv2_can_be_denied(start):
    server = start(options=["--sigv2", "deny"])
    server.make_bucket("bucket")
    proof = sign(policy("bucket", {"key": "k"}), v2=True)
    assert code(send(server, "/bucket", {"key": "k", **proof})) == (400, "InvalidRequest")
    assert send(server, "/bucket", {"key": "k", **sign(policy("bucket", {"key": "k"}))}).status == 204


def test_the_log_names_a_form_by_its_fingerprint(start):
    server = start()
    server.make_bucket("bucket")
    proof = sign(policy("bucket", {"key": "k"}, {"x-amz-meta-a": "canary"}))
    assert send(server, "/bucket", {"key": "k", "x-amz-meta-a": "canary", **proof}).status == 204
    fingerprint = hashlib.sha256(proof["x-amz-signature"].encode()).hexdigest()[:16]
    server.stop()
    log = server.log.read_text()
    assert fingerprint in log
    for secret in ("canary", proof["x-amz-signature"], proof["policy"]):
        assert secret not in log


# --- large files, cut ones, and what is left of them


def blob_files(server):
    """Files of bodies, whole or not."""
    folders = [path for path in server.data_dir.rglob("*") if path.is_file()]
    return {path for path in folders if "blobs" in path.parts or "tmp" in path.parts}


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holds()


@pytest.mark.slow
def test_a_large_file_streams(start):
    server = start()
    server.make_bucket("bucket")
    proof = sign(policy("bucket", {"key": "large"}, ["content-length-range", LARGE, LARGE]))
    start_of_file = encoded({"key": "large", **proof}, b"", "large")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
    end = f"\r\n--{BOUNDARY}--\r\n".encode()
    md5 = hashlib.md5()
    with server.connect(timeout=120) as connection:
        head = (
            f"POST /bucket HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: {TYPE[1]}\r\n"
            f"Content-Length: {len(start_of_file) + LARGE + len(end)}\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + start_of_file)
        for piece in pieces(LARGE):
            md5.update(piece)
            connection.sendall(piece)
        connection.sendall(end)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 204 "), answer
    assert f'"{md5.hexdigest()}"'.encode() in answer
    assert server.resident_max() < RESIDENT_MAX
    head = server.signed("HEAD", "/bucket/large")
    assert head.header("Content-Length") == str(LARGE)


def test_a_size_is_judged_while_the_file_streams(start):
    """The answer comes long before the end of the file, and nothing stays."""
    server = start()
    server.make_bucket("bucket")
    before = blob_files(server)
    proof = sign(policy("bucket", {"key": "k"}, ["content-length-range", 0, 3 * MIB]))
    begun = encoded({"key": "k", **proof}, b"", "large")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
    with server.connect(timeout=60) as connection:
        head = (
            f"POST /bucket HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: {TYPE[1]}\r\n"
            f"Content-Length: {len(begun) + 1024 * MIB}\r\n\r\n"
        )
        connection.sendall(head.encode() + begun + body(3 * MIB))
        connection.settimeout(1)
        with pytest.raises(socket.timeout):
            connection.recv(1)
        connection.settimeout(60)
        connection.sendall(b"x")
        answer = b""
        while b"</Error>" not in answer:
            received = connection.recv(65536)
            assert received, answer
            answer += received
    assert answer.startswith(b"HTTP/1.1 400 ") and b"<Code>EntityTooLarge</Code>" in answer
    assert f"<MaxSizeAllowed>{3 * MIB}</MaxSizeAllowed>".encode() in answer
    assert server.keys("bucket") == []
    wait_until(lambda: blob_files(server) == before)


def test_forms_that_are_cut_off_leave_nothing(start):
    server = start()
    server.make_bucket("bucket")
    proof = sign(policy("bucket", {"key": "k"}))
    fields = {"key": "k", **proof}
    assert send(server, "/bucket", fields, body(2 * MIB)).status == 204
    before = blob_files(server)
    data = encoded(fields, body(2 * MIB, seed=1))
    for cut in [100, len(data) - 2 * MIB, len(data) // 2, len(data) - len(BOUNDARY) - 5]:
        # The connection ends early,
        with server.connect() as connection:
            head = (
                f"POST /bucket HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: {TYPE[1]}\r\n"
                f"Content-Length: {len(data)}\r\n\r\n"
            )
            connection.sendall(head.encode() + data[:cut])
        # or the form does.
        answer = server.request("POST", "/bucket", headers=[TYPE], body=data[:cut])
        assert code(answer) == (400, "MalformedPOSTRequest"), cut
    assert server.get("/bucket/k").body == body(2 * MIB)
    wait_until(lambda: blob_files(server) == before)


# --- clients


def post_made(server, made, file=b"hello", name="cat.txt"):
    """Sends what a client's `generate_presigned_post` returned to where it said."""
    url = urllib.parse.urlsplit(made["url"])
    assert f"{url.scheme}://{url.netloc}" == server.endpoint
    return send(server, url.path, made["fields"], file, name)


@pytest.mark.parametrize("version", [None, "s3v4"], ids=["default", "v4"])
@pytest.mark.parametrize("session", [False, True], ids=["key", "session"])
def test_boto3(server, bucket, version, session):
    key = None
    if session:
        user = f"{bucket[:40]}-u"
        pair = make_user(server, user, allow("sts:AssumeRole"))
        arn = f"arn:aws:iam::{ACCOUNT}:user/{user}"
        boto_client(server, "iam").create_role(
            RoleName=user, AssumeRolePolicyDocument=trust({"AWS": arn}),
        )
        boto_client(server, "iam").put_role_policy(
            RoleName=user, PolicyName="p",
            PolicyDocument=iam_policy(allow("s3:PutObject", f"arn:aws:s3:::{bucket}/up/*")),
        )
        made = boto_client(server, "sts", pair).assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{user}", RoleSessionName="session",
        )
        key = key_of(made["Credentials"])
    s3 = boto_client(server, "s3", key, config=Config(signature_version=version) if version else None)
    made = s3.generate_presigned_post(
        bucket, "up/${filename}", Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 10]], ExpiresIn=60,
    )
    assert ("x-amz-signature" in made["fields"]) == (version == "s3v4")
    assert ("x-amz-security-token" in made["fields"]) == session
    assert post_made(server, made).status == 204
    assert server.get(f"/{bucket}/up/cat.txt").body == b"hello"
    assert code(post_made(server, made, b"more than ten")) == (400, "EntityTooLarge")
    if session:
        elsewhere = s3.generate_presigned_post(bucket, "down")
        assert code(post_made(server, elsewhere)) == (403, "AccessDenied")
        without = {**made, "fields": {n: v for n, v in made["fields"].items() if n != "x-amz-security-token"}}
        assert code(post_made(server, without)) == (403, "InvalidAccessKeyId")


def test_the_sdk_for_javascript(client, bucket):
    script = CLIENTS / "js" / "client.mjs"
    result = json.loads(client.run("node", script, "post-form", bucket, "up/${filename}"))
    assert result == {
        "names": ["Policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature",
                  "bucket", "key", "success_action_status", "x-amz-meta-a"],
        "status": 201, "key": "up/from js.txt", "text": "from js", "contentType": "text/x-js",
        "metadata": {"a": "b"}, "large": [400, "EntityTooLarge"],
    }


# --- valet presign-post


@pytest.fixture
def valet(server, tmp_path):
    return Valet(server, tmp_path)


def test_presign_post_as_json(server, bucket, valet):
    made = json.loads(valet(
        "presign-post", f"s3://{bucket}/up/", "--max-size", "10", "--field", "x-amz-meta-a=b",
        "--content-type-starts-with", "text/", "--success-status", "201", "--expires-in", "15m",
    ))
    assert list(made) == ["url", "fields", "requested_expires_at", "effective_expires_at", "limited_by", "fingerprint"]
    assert made["url"] == f"{server.endpoint}/{bucket}"
    assert made["limited_by"] == ["requested"]
    made["fields"]["Content-Type"] = "text/markdown"
    assert post_made(server, made).status == 201
    got = server.get(f"/{bucket}/up/cat.txt")
    assert (got.body, got.header("Content-Type"), got.header("x-amz-meta-a")) == (b"hello", "text/markdown", "b")
    assert code(post_made(server, made, b"more than ten")) == (400, "EntityTooLarge")
    made["fields"]["Content-Type"] = "image/png"
    assert code(post_made(server, made)) == (403, "AccessDenied")


def test_presign_post_makes_what_boto3_makes(server, bucket, valet):
    """All but the time at which it was made."""
    made = json.loads(valet("presign-post", f"s3://{bucket}/up/${{filename}}", "--offline"))
    theirs = boto_client(server, "s3", config=Config(signature_version="s3v4")).generate_presigned_post(
        bucket, "up/${filename}",
    )
    assert made["url"] == theirs["url"]
    assert list(made["fields"]) == list(theirs["fields"])
    documents = [json.loads(base64.b64decode(form["fields"]["policy"])) for form in (made, theirs)]
    for document in documents:
        document.pop("expiration")
        document["conditions"].remove({"x-amz-date": next(
            c["x-amz-date"] for c in document["conditions"] if "x-amz-date" in c)})
    assert documents[0] == documents[1]


def test_presign_post_as_a_curl_line(client, server, bucket, valet, tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"a report")
    line = valet("presign-post", f"s3://{bucket}/2026/report.pdf", "--curl",
                 "--field", "x-amz-meta-a=@it's;type=x", "--content-type", "application/pdf")
    client.run("sh", "-c", line)
    got = server.get(f"/{bucket}/2026/report.pdf")
    assert (got.body, got.header("Content-Type")) == (b"a report", "application/pdf")
    assert got.header("x-amz-meta-a") == "@it's;type=x"
    line = valet("presign-post", f"s3://{bucket}/in/", "--curl")
    (tmp_path / "FILE").write_bytes(b"any")
    client.run("sh", "-c", line)
    assert server.get(f"/{bucket}/in/FILE").body == b"any"
    # curl says what the server said.
    line = valet("presign-post", f"s3://{bucket}/in/", "--curl", "--max-size", "1")
    assert "EntityTooLarge" in client.run("sh", "-c", line, status=22)


class Page(html.parser.HTMLParser):
    """The one form of a page, as a browser understands it."""

    def __init__(self, text):
        super().__init__()
        self.form, self.fields, self.files = None, [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            assert self.form is None
            self.form = found
        elif tag == "input" and found["type"] == "hidden":
            assert not self.files
            self.fields.append((found["name"], found["value"]))
        elif tag == "input":
            self.files.append((found["type"], found["name"]))


def test_presign_post_as_a_page(server, bucket, valet):
    page = Page(valet(
        "presign-post", f"s3://{bucket}/<b>/", "--html", "--field", "x-amz-meta-a=<\"'&{{fields}}>",
    ))
    assert (page.form["method"], page.form["enctype"]) == ("post", "multipart/form-data")
    assert page.files == [("file", "file")]
    answer = post_made(server, {"url": page.form["action"], "fields": page.fields})
    # The browser shows what was stored.
    assert answer.status == 201
    got = server.get(f"/{bucket}/%3Cb%3E/cat.txt")
    assert (got.body, got.header("x-amz-meta-a")) == (b"hello", "<\"'&{{fields}}>")


def test_presign_post_says_when_a_form_dies(server, bucket, valet):
    iam = boto_client(server, "iam")
    user = f"{bucket[:40]}-u"
    somebody = valet.user(user)
    target = f"s3://{bucket}/k"
    limit = {"Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}}}
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=iam_policy(
        allow("s3:PutObject", Condition={"StringEquals": {"s3:authType": "POST"}}),
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*", **limit},
    ))
    made = json.loads(somebody("presign-post", target))
    assert made["limited_by"] == ["signature-age"]
    ends = [datetime.fromisoformat(made[f"{kind}_expires_at"]) for kind in ("requested", "effective")]
    assert timedelta(minutes=49) < ends[0] - ends[1] < timedelta(minutes=51)
    assert somebody("presign-post", target, "--strict", status=4) == ""
    assert json.loads(somebody("presign-post", target, "--strict", "--expires-in", "5m"))
    trimmed = json.loads(somebody("presign-post", target, "--trim"))
    document = json.loads(base64.b64decode(trimmed["fields"]["policy"]))
    assert datetime.fromisoformat(document["expiration"]) <= ends[1] + timedelta(seconds=60)
    assert post_made(server, trimmed).status == 204


def test_presign_post_refuses_what_cannot_be_right(valet):
    for arguments in [
        ["s3://bucket"], ["s3://b/k", "--expires-in", "8d"], ["s3://b/k", "--field", "x"],
        ["s3://b/k", "--field", "policy=x"], ["s3://b/k", "--field", "a=1", "--field", "A=2"],
        ["s3://b/k", "--min-size", "2", "--max-size", "1"], ["s3://b/k", "--redirect", "/done"],
        ["s3://b/k", "--json", "--html"], ["s3://b/k", "--success-status", "202"],
        ["s3://b/k", "--content-type", "a/b", "--content-type-starts-with", "a/"], [],
    ]:
        assert valet("presign-post", *arguments, status=2) == ""
