"""Whoever fails to authenticate, however often and however named, leaves nothing behind."""

import re
import secrets
from pathlib import Path

import pytest

from harness import FULL, MIB

FAILURES = 1_000_000 if FULL else 20_000
# Requests that are written before their answers are read.
PIPELINED = 100
# What an allocator keeps after some thousand answers, with room.
GROWTH_MAX = 24 * MIB


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def failing(link):
    """Targets that are never the same: unknown keys, wrong signatures, sessions of nobody, tokens of no sense."""
    target = link.target()
    known = re.search(r"X-Amz-Credential=([^%]+)", target)[1]
    signature = re.search(r"X-Amz-Signature=([0-9a-f]{64})", target)[1]
    while True:
        wrong = target.replace(signature, secrets.token_hex(32))
        token = f"&X-Amz-Security-Token={secrets.token_hex(200)}"
        yield target.replace(known, f"AKIA{secrets.token_hex(8).upper()}")
        yield wrong
        yield wrong.replace(known, f"ASIA{secrets.token_hex(8).upper()}") + token
        yield wrong + token


@pytest.mark.slow
def test_failed_authentications_leave_nothing(start):
    server = start()
    server.make_bucket("bucket")
    link = server.link("/bucket/key", method="PUT")
    assert server.use(link, body=b"hello").status == 200
    good = server.link("/bucket/key")
    targets = failing(good)
    before = None
    with server.connect(timeout=60) as connection:
        answers = connection.makefile("rb")
        for sent in range(0, FAILURES, PIPELINED):
            batch = [f"GET {next(targets)} HTTP/1.1\r\nHost: {server.host}\r\n\r\n" for _ in range(PIPELINED)]
            connection.sendall("".join(batch).encode())
            assert [status(answers) for _ in range(PIPELINED)] == [403, 403, 400, 403] * (PIPELINED // 4)
            if sent == 2000:
                before = resident(server)
    assert resident(server) < before + GROWTH_MAX
    assert server.use(good).body == b"hello"


def status(answers):
    line = answers.readline()
    length = 0
    while (header := answers.readline().strip().lower()) != b"":
        if header.startswith(b"content-length:"):
            length = int(header.partition(b":")[2])
    assert len(answers.read(length)) == length
    return int(line.split()[1])
