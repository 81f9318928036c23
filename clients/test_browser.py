"""Chromium, on a page of another origin than the server's: what it may do, and what may not run."""

import hashlib
import json
from datetime import timedelta

import pytest

import sigv4
from chromium import content, signer
from harness import AWS_V2, MIB, ROOT

HTML = b"""<!doctype html><title>still</title><style>:root { color: rgb(1, 2, 3) }</style>
<body>shown<script>document.title = "ran"; document.documentElement.dataset.ran = "yes"</script>"""
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg"><title>still</title><style>:root { color: rgb(1, 2, 3) }</style>
<text y="20">shown</text><script>document.documentElement.setAttribute("data-ran", "yes")</script></svg>"""
XHTML = b"""<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>still</title>
<style>:root { color: rgb(1, 2, 3) }</style></head>
<body>shown<script>document.documentElement.setAttribute("data-ran", "yes")</script></body></html>"""
SCRIPT = b"window.ran = true"
PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
xref
0 4
trailer<</Size 4/Root 1 0 R>>
startxref
0
%%EOF"""


def link(s3, operation, bucket, key="key", **parameters):
    named = {"Bucket": bucket, "Key": key, **parameters}
    return s3.generate_presigned_url(operation, Params=named, ExpiresIn=300)


def md5(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def stored(server, bucket, key="key"):
    answer = server.get(f"/{bucket}/{key}")
    assert answer.status == 200, answer
    return answer.body


def test_a_put_by_fetch(server, s3, allowed, chromium):
    url = link(s3, "put_object", allowed, ContentType="image/x-test")
    answer = chromium.call("ask", url=url, method="PUT", size=100_000, type="image/x-test")
    assert (answer["status"], answer["etag"]) == (200, md5(content(100_000)))
    # What the rule does not expose stays hidden.
    assert answer["requestId"] is None
    assert stored(server, allowed) == content(100_000)
    got = chromium.call("ask", url=link(s3, "get_object", allowed), credentials="include")
    assert (got["status"], got["etag"]) == (200, answer["etag"])


def test_a_put_by_xhr_with_progress(server, s3, allowed, chromium):
    size = 3 * MIB
    answer = chromium.call("putWithProgress", url=link(s3, "put_object", allowed), size=size)
    assert (answer["status"], answer["etag"]) == (200, md5(content(size)))
    assert answer["progress"][-1] == [size, size]
    assert stored(server, allowed) == content(size)


def test_a_multipart_upload(server, s3, allowed, chromium):
    sizes = [5 * MIB, 5 * MIB, 1234]
    upload = {"UploadId": s3.create_multipart_upload(Bucket=allowed, Key="key")["UploadId"]}
    parts = [
        {"url": link(s3, "upload_part", allowed, **upload, PartNumber=number), "size": size}
        for number, size in enumerate(sizes, 1)
    ]
    complete = link(s3, "complete_multipart_upload", allowed, **upload)
    answer = chromium.call("multipart", parts=parts, complete=complete)
    assert answer["etags"] == [md5(content(size)) for size in sizes]
    assert answer["completed"]["status"] == 200, answer
    assert '-3"' in answer["completed"]["text"].replace("&quot;", '"')
    assert stored(server, allowed) == b"".join(map(content, sizes))


def form(s3, bucket, *conditions):
    """A browser form, as a page's back end makes it."""
    made = s3.generate_presigned_post(
        bucket, "in/${filename}", Fields={"success_action_status": "201"},
        Conditions=[{"success_action_status": "201"}, *conditions], ExpiresIn=300,
    )
    return {"url": made["url"], "fields": made["fields"]}


def test_a_browser_form(server, s3, allowed, chromium):
    answer = chromium.call("postForm", **form(s3, allowed), size=100_000, type="image/x-test")
    assert (answer["status"], answer["etag"]) == (201, md5(content(100_000))), answer
    assert "<Key>in/from the browser.bin</Key>" in answer["text"]
    assert stored(server, allowed, "in/from%20the%20browser.bin") == content(100_000)


def test_refusals_of_forms_can_be_read(server, s3, allowed, chromium):
    small = form(s3, allowed, ["content-length-range", 1, 10])
    wrong = form(s3, allowed)
    wrong["fields"]["x-amz-signature"] = "0" * 64
    for sent, status, code in [
        (small, 400, "EntityTooLarge"),
        (wrong, 403, "SignatureDoesNotMatch"),
        ({"url": small["url"], "fields": {"key": "key"}}, 403, "AccessDenied"),
        ({"url": small["url"], "fields": {"policy": "x"}}, 400, None),
    ]:
        answer = chromium.call("postForm", **sent, size=100)
        assert answer.get("status") == status, answer
        assert code is None or f"<Code>{code}</Code>" in answer["text"], answer
    assert server.keys(allowed) == []


def test_refusals_can_be_read(server, s3, allowed, chromium):
    old = sigv4.now() - timedelta(hours=2)
    expired = server.endpoint + server.link(f"/{allowed}/key", time=old).target()
    answer = chromium.call("ask", url=expired)
    assert answer["status"] == 403
    assert "<Message>Request has expired</Message>" in answer["text"]
    for url, method, status, words in [
        (link(s3, "get_object", allowed, "none"), "GET", 404, "<Code>NoSuchKey</Code>"),
        (link(s3, "get_object", allowed) + "&more=1", "GET", 403, "<Code>SignatureDoesNotMatch</Code>"),
        (link(s3, "get_object", allowed) + "&X-Amz-Expires=x&Signature=a", "GET", 400, "Only one auth"),
        (f"{server.endpoint}/{allowed}/key", "DELETE", 403, "<Code>AccessDenied</Code>"),
        (expired, "PUT", 403, "Request has expired"),
    ]:
        answer = chromium.call("ask", url=url, method=method)
        assert answer["status"] == status, answer
        assert words in answer["text"], answer


def test_a_page_that_no_rule_names_is_kept_out(server, s3, site, bucket, chromium):
    server.put(f"/{bucket}/key", b"hello")
    url = link(s3, "get_object", bucket)
    assert chromium.call("ask", url=url) == {"blocked": "TypeError"}
    site.allow(s3, bucket, AllowedOrigins=["https://app.example"])
    assert chromium.call("ask", url=url) == {"blocked": "TypeError"}
    site.allow(s3, bucket, AllowedMethods=["GET"], AllowedHeaders=[])
    assert chromium.call("ask", url=url)["text"] == "hello"
    put = link(s3, "put_object", bucket)
    assert chromium.call("ask", url=put, method="PUT", size=5) == {"blocked": "TypeError"}
    assert stored(server, bucket) == b"hello"


def test_a_bucket_in_the_name_of_the_host(start, site, chromium):
    server = start(options=["--domain", "localhost"])
    server.make_bucket("bucket")
    site.allow(signer(server), "bucket")
    # A browser finds every name below `localhost` on this machine.
    host = f"bucket.localhost:{server.port}"
    url = server.link("/key", method="PUT")
    url.host = host
    answer = chromium.call("ask", url=f"http://{host}{url.target()}", method="PUT", size=10)
    assert (answer["status"], answer["etag"]) == (200, md5(content(10)))
    assert stored(server, "bucket") == content(10)


def block(language):
    """What stands in docs/cors.md in that language."""
    text = (ROOT / "docs" / "cors.md").read_text()
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def test_the_page_of_the_documentation(server, client, s3, site, bucket, chromium, tmp_path):
    rules = json.loads(block("sh").split("<<'EOF'\n", 1)[1].split("EOF", 1)[0])
    rules["CORSRules"][0]["AllowedOrigins"] = [site.origin]
    (tmp_path / "cors.json").write_text(json.dumps(rules))

    def aws(command, *options):
        at = ["--endpoint-url", server.endpoint, "--bucket", bucket]
        return client.run(AWS_V2, "s3api", command, *at, *options)

    aws("put-bucket-cors", "--cors-configuration", "file://cors.json")
    assert json.loads(aws("get-bucket-cors")) == rules
    old = server.link(f"/{bucket}/key", method="PUT", time=sigv4.now() - timedelta(hours=2))
    (tmp_path / "file").write_bytes(content(1000))
    site.pages["/docs"] = ("text/html", block("html").encode())
    for url, said in [
        (link(s3, "put_object", bucket), f"stored: {md5(content(1000))}"),
        (server.endpoint + old.target(), "Request has expired"),
    ]:
        site.pages["/upload-link"] = ("application/json", json.dumps({"link": url}).encode())
        assert chromium.choose("/docs", tmp_path / "file") == said
    assert stored(server, bucket) == content(1000)
    aws("delete-bucket-cors")
    assert server.get(f"/{bucket}", query=[("cors", "")]).code() == "NoSuchCORSConfiguration"


# --- what may not run


ACTIVE = [("page.html", "text/html", HTML), ("page.svg", "image/svg+xml", SVG),
          ("page.xhtml", "application/xhtml+xml", XHTML)]


def put_active(s3, bucket):
    for key, kind, body in ACTIVE:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)


@pytest.mark.parametrize("key", [key for key, _, _ in ACTIVE])
def test_what_was_uploaded_is_shown_and_does_not_run(s3, bucket, chromium, key):
    put_active(s3, bucket)
    shown = chromium.open(link(s3, "get_object", bucket, key))
    assert (shown["status"], shown["title"], shown["ran"]) == (200, "still", None)
    # Its text and its own styles are there; its origin is its own.
    assert "shown" in shown["text"]
    assert (shown["color"], shown["origin"]) == ("rgb(1, 2, 3)", "null")


def test_a_link_cannot_make_it_run(s3, bucket, chromium):
    s3.put_object(Bucket=bucket, Key="text", Body=HTML, ContentType="text/plain")
    for kind in ["text/html", "image/png, text/html", "text/html;charset=utf-8,"]:
        shown = chromium.open(link(s3, "get_object", bucket, "text", ResponseContentType=kind))
        assert (shown["status"], shown["ran"]) == (200, None), kind
        assert shown["title"] != "ran", kind


def test_no_type_is_guessed(s3, allowed, chromium):
    s3.put_object(Bucket=allowed, Key="text", Body=HTML, ContentType="text/plain")
    shown = chromium.open(link(s3, "get_object", allowed, "text"))
    assert (shown["title"], shown["ran"]) == ("", None)
    assert "<title>still</title>" in shown["text"]
    for key, kind, loaded in [("a", "text/plain", False), ("b", "text/javascript", True)]:
        s3.put_object(Bucket=allowed, Key=key, Body=SCRIPT, ContentType=kind)
        url = link(s3, "get_object", allowed, key)
        assert chromium.call("loadScript", url=url) == {"loaded": loaded, "ran": loaded}, kind


def test_a_pdf_is_still_shown(s3, bucket, chromium):
    s3.put_object(Bucket=bucket, Key="key", Body=PDF, ContentType="application/pdf")
    shown = chromium.open(link(s3, "get_object", bucket))
    assert shown == {"status": 200, "viewer": True}


@pytest.mark.parametrize("options", [
    ["--console-url", "http://console.test", "--public-url", "http://127.0.0.1"],
    ["--active-content", "as-stored"],
], ids=["console-elsewhere", "as-stored"])
def test_apart_from_the_console_it_may_run(start, chromium, options):
    server = start(options=options)
    server.make_bucket("bucket")
    s3 = signer(server)
    put_active(s3, "bucket")
    for key, _, _ in ACTIVE:
        shown = chromium.open(link(s3, "get_object", "bucket", key))
        assert (shown["status"], shown["ran"]) == (200, "yes"), key
