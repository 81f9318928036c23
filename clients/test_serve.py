"""The process as its operator sees it: certificates that change, metrics, names, and how it stops."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request

import pytest

from harness import MIB, Certificates, make_certificates

# It looks at the files every five seconds.
RELOAD_SECONDS = 20


def served_certificate(server):
    """The certificate that a new connection gets, as DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True)


def wait_until(condition):
    deadline = time.monotonic() + RELOAD_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def test_a_new_certificate_is_served_and_old_connections_go_on(start, tmp_path, certificates):
    files = tmp_path / "files"
    files.mkdir()
    paths = {name: files / name for name in ("ca", "certificate", "key")}
    for name, path in paths.items():
        shutil.copy(getattr(certificates, name), path)
    server = start(certificates=Certificates(**paths))
    old = server.connect()
    first = served_certificate(server)

    # A renewal that is half written: the key of another pair.
    other = make_certificates(tmp_path / "other", ["IP:127.0.0.1"])
    shutil.copy(other.key, paths["key"])
    wait_until(lambda: "cannot be used" in server.log.read_text())
    assert served_certificate(server) == first

    shutil.copy(other.certificate, paths["certificate"])
    wait_until(lambda: served_certificate(server) != first)
    old.sendall(b"GET /_valet/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert old.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    old.close()


def test_metrics_have_a_port_of_their_own(start):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start(options=["--metrics-listen", f"127.0.0.1:{port}"])
    server.make_bucket("counted")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b'valet_requests_total{operation="CreateBucket",status="200"} 1' in answer.read()
    # Nothing else is there, and on the other port metrics need the operator's signature.
    for path in ("/", "/counted", "/_valet/health/live"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
    assert server.request("GET", "/_valet/metrics").status == 403
    assert server.signed("GET", "/_valet/metrics").status == 200


def test_probes_need_no_credentials(server):
    for probe in ("live", "ready"):
        assert server.request("GET", f"/_valet/health/{probe}").status == 200


def test_a_download_under_way_survives_the_order_to_stop(start):
    server = start()
    server.make_bucket("slow")
    body = os.urandom(32 * MIB)
    server.put("/slow/body", body)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.sock = server.connect()
    connection.request("GET", server.link("/slow/body").target(), headers={"Host": server.host})
    answer = connection.getresponse()
    received = answer.read(MIB)
    os.kill(server.process.pid, signal.SIGTERM)
    # No new connection is served, and the old one is served to its end.
    wait_until(lambda: not accepts(server))
    received += answer.read()
    assert received == body
    connection.close()
    assert server.process.wait(timeout=30) == 0


def accepts(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except OSError:
        return False
    return True
