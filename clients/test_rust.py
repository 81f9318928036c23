"""aws-sdk-s3 and object_store for Rust at their defaults."""

import base64
import json
import os
import zlib

import pytest

from content import write_file
from harness import CLIENTS, MIB


@pytest.fixture
def rust(client, bucket):
    target = os.environ.get("VALET_CLIENTS_RUST_TARGET", CLIENTS / "rust" / "target")

    def run(scenario, key, *arguments):
        # object_store wants to be told that plain HTTP is meant.
        environment = {} if client.server.certificates else {"AWS_ALLOW_HTTP": "true"}
        output = client.run(
            f"{target}/debug/valet-clients", scenario, bucket, key, *arguments,
            environment=environment,
        )
        return json.loads(output)

    return run


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def target(url, server):
    assert url.startswith(server.endpoint), url
    return url.removeprefix(server.endpoint)


def test_sdk_put_get(rust):
    result = rust("sdk-put-get", "dir/a key+ü")
    expected = crc32(b"from aws-sdk-s3")
    assert result["same"]
    assert result["put_etag"] == result["etag"]
    assert (result["put_crc32"], result["crc32"]) == (expected, expected)
    assert (result["content_type"], result["metadata"]) == ("text/plain", {"origin": "rust"})


def test_sdk_put_a_file(rust, tmp_path):
    write_file(tmp_path / "up", 300_000)
    result = rust("sdk-put-file", "key", "up")
    assert result == {"put_crc32": crc32((tmp_path / "up").read_bytes()), "same": True}


@pytest.mark.parametrize("scenario", ["sdk-multipart", "sdk-multipart-checked"])
def test_sdk_multipart(rust, tmp_path, scenario):
    """Completed by ETags alone, or also by checksums under the algorithm the upload names."""
    write_file(tmp_path / "up", 12 * MIB)
    result = rust(scenario, "big", "up")
    assert result["same"]
    assert result["etag"].endswith('-3"')


@pytest.mark.parametrize("key", ["key", "a b/+ü!'()*~", "a//b"])
def test_sdk_links(rust, server, bucket, key):
    links = rust("sdk-presign", key)
    for name in ("put", "put_typed"):
        link = links[name]
        answer = server.request(
            link["method"], target(link["url"], server), headers=link["headers"], body=name.encode()
        )
        assert answer.status == 200, answer
        got = server.request("GET", target(links["get"]["url"], server))
        assert (got.status, got.body) == (200, name.encode())
    assert got.header("content-type") == "text/x-rust"
    assert got.header("x-amz-meta-origin") == "link"


def test_the_link_of_a_part(rust, server, bucket):
    begun = rust("sdk-presign-part", "dir/key")
    link, upload = begun["part"], begun["upload_id"]
    put = server.request(
        link["method"], target(link["url"], server), headers=link["headers"], body=b"a part"
    )
    assert put.status == 200, put
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{put.header('etag')}</ETag></Part></CompleteMultipartUpload>"
    )
    done = server.signed(
        "POST", f"/{bucket}/dir/key", query=[("uploadId", upload)], body=document.encode()
    )
    assert done.status == 200, done
    assert server.signed("GET", f"/{bucket}/dir/key").body == b"a part"


def test_object_store(rust):
    result = rust("store-objects", "dir/key")
    etag = result.pop("updated_etag")
    assert result == {
        "create_on_existing": "already exists", "stale_update": "precondition",
        "head_etag": etag, "size": 10, "body": "abcdefghij", "range": "cde",
        "listed": ["dir/key", "dir/key.d/copy"], "prefixes": ["dir"], "after_delete": "not found",
    }


def test_object_store_multipart(rust, tmp_path):
    write_file(tmp_path / "up", 12 * MIB)
    result = rust("store-multipart", "big", "up")
    assert result["same"]
    assert result["etag"].endswith('-3"')


def test_object_store_links(rust, server):
    links = rust("store-signed-urls", "dir/a key")
    assert server.request("PUT", target(links["put"], server), body=b"linked").status == 200
    assert server.request("GET", target(links["get"], server)).body == b"linked"
