"""The AWS SDK for JavaScript v3: client, presigner and lib-storage at their defaults."""

import base64
import json
import zlib

import pytest

from content import write_file
from harness import CLIENTS, MIB


@pytest.fixture
def js(client, bucket):
    def run(scenario, key, *arguments):
        script = CLIENTS / "js" / "client.mjs"
        return json.loads(client.run("node", script, scenario, bucket, key, *arguments))

    return run


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_put_get_head_list(js):
    result = js("put-get", "dir/a key+ü")
    expected = crc32(b"from the SDK for JavaScript")
    assert result == {
        "same": True, "putCrc32": expected, "headCrc32": expected, "contentType": "text/x-js",
        "metadata": {"a": "b"}, "keys": ["dir/a key+ü"],
    }


def test_a_stream(js, tmp_path):
    write_file(tmp_path / "up", 300_000)
    result = js("put-stream", "key", "up")
    assert result == {"putCrc32": crc32((tmp_path / "up").read_bytes()), "same": True}


def test_copy_and_delete(js):
    assert js("copy-delete", "a b") == {"deleted": ["a b", "copy"], "left": 0}


def test_multipart(js, tmp_path):
    write_file(tmp_path / "up", 12 * MIB)
    result = js("multipart", "big", "up")
    assert result["same"]
    assert result["etag"].endswith('-3"')


def test_links_of_parts_at_the_defaults(js):
    result = js("part-links", "dir/a key")
    assert result["same"], result
    # The presigner hoists the checksum of an empty body here too.
    assert "x-amz-checksum-crc32=AAAAAA%3D%3D" in result["url"]
    assert "partNumber=2" in result["url"]


# No `..`: fetch itself takes it out of every URL.
@pytest.mark.parametrize("key", ["key", "a b/+ü!'()*~", "a//b"])
def test_links_at_the_defaults(js, key):
    result = js("links", key)
    # The presigner hoists the checksum of an empty body; S3 does not hold the upload to it.
    assert "x-amz-checksum-crc32=AAAAAA%3D%3D" in result["putUrl"]
    assert (result["putStatus"], result["putAnswer"]) == (200, "")
    assert (result["getStatus"], result["same"]) == (200, True)
    assert (result["rangeStatus"], result["range"]) == (206, "body")
    assert result["crc32"] is None
    assert result["crc64nvme"] is not None


def test_a_link_with_hoisted_headers(js):
    result = js("hoisted-link", "key")
    assert "x-amz-meta-a=b%20c" in result.pop("url")
    assert result == {
        "status": 200, "metadata": {"a": "b c"}, "storageClass": "STANDARD_IA",
        "contentType": "text/x-js",
    }


def test_a_link_that_asks_for_encryption(js):
    assert js("encrypted-link", "key") == {"status": 200, "encryption": "AES256", "without": 403}
