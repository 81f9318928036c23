"""Clients that ask for much over HTTP/2 and take none of it: what the server holds for them."""

import re
import struct
import time
from pathlib import Path

import pytest

from content import body
from harness import KIB, MIB

CONNECTIONS = 8
STREAMS = 128
# The tables and tasks of a stream, and a crumb of its body.
A_STREAM = 32 * KIB

DATA, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE = 0, 1, 3, 4, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(text):
    """RFC 7541: an integer of seven bits and more, and so many bytes."""
    data, rest = text.encode(), len(text.encode()) - 127
    if rest < 0:
        return bytes([len(data)]) + data
    return bytes([127, 128 | rest % 128, rest // 128]) + data


class Http2:
    """As much of HTTP/2 as it takes to ask, and to take nothing until told to."""

    def __init__(self, server, window=0):
        self.host = server.host
        self.socket = server.connect(timeout=60)
        settings = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))
        wide = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535))
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + wide)
        self.pending = b""

    def ask(self, stream, target):
        # Indexed :method GET and :scheme http; :authority and :path as literals.
        block = b"\x82\x86\x01" + literal(self.host) + b"\x04" + literal(target)
        self.socket.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, block))

    def open_windows(self):
        self.socket.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**30)))

    def frames(self):
        while True:
            head = self.exactly(9)
            payload = self.exactly(int.from_bytes(head[:3]))
            yield head[3], head[4], int.from_bytes(head[5:]), payload

    def exactly(self, count):
        while len(self.pending) < count:
            more = self.socket.recv(MIB)
            assert more, "the connection ended"
            self.pending += more
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def heads(self, count):
        """Reads on until so many answers have begun."""
        for kind, _, stream, _ in self.frames():
            assert kind != RST_STREAM, stream
            count -= kind == HEADERS
            if not count:
                return

    def bodies(self, count):
        bodies = {}
        for kind, flags, stream, payload in self.frames():
            assert kind != RST_STREAM, stream
            if kind == DATA:
                bodies.setdefault(stream, []).append(payload)
                count -= flags & END_STREAM
            if not count:
                return {stream: b"".join(pieces) for stream, pieces in bodies.items()}


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * KIB


def open_bodies(server):
    blobs = str(server.data_dir / "blobs")
    files = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return sum(str(file.readlink()).startswith(blobs) for file in files if file.is_symlink())


def settled(server):
    """(resident bytes, open bodies), when they have come to rest."""
    last = None
    while True:
        time.sleep(0.5)
        now = (resident(server) // MIB, open_bodies(server))
        if now == last:
            return now[0] * MIB, now[1]
        last = now


@pytest.mark.parametrize("encryption", ["on", "off"])
def test_streams_without_a_window_hold_little(start, encryption):
    server = start(options=["--encryption", encryption])
    server.make_bucket("bucket")
    data = body(MIB + 4321)
    server.put("/bucket/key", data)
    link = server.link("/bucket/key").target()
    before, _ = settled(server)
    connections = [Http2(server) for _ in range(CONNECTIONS)]
    for connection in connections:
        for stream in range(STREAMS):
            connection.ask(2 * stream + 1, link)
    for connection in connections:
        connection.heads(STREAMS)
    after, files = settled(server)
    grown = after - before
    assert grown <= CONNECTIONS * (2 * MIB + STREAMS * A_STREAM), f"{grown / MIB:.0f} MiB, {files} files"
    assert files <= 8 * CONNECTIONS, files
    # They are neither forgotten nor mixed up.
    for connection in connections[:2]:
        connection.open_windows()
        bodies = connection.bodies(STREAMS)
        assert len(bodies) == STREAMS and all(received == data for received in bodies.values())
    for connection in connections:
        connection.socket.close()
