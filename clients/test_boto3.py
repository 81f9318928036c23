"""boto3 at its default settings; what each test changes is named in it."""

import base64
import hashlib
import io
import zlib

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from content import ODD_KEYS, body, key_name
from harness import MIB
from people import make_client


@pytest.fixture
def s3(server):
    return make_client(server)


def code(caught):
    return caught.value.response["Error"]["Code"]


def status(caught):
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_put_get_head_copy_delete(s3, bucket):
    data = body(100_000)
    put = s3.put_object(
        Bucket=bucket, Key="key", Body=data, ContentType="text/x-test", CacheControl="no-cache",
        ContentDisposition='attachment; filename="a b"', ContentLanguage="de",
        ContentEncoding="identity", Metadata={"one": "1", "two": "zwei"},
    )
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == data
    for answer in (got, s3.head_object(Bucket=bucket, Key="key")):
        assert answer["ContentLength"] == len(data)
        assert answer["ContentType"] == "text/x-test"
        assert answer["CacheControl"] == "no-cache"
        assert answer["ContentDisposition"] == 'attachment; filename="a b"'
        assert answer["ContentLanguage"] == "de"
        assert answer["ContentEncoding"] == "identity"
        assert answer["Metadata"] == {"one": "1", "two": "zwei"}
        assert answer["AcceptRanges"] == "bytes"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"})
    copy = s3.get_object(Bucket=bucket, Key="copy")
    assert copy["Body"].read() == data
    assert copy["Metadata"] == {"one": "1", "two": "zwei"}
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "copy"},
        MetadataDirective="REPLACE", Metadata={"three": "3"},
    )
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"three": "3"}
    s3.delete_object(Bucket=bucket, Key="key")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key")
    assert (status(caught), code(caught)) == (404, "NoSuchKey")


def test_an_empty_object_and_whatever_follows_on_its_connection(server, bucket):
    """botocore waits for 100 Continue with an empty body too, and misreads what comes instead of it."""
    s3 = make_client(
        server, max_pool_connections=1, read_timeout=5, retries={"total_max_attempts": 1}
    )
    for empty in (b"", io.BytesIO()):
        assert s3.put_object(Bucket=bucket, Key="empty", Body=empty)["ETag"] == f'"{hashlib.md5().hexdigest()}"'
        assert s3.put_object(Bucket=bucket, Key="full", Body=b"x")["ETag"]
        assert s3.get_object(Bucket=bucket, Key="full")["Body"].read() == b"x"
        assert s3.put_object(Bucket=bucket, Key="empty", Body=empty)["ETag"]
        assert s3.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0
        # A refusal is read, and so is what comes after it.
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=bucket + "-none", Key="empty", Body=empty)
        assert (status(caught), code(caught)) == (404, "NoSuchBucket")
        assert s3.put_object(Bucket=bucket, Key="full", Body=b"x")["ETag"]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["empty", "full"]


def test_a_copy_onto_itself_that_changes_nothing_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    with pytest.raises(ClientError) as caught:
        s3.copy_object(Bucket=bucket, Key="key", CopySource={"Bucket": bucket, "Key": "key"})
    assert (status(caught), code(caught)) == (400, "InvalidRequest")


@pytest.mark.parametrize("key", ODD_KEYS, ids=key_name)
def test_odd_keys_are_kept_byte_for_byte(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert {entry["Key"] for entry in deleted["Deleted"]} == {key, "copy"}
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("key", ODD_KEYS, ids=key_name)
def test_links_to_odd_keys(signer, server, bucket, key):
    put = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    assert server.request("PUT", target(put, server), body=key.encode()).status == 200
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
    answer = server.request("GET", target(get, server))
    assert (answer.status, answer.body) == (200, key.encode())


def target(url, server):
    assert url.startswith(server.endpoint), url
    return url.removeprefix(server.endpoint)


def test_links_with_type_and_metadata(signer, server, bucket):
    url = signer.generate_presigned_url(
        "put_object",
        {"Bucket": bucket, "Key": "key", "ContentType": "text/x-test", "Metadata": {"a": "b c"}},
    )
    # A SigV2 link carries the metadata itself; a SigV4 link wants it sent.
    headers = [("Content-Type", "text/x-test")]
    if "X-Amz-SignedHeaders" in url:
        assert "content-type%3Bhost%3Bx-amz-meta-a" in url
        headers.append(("x-amz-meta-a", "b c"))
    assert server.request("PUT", target(url, server), headers=headers, body=b"x").status == 200
    head = signer.head_object(Bucket=bucket, Key="key")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-test", {"a": "b c"})
    other = [("Content-Type", "text/other"), *headers[1:]]
    refused = server.request("PUT", target(url, server), headers=other, body=b"y")
    assert (refused.status, refused.code()) == (403, "SignatureDoesNotMatch")


def test_links_with_response_overrides(signer, server, bucket):
    signer.put_object(Bucket=bucket, Key="key", Body=b"x", ContentType="text/plain")
    overrides = {
        "ResponseContentType": "text/html",
        "ResponseContentDisposition": 'attachment; filename="ü & b.txt"'.encode().decode("latin-1"),
        "ResponseCacheControl": "max-age=5",
        "ResponseContentLanguage": "fr",
        "ResponseContentEncoding": "identity",
        "ResponseExpires": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key", **overrides})
    answer = server.request("GET", target(url, server))
    assert answer.status == 200, answer
    for parameter, value in overrides.items():
        header = parameter.removeprefix("Response")
        name = "".join(f"-{c}" if c.isupper() else c for c in header).removeprefix("-")
        assert answer.header(name) == value


def test_links_for_other_operations(signer, server, bucket):
    def use(operation, method, **parameters):
        url = signer.generate_presigned_url(operation, {"Bucket": bucket, **parameters})
        return server.request(method, target(url, server))

    signer.put_object(Bucket=bucket, Key="a/key", Body=b"x")
    assert use("head_object", "HEAD", Key="a/key").status == 200
    listed = use("list_objects_v2", "GET", Prefix="a/")
    assert b"<Key>a/key</Key>" in listed.body
    assert use("delete_object", "DELETE", Key="a/key").status == 204
    assert use("head_bucket", "HEAD").status == 200
    assert use("delete_bucket", "DELETE").status == 204
    assert use("create_bucket", "PUT").status == 200


def test_a_link_dies(signer, server, bucket):
    signer.put_object(Bucket=bucket, Key="key", Body=b"x")
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"}, ExpiresIn=-5)
    answer = server.request("GET", target(url, server))
    # SigV4 calls a negative life an error; a SigV2 link names the instant and is merely late.
    expected = (400, "AuthorizationQueryParametersError") if "X-Amz-" in url else (403, "AccessDenied")
    assert (answer.status, answer.code()) == expected


def test_multipart_by_transfer_manager(s3, bucket, tmp_path):
    data = body(20 * MIB)
    (tmp_path / "up").write_bytes(data)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(str(tmp_path / "up"), bucket, "big", Config=config)
    head = s3.head_object(Bucket=bucket, Key="big")
    parts = [hashlib.md5(data[at : at + 5 * MIB]).digest() for at in range(0, len(data), 5 * MIB)]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(parts)).hexdigest()}-4"'
    s3.download_file(bucket, "big", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == data
    one = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert one["PartsCount"] == 4
    assert one["ContentRange"] == f"bytes {5 * MIB}-{10 * MIB - 1}/{20 * MIB}"
    assert one["Body"].read() == data[5 * MIB : 10 * MIB]


def test_multipart_copy_and_abort(s3, bucket):
    data = body(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=data)
    place = {"Bucket": bucket, "Key": "target"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    parts = []
    for number, span in ((1, f"0-{5 * MIB - 1}"), (2, f"{5 * MIB}-{6 * MIB - 1}")):
        part = s3.upload_part_copy(
            **place, UploadId=upload, PartNumber=number, CopySourceRange=f"bytes={span}",
            CopySource={"Bucket": bucket, "Key": "source"},
        )
        parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**place)["Body"].read() == data
    upload = s3.create_multipart_upload(**place)["UploadId"]
    s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**place, UploadId=upload)
    with pytest.raises(ClientError) as caught:
        s3.list_parts(**place, UploadId=upload)
    assert (status(caught), code(caught)) == (404, "NoSuchUpload")


def test_a_small_part_before_the_last_is_refused(s3, bucket):
    place = {"Bucket": bucket, "Key": "key"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**place, UploadId=upload, PartNumber=n, Body=b"x")["ETag"]}
        for n in (1, 2)
    ]
    with pytest.raises(ClientError) as caught:
        s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert (status(caught), code(caught)) == (400, "EntityTooSmall")


def test_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=bucket, Key="key", Body=b)["VersionId"] for b in (b"one", b"two")]
    marker = s3.delete_object(Bucket=bucket, Key="key")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key")
    assert code(caught) == "NoSuchKey"
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", VersionId=marker["VersionId"])
    assert (status(caught), code(caught)) == (405, "MethodNotAllowed")
    for version, text in (*zip(ids, (b"one", b"two")), ("null", b"before")):
        got = s3.get_object(Bucket=bucket, Key="key", VersionId=version)
        assert (got["VersionId"], got["Body"].read()) == (version, text)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [v["VersionId"] for v in listed["Versions"]] == [ids[1], ids[0], "null"]
    s3.delete_object(Bucket=bucket, Key="key", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"two"
    s3.delete_object(Bucket=bucket, Key="key", VersionId=ids[1])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    # As recorded on AWS: the null version is not named.
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="key", Body=b"new null")
    for version, refused in ((ids[1], (404, "NoSuchVersion")), ("0" * 32, (400, "InvalidArgument"))):
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=bucket, Key="key", VersionId=version)
        assert (status(caught), code(caught)) == refused, version


def test_conditional_puts(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"one", IfNoneMatch="*")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0123456789abcdef0123456789abcdef"'}):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=bucket, Key="key", Body=b"two", **condition)
        assert (status(caught), code(caught)) == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="key", Body=b"three", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"three"
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="none", Body=b"x", IfMatch=etag)
    assert (status(caught), code(caught)) == (404, "NoSuchKey")


def test_conditional_gets(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"one")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", IfNoneMatch=put["ETag"])
    assert status(caught) == 304
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", IfMatch='"other"')
    assert (status(caught), code(caught)) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=bucket, Key="key", IfMatch=put["ETag"])["Body"].read() == b"one"


def base64_text(data):
    return base64.b64encode(data).decode()


CHECKSUMS = {
    "CRC32": lambda data: base64_text(zlib.crc32(data).to_bytes(4, "big")),
    "SHA1": lambda data: base64_text(hashlib.sha1(data).digest()),
    "SHA256": lambda data: base64_text(hashlib.sha256(data).digest()),
    # The check values of "123456789" in the CRC catalogue.
    "CRC32C": lambda data: base64_text(bytes.fromhex("e3069283")),
    "CRC64NVME": lambda data: base64_text(bytes.fromhex("ae8b14860a799888")),
}


# The other two want the optional CRT, which would also sign links in another way.
COMPUTED = ["CRC32", "SHA1", "SHA256"]


@pytest.mark.parametrize(
    ("algorithm", "how"),
    [*((name, "given") for name in CHECKSUMS), *((name, "computed by the SDK") for name in COMPUTED)],
)
def test_checksums(s3, bucket, algorithm, how):
    """What the SDK computes travels in a trailer over TLS, and in a header otherwise."""
    data = b"123456789"
    expected = CHECKSUMS[algorithm](data)
    if how == "given":
        options = {f"Checksum{algorithm}": expected}
    else:
        options = {"ChecksumAlgorithm": algorithm}
    put = s3.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(data), **options)
    assert put[f"Checksum{algorithm}"] == expected
    assert put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] == expected
    assert got["Body"].read() == data
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ObjectSize"]
    )
    assert attributes["Checksum"][f"Checksum{algorithm}"] == expected
    wrong = base64_text(bytes(len(base64.b64decode(expected))))
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="key", Body=b"other", **{f"Checksum{algorithm}": wrong})
    assert (status(caught), code(caught)) == (400, "BadDigest")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == data


def test_multipart_checksums(s3, bucket):
    place = {"Bucket": bucket, "Key": "key"}
    upload = s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    data = [body(5 * MIB), b"end"]
    parts = []
    for number, piece in enumerate(data, 1):
        part = s3.upload_part(
            **place, UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm="SHA256"
        )
        assert part["ChecksumSHA256"] == CHECKSUMS["SHA256"](piece)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    done = s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    digests = b"".join(hashlib.sha256(piece).digest() for piece in data)
    assert done["ChecksumSHA256"] == CHECKSUMS["SHA256"](digests) + "-2"
    assert done["ChecksumType"] == "COMPOSITE"


def test_listing_pages_with_a_delimiter(s3, bucket):
    for name in ("a", "b/1", "b/2", "c/1", "d", "e/x/y", "f"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    seen = [
        [entry["Key"] for entry in page.get("Contents", [])]
        + [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        for page in pages
    ]
    assert seen == [["a", "b/"], ["d", "c/"], ["f", "e/"]]
    below = s3.list_objects_v2(Bucket=bucket, Prefix="b/", StartAfter="b/1")
    assert [entry["Key"] for entry in below["Contents"]] == ["b/2"]
    assert below["KeyCount"] == 1


def test_delete_objects(s3, bucket):
    for number in range(30):
        s3.put_object(Bucket=bucket, Key=f"k{number:02}", Body=b"x")
    keys = [{"Key": f"k{number:02}"} for number in range(29)] + [{"Key": "never there"}]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert len(deleted["Deleted"]) == 30
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k29"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_empty_and_missing_things(s3, bucket):
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    got = s3.get_object(Bucket=bucket, Key="empty")
    assert (got["ContentLength"], got["Body"].read()) == (0, b"")
    assert got["ContentType"] == "binary/octet-stream"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=f"{bucket}-none", Key="key")
    assert (status(caught), code(caught)) == (404, "NoSuchBucket")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="empty", Range="bytes=5-")
    assert (status(caught), code(caught)) == (416, "InvalidRange")
