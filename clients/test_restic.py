"""restic: a repository in a bucket, from `init` to the restored files."""

import json
import os
import xml.etree.ElementTree as xml

import pytest

from content import file_sha256, write_file
from harness import MIB, binary


@pytest.fixture
def restic(client, bucket_name):
    server = client.server
    # restic makes the bucket, and reads no `AWS_CA_BUNDLE`.
    environment = {
        "RESTIC_REPOSITORY": f"s3:{server.endpoint}/{bucket_name}/backups",
        "RESTIC_PASSWORD": "not a secret",
        "RESTIC_CACHE_DIR": str(client.home / "cache"),
    }
    trust = ["--cacert", server.certificates.ca] if server.certificates else []

    def run(*arguments, **options):
        return client.run(
            "/usr/bin/restic", *trust, *arguments, environment=environment, **options
        )

    return run


def snapshots(restic):
    """Their ids, the oldest first."""
    return [snapshot["id"] for snapshot in json.loads(restic("snapshots", "--json"))]


def stored_bytes(server, bucket):
    listing = xml.fromstring(server.get(f"/{bucket}").body)
    assert listing.findtext("{*}IsTruncated") == "false"
    return sum(int(size.text) for size in listing.iterfind("{*}Contents/{*}Size"))


def test_restic_backs_up_checks_restores_and_prunes(restic, server, bucket_name, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    digests = {
        name: write_file(folder / name, size, seed=name)
        for name, size in {"big": 24 * MIB, "small": 10, "sub/three ü": 70_000}.items()
    }
    (folder / "link").symlink_to("big")
    os.chmod(folder / "small", 0o640)
    restic("init")
    restic("backup", "folder")
    write_file(folder / "new", 2 * MIB, seed="new")
    (folder / "big").unlink()
    restic("backup", "folder")
    restic("check", "--read-data")
    older, newer = snapshots(restic)

    restic("restore", older, "--target", "first")
    restored = tmp_path / "first/folder"
    for name, digest in digests.items():
        assert file_sha256(restored / name) == digest, name
    assert os.readlink(restored / "link") == "big"
    assert (restored / "small").stat().st_mode & 0o777 == 0o640
    assert not (restored / "new").exists()

    before = stored_bytes(server, bucket_name)
    restic("forget", "--keep-last", "1", "--prune")
    assert stored_bytes(server, bucket_name) < before - 20 * MIB
    # A lock that stayed would stop the next one who wants to prune.
    assert not [key for key in server.keys(bucket_name) if "/locks/" in key]
    assert snapshots(restic) == [newer]
    restic("restore", "latest", "--target", "last")
    assert sorted(os.listdir(tmp_path / "last/folder")) == ["link", "new", "small", "sub"]


def test_the_key_of_the_page_is_enough(client, server, bucket, tmp_path):
    """`docs/clients.md`: a key for one bucket, and a repository inside it."""
    rights = ["--read", f"s3://{bucket}", "--write", f"s3://{bucket}", "--delete"]
    printed = client.run(binary(), "user", "create", f"of-{bucket}"[:60], "--key", *rights)
    key = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    assert sorted(key) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    trust = ["--cacert", server.certificates.ca] if server.certificates else []
    environment = {**key, "RESTIC_PASSWORD": "not a secret", "RESTIC_CACHE_DIR": str(tmp_path / "cache")}
    write_file(tmp_path / "folder", 70_000)
    repository = f"s3:{server.endpoint}/{bucket}/restic"
    for command in (["init"], ["backup", "folder"], ["forget", "--keep-last", "1", "--prune"]):
        client.run("/usr/bin/restic", *trust, "-r", repository, *command, environment=environment)
    # It does not list buckets, and lists its own.
    client.run(binary(), "ls", status=3, environment=key)
    assert "PRE restic/" in client.run(binary(), "ls", f"s3://{bucket}", environment=key)
