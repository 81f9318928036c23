"""The AWS SDK for Java 2 at its defaults."""

import base64
import json
import os
import subprocess
import zlib
from pathlib import Path

import pytest

from content import write_file
from harness import MIB

JAVA = Path(os.environ.get("VALET_CLIENTS_JAVA", "/nowhere"))


@pytest.fixture
def java(client, bucket, tmp_path):
    options = []
    if client.server.certificates:
        # Java reads authorities from a store of its own kind.
        store = tmp_path / "authorities.p12"
        subprocess.run(
            ["keytool", "-importcert", "-noprompt", "-file", client.server.certificates.ca,
             "-keystore", store, "-storetype", "PKCS12", "-storepass", "changeit"],
            check=True, capture_output=True,
        )
        options = [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]

    def run(scenario, key, *arguments):
        classes = f"{JAVA / 'classes'}:{JAVA / 'lib'}/*"
        output = client.run("java", *options, "-cp", classes, "Client", scenario, bucket, key, *arguments)
        return json.loads(output)

    return run


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_put_get(java):
    expected = crc32(b"from the SDK for Java")
    assert java("put-get", "dir/a key+ü") == {
        "same": True, "put_crc32": expected, "crc32": expected, "content_type": "text/x-java",
        "origin": "java", "empty": 0, "keys": 2,
    }


def test_a_stream(java, tmp_path):
    write_file(tmp_path / "up", 300_000)
    expected = crc32((tmp_path / "up").read_bytes())
    assert java("put-file", "key", "up") == {"same": True, "put_crc32": expected}


def test_every_algorithm(java):
    stored = java("algorithms", "sum")
    for name in ("CRC32", "CRC32C", "SHA1", "SHA256", "SHA512"):
        assert stored.pop(name) == "stored", name
    # The rest the SDK does not compute by itself, and says so before anything is sent.
    refused = ("crt", "not supported")
    assert all(
        outcome == "stored" or any(word in outcome.lower() for word in refused)
        for outcome in stored.values()
    ), stored


def test_multipart(java, tmp_path):
    write_file(tmp_path / "up", 12 * MIB)
    result = java("multipart", "big", "up")
    assert result["same"]
    assert result["etag"].endswith('-3"')


@pytest.mark.parametrize("key", ["key", "a b/+ü!'()*~"])
def test_links(java, key):
    assert java("links", key) == {
        "put": 200, "get": 200, "got": "by a link", "content_type": "text/x-java", "origin": "link",
    }
