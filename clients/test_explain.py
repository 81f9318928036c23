"""Why a link does not work: links of boto3, broken as people break them, explained by the server and without it."""

import html
import json

import pytest

from identities import Valet
from people import make_client

KEY = "reports/2026 final+v2.pdf"


@pytest.fixture
def valet(server, tmp_path):
    return Valet(server, tmp_path)


def codes(told):
    return [cause["code"] for cause in told["causes"]]


def link(signer, bucket, operation="get_object", **more):
    return signer.generate_presigned_url(operation, {"Bucket": bucket, "Key": KEY, **more})


def test_a_link_that_works_is_said_to_work(valet, signer, bucket, server):
    server.put(f"/{bucket}/reports/2026%20final%2Bv2.pdf", b"pdf")
    told = valet.json("explain", link(signer, bucket))
    assert (told["works"], told["causes"]) == ("yes", [])
    assert told["allows"]["operation"] == "GET: download the object"
    assert (told["allows"]["bucket"], told["allows"]["key"]) == (bucket, KEY)
    assert valet("explain", link(signer, bucket)).startswith("The link works.\n")


@pytest.mark.parametrize("offline", [[], ["--offline"]], ids=["asked", "offline"])
def test_the_cause_is_named_first(valet, signer, server, bucket, offline):
    server.put(f"/{bucket}/reports/2026%20final%2Bv2.pdf", b"pdf")

    def cause(url, *options):
        told = valet.json("explain", url, *options, *offline)
        assert told["works"] == "no", told
        return codes(told)[0]

    url = link(signer, bucket)
    assert cause(url, "--method", "HEAD") == "method"
    assert cause(html.escape(url)) == "html-escaped"
    assert cause(url.replace("&", "\\u0026")) == "html-escaped"
    assert cause(url.split("&")[0]) == "cut-off"
    assert cause(url.replace("%20", "+", 1)) == "path-encoding"
    assert cause(url.replace(f"/{bucket}/", f"/s3/{bucket}/", 1)) == "path-prefix"
    assert cause(url, "--header", "Authorization: Bearer abc") == "header-unsigned"


@pytest.mark.parametrize("offline", [[], ["--offline"]], ids=["asked", "offline"])
def test_what_sigv4_signs_besides(valet, server, bucket, offline):
    """SigV2 signs neither the host nor most of the query."""
    signer = make_client(server, signature_version="s3v4")
    server.put(f"/{bucket}/reports/2026%20final%2Bv2.pdf", b"pdf")

    def cause(url, *options):
        return codes(valet.json("explain", url, *options, *offline))[0]

    url = link(signer, bucket)
    assert cause(f"{url}&utm_source=mail") == "parameter-added"
    assert cause(url.replace("X-Amz-Expires=3600", "X-Amz-Expires=86400")) == "parameter-changed"
    other_region = valet("presign", f"s3://{bucket}/k", "--region", "eu-north-1", "--offline").strip()
    if not offline:
        assert cause(other_region) == "region"
    other_host = valet("presign", f"s3://{bucket}/k", "--offline", "--endpoint-url", "http://minio:9000").strip()
    assert cause(other_host.replace("http://minio:9000", server.endpoint)) == "host"
    upload = link(signer, bucket, "put_object", ContentType="image/png")
    assert cause(upload, "--method", "PUT") == "header-missing"
    assert cause(upload, "--method", "PUT", "--header", "Content-Type: image/png; charset=UTF-8") == "header-changed"
    sent = valet.json("explain", upload, "--method", "PUT", "--header", "Content-Type: image/png", *offline)
    assert sent["works"] == "yes"


def test_what_the_server_alone_knows(valet, server, bucket, signer):
    server.put(f"/{bucket}/reports/2026%20final%2Bv2.pdf", b"pdf")
    url = link(signer, bucket)
    absent = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "none"})
    assert codes(valet.json("explain", absent)) == ["object-missing"]
    stranger = valet.user(f"{bucket}-ann", "--read", f"s3://{bucket}")
    told = stranger.json("explain", url)
    assert (told["works"], told["missing"], codes(told)) == ("unknown", ["secret", "policies"], [])
    valet("links", "revoke", url)
    assert codes(valet.json("explain", url)) == ["revoked"]
    assert stranger.json("explain", url)["works"] == "unknown"


def test_a_link_a_line(valet, signer, bucket):
    lines = "".join(f"{url}\n" for url in [link(signer, bucket), "<https://example.com/x>"])
    told = [json.loads(line) for line in valet("explain", "-", "--json", stdin=lines.encode()).splitlines()]
    assert [codes(one) for one in told] == [["object-missing"], ["parameter-missing"]]
