"""Tags, conditional writes, encryption of buckets and customers' own keys, as clients ask for them."""

import base64
import concurrent.futures
import hashlib
import json
import urllib.parse

import pytest
from botocore.exceptions import ClientError

from content import body
from harness import AWS_V1, AWS_V2, MIB, REGION, Client, binary
from people import make_client

KEY = b"a customer's key of 32 bytes 123"
OTHER = b"another customer's key of 32 by."
KEY_MD5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
OTHER_SSE_C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER}
PART = 5 * MIB


@pytest.fixture
def s3(server):
    return make_client(server)


@pytest.fixture
def secure(https_server, bucket_name):
    """boto3 over TLS, where alone customers' keys are taken, and a bucket."""
    https_server.make_bucket(bucket_name)
    return make_client(https_server), bucket_name


@pytest.fixture(params=[AWS_V2, AWS_V1], ids=["v2", "v1"])
def aws(request, client):
    def run(*arguments, **options):
        return client.run(request.param, "--endpoint-url", client.server.endpoint, *arguments, **options)

    return run


def refused(call, expected, **arguments):
    """The code of a refusal, or for HEAD its status."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == expected
    return caught.value.response["Error"]["Message"]


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def use(link, server, method="GET", *, headers=None, body=b""):
    """What the holder of a link sends, and the answer."""
    parts = urllib.parse.urlsplit(link)
    target = f"{parts.path}?{parts.query}"
    return server.request(method, target, headers=list((headers or {}).items()), body=body, host=parts.netloc)


# --- tags


def test_tags_of_objects_and_versions(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="b=2&a=x%20y")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    of = {"Bucket": bucket, "Key": "k"}
    assert s3.get_object_tagging(**of)["TagSet"] == []
    assert s3.get_object_tagging(**of, VersionId=first)["TagSet"] == tag_set(a="x y", b="2")["TagSet"]
    assert s3.get_object(**of, VersionId=first)["TagCount"] == 2
    assert "TagCount" not in s3.get_object(**of)
    s3.put_object_tagging(**of, Tagging=tag_set(c="ü"))
    assert s3.get_object_tagging(**of)["TagSet"] == tag_set(c="ü")["TagSet"]
    s3.delete_object_tagging(**of, VersionId=first)
    assert s3.get_object_tagging(**of, VersionId=first)["TagSet"] == []
    message = refused(
        s3.put_object_tagging, "BadRequest", **of,
        Tagging=tag_set(**{f"k{number}": "" for number in range(11)}),
    )
    assert message == "Object tags cannot be greater than 10"
    twice = {"TagSet": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}
    refused(s3.put_object_tagging, "InvalidTag", **of, Tagging=twice)


def test_tags_of_uploads_and_copies(s3, bucket, tmp_path):
    (tmp_path / "file").write_bytes(body(9 * MIB))
    s3.upload_file(str(tmp_path / "file"), bucket, "parts", ExtraArgs={"Tagging": "up=load"})
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/parts")
    s3.copy_object(Bucket=bucket, Key="other", CopySource=f"{bucket}/parts", TaggingDirective="REPLACE", Tagging="a=b")
    for key, tags in [("parts", tag_set(up="load")), ("copy", tag_set(up="load")), ("other", tag_set(a="b"))]:
        assert s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == tags["TagSet"]


def test_a_link_to_upload_with_tags(signer, server, bucket):
    arguments = {"Bucket": bucket, "Key": "k", "Tagging": "a=b&c=d"}
    link = signer.generate_presigned_url("put_object", Params=arguments)
    # SigV4 signs the header, which must be sent; SigV2 takes it into the query.
    v4 = "X-Amz-Signature" in link
    headers = {"x-amz-tagging": "a=b&c=d"} if v4 else {}
    assert use(link, server, "PUT", body=b"x", headers=headers).status == 200
    assert signer.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tag_set(a="b", c="d")["TagSet"]
    if v4:
        assert use(link, server, "PUT", body=b"x", headers={"x-amz-tagging": "a=z"}).status == 403


def test_the_cli_tags(aws, bucket):
    of = ["--bucket", bucket, "--key", "k"]
    aws("s3api", "put-object", *of, "--tagging", "a=b")
    aws("s3api", "put-object-tagging", *of, "--tagging", "TagSet=[{Key=c,Value=d}]")
    assert json.loads(aws("s3api", "get-object-tagging", *of)) == tag_set(c="d")
    aws("s3api", "delete-object-tagging", *of)
    assert json.loads(aws("s3api", "get-object-tagging", *of)) == tag_set()
    aws("s3api", "put-bucket-tagging", "--bucket", bucket, "--tagging", "TagSet=[{Key=e,Value=f}]")
    assert json.loads(aws("s3api", "get-bucket-tagging", "--bucket", bucket)) == tag_set(e="f")


# --- conditions


def test_of_two_writers_one_is_first(server, bucket):
    writers = [make_client(server) for _ in range(2)]

    def try_first(writer, key):
        try:
            writer.put_object(Bucket=bucket, Key=key, Body=b"x", IfNoneMatch="*")
            return "first"
        except ClientError as error:
            return error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number in range(30):
            tries = [pool.submit(try_first, writer, f"k{number}") for writer in writers]
            assert sorted(one.result() for one in tries) == ["PreconditionFailed", "first"]


def test_two_writers_lose_no_update(server, bucket):
    """Compare and swap: each adds one, and begins anew where the other was faster."""
    make_client(server).put_object(Bucket=bucket, Key="count", Body=b"0")

    def add(times):
        s3, refusals = make_client(server), 0
        while times:
            got = s3.get_object(Bucket=bucket, Key="count")
            number = int(got["Body"].read()) + 1
            try:
                s3.put_object(Bucket=bucket, Key="count", Body=b"%d" % number, IfMatch=got["ETag"])
                times -= 1
            except ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"
                refusals += 1
        return refusals

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        [one.result() for one in [pool.submit(add, 25) for _ in range(2)]]
    assert make_client(server).get_object(Bucket=bucket, Key="count")["Body"].read() == b"50"


def test_conditions_of_copies_completions_and_deletes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    other = '"00000000000000000000000000000000"'
    copy = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k", "MetadataDirective": "REPLACE"}
    refused(s3.copy_object, "PreconditionFailed", **copy, IfNoneMatch="*")
    refused(s3.copy_object, "PreconditionFailed", **copy, IfMatch=other)
    refused(s3.copy_object, "PreconditionFailed", **copy, CopySourceIfMatch=other)
    s3.copy_object(**copy, IfMatch=etag, CopySourceIfMatch=etag)

    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"2")["ETag"]
    complete = {
        "Bucket": bucket, "Key": "k", "UploadId": upload,
        "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]},
    }
    refused(s3.complete_multipart_upload, "PreconditionFailed", **complete, IfNoneMatch="*")
    refused(s3.complete_multipart_upload, "PreconditionFailed", **complete, IfMatch=other)
    etag = s3.complete_multipart_upload(**complete, IfMatch=etag)["ETag"]

    refused(s3.delete_object, "PreconditionFailed", Bucket=bucket, Key="k", IfMatch=other)
    objects = [{"Key": "k", "ETag": other}, {"Key": "none", "ETag": other}]
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Errors"]
    assert [(error["Key"], error["Code"]) for error in errors] == [("k", "PreconditionFailed"), ("none", "NoSuchKey")]
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    refused(s3.delete_object, "NoSuchKey", Bucket=bucket, Key="k", IfMatch="*")


# --- encryption of buckets


def test_encryption_of_a_bucket(s3, bucket):
    def rules():
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    aes256 = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert rules() == [{**aes256, "BucketKeyEnabled": False}]
    rule = {**aes256, "BucketKeyEnabled": True, "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert rules() == [rule]
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    refused(
        s3.put_bucket_encryption, "NotImplemented",
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [kms]},
    )
    s3.delete_bucket_encryption(Bucket=bucket)
    assert rules() == [{**rule, "BucketKeyEnabled": False}]


def test_a_bucket_that_asks_for_encryption_gets_it(start, bucket_name):
    s3 = make_client(start(options=["--encryption", "off"]))
    s3.create_bucket(Bucket=bucket_name)
    refused(s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError", Bucket=bucket_name)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket_name, Key="k", Body=b"x")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket_name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.put_object(Bucket=bucket_name, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket_name, Key="k")["ServerSideEncryption"] == "AES256"


def test_the_cli_sets_the_encryption_of_a_bucket(aws, bucket):
    rule = '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'
    configuration = ["--server-side-encryption-configuration", rule]
    aws("s3api", "put-bucket-encryption", "--bucket", bucket, *configuration)
    assert '"AES256"' in aws("s3api", "get-bucket-encryption", "--bucket", bucket)
    aws("s3api", "delete-bucket-encryption", "--bucket", bucket)


# --- customers' own keys


def test_a_customers_key(secure):
    s3, bucket = secure
    of = {"Bucket": bucket, "Key": "k"}
    data = body(300_000)
    put = s3.put_object(**of, **SSE_C, Body=data)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", KEY_MD5)
    assert put["ETag"] != f'"{hashlib.md5(data).hexdigest()}"'
    assert "ServerSideEncryption" not in put
    for range_, expected in [("bytes=0-", data), ("bytes=65530-65545", data[65530:65546])]:
        got = s3.get_object(**of, **SSE_C, Range=range_)
        assert (got["Body"].read(), got["SSECustomerKeyMD5"]) == (expected, KEY_MD5)
    assert s3.head_object(**of, **SSE_C)["ContentLength"] == len(data)
    refused(s3.get_object, "InvalidRequest", **of)
    refused(s3.get_object, "AccessDenied", **of, **OTHER_SSE_C)
    refused(s3.head_object, "400", **of)
    refused(s3.head_object, "403", **of, **OTHER_SSE_C)
    refused(s3.get_object_attributes, "InvalidRequest", **of, ObjectAttributes=["ETag"])
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    refused(s3.get_object, "InvalidRequest", Bucket=bucket, Key="plain", **SSE_C)
    refused(s3.put_object, "InvalidArgument", **of, **SSE_C, ServerSideEncryption="AES256")
    short = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY[:16]}
    refused(s3.put_object, "InvalidArgument", **of, **short)
    refused(s3.put_object, "InvalidEncryptionAlgorithmError", **of, **{**SSE_C, "SSECustomerAlgorithm": "AES192"})
    s3.delete_object(**of)


def test_a_customers_key_of_parts_and_copies(secure, tmp_path):
    s3, bucket = secure
    data = body(2 * PART + 7)
    (tmp_path / "file").write_bytes(data)
    s3.upload_file(str(tmp_path / "file"), bucket, "parts", ExtraArgs=SSE_C)
    assert "-" in s3.head_object(Bucket=bucket, Key="parts", **SSE_C)["ETag"]
    s3.download_file(bucket, "parts", str(tmp_path / "down"), ExtraArgs=SSE_C)
    assert (tmp_path / "down").read_bytes() == data
    refused(s3.get_object, "InvalidRequest", Bucket=bucket, Key="parts")
    source = {f"CopySource{name}": value for name, value in SSE_C.items()}
    copy = {"Bucket": bucket, "CopySource": f"{bucket}/parts"}
    refused(s3.copy_object, "InvalidRequest", **copy, Key="out")
    assert s3.copy_object(**copy, **source, Key="out")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="out")["Body"].read() == data
    s3.copy_object(**copy, **source, **OTHER_SSE_C, Key="other")
    assert s3.get_object(Bucket=bucket, Key="other", **OTHER_SSE_C)["Body"].read() == data
    # s3transfer copies in parts what is long.
    s3.copy({"Bucket": bucket, "Key": "parts"}, bucket, "again", ExtraArgs={**source, **OTHER_SSE_C})
    assert s3.get_object(Bucket=bucket, Key="again", **OTHER_SSE_C)["Body"].read() == data


def test_a_bucket_blocks_customers_keys(secure):
    s3, bucket = secure
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **SSE_C)
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert "has blocked upload requests" in refused(
        s3.put_object, "AccessDenied", Bucket=bucket, Key="k", Body=b"y", **SSE_C
    )
    refused(s3.create_multipart_upload, "AccessDenied", Bucket=bucket, Key="k", **SSE_C)
    assert s3.get_object(Bucket=bucket, Key="k", **SSE_C)["Body"].read() == b"x"


@pytest.mark.parametrize("version", [None, "s3v4"], ids=["default", "s3v4"])
def test_links_with_a_customers_key(https_server, secure, tmp_path, version):
    _, bucket = secure
    signer = make_client(https_server, signature_version=version) if version else make_client(https_server)
    of = {"Bucket": bucket, "Key": "k", **SSE_C}
    name = "x-amz-server-side-encryption-customer"
    said = {f"{name}-algorithm": "AES256", f"{name}-key": base64.b64encode(KEY).decode(), f"{name}-key-MD5": KEY_MD5}
    upload = signer.generate_presigned_url("put_object", Params=of)
    download = signer.generate_presigned_url("get_object", Params=of)
    # SigV4 signs the headers, which must be sent; SigV2 takes them into the query, key and all.
    headers = {} if "X-Amz-Signature" not in upload else said
    assert (urllib.parse.quote_plus(said[f"{name}-key"]) in upload) == (not headers)
    assert use(upload, https_server, "PUT", body=b"hello", headers=headers).status == 200
    assert use(download, https_server, headers=headers).body == b"hello"
    sent = [part for header in headers.items() for part in ("-H", ": ".join(header))]
    ca = ["--cacert", https_server.certificates.ca]
    assert Client(https_server, tmp_path).run(binary(), "get", *ca, *sent, download, "-") == "hello"
    plain = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    answer = use(plain, https_server)
    assert answer.status == 400 and "The correct parameters must be provided" in answer.body.decode()


@pytest.mark.parametrize("version", [AWS_V2, AWS_V1], ids=["v2", "v1"])
def test_the_cli_with_a_customers_key(https_server, secure, tmp_path, version):
    _, bucket = secure
    client = Client(https_server, tmp_path)
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "other").write_bytes(OTHER)
    (tmp_path / "up").write_bytes(body(9 * MIB))

    def cp(*arguments, **options):
        client.run(version, "--endpoint-url", https_server.endpoint, "s3", "cp", *arguments, **options)

    with_key = ["--sse-c", "AES256", "--sse-c-key", "fileb://key"]
    cp("up", f"s3://{bucket}/file", *with_key)
    cp(f"s3://{bucket}/file", "down", *with_key)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    cp(f"s3://{bucket}/file", "down", status=1)
    cp(f"s3://{bucket}/file", "down", "--sse-c", "AES256", "--sse-c-key", "fileb://other", status=1)
    source = ["--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", "fileb://key"]
    cp(f"s3://{bucket}/file", f"s3://{bucket}/copy", *source)
    cp(f"s3://{bucket}/copy", "copied")
    assert (tmp_path / "copied").read_bytes() == (tmp_path / "up").read_bytes()


def test_rclone_with_a_customers_key(https_server, secure, tmp_path):
    s3, bucket = secure
    client = Client(https_server, tmp_path)
    (tmp_path / "up").write_bytes(body(100_000))
    environment = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"), "AWS_CA_BUNDLE": None,
        "RCLONE_CONFIG_VALET_TYPE": "s3", "RCLONE_CONFIG_VALET_PROVIDER": "Other",
        "RCLONE_CONFIG_VALET_ENV_AUTH": "true", "RCLONE_CONFIG_VALET_REGION": REGION,
        "RCLONE_CONFIG_VALET_ENDPOINT": https_server.endpoint, "RCLONE_CA_CERT": str(https_server.certificates.ca),
    }

    def rclone(*arguments, key=KEY, **options):
        with_key = ["--s3-sse-customer-algorithm", "AES256", "--s3-sse-customer-key", key.decode()]
        return client.run("/usr/bin/rclone", *with_key, *arguments, environment=environment, **options)

    (tmp_path / "rclone.conf").touch()
    rclone("copyto", "up", f"valet:{bucket}/k")
    assert s3.get_object(Bucket=bucket, Key="k", **SSE_C)["Body"].read() == body(100_000)
    rclone("copyto", f"valet:{bucket}/k", "down")
    assert (tmp_path / "down").read_bytes() == body(100_000)


def test_a_customers_key_travels_over_tls_alone(http_server, start, bucket_name):
    http_server.make_bucket(bucket_name)
    s3 = make_client(http_server)
    message = refused(s3.put_object, "InvalidRequest", Bucket=bucket_name, Key="k", Body=b"x", **SSE_C)
    assert message == (
        "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
    )
    refused(s3.get_object, "InvalidRequest", Bucket=bucket_name, Key="k", **SSE_C)
    assert http_server.keys(bucket_name) == []
    # For development, by a flag or as every setting.
    for settings in ({"options": ["--sse-c", "any"]}, {"environment": {"VALET_SSE_C": "any"}}):
        anyhow = make_client(start(**settings))
        anyhow.create_bucket(Bucket=bucket_name)
        anyhow.put_object(Bucket=bucket_name, Key="k", Body=b"x", **SSE_C)
        assert anyhow.get_object(Bucket=bucket_name, Key="k", **SSE_C)["Body"].read() == b"x"


def test_neither_key_nor_bytes_rest_or_are_logged(start, certificates, bucket_name, tmp_path):
    """However much is logged, and with every kind of refusal; while it runs and when it has ended."""
    server = start(certificates=certificates, environment={"VALET_LOG": "trace"}, options=["--encryption", "off"])
    s3, secret = make_client(server), b"nobody must find these bytes " * 2000
    s3.create_bucket(Bucket=bucket_name)
    of = {"Bucket": bucket_name, "Key": "k"}
    s3.put_object(**of, Body=b"nobody must find these bytes", **SSE_C)
    s3.put_object(**of, Body=secret, **SSE_C)
    assert s3.get_object(**of, **SSE_C)["Body"].read() == secret
    refused(s3.get_object, "AccessDenied", **of, **OTHER_SSE_C)
    refused(s3.put_object, "InvalidArgument", **of, **{**SSE_C, "SSECustomerKey": KEY + b"!"})
    upload = s3.create_multipart_upload(**of, **SSE_C)["UploadId"]
    s3.upload_part(**of, UploadId=upload, PartNumber=1, Body=secret, **SSE_C)
    for version in ("s3", "s3v4"):
        signer = make_client(server, signature_version=version)
        link = signer.generate_presigned_url("get_object", Params={**of, **SSE_C})
        use(link, server)
        use(link.replace("Signature=", "Signature=0"), server)

    needles = [b"nobody must find these bytes"]
    for key in (KEY, OTHER, KEY + b"!"):
        digest = hashlib.md5(key).digest()
        for raw in (key, digest):
            encoded = base64.b64encode(raw)
            needles += [raw, encoded, urllib.parse.quote(encoded, safe="").encode(), raw.hex().encode()]
    for running in (True, False):
        if not running:
            server.stop()
        files = [path for path in server.home.rglob("*") if path.is_file()]
        assert server.log in files and len(files) > 5
        for path in files:
            content = path.read_bytes()
            found = [needle for needle in needles if needle in content]
            assert not found, f"{path}: {found}"
