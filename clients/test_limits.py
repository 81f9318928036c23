"""Large bodies in little memory, and refusals that reach a client which is still sending."""

import hashlib
import time

import pytest

from content import pieces
from harness import FULL, MIB

LARGE = 1024 * MIB if FULL else 256 * MIB
RESIDENT_MAX = 128 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("encryption", ["on", "off"])
def test_a_large_body_streams_up_and_down(start, encryption):
    server = start(options=["--encryption", encryption])
    server.make_bucket("bucket")
    put = server.link("/bucket/large", method="PUT")
    md5 = hashlib.md5()
    with server.connect(timeout=120) as connection:
        connection.sendall(
            f"PUT {put.target()} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {LARGE}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        for piece in pieces(LARGE):
            md5.update(piece)
            connection.sendall(piece)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert f'"{md5.hexdigest()}"'.encode() in answer
    get = server.link("/bucket/large")
    received, digest = 0, hashlib.md5()
    with server.connect(timeout=120) as connection:
        connection.sendall(
            f"GET {get.target()} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        head, _, piece = head.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        encrypted = b"x-amz-server-side-encryption: aes256" in head.lower()
        assert encrypted == (encryption == "on")
        while piece:
            received += len(piece)
            digest.update(piece)
            piece = connection.recv(MIB)
    assert (received, digest.digest()) == (LARGE, md5.digest())
    assert server.resident_max() < RESIDENT_MAX


def read_all(connection):
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass  # What had arrived by then counts.
    return answer


REFUSALS = [
    ("a wrong signature", {"signature": "0" * 64}, b"SignatureDoesNotMatch", 403),
    ("an expired link", {"expires": "0", "age": 10}, b"Request has expired", 403),
    ("a missing bucket", {"path": "/none-of-these/key"}, b"NoSuchBucket", 404),
    ("a header not served", {"headers": [("x-amz-write-offset-bytes", "0")]}, b"NotImplemented", 501),
]


@pytest.mark.parametrize(("claims", "told", "status"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_refused_64_mib_upload_gets_its_error(server, bucket, claims, told, status):
    """The client writes everything before it reads; every one of ten gets the answer."""
    claims = dict(claims)
    age = claims.pop("age", 0)
    path = claims.pop("path", f"/{bucket}/key")
    link = server.link(path, method="PUT", **claims)
    link.time = link.time.fromtimestamp(time.time() - age, link.time.tzinfo).replace(microsecond=0)
    headers = "".join(f"{name}: {value}\r\n" for name, value in link.headers)
    head = (
        f"PUT {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {64 * MIB}\r\n"
        f"{headers}\r\n"
    ).encode()
    body = bytes(64 * MIB)
    for _ in range(10):
        with server.connect(timeout=60) as connection:
            connection.sendall(head)
            connection.sendall(body)
            answer = b""
            while b"</Error>" not in answer:
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
        assert told in answer
    assert server.keys(bucket) == []
