"""Names of the server: buckets at `localhost`, and prefixes that hide buckets."""

import socket
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from harness import CLIENTS, ROOT_KEY, Server
from identities import Valet


@pytest.fixture
def localhost(monkeypatch):
    """`*.localhost` is this machine, as browsers and systemd have it and some C libraries do not."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **named):
        return real("127.0.0.1" if str(host).endswith("localhost") else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_bucket_in_front_of_localhost_needs_no_setting(start, localhost):
    server = start()
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{server.port}",
        region_name="us-east-1",
        aws_access_key_id=ROOT_KEY.id,
        aws_secret_access_key=ROOT_KEY.secret,
        config=Config(s3={"addressing_style": "virtual"}),
    )
    s3.create_bucket(Bucket="first")
    s3.put_object(Bucket="first", Key="other/k", Body=b"x")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="first")["Contents"]] == ["other/k"]
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "first", "Key": "other/k"})
    assert link.startswith(f"http://first.localhost:{server.port}/other/k?")
    assert urllib.request.urlopen(link).read() == b"x"
    # The same name without a bucket is path style.
    assert server.get("/first/other/k").body == b"x"


def test_a_bucket_that_a_prefix_would_hide_ends_the_start(start, tmp_path):
    server = start()
    server.make_bucket("files")
    server.stop()
    for url in ["http://h/files", "http://h/%66iles/deep"]:
        again = Server(tmp_path / "again", data_dir=server.data_dir, options=["--public-url", url])
        status, errors = again.run_to_end()
        assert status == 1, errors
        assert "would hide the bucket `files`" in errors


def test_a_bucket_at_a_host_of_its_own(start, tmp_path):
    """`--bucket-domain`: links without the name of the bucket, by `valet presign`, botocore and the SDK for JavaScript."""
    server = start(options=["--bucket-domain", "localhost=files", "--domain", "s3.test"])
    server.make_bucket("files")
    server.put("/files/a%20b/c", b"here")
    own = f"http://localhost:{server.port}"
    valet = Valet(server, tmp_path)

    def fetch(url, **more):
        with urllib.request.urlopen(urllib.request.Request(url, **more)) as answer:
            return answer.read()

    link = valet("presign", "s3://files/a b/c", "--bucket-domain", own).strip()
    assert link.startswith(f"{own}/a%20b/c?")
    assert fetch(link) == b"here"
    upload = valet("presign", "s3://files/new", "--method", "PUT", "--bucket-domain", own).strip()
    fetch(upload, method="PUT", data=b"there")
    assert server.get("/files/new").body == b"there"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(link.replace("/a%20b/c?", "/files/a%20b/c?"))

    request = AWSRequest("GET", f"{own}/a%20b/c")
    S3SigV4QueryAuth(Credentials(ROOT_KEY.id, ROOT_KEY.secret), "s3", "us-east-1", expires=60).add_auth(request)
    assert fetch(request.url) == b"here"

    made = valet.client.run("node", CLIENTS / "js" / "bucket-endpoint.mjs", own, "from/js")
    assert made.startswith(f"{own}/from/js?")
    assert fetch(made) == b"from js"
    assert server.get("/files/from/js").body == b"from js"
