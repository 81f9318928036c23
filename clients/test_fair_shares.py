"""What one address may have, and that who has proved nothing takes no place of who has."""

import select
import socket
import time
from pathlib import Path

import pytest

import sigv4
from harness import KIB, ROOT_KEY
from people import client
from test_post import wait_until

TRICKLING = 70
FORM = "application/x-www-form-urlencoded"


def form_head(server, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"POST / HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: 1000\r\n{lines}\r\n".encode()


def claimed(key):
    """Headers of a call as SDKs sign it: whether that is true, the hash of its body will tell."""
    date = sigv4.amz_date(sigv4.now())
    value = (
        f"AWS4-HMAC-SHA256 Credential={key.id}/{date[:8]}/us-east-1/iam/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    )
    return [("Content-Type", FORM), ("X-Amz-Date", date), ("Authorization", value)]


def trickle(server, headers):
    connection = server.connect(timeout=20)
    connection.sendall(form_head(server, headers) + b"Action=")
    return connection


@pytest.mark.parametrize("who", ["anonymous", "claimed"])
def test_forms_that_trickle_keep_nobody_out(start, who):
    server = start()
    headers = [("Content-Type", FORM)] if who == "anonymous" else claimed(ROOT_KEY)
    connections = [trickle(server, headers) for _ in range(TRICKLING)]
    time.sleep(0.5)
    for _ in range(3):
        assert client(server, "iam").list_users()["Users"] == []
        assert client(server, "sts").get_caller_identity()["Account"]
    # The greedy alone are told to come back later.
    connections[0].settimeout(15)
    assert b" 503 " in connections[0].recv(4096).split(b"\r\n")[0]
    for connection in connections:
        connection.close()


def test_an_unknown_key_is_refused_before_its_body_comes(start):
    server = start()
    with trickle(server, claimed(sigv4.Key("AKIAUNKNOWN000000000", "x" * 40))) as connection:
        connection.settimeout(5)
        assert b" 403 " in connection.recv(4096).split(b"\r\n")[0]


def test_an_address_has_its_share_of_connections(start):
    server = start(options=["--connections-per-address", "8", "--metrics-listen", "127.0.0.1:0"])
    other = socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.9", 0))
    greedy = [server.connect() for _ in range(40)]
    served = sum(answers(server, connection) for connection in greedy)
    assert served == 8
    # Whoever comes from elsewhere is served.
    assert answers(server, other)
    late = socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.10", 0))
    assert answers(server, late)
    for connection in [*greedy, other, late]:
        connection.close()


def answers(server, connection):
    connection.settimeout(20)
    try:
        connection.sendall(f"GET /_valet/health/live HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
        return connection.recv(100).startswith(b"HTTP/1.1 200 ")
    except (ConnectionResetError, BrokenPipeError):
        return False


def test_a_trusted_proxy_has_as_many_as_it_needs(start):
    server = start(options=["--connections-per-address", "8", "--trusted-proxy", "127.0.0.0/8"])
    many = [server.connect() for _ in range(40)]
    assert all(answers(server, connection) for connection in many)
    for connection in many:
        connection.close()


# With so many files the system allows 64 uploads at once.
FILES = 512
ROOM = 64
SIZE = 256 * KIB


def upload_from(server, address, path, sent):
    """So many bytes of an upload, and the connection."""
    target = server.link(path, method="PUT").target()
    head = f"PUT {target} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {SIZE}\r\n\r\n"
    at = ("127.0.0.1", server.port)
    connection = socket.create_connection(at, timeout=30, source_address=(address, 0))
    connection.sendall(head.encode() + bytes(sent))
    return connection


def status(connection):
    return connection.recv(4096).split(b" ")[1]


@pytest.mark.parametrize("trusted", [False, True])
def test_uploads_that_trickle_keep_no_other_address_out(start, trusted):
    options = ["--trusted-proxy", "127.0.0.9"] if trusted else []
    server = start(files_max=FILES, options=options)
    server.make_bucket("bucket")
    trickling = [upload_from(server, "127.0.0.9", f"/bucket/{n}", 20 * KIB) for n in range(ROOM)]
    wait_until(lambda: open_bodies(server) == ROOM, seconds=30)
    # For one more there is room only at the cost of somebody else, and never of the same address.
    with upload_from(server, "127.0.0.9", "/bucket/more", SIZE) as more:
        assert status(more) == b"503"
    for number in range(3):
        with upload_from(server, "127.0.0.10", f"/bucket/other-{number}", SIZE) as other:
            # A proxy that does not say whom it speaks for loses nothing.
            assert status(other) == (b"503" if trusted else b"200")
    # One of them had to go, which made room for all three. The others go on.
    answered, _, _ = select.select(trickling, [], [], 0 if trusted else 30)
    assert [status(connection) for connection in answered] == ([] if trusted else [b"503"])
    wait_until(lambda: open_bodies(server) == ROOM - len(answered))
    one = next(connection for connection in trickling if connection not in answered)
    one.sendall(bytes(SIZE - 20 * KIB))
    assert status(one) == b"200"
    for connection in trickling:
        connection.close()


def open_bodies(server):
    """Files of bodies on their way in that the server has open."""
    staged = str(server.data_dir / "tmp")
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return sum(target(link).startswith(staged) for link in links)


def target(link):
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
