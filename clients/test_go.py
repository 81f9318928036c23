"""The AWS SDK for Go v2 and minio-go at their defaults; `mc`, which is minio-go behind a command."""

import base64
import json
import os
import zlib
from pathlib import Path

import pytest

from content import file_sha256, write_file
from harness import MIB, ROOT_KEY

GO = Path(os.environ.get("VALET_CLIENTS_GO", "/nowhere"))


@pytest.fixture
def go(client, bucket):
    def run(scenario, key, *arguments, **options):
        return json.loads(client.run(GO / "valet-clients", scenario, bucket, key, *arguments, **options))

    return run


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


# --- the SDK


def test_sdk_put_get(go):
    expected = crc32(b"from the SDK for Go")
    assert go("sdk-put-get", "dir/a key+ü") == {
        "same": True, "put_crc32": expected, "crc32": expected, "content_type": "text/x-go",
        "metadata": {"origin": "go"}, "keys": ["dir/a key+ü"],
    }


def test_sdk_at_a_host_name(go, server):
    """At a name the SDK puts the bucket into the host, unasked."""
    endpoint = f"{server.scheme}://localhost:{server.port}"
    assert go("sdk-put-get", "k", environment={"AWS_ENDPOINT_URL": endpoint})["same"]


def test_sdk_put_a_file_and_nothing(go, tmp_path):
    write_file(tmp_path / "up", 300_000)
    result = go("sdk-put-file", "key", "up")
    assert result == {"same": True, "put_crc32": crc32((tmp_path / "up").read_bytes()), "empty": 0}


def test_sdk_upload_in_parts(go, tmp_path):
    write_file(tmp_path / "up", 12 * MIB)
    result = go("sdk-upload", "big", "up")
    assert result.pop("etag").endswith('-3"')
    assert result == {"same": True, "parts": 3}


def test_sdk_every_algorithm(go):
    """Those that this version computes itself; it asks for a ready sum of the others."""
    stored = go("sdk-algorithms", "sum")
    for name in ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"):
        assert stored.pop(name) == "FULL_OBJECT", name
    # What the SDK does not compute, it refuses before anything is sent.
    assert all(kind == "FULL_OBJECT" or "checksum" in kind for kind in stored.values()), stored


@pytest.mark.parametrize("key", ["key", "a b/+ü!'()*~", "a//b"])
def test_sdk_links(go, key):
    assert go("sdk-links", key) == {
        "put_status": 200, "put_answer": "", "get_status": 200, "got": "a body",
    }


def test_sdk_link_that_says_who_signed_it(go):
    result = go("sdk-identity-link", "-")
    assert not result["expires"], "the SDK says itself now how long the link lives"
    assert result["status"] == 200, result
    assert "arn:aws:iam::000000000000:root" in result["answer"]


def test_sdk_deletes_many(go):
    assert go("sdk-delete", "a key") == {"deleted": 3, "errors": 0}


# --- minio-go


def test_minio_put_get(go):
    assert go("minio-put-get", "dir/a key+ü") == {
        "same": True, "etags": True, "content_type": "text/x-minio",
        "metadata": {"Origin": "minio"}, "keys": ["dir/a key+ü"],
    }


def test_minio_a_stream(go, tmp_path):
    write_file(tmp_path / "up", 12 * MIB)
    result = go("minio-stream", "big", "up")
    assert result["same"]
    assert result["etag"].endswith("-3")


def test_minio_checksums_in_trailers(go):
    assert go("minio-checksums", "sum") == dict.fromkeys(
        ("CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"), "stored"
    )


@pytest.mark.parametrize("key", ["key", "a b/+ü!'()*~"])
def test_minio_links(go, key):
    assert go("minio-links", key) == {
        "put_status": 200, "put_answer": "", "get_status": 200, "got": "by a link",
    }


def test_minio_copy(go):
    assert go("minio-copy", "a b+c") == {"got": "copied"}


def test_minio_form(go):
    result = go("minio-post", "dir/posted")
    assert (result["status"], result["got"]) == (204, "posted"), result


# --- mc


@pytest.fixture
def mc(client, tmp_path):
    server = client.server
    folder = tmp_path / "mc"
    if server.certificates:
        authorities = folder / "certs" / "CAs"
        authorities.mkdir(parents=True)
        (authorities / "ca.pem").write_bytes(server.certificates.ca.read_bytes())

    def run(*arguments, **options):
        return client.run(GO / "mc", "--config-dir", folder, "--quiet", *arguments, **options)

    run("alias", "set", "valet", server.endpoint, ROOT_KEY.id, ROOT_KEY.secret)
    return run


def test_mc_buckets_and_files(mc, server, bucket_name, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_file(folder / "small +ü", 50_000)
    write_file(folder / "large", 20 * MIB)
    mc("mb", f"valet/{bucket_name}")
    mc("mirror", "folder", f"valet/{bucket_name}/f")
    assert server.keys(bucket_name) == ["f/large", "f/small +ü"]
    mc("cp", "--recursive", f"valet/{bucket_name}/f/", "back/")
    assert file_sha256(tmp_path / "back/large") == file_sha256(folder / "large")
    assert (tmp_path / "back/small +ü").read_bytes() == (folder / "small +ü").read_bytes()
    mc("cp", f"valet/{bucket_name}/f/large", f"valet/{bucket_name}/copy")
    mc("rb", "--force", f"valet/{bucket_name}")
    assert server.get(f"/{bucket_name}").status == 404


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [1000, 20 * MIB])
def test_mc_with_checksums(mc, server, bucket, tmp_path, algorithm, size):
    write_file(tmp_path / "up", size)
    mc("cp", "--checksum", algorithm, "up", f"valet/{bucket}/key")
    assert server.get(f"/{bucket}/key").body == (tmp_path / "up").read_bytes()


def test_mc_shares(mc, server, bucket, tmp_path):
    server.put(f"/{bucket}/a-key", b"shared")
    shared = mc("share", "download", "--json", f"valet/{bucket}/a-key")
    link = json.loads(shared.splitlines()[0])["share"]
    assert server.request("GET", link.removeprefix(server.endpoint)).body == b"shared"
