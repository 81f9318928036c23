"""Routing is closed: what is not served is refused with 501 and stores nothing, never ignored."""

import pytest

from answers import check

# The sub-resources of the S3 API that change something, by where they stand.
BUCKET_SUB_RESOURCES = [
    "abac", "accelerate", "acl", "analytics", "cors", "encryption", "intelligent-tiering",
    "inventory", "lifecycle", "logging", "metadataConfiguration", "metadataInventoryTable",
    "metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock",
    "ownershipControls", "policy", "publicAccessBlock", "replication", "requestPayment", "tagging",
    "website",
]
# Those of them that an owner may put and delete.
SETTINGS = [
    "cors", "encryption", "ownershipControls", "policy", "publicAccessBlock", "tagging", "website",
]
OBJECT_SUB_RESOURCES = ["acl", "encryption", "legal-hold", "renameObject", "retention", "tagging"]
OBJECT_POSTS = [[("restore", "")], [("select", ""), ("select-type", "2")]]

KMS = "x-amz-server-side-encryption"
CUSTOMER = "x-amz-server-side-encryption-customer"
CUSTOMER_KEY = [
    (f"{CUSTOMER}-algorithm", "AES256"),
    (f"{CUSTOMER}-key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    (f"{CUSTOMER}-key-md5", "hRasmdxgYDKV3nvbahU1MA=="),
]
# Headers that change what a write means.
WRITE_HEADERS = [
    [(KMS, "aws:kms")],
    [(KMS, "aws:kms:dsse")],
    [(f"{KMS}-aws-kms-key-id", "arn:aws:kms:us-east-1:000000000000:key/k")],
    [(f"{KMS}-context", "e30=")],
    [(f"{KMS}-bucket-key-enabled", "true")],
    *([(f"x-amz-grant-{right}", 'id="0123"')]
      for right in ("full-control", "read", "read-acp", "write-acp", "write")),
    [("x-amz-object-lock-mode", "GOVERNANCE"),
     ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z")],
    [("x-amz-object-lock-legal-hold", "ON")],
    [("x-amz-write-offset-bytes", "0")],
    [("x-amz-mfa", "serial 123456")],
]
BUCKET_HEADERS = [
    [("x-amz-bucket-object-lock-enabled", "true")],
    [("x-amz-object-ownership", "ObjectWriter")],
    [("x-amz-grant-read", 'id="0123"')],
]


def name(headers):
    return "+".join(f"{header}={value[:12]}" for header, value in headers)


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def kept(server, bucket):
    """A bucket with one object, which must be as it was when the test is over."""
    server.put(f"/{bucket}/key", b"as it was", headers=[("x-amz-meta-a", "b")])
    yield bucket
    assert server.keys(bucket) == ["key"]
    answer = server.get(f"/{bucket}/key")
    assert (answer.body, answer.header("x-amz-meta-a")) == (b"as it was", "b")
    assert answer.header("x-amz-website-redirect-location") is None


def refused(answer):
    assert (answer.status, answer.code()) == (501, "NotImplemented"), answer


def refused_as(headers, answer):
    """ACLs are disabled, and refused by their own name."""
    if headers[0][0].startswith("x-amz-grant-"):
        assert (answer.status, answer.code()) == (400, "AccessControlListNotSupported"), answer
    else:
        refused(answer)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("sub_resource", BUCKET_SUB_RESOURCES)
def test_sub_resources_of_a_bucket(server, kept, method, sub_resource):
    if sub_resource in SETTINGS and method in ("PUT", "DELETE"):
        return
    body = b"" if method == "DELETE" else b"<X/>"
    if (method, sub_resource) == ("PUT", "acl"):
        answer = server.signed(method, f"/{kept}", query=[("acl", "")], headers=[("x-amz-acl", "public-read")])
        return refused_as([("x-amz-grant-", "")], answer)
    refused(server.signed(method, f"/{kept}", query=[(sub_resource, "")], body=body))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("sub_resource", OBJECT_SUB_RESOURCES)
@pytest.mark.parametrize("key", ["key", "new"])
def test_sub_resources_of_an_object(server, kept, method, sub_resource, key):
    if sub_resource == "tagging" and method in ("PUT", "DELETE"):
        return
    body = b"" if method == "DELETE" else b"<X/>"
    answer = server.signed(method, f"/{kept}/{key}", query=[(sub_resource, "")], body=body)
    if (method, sub_resource, key) == ("PUT", "acl", "key"):
        assert (answer.status, answer.code()) == (400, "MalformedXML")
    elif (method, sub_resource, key) == ("PUT", "acl", "new"):
        assert (answer.status, answer.code()) == (404, "NoSuchKey")
    else:
        refused(answer)


@pytest.mark.parametrize("query", OBJECT_POSTS, ids=str)
def test_posts_to_an_object(server, kept, query):
    refused(server.signed("POST", f"/{kept}/key", query=query, body=b"<X/>"))


def test_a_session_and_a_torrent(server, kept):
    refused(server.signed("GET", f"/{kept}", query=[("session", "")]))
    refused(server.signed("GET", f"/{kept}/key", query=[("torrent", "")]))


@pytest.mark.parametrize("headers", WRITE_HEADERS, ids=name)
@pytest.mark.parametrize("key", ["key", "new"])
def test_headers_of_a_put(server, kept, headers, key):
    refused_as(headers, server.signed("PUT", f"/{kept}/{key}", headers=headers, body=b"changed"))


@pytest.mark.parametrize("headers", WRITE_HEADERS, ids=name)
def test_headers_of_a_put_by_link(server, kept, headers):
    link = server.link(f"/{kept}/key", method="PUT", headers=headers)
    refused_as(headers, server.use(link, body=b"changed"))


@pytest.mark.parametrize("headers", WRITE_HEADERS, ids=name)
def test_the_same_in_the_query_of_a_link(server, kept, headers):
    link = server.link(f"/{kept}/key", method="PUT", query=headers)
    refused_as(headers, server.use(link, body=b"changed"))


@pytest.mark.parametrize("headers", WRITE_HEADERS, ids=name)
def test_headers_of_a_copy(server, kept, headers):
    source = [("x-amz-copy-source", f"/{kept}/key")]
    refused_as(headers, server.signed("PUT", f"/{kept}/new", headers=[*source, *headers]))


@pytest.mark.parametrize("headers", WRITE_HEADERS, ids=name)
def test_headers_of_an_upload(server, kept, headers):
    refused_as(headers, server.signed("POST", f"/{kept}/new", query=[("uploads", "")], headers=headers))
    listed = server.get(f"/{kept}", query=[("uploads", "")])
    assert b"<UploadId>" not in listed.body


@pytest.mark.parametrize("part", ["algorithm", "key", "key-md5"])
def test_a_customers_key_for_the_source_of_what_is_no_copy(server, kept, part):
    headers = [(f"x-amz-copy-source-server-side-encryption-customer-{part}", "AES256")]
    refused(server.signed("PUT", f"/{kept}/new", headers=headers, body=b"changed"))


def test_a_customers_key_where_no_body_is(server, kept):
    refused(server.signed("DELETE", f"/{kept}/key", headers=CUSTOMER_KEY))
    refused(server.signed("GET", f"/{kept}", headers=CUSTOMER_KEY))
    refused(server.signed("GET", f"/{kept}/key", query=[("tagging", "")], headers=CUSTOMER_KEY))


@pytest.mark.parametrize("headers", BUCKET_HEADERS, ids=name)
def test_headers_of_a_new_bucket(server, bucket_name, headers):
    refused_as(headers, server.signed("PUT", f"/{bucket_name}-new", headers=headers))
    assert server.signed("HEAD", f"/{bucket_name}-new").status == 404


@pytest.mark.parametrize("acl", ["public-read", "public-read-write", "authenticated-read"])
def test_public_acls(server, kept, acl):
    headers = [("x-amz-acl", acl)]
    for key in ("key", "new"):
        answer = server.signed("PUT", f"/{kept}/{key}", headers=headers, body=b"changed")
        assert (answer.status, answer.code()) == (400, "AccessControlListNotSupported")


@pytest.mark.parametrize("acl", ["private", "bucket-owner-full-control"])
def test_acls_that_say_nothing_new(server, bucket, acl):
    headers = [("x-amz-acl", acl)]
    assert server.signed("PUT", f"/{bucket}/key", headers=headers, body=b"x").status == 200


def test_deletes_that_depend_on_something(server, kept):
    for header in ("x-amz-mfa", "x-amz-bypass-governance-retention", "x-amz-if-match-size"):
        refused(server.signed("DELETE", f"/{kept}/key", headers=[(header, "1")]))


# Names that no condition has, and conditions that do not belong to the method or that nobody can read.
VALET = [
    ("x-valet-unknown", "1"), ("X-Valet-Uses", "1"), ("x-valet-Uses", "1"), ("x-valet-", "1"),
    ("x-valet-uses", "0"), ("x-valet-uses", "many"), ("x-valet-source-ip", "elsewhere"),
    ("x-valet-not-before", "tomorrow"), ("x-valet-head", "yes"), ("x-valet-id", "a b"), ("x-valet-label", ""),
]


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("pair", VALET, ids=lambda pair: "=".join(pair))
def test_conditions_of_valet_that_are_none_are_refused(server, kept, method, pair):
    link = server.link(f"/{kept}/key", method=method, query=[pair])
    answer = server.use(link, body=b"changed" if method == "PUT" else b"")
    assert (answer.status, answer.code()) == (400, "InvalidArgument"), answer


def test_it_is_refused_on_other_requests_too(server, kept):
    answer = server.signed("GET", f"/{kept}/key", query=[("x-valet-uses", "1")])
    assert (answer.status, answer.code()) == (400, "InvalidArgument")
    answer = server.request("GET", f"/{kept}/key?x-valet-uses=1")
    assert (answer.status, answer.code()) == (400, "InvalidArgument")


def test_the_signature_is_judged_before_what_is_not_served(server, kept):
    link = server.link(f"/{kept}", method="PUT", query=[("policy", "")], signature="0" * 64)
    answer = server.use(link, body=b"{}")
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")
    check(
        server.request("PUT", f"/{kept}?policy", body=b"{}"), 403, "AccessDenied", "Access Denied"
    )


UNCONFIGURED = [
    ("cors", 404, "NoSuchCORSConfiguration"), ("lifecycle", 404, "NoSuchLifecycleConfiguration"),
    ("policy", 404, "NoSuchBucketPolicy"), ("replication", 404, "ReplicationConfigurationNotFoundError"),
    ("tagging", 404, "NoSuchTagSet"), ("website", 404, "NoSuchWebsiteConfiguration"),
    ("object-lock", 404, "ObjectLockConfigurationNotFoundError"),
    ("acl", 200, None), ("location", 200, None), ("versioning", 200, None), ("logging", 200, None),
    ("notification", 200, None), ("requestPayment", 200, None), ("accelerate", 200, None),
    ("encryption", 200, None), ("ownershipControls", 200, None), ("publicAccessBlock", 200, None),
]


@pytest.mark.parametrize(("sub_resource", "status", "code"), UNCONFIGURED)
def test_reading_what_nobody_configured(server, bucket, sub_resource, status, code):
    answer = server.get(f"/{bucket}", query=[(sub_resource, "")])
    assert answer.status == status, answer
    if code:
        assert answer.code() == code
    missing = server.get(f"/{bucket}-none", query=[(sub_resource, "")])
    assert (missing.status, missing.code()) == (404, "NoSuchBucket")
