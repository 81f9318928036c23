"""Names of the server: buckets at `localhost`, and prefixes that hide buckets."""

import socket
import urllib.request

import boto3
import pytest
from botocore.config import Config

from harness import ROOT_KEY, Server


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
