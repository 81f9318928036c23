"""rclone, s3cmd and curl."""

import json
import os
import re
import urllib.parse

import pytest

from content import file_sha256, write_file
from harness import MIB, REGION, ROOT_KEY, binary
from recipes import block, replaced


# --- rclone


@pytest.fixture
def rclone(client):
    server = client.server
    environment = {
        "RCLONE_CONFIG": "/dev/null",
        # rclone has an option of its own, and stumbles over the SDKs' variable.
        "AWS_CA_BUNDLE": None,
        "RCLONE_CONFIG_VALET_TYPE": "s3",
        "RCLONE_CONFIG_VALET_PROVIDER": "Other",
        "RCLONE_CONFIG_VALET_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG_VALET_ENV_AUTH": "true",
    }
    if server.certificates:
        environment["RCLONE_CA_CERT"] = str(server.certificates.ca)

    def run(*arguments, **options):
        return client.run("/usr/bin/rclone", *arguments, environment=environment, **options)

    return run


def test_rclone_copies_syncs_checks_and_links(rclone, server, bucket, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("one", "two", "sub/three +ü"):
        write_file(folder / name, 50_000, seed=name)
    rclone("copy", "folder", f"valet:{bucket}/f")
    rclone("check", "folder", f"valet:{bucket}/f")
    (folder / "two").unlink()
    rclone("check", "folder", f"valet:{bucket}/f", status=1)
    rclone("sync", "folder", f"valet:{bucket}/f")
    listed = json.loads(rclone("lsjson", "--recursive", "--files-only", f"valet:{bucket}"))
    assert [entry["Path"] for entry in listed] == ["f/one", "f/sub/three +ü"]
    rclone("copy", f"valet:{bucket}/f", "back")
    assert file_sha256(tmp_path / "back/sub/three +ü") == file_sha256(folder / "sub/three +ü")
    link = rclone("link", "--expire", "1h", f"valet:{bucket}/f/sub/three +ü").strip()
    answer = server.request("GET", link.removeprefix(server.endpoint))
    assert answer.body == (folder / "sub/three +ü").read_bytes()
    rclone("purge", f"valet:{bucket}/f")
    assert server.keys(bucket) == []


def test_rclone_by_the_recipe_and_with_the_key_that_the_page_recommends(server, bucket, client, tmp_path):
    recipe = block("docs/clients.md", "ini", "provider = Other")
    config = tmp_path / "rclone.conf"
    config.write_text(replaced(recipe, {"http://localhost:9000": server.endpoint}))
    create = block("docs/clients.md", "sh", "valet user create backup")
    name = f"backup-{bucket}"[:60]
    create = replaced(create, {"s3://bucket": f"s3://{bucket}", "create backup": f"create {name}"})
    exports = client.run("bash", "-euc", create.replace("valet user", f"{binary()} user", 1))
    key = dict(re.findall(r"export (AWS_\w+)=(\S+)", exports))
    assert set(key) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, exports
    # The recipe says where and in which region; the SDKs' bundle makes rclone stumble, as the page says.
    environment = {"AWS_CA_BUNDLE": None, "AWS_REGION": None, "AWS_DEFAULT_REGION": None, **key}
    trust = ["--ca-cert", server.certificates.ca] if server.certificates else []

    def rclone(*arguments):
        return client.run(
            "/usr/bin/rclone", "--config", config, *trust, *arguments, environment=environment
        )

    (tmp_path / "folder").mkdir()
    write_file(tmp_path / "folder" / "one", 100_000)
    write_file(tmp_path / "folder" / "two", 6 * MIB)
    rclone("sync", "folder", f"valet:{bucket}/folder")
    rclone("check", "folder", f"valet:{bucket}/folder")
    (tmp_path / "folder" / "one").unlink()
    rclone("sync", "folder", f"valet:{bucket}/folder")
    assert server.keys(bucket) == ["folder/two"]


def test_rclone_sync_down_and_between_buckets(rclone, server, bucket, bucket_name, tmp_path):
    """`--checksum` compares MD5 with the ETag, and a rclone's time of a file is its metadata."""
    (tmp_path / "folder").mkdir()
    for name in ("one", "two"):
        write_file(tmp_path / "folder" / name, 30_000, seed=name)
        os.utime(tmp_path / "folder" / name, (1_500_000_000,) * 2)
    rclone("sync", "folder", f"valet:{bucket}")
    rclone("mkdir", f"valet:{bucket_name}-2")
    rclone("sync", f"valet:{bucket}", f"valet:{bucket_name}-2")
    rclone("sync", f"valet:{bucket_name}-2", "back")
    assert {path.name: path.stat().st_mtime for path in (tmp_path / "back").iterdir()} == {
        "one": 1_500_000_000, "two": 1_500_000_000,
    }
    server.signed("DELETE", f"/{bucket_name}-2/one")
    changed = b"changed".ljust(30_000)
    server.put(f"/{bucket_name}-2/two", changed)
    rclone("sync", "--checksum", f"valet:{bucket_name}-2", "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["two"]
    assert (tmp_path / "back/two").read_bytes() == changed
    rclone("check", "--download", f"valet:{bucket_name}-2", "back")


def test_rclone_multipart(rclone, bucket, tmp_path):
    digest = write_file(tmp_path / "big", 12 * MIB)
    rclone("copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "big", f"valet:{bucket}/big")
    rclone("copyto", f"valet:{bucket}/big", "back")
    assert file_sha256(tmp_path / "back") == digest


# --- s3cmd


@pytest.fixture
def s3cmd(client):
    server = client.server
    # Without a bucket in `host_bucket`, s3cmd uses path style.
    lines = [
        "[default]",
        f"access_key = {ROOT_KEY.id}",
        f"secret_key = {ROOT_KEY.secret}",
        f"host_base = {server.host}",
        f"host_bucket = {server.host}",
        f"bucket_location = {REGION}",
        f"use_https = {bool(server.certificates)}",
    ]
    if server.certificates:
        lines.append(f"ca_certs_file = {server.certificates.ca}")
    (client.home / "s3cfg").write_text("\n".join(lines))

    def run(*arguments, **options):
        return client.run("/usr/bin/s3cmd", "-c", "s3cfg", *arguments, **options)

    return run


def test_s3cmd_puts_gets_lists_and_signs(s3cmd, server, bucket, bucket_name, tmp_path):
    s3cmd("mb", f"s3://{bucket_name}-2")
    digest = write_file(tmp_path / "up", 200_000)
    s3cmd("put", "up", f"s3://{bucket}/a key+ü")
    assert s3cmd("ls", f"s3://{bucket}").rstrip().endswith(f"s3://{bucket}/a key+ü")
    s3cmd("get", f"s3://{bucket}/a key+ü", "down")
    assert file_sha256(tmp_path / "down") == digest
    s3cmd("info", f"s3://{bucket}/a key+ü")
    s3cmd("put", "up", f"s3://{bucket}/plain")
    url = urllib.parse.urlsplit(s3cmd("signurl", f"s3://{bucket}/plain", "+600").strip())
    answer = server.request("GET", f"{url.path}?{url.query}")
    assert answer.body == (tmp_path / "up").read_bytes()
    s3cmd("cp", f"s3://{bucket}/plain", f"s3://{bucket}/copy")
    s3cmd("del", f"s3://{bucket}/plain")
    assert server.keys(bucket) == ["a key+ü", "copy"]


def test_s3cmd_syncs_both_ways(s3cmd, server, bucket, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("one", "two", "sub/three +ü"):
        write_file(folder / name, 40_000, seed=name)
    s3cmd("sync", "folder/", f"s3://{bucket}/f/")
    assert server.keys(bucket) == ["f/one", "f/sub/three +ü", "f/two"]
    assert "upload:" not in s3cmd("sync", "folder/", f"s3://{bucket}/f/")
    (folder / "two").unlink()
    # As long as before, so that only its MD5 tells.
    write_file(folder / "one", 40_000, seed="other")
    s3cmd("sync", "--delete-removed", "folder/", f"s3://{bucket}/f/")
    assert server.keys(bucket) == ["f/one", "f/sub/three +ü"]
    (tmp_path / "back").mkdir()
    (tmp_path / "back/stray").write_text("x")
    s3cmd("sync", "--delete-removed", f"s3://{bucket}/f/", "back/")
    assert file_sha256(tmp_path / "back/one") == file_sha256(folder / "one")
    assert file_sha256(tmp_path / "back/sub/three +ü") == file_sha256(folder / "sub/three +ü")
    assert not (tmp_path / "back/stray").exists()
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}/f/")
    assert server.keys(bucket) == []


def test_s3cmd_multipart(s3cmd, bucket, tmp_path):
    digest = write_file(tmp_path / "big", 12 * MIB)
    s3cmd("put", "--multipart-chunk-size-mb=5", "big", f"s3://{bucket}/big")
    s3cmd("get", f"s3://{bucket}/big", "back")
    assert file_sha256(tmp_path / "back") == digest


# --- curl and `valet presign`


@pytest.fixture
def presign(client):
    def run(*arguments, **options):
        return client.run(binary(), "presign", *arguments, **options).removesuffix("\n")

    return run


def curl(client, *arguments, **options):
    return client.run("/usr/bin/curl", "--silent", "--show-error", *arguments, **options)


STATUS = ["--output", "/dev/null", "--write-out", "%{http_code}"]


def test_curl_with_links_from_valet_presign(client, presign, server, bucket, tmp_path):
    digest = write_file(tmp_path / "up", 500_000)
    put = presign("--method", "PUT", f"s3://{bucket}/a key+ü")
    assert curl(client, *STATUS, "--upload-file", "up", put) == "200"
    get = presign(f"s3://{bucket}/a key+ü")
    curl(client, "--fail", "--output", "down", get)
    assert file_sha256(tmp_path / "down") == digest
    (tmp_path / "partial").write_bytes((tmp_path / "up").read_bytes()[:123_456])
    curl(client, "--fail", "--continue-at", "-", "--output", "partial", get)
    assert file_sha256(tmp_path / "partial") == digest
    # A link is for one method: HEAD is not GET.
    assert curl(client, *STATUS, "--head", get) == "403"
    head = presign("--method", "HEAD", f"s3://{bucket}/a key+ü")
    assert re.search(r"(?i)^content-length: 500000\r?$", curl(client, "--head", head), re.M)
    delete = presign("--method", "DELETE", f"s3://{bucket}/a key+ü")
    assert curl(client, *STATUS, "--request", "DELETE", delete) == "204"
    assert curl(client, *STATUS, get) == "404"


def test_curl_over_http_2(client, presign, server, bucket):
    server.put(f"/{bucket}/key", b"over HTTP/2")
    flag = "--http2" if server.certificates else "--http2-prior-knowledge"
    version = curl(client, flag, *STATUS[:2], "--write-out", "%{http_version}",
                   presign(f"s3://{bucket}/key"))
    assert version == "2"
    assert curl(client, flag, presign(f"s3://{bucket}/key")) == "over HTTP/2"
    put = presign("--method", "PUT", f"s3://{bucket}/two")
    assert curl(client, flag, *STATUS, "--request", "PUT", "--data-binary", "x", put) == "200"


def test_curl_printed_by_valet_presign_runs_as_it_stands(client, presign, server, bucket, tmp_path):
    """It reads the file that is named like the key."""
    write_file(tmp_path / "report.txt", 1000)
    command = presign(
        "--curl", "--method", "PUT", "--content-type", "text/x-curl",
        "--header", "x-amz-meta-a: it's b", f"s3://{bucket}/dir/report.txt",
    )
    client.run("bash", "-c", command)
    head = server.signed("HEAD", f"/{bucket}/dir/report.txt")
    assert head.status == 200
    assert head.header("content-type") == "text/x-curl"
    assert head.header("x-amz-meta-a") == "it's b"


def test_curl_signs_itself(client, server, bucket):
    """curl 7.88 leaves x-amz-content-sha256 to its user."""
    sign = [
        "--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{ROOT_KEY.id}:{ROOT_KEY.secret}",
        "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
    ]
    url = f"{server.endpoint}/{bucket}/key"
    put = curl(client, *STATUS, *sign, "--request", "PUT", "--data-binary", "by curl",
               "--header", "content-type: text/plain", url)
    assert put == "200"
    assert curl(client, *sign, url) == "by curl"
    assert curl(client, *STATUS, url) == "403"


def test_valet_get_and_put(client, presign, server, bucket, tmp_path):
    digest = write_file(tmp_path / "up", 700_000)
    ca = ["--cacert", server.certificates.ca] if server.certificates else []
    put = presign("--method", "PUT", f"s3://{bucket}/a b.bin")
    client.run(binary(), "put", *ca, "up", put)
    get = presign(f"s3://{bucket}/a b.bin")
    client.run(binary(), "get", *ca, get, "down")
    assert file_sha256(tmp_path / "down") == digest
    client.run(binary(), "get", *ca, get)
    assert file_sha256(tmp_path / "a b.bin") == digest
    head = server.signed("HEAD", f"/{bucket}/a%20b.bin")
    assert head.header("content-length") == "700000"
