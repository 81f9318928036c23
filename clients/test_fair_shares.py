"""What one address may have, and that who has proved nothing takes no place of who has."""

import socket
import time

import pytest

import sigv4
from harness import ROOT_KEY
from people import client

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
