"""Links that may be used so often, and links that are taken back, over real connections: many clients at once, clients that
go in the middle, and a server that is killed."""

import http.client
import json
import socket
import threading
import time

import pytest

from content import body
from harness import KIB, MIB, Server, send

SIZE = 3 * MIB
CLIENTS = 200


@pytest.fixture
def own_server(tmp_path):
    with Server(tmp_path / "server") as server:
        server.make_bucket("bucket")
        server.put("/bucket/key", body(SIZE, "uses"))
        yield server


def once(uses, **more):
    return [("x-valet-uses", str(uses)), *more.items()]


def connect(server, address):
    """From another address of this machine: to the server it is another client."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=60, source_address=(address, 0))


def fetch(server, link, address):
    """(status, bytes of the body); 0 where the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.sock = connect(server, address)
        answer = send(connection, "GET", link.target(), server.host, [], b"")
        return answer.status, len(answer.body)
    except (OSError, http.client.HTTPException):
        return 0, 0
    finally:
        connection.close()


def address(number):
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


class Crowd(threading.Thread):
    """One of many clients; comes back while it is told to."""

    def __init__(self, server, link, number, completed):
        super().__init__(daemon=True)
        self.server, self.link, self.number, self.completed = server, link, number, completed

    def run(self):
        while True:
            status, size = fetch(self.server, self.link, address(self.number))
            if status == 503:
                time.sleep(0.05)
                continue
            if status == 200 and size == SIZE:
                self.completed.append(self.number)
            return


def crowd(server, link, first=0):
    completed = []
    clients = [Crowd(server, link, first + number, completed) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    return clients, completed


def test_a_crowd_uses_a_link_as_often_as_it_may(own_server):
    link = own_server.link("/bucket/key", query=once(5))
    clients, completed = crowd(own_server, link)
    for client in clients:
        client.join()
    assert len(completed) == 5


def test_a_server_that_is_killed_gives_no_use_twice(own_server):
    link = own_server.link("/bucket/key", query=once(5))
    clients, completed = crowd(own_server, link)
    while not completed:
        time.sleep(0.001)
    own_server.kill()
    for client in clients:
        client.join()
    before = len(completed)
    own_server.listen = own_server.host
    own_server.start()
    clients, more = crowd(own_server, link, CLIENTS)
    for client in clients:
        client.join()
    assert 1 <= before + len(more) <= 5
    assert fetch(own_server, link, "127.0.9.1")[0] == 403


@pytest.mark.parametrize("size", [100 * KIB, SIZE])
def test_who_reads_a_kilobyte_takes_no_use(own_server, size):
    own_server.put("/bucket/scanned", body(size, "scanned"))
    link = own_server.link("/bucket/scanned", query=once(1))
    for number in range(3 if size == SIZE else 1):
        connection = connect(own_server, address(number))
        head = f"GET {link.target()} HTTP/1.1\r\nHost: {own_server.host}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(KIB).startswith(b"HTTP/1.1 200 ")
        connection.close()
    # The server sees the end of a connection a moment later.
    deadline = time.monotonic() + 10
    while (found := fetch(own_server, link, "127.0.9.1"))[0] == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found == (200, size)
    assert fetch(own_server, link, "127.0.9.2")[0] == 403


def test_a_client_that_pauses_and_resumes_is_one_use(own_server):
    link = own_server.link("/bucket/key", query=once(1))
    third = SIZE // 3
    for number in range(3):
        last = SIZE if number == 2 else (number + 1) * third
        span = [("Range", f"bytes={number * third}-{last - 1}")]
        answer = own_server.use(link, headers=span)
        assert (answer.status, len(answer.body)) == (206, last - number * third)
        time.sleep(1.5)
    assert fetch(own_server, link, "127.0.9.1")[0] == 403


def test_uses_are_counted_over_tls(https_server):
    https_server.make_bucket("uses-over-tls")
    https_server.put("/uses-over-tls/key", body(64 * KIB, "tls"))
    for _ in range(5):
        link = https_server.link("/uses-over-tls/key", query=once(1, **{"x-valet-id": str(time.time_ns())}))
        assert https_server.use(link).status == 200
        assert https_server.use(link).status == 403


def test_the_next_request_after_a_revocation_is_refused(own_server):
    """On a connection that is open already, too."""
    connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=60)
    for round_ in range(20):
        link = own_server.link("/bucket/key", query=[("x-valet-id", f"round-{round_}")])
        assert send(connection, "GET", link.target(), own_server.host, [], b"").status == 200
        document = json.dumps({"url": own_server.endpoint + link.target()}).encode()
        made = own_server.signed("POST", "/_valet/api/v1/revocations", body=document)
        assert made.status == 201, made
        refused = send(connection, "GET", link.target(), own_server.host, [], b"")
        assert (refused.status, dict(refused.error())["Message"]) == (403, "Link has been revoked")
    connection.close()


def test_a_body_is_held_to_the_rate_of_its_link(own_server):
    """No time is compared: the server has sent no more than the rate allows until the client has looked."""
    rate = 256 * KIB
    link = own_server.link("/bucket/key", query=[("x-valet-rate", str(rate))])
    connection = connect(own_server, "127.0.0.1")
    begun = time.monotonic()
    connection.sendall(f"GET {link.target()} HTTP/1.1\r\nHost: {own_server.host}\r\n\r\n".encode())
    received = 0
    while received < MIB:
        received += len(connection.recv(64 * KIB))
        assert received <= rate * (time.monotonic() - begun) + 64 * KIB
    connection.close()


def test_openapi_fuzzed_from_its_own_description(own_server):
    """Every operation that is described answers what it promises, whatever is sent to it: never 5xx."""
    described = own_server.request("GET", "/_valet/api/v1/openapi.json")
    assert described.status == 200
    document = json.loads(described.body)
    values = ["", "x", "1", "null", "ä" * 300, -1, 1 << 70, None, True, [], {}, "s3://bucket/key", "2026-01-01T00:00:00Z"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["security"] != [{"header": []}]:
                continue
            target = "/_valet/api/v1" + path.replace("{id}", "1")
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            reference = schema.get("$ref", "").removeprefix("#/components/schemas/")
            members = document["components"]["schemas"].get(reference, {}).get("properties", {})
            documents = [b"", b"{}", b"[]", b"{", b"\xff", b"x" * 70_000]
            for name in members:
                documents += [json.dumps({name: value}).encode() for value in values]
            everything = [json.dumps({name: value for name in members}).encode() for value in values] if members else []
            queries = [()] + [((name["name"], str(value)),) for name in operation["parameters"] if name["in"] == "query" for value in values]
            for sent in documents + everything:
                for query in queries if sent in (b"", b"{}") else [()]:
                    answer = own_server.signed(method.upper(), target, query=query, body=sent)
                    assert answer.status < 500, (method, path, query, sent, answer)
                    known = str(answer.status) in operation["responses"] or answer.status >= 400
                    assert known, (method, path, answer)
                    if answer.status >= 400:
                        assert set(json.loads(answer.body)["error"]) <= {"code", "message", "argument", "request_id"}
    assert own_server.get("/bucket/key").status == 200
