"""The aws command line, v2 from Debian and v1 from PyPI, at its default settings."""

import json
import os
import ssl
import time
import urllib.request

import pytest

from content import file_sha256, write_file
from harness import AWS_V1, AWS_V2, MIB


@pytest.fixture(params=[AWS_V2, AWS_V1], ids=["v2", "v1"])
def aws(request, client):
    """Runs `aws` with its endpoint; both versions take that option."""

    def run(*arguments, **options):
        return client.run(
            request.param, "--endpoint-url", client.server.endpoint, *arguments, **options
        )

    return run


def fetch(url, server, **options):
    context = None
    if server.certificates:
        context = ssl.create_default_context(cafile=server.certificates.ca)
    return urllib.request.urlopen(urllib.request.Request(url, **options), context=context)


def test_buckets_are_made_listed_and_removed(aws, bucket_name):
    assert aws("s3", "mb", f"s3://{bucket_name}") == f"make_bucket: {bucket_name}\n"
    assert bucket_name in [line.split()[-1] for line in aws("s3", "ls").splitlines()]
    assert aws("s3", "rb", f"s3://{bucket_name}") == f"remove_bucket: {bucket_name}\n"
    assert bucket_name not in aws("s3", "ls")


def test_a_bucket_with_objects_is_not_removed(aws, bucket, tmp_path):
    write_file(tmp_path / "file", 10)
    aws("s3", "cp", "file", f"s3://{bucket}/file")
    aws("s3", "rb", f"s3://{bucket}", status=1)
    aws("s3", "rb", "--force", f"s3://{bucket}")


def test_cp_and_ls_and_rm(aws, bucket, tmp_path):
    digest = write_file(tmp_path / "up", 300_000)
    aws("s3", "cp", "up", f"s3://{bucket}/dir/file name+ü.bin")
    aws("s3", "cp", f"s3://{bucket}/dir/file name+ü.bin", "down")
    assert file_sha256(tmp_path / "down") == digest
    size_and_key = aws("s3", "ls", f"s3://{bucket}/dir/").split(maxsplit=2)[2]
    assert size_and_key == "300000 file name+ü.bin\n"
    assert aws("s3", "ls", f"s3://{bucket}").strip() == "PRE dir/"
    aws("s3", "cp", f"s3://{bucket}/dir/file name+ü.bin", f"s3://{bucket}/copy")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/dir/")
    assert [line.split()[-1] for line in aws("s3", "ls", f"s3://{bucket}").splitlines()] == ["copy"]


def test_cp_from_and_to_a_pipe(aws, bucket):
    aws("s3", "cp", "-", f"s3://{bucket}/piped", stdin=b"through a pipe")
    assert aws("s3", "cp", f"s3://{bucket}/piped", "-") == "through a pipe"


@pytest.mark.slow
def test_100_mib_go_up_in_parts_and_come_back(aws, bucket, tmp_path):
    digest = write_file(tmp_path / "up", 100 * MIB)
    aws("s3", "cp", "--no-progress", "up", f"s3://{bucket}/big")
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "big"))
    assert head["ContentLength"] == 100 * MIB
    # 8 MiB is the command line's own part size.
    assert head["ETag"].endswith('-13"')
    aws("s3", "cp", "--no-progress", f"s3://{bucket}/big", "down")
    assert file_sha256(tmp_path / "down") == digest


def test_sync_copies_what_differs_and_deletes_what_is_gone(aws, bucket, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("one", "two", "sub/three", "sub/four 🎈"):
        write_file(folder / name, 1000, seed=name)
        # `sync` compares times, and a listing tells whole seconds.
        os.utime(folder / name, (time.time() - 60,) * 2)
    assert len(aws("s3", "sync", "--no-progress", "folder", f"s3://{bucket}/f").splitlines()) == 4
    assert aws("s3", "sync", "--no-progress", "folder", f"s3://{bucket}/f") == ""
    (folder / "two").unlink()
    gone = aws("s3", "sync", "--no-progress", "--delete", "folder", f"s3://{bucket}/f")
    assert gone == f"delete: s3://{bucket}/f/two\n"
    aws("s3", "sync", "--no-progress", f"s3://{bucket}/f", "back")
    back = {path.relative_to(tmp_path / "back") for path in (tmp_path / "back").rglob("*")}
    assert {str(path) for path in back} == {"one", "sub", "sub/three", "sub/four 🎈"}
    assert file_sha256(tmp_path / "back/sub/four 🎈") == file_sha256(folder / "sub/four 🎈")
    (tmp_path / "back/stray").write_text("x")
    aws("s3", "rm", f"s3://{bucket}/f/one")
    down = aws("s3", "sync", "--no-progress", "--delete", f"s3://{bucket}/f", "back")
    assert sorted(down.splitlines()) == ["delete: back/one", "delete: back/stray"]
    # From bucket to bucket, as a rename of the folder would go.
    copied = aws("s3", "sync", "--no-progress", f"s3://{bucket}/f", f"s3://{bucket}/g")
    assert len(copied.splitlines()) == 2


def test_a_presigned_link_downloads(aws, bucket, server):
    server.put(f"/{bucket}/a%20b%2B.txt", b"linked")
    url = aws("s3", "presign", f"s3://{bucket}/a b+.txt", "--expires-in", "60").strip()
    with fetch(url, server) as response:
        assert response.read() == b"linked"


def test_s3api_head_and_range(aws, bucket, server, tmp_path):
    server.put(f"/{bucket}/digits", b"0123456789", headers=[("content-type", "text/plain")])
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "digits"))
    assert (head["ContentLength"], head["ContentType"]) == (10, "text/plain")
    assert head["ETag"] == '"781e5e245d69b566979b86e28d23f2c7"'
    assert head["ServerSideEncryption"] == "AES256"
    got = json.loads(
        aws("s3api", "get-object", "--bucket", bucket, "--key", "digits",
            "--range", "bytes=3-5", "part")
    )
    assert got["ContentRange"] == "bytes 3-5/10"
    assert (tmp_path / "part").read_bytes() == b"345"


def test_s3api_versions(aws, bucket, server):
    aws("s3api", "put-bucket-versioning", "--bucket", bucket,
        "--versioning-configuration", "Status=Enabled")
    state = json.loads(aws("s3api", "get-bucket-versioning", "--bucket", bucket))
    assert state["Status"] == "Enabled"
    versions = [
        server.put(f"/{bucket}/key", text).header("x-amz-version-id") for text in (b"1", b"22")
    ]
    aws("s3", "rm", f"s3://{bucket}/key")
    listed = json.loads(aws("s3api", "list-object-versions", "--bucket", bucket))
    assert [v["VersionId"] for v in listed["Versions"]] == versions[::-1]
    assert [v["IsLatest"] for v in listed["Versions"]] == [False, False]
    marker = listed["DeleteMarkers"][0]
    assert marker["IsLatest"]
    aws("s3api", "delete-object", "--bucket", bucket, "--key", "key",
        "--version-id", marker["VersionId"])
    assert aws("s3", "cp", f"s3://{bucket}/key", "-") == "22"


def test_s3api_reads_an_unconfigured_bucket(aws, bucket, server):
    """What tools ask unasked; an unconfigured AWS bucket answers all of these."""
    server.put(f"/{bucket}/key", b"x")
    acl = json.loads(aws("s3api", "get-bucket-acl", "--bucket", bucket))
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    acl = json.loads(aws("s3api", "get-object-acl", "--bucket", bucket, "--key", "key"))
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    location = json.loads(aws("s3api", "get-bucket-location", "--bucket", bucket))
    assert location["LocationConstraint"] is None
    assert aws("s3api", "get-bucket-versioning", "--bucket", bucket) == ""


def test_s3api_multipart_by_hand(aws, bucket, tmp_path):
    place = ["--bucket", bucket, "--key", "parts"]
    upload = json.loads(aws("s3api", "create-multipart-upload", *place))["UploadId"]
    etags = []
    for number, size in ((1, 5 * MIB), (2, 7)):
        write_file(tmp_path / f"part{number}", size, seed=number)
        part = aws("s3api", "upload-part", *place, "--upload-id", upload,
                   "--part-number", number, "--body", f"part{number}")
        etags.append({"PartNumber": number, "ETag": json.loads(part)["ETag"]})
    listed = json.loads(aws("s3api", "list-parts", *place, "--upload-id", upload))
    assert [part["Size"] for part in listed["Parts"]] == [5 * MIB, 7]
    uploads = json.loads(aws("s3api", "list-multipart-uploads", "--bucket", bucket))
    assert [entry["UploadId"] for entry in uploads["Uploads"]] == [upload]
    (tmp_path / "parts.json").write_text(json.dumps({"Parts": etags}))
    aws("s3api", "complete-multipart-upload", *place, "--upload-id", upload,
        "--multipart-upload", "file://parts.json")
    attributes = json.loads(aws("s3api", "get-object-attributes", *place,
                                "--object-attributes", "ObjectParts"))
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2
    aws("s3", "cp", f"s3://{bucket}/parts", "whole")
    whole = (tmp_path / "part1").read_bytes() + (tmp_path / "part2").read_bytes()
    assert (tmp_path / "whole").read_bytes() == whole


def test_s3api_object_attributes(aws, bucket, server):
    server.put(f"/{bucket}/key", b"0123456789")
    attributes = json.loads(
        aws("s3api", "get-object-attributes", "--bucket", bucket, "--key", "key",
            "--object-attributes", "ETag", "ObjectSize", "StorageClass")
    )
    assert attributes["ETag"] == "781e5e245d69b566979b86e28d23f2c7"
    assert (attributes["ObjectSize"], attributes["StorageClass"]) == (10, "STANDARD")


def test_a_missing_key_is_404(aws, bucket):
    # What v1 exits with when the service refuses, and v2.
    refused = 255 if aws("--version").startswith("aws-cli/1.") else 254
    aws("s3api", "head-object", "--bucket", bucket, "--key", "none", status=refused)
