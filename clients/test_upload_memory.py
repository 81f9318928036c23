"""Many uploads at once take little memory, few threads, and give the memory back."""

import re
import threading
from pathlib import Path

from content import body
from harness import KIB, MIB
from test_post import wait_until

UPLOADS = 512
SIZE = MIB
# What the server is allowed, in bytes: at its most, and when the uploads are over.
RESIDENT_MAX = 256 * MIB
RESIDENT_AFTERWARDS_MAX = 150 * MIB
# The runtime's own (one a core), 16 that may wait for the disk, the database's and the log's.
THREADS_MAX = 32


def status(server, name):
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])


def test_many_uploads_at_once_take_little_memory(start):
    server = start(options=["--connections-per-address", str(2 * UPLOADS)])
    server.make_bucket("bucket")
    data = body(SIZE, "many")
    all_open = threading.Barrier(UPLOADS)
    answers, threads_seen = [], []

    def upload(number):
        link = server.link(f"/bucket/{number}", method="PUT")
        head = f"PUT {link.target()} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {SIZE}\r\n\r\n"
        with server.connect(timeout=120) as connection:
            # All have begun before any of them goes on, so that all are held at once.
            connection.sendall(head.encode() + data[: 200 * KIB])
            all_open.wait(120)
            connection.sendall(data[200 * KIB :])
            answers.append(connection.recv(64)[:12])

    senders = [threading.Thread(target=upload, args=(number,)) for number in range(UPLOADS)]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        threads_seen.append(status(server, "Threads"))
        senders[-1].join(0.05)
    assert answers == [b"HTTP/1.1 200"] * UPLOADS
    assert server.resident_max() < RESIDENT_MAX
    assert max(threads_seen) <= THREADS_MAX
    wait_until(lambda: status(server, "VmRSS") * KIB < RESIDENT_AFTERWARDS_MAX, seconds=60)
    assert server.get("/bucket/511").body == data
