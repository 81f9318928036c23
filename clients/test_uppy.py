"""Uppy's S3 plugin in Chromium, at its default settings but for what signs, and for multipart, which
Uppy begins at 100 MB."""

import pytest

from chromium import content, signer
from harness import MIB
from people import allow, client, key_of, make_user, policy, trust

# What the plugin asks its signer for, by method and whether there is an upload.
OPERATIONS = {
    ("PUT", False, False): "put_object",
    ("POST", False, False): "create_multipart_upload",
    ("PUT", True, True): "upload_part",
    ("POST", True, False): "complete_multipart_upload",
    ("DELETE", True, False): "abort_multipart_upload",
    ("GET", True, False): "list_parts",
}


def sign_for(site, s3, bucket):
    """The signing endpoint of the page's back end."""
    asked = []

    def sign(request):
        upload, part = request.get("uploadId"), request.get("partNumber")
        operation = OPERATIONS[request["method"], bool(upload), bool(part)]
        asked.append(operation)
        named = {"Bucket": bucket, "Key": request["key"]}
        named |= {"UploadId": upload} if upload else {}
        named |= {"PartNumber": part} if part else {}
        return {"url": s3.generate_presigned_url(operation, Params=named, ExpiresIn=300)}

    site.back_end["/sign"] = sign
    return asked


def check(outcome, server, bucket, name, size):
    assert (outcome["successful"], outcome["failed"]) == ([name], []), outcome
    assert outcome["uploaded"] == [size]
    answer = server.get(f"/{bucket}/{name}")
    assert answer.body == content(size)
    return answer


def test_a_small_file_by_a_link(server, s3, site, allowed, chromium):
    asked = sign_for(site, s3, allowed)
    outcome = chromium.call("uppy", name="small.bin", size=70_000, type="image/x-test")
    answer = check(outcome, server, allowed, "small.bin", 70_000)
    assert answer.header("Content-Type") == "image/x-test"
    assert asked == ["put_object"]


def test_a_small_file_by_a_form(server, s3, site, allowed, chromium):
    def sign(request):
        named = {"Content-Type": request["contentType"]}
        return s3.generate_presigned_post(
            allowed, request["key"], Fields=dict(named), Conditions=[named], ExpiresIn=300,
        )

    site.back_end["/sign"] = sign
    outcome = chromium.call("uppy", name="form.bin", size=70_000, type="image/x-test")
    answer = check(outcome, server, allowed, "form.bin", 70_000)
    assert answer.header("Content-Type") == "image/x-test"


def test_a_large_file_by_links_to_its_parts(server, s3, site, allowed, chromium):
    size = 11 * MIB
    asked = sign_for(site, s3, allowed)
    outcome = chromium.call("uppy", name="large.bin", size=size, type="image/x-test", multipart=True)
    answer = check(outcome, server, allowed, "large.bin", size)
    assert answer.header("ETag").endswith('-3"')
    assert [part["PartNumber"] for part in outcome["parts"]] == [1, 2, 3]
    expected = ["create_multipart_upload", *["upload_part"] * 3, "complete_multipart_upload"]
    assert asked == expected


@pytest.mark.parametrize("size, multipart", [(70_000, False), (6 * MIB, True)], ids=["one", "parts"])
def test_with_temporary_credentials(server, s3, site, allowed, chromium, bucket_name, size, multipart):
    """The page signs by itself, for as long as its session lives and where its policy lets it."""
    user = make_user(server, bucket_name, allow("sts:AssumeRole"))
    role = client(server, "iam").create_role(
        RoleName=bucket_name, AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::000000000000:user/{bucket_name}"})
    )["Role"]["Arn"]
    client(server, "iam").put_role_policy(
        RoleName=bucket_name, PolicyName="own",
        PolicyDocument=policy(allow("s3:PutObject", f"arn:aws:s3:::{allowed}/mine/*")),
    )

    def credentials(_):
        session = client(server, "sts", user).assume_role(RoleArn=role, RoleSessionName="page")
        key = key_of(session["Credentials"])
        return {
            "credentials": {
                "accessKeyId": key[0], "secretAccessKey": key[1], "sessionToken": key[2],
                "expiration": session["Credentials"]["Expiration"].isoformat(),
            },
            "region": "us-east-1",
        }

    site.back_end["/credentials"] = credentials
    outcome = chromium.call(
        "uppy", name="mine/file.bin", size=size, type="image/x-test", multipart=multipart,
        temporary=True, s3Endpoint=f"{server.endpoint}/{allowed}",
    )
    check(outcome, server, allowed, "mine/file.bin", size)
    outcome = chromium.call(
        "uppy", name="elsewhere.bin", size=size, type="image/x-test", multipart=multipart,
        temporary=True, s3Endpoint=f"{server.endpoint}/{allowed}",
    )
    assert outcome["successful"] == []
    assert "elsewhere.bin" not in server.keys(allowed)


def test_a_refusal_reaches_the_page(server, s3, site, allowed, chromium, bucket_name):
    nobody = signer(server, make_user(server, bucket_name))
    sign_for(site, nobody, allowed)
    outcome = chromium.call("uppy", name="small.bin", size=10)
    assert outcome["successful"] == [] and server.keys(allowed) == []
    assert "403" in outcome["failed"][0] or "AccessDenied" in outcome["failed"][0], outcome
