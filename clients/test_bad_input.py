"""Input that no good client sends: the right error, the server alive, nothing stored."""

import base64
import hashlib
import re
import socket
import ssl
import time

import pytest

from answers import check
from harness import KIB, MIB


@pytest.fixture(autouse=True)
def alive(server, bucket):
    """Whatever the test did, the server lives and has stored nothing."""
    yield
    assert server.process.poll() is None
    assert server.keys(bucket) == []
    assert server.request("GET", "/_valet/health/ready").status == 200


def exchange(server, request, *, shut=False, timeout=30):
    """Sends bytes and reads to the end of the connection."""
    with server.connect(timeout=timeout) as connection:
        try:
            connection.sendall(request)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server had heard enough.
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, ssl.SSLError):
            pass
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    ],
    ids=repr,
)
def test_a_request_that_cannot_be_read(server, request_bytes):
    answer = exchange(server, request_bytes)
    # The one place where hyper answers by itself, without a body.
    assert re.match(rb"HTTP/1\.[01] 400 ", answer), answer


def test_both_length_and_chunks(server, bucket):
    """A smuggler's request: whichever counts, the connection does not live on."""
    link = server.link(f"/{bucket}/key", method="PUT")
    answer = exchange(
        server,
        f"PUT {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /_valet/health/live HTTP/1.1\r\n"
        f"Host: {server.host}\r\n\r\n".encode(),
    )
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert not answer.startswith(b"HTTP/1.1 200"), answer


def test_a_request_without_a_host(server, bucket):
    answer = exchange(server, f"GET /{bucket} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_target_for_another_host(server, bucket):
    answer = exchange(
        server,
        f"GET http://other.example/{bucket} HTTP/1.1\r\nHost: {server.host}\r\n"
        "Connection: close\r\n\r\n".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_key_of_1025_bytes(server, bucket):
    key = "k" * 1025
    answer = server.signed("PUT", f"/{bucket}/{key}", body=b"x")
    assert (answer.status, answer.code()) == (400, "KeyTooLongError")
    answer = server.use(server.link(f"/{bucket}/{key}", method="PUT"), body=b"x")
    assert (answer.status, answer.code()) == (400, "KeyTooLongError")
    # It is bytes that count.
    answer = server.signed("PUT", f"/{bucket}/{'%C3%A9' * 513}", body=b"x")
    assert (answer.status, answer.code()) == (400, "KeyTooLongError")


@pytest.mark.parametrize("size", [100 * KIB, 2 * MIB])
def test_a_header_that_is_too_large(server, bucket, size):
    answer = exchange(
        server,
        f"GET /{bucket} HTTP/1.1\r\nHost: {server.host}\r\nX-Large: ".encode()
        + b"x" * size + b"\r\n\r\n",
    )
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:200]


def test_too_many_headers(server, bucket):
    lines = "".join(f"X-{number}: 1\r\n" for number in range(5000))
    answer = exchange(server, f"GET /{bucket} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:200]


def test_a_target_that_is_too_long(server, bucket):
    answer = exchange(
        server, f"GET /{bucket}?{'x' * (MIB // 2)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    )
    assert answer == b"" or re.match(rb"HTTP/1.1 (414|431) ", answer), answer[:200]


def test_metadata_that_is_too_large(server, bucket):
    headers = [("x-amz-meta-a", "x" * 2048)]
    answer = server.signed("PUT", f"/{bucket}/key", headers=headers, body=b"x")
    assert (answer.status, answer.code()) == (400, "MetadataTooLarge")


HEADER_SECONDS_MAX = 60


@pytest.mark.slow
def test_headers_that_dribble(server, bucket):
    """One byte a second keeps no connection for ever, and nobody else waits for it."""
    began = time.monotonic()
    with server.connect(timeout=5) as connection:
        connection.sendall(f"GET /{bucket} HTTP/1.1\r\nHost: {server.host}\r\nX: ".encode())
        while True:
            try:
                connection.sendall(b"x")
                connection.settimeout(1)
                if connection.recv(65536) == b"":
                    break
                continue
            except TimeoutError:
                pass
            except OSError:
                break
            assert time.monotonic() - began < HEADER_SECONDS_MAX
            assert server.request("GET", "/_valet/health/live").status == 200
    assert time.monotonic() - began < HEADER_SECONDS_MAX


def put_head(server, bucket, length, extra=""):
    link = server.link(f"/{bucket}/key", method="PUT")
    return (
        f"PUT {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {length}\r\n"
        f"{extra}\r\n"
    ).encode()


# Inside TLS the client is merely silent; once is enough to wait for the end of the server's patience.
@pytest.mark.parametrize(
    ("server", "size"), [("http", 100), ("http", 100_000), ("https", 100)], indirect=["server"]
)
def test_a_body_shorter_than_announced(server, bucket, size):
    """The client stops sending, and over plain HTTP says so."""
    shut = not server.certificates
    answer = exchange(server, put_head(server, bucket, size + 1) + bytes(size), shut=shut, timeout=90)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")), answer
    if answer:
        assert b"<Code>IncompleteBody</Code>" in answer or b"<Code>RequestTimeout</Code>" in answer


def test_a_connection_that_breaks_off(server, bucket):
    for size in (100, 300_000):
        with server.connect() as connection:
            connection.sendall(put_head(server, bucket, 1_000_000) + bytes(size))
    time.sleep(1)


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_longer_than_announced(server, bucket, size):
    """The surplus is the next request, and not a good one."""
    answer = exchange(server, put_head(server, bucket, size) + bytes(size + 50))
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b"HTTP/1.1 400 " in answer
    got = server.get(f"/{bucket}/key")
    assert got.body == bytes(size)
    assert server.signed("DELETE", f"/{bucket}/key").status == 204


def test_a_signed_body_shorter_than_its_decoded_length(server, bucket):
    headers = [("x-amz-decoded-content-length", "10"), ("content-encoding", "aws-chunked"),
               ("x-amz-trailer", "x-amz-checksum-crc32")]
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
    answer = server.signed(
        "PUT", f"/{bucket}/key", headers=headers, body=body, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    )
    assert (answer.status, answer.code()) == (400, "IncompleteBody"), answer


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcX0\r\n\r\n",
        b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
    ],
    ids=repr,
)
def test_chunks_that_cannot_be_read(server, bucket, body):
    headers = [("x-amz-decoded-content-length", "3"), ("content-encoding", "aws-chunked"),
               ("x-amz-trailer", "x-amz-checksum-crc32")]
    answer = server.signed(
        "PUT", f"/{bucket}/key", headers=headers, body=body, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    )
    assert answer.status == 400, answer


def test_a_trailer_that_does_not_match(server, bucket):
    headers = [("x-amz-decoded-content-length", "3"), ("content-encoding", "aws-chunked"),
               ("x-amz-trailer", "x-amz-checksum-crc32")]
    body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    answer = server.signed(
        "PUT", f"/{bucket}/key", headers=headers, body=body, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    )
    assert (answer.status, answer.code()) == (400, "BadDigest"), answer


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not xml", b"<Delete>", b"<Delete></Delete>", b"<Other/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
        b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_xml_that_cannot_be_read(server, bucket, body):
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = server.signed(
        "POST", f"/{bucket}", query=[("delete", "")], body=body, headers=[("content-md5", md5)]
    )
    assert (answer.status, answer.code()) in ((400, "MalformedXML"), (400, "MissingRequestBodyError"))


def test_xml_that_never_ends(server, bucket):
    answer = server.signed(
        "PUT", f"/{bucket}", query=[("versioning", "")],
        body=b"<VersioningConfiguration>" + b" " * (4 * MIB),
    )
    assert answer.status == 400, answer


@pytest.mark.parametrize("name", ["ab", "A-Capital", "a" * 64, "192.168.1.1", "a..b", "-a-", "_valet", "xn--a-b"])
def test_bucket_names_that_are_none(server, name):
    answer = server.signed("PUT", f"/{name}")
    assert 400 <= answer.status < 500, answer
    if answer.status == 400:
        assert answer.code() == "InvalidBucketName"


@pytest.mark.parametrize(
    "query",
    [
        [("max-keys", "-1")], [("max-keys", "x")], [("list-type", "2"), ("max-keys", "99999999999")],
        [("list-type", "2"), ("continuation-token", "garbage")], [("encoding-type", "rot13")],
        [("versions", ""), ("version-id-marker", "x")],
    ],
    ids=str,
)
def test_listings_that_make_no_sense(server, bucket, query):
    answer = server.get(f"/{bucket}", query=query)
    assert (answer.status, answer.code()) == (400, "InvalidArgument"), answer


def test_methods_that_are_none(server, bucket):
    for method in ("PATCH", "TRACE", "PROPFIND", "POST"):
        answer = server.signed(method, f"/{bucket}/key", body=b"x" if method == "POST" else b"")
        assert 400 <= answer.status <= 501, answer


def test_tls_that_is_none(server, bucket):
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00garbage" * 10)
        try:
            while connection.recv(65536):
                pass
        except (ConnectionResetError, TimeoutError):
            pass


def test_error_bodies_escape_what_they_show(server, bucket):
    answer = server.get(f"/{bucket}/%3Cscript%3E%26%22")
    check(answer, 404, "NoSuchKey", "The specified key does not exist.", ("Key", '<script>&"'))
    assert b"<script>" not in answer.body
