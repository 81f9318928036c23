"""The log: JSON or text from its first line, and a reader who does not read it stops nothing."""

import datetime
import fcntl
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import KIB, STOP_SECONDS, Server

# More lines than the pipe and what waits in the process have room for, together.
REQUESTS = 6000
TEXT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z +(INFO|WARN|ERROR) [a-z:]+ \S")


class Piped(Server):
    """A server whose standard error is a pipe that nobody reads until somebody wants to."""

    def spawn(self):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4 * KIB)
        self.reading = reading
        try:
            # Full from the very first line on.
            if self.full:
                os.set_blocking(writing, False)
                os.write(writing, b"x" * (4 * KIB))
                os.set_blocking(writing, True)
            return subprocess.Popen(
                list(map(str, self.command())), cwd=self.home, env=self.settings(),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing, text=True,
            )
        finally:
            os.close(writing)

    full = False


def ask(server, requests):
    """So many requests on one connection, each answered."""
    with server.connect(timeout=30) as connection:
        for _ in range(requests // 100):
            request = f"GET /_valet/none HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()
            connection.sendall(request * 100)
            answers = b""
            while answers.count(b"HTTP/1.1 ") < 100 or not answers.endswith(b"at this path.\n"):
                piece = connection.recv(65536)
                assert piece, answers
                answers += piece


@pytest.mark.parametrize("full", [False, True], ids=["stalls", "full-from-the-start"])
def test_a_log_that_nobody_reads_stops_nothing(tmp_path, full):
    server = Piped(tmp_path / "server", root_key=None)
    server.full = full
    server.start()
    ask(server, REQUESTS)
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(timeout=STOP_SECONDS) == 0
    os.close(server.reading)


def test_lines_that_were_dropped_are_counted_and_told_of(tmp_path):
    server = Piped(tmp_path / "server")
    server.start()
    ask(server, REQUESTS)
    dropped = dropped_lines(server)
    assert dropped > 0
    lines = []

    def read():
        with os.fdopen(server.reading, encoding="utf-8") as log:
            lines.extend(map(json.loads, log))

    reader = threading.Thread(target=read)
    reader.start()
    told = "lines were dropped, because nobody took them"
    deadline = time.monotonic() + 20
    while not any(line["message"] == told for line in list(lines)):
        assert time.monotonic() < deadline, "it does not flow again"
        time.sleep(0.05)
    # It flows again.
    before = dropped_lines(server)
    ask(server, 100)
    assert dropped_lines(server) == before
    server.stop()
    reader.join(timeout=20)
    assert sum(line["lines"] for line in lines if line["message"] == told) == before
    answered = sum(line["message"] == "answered" for line in lines)
    assert answered + before >= REQUESTS + 100


def dropped_lines(server):
    answer = server.signed("GET", "/_valet/metrics")
    return int(re.search(rb"^valet_log_lines_dropped_total (\d+)$", answer.body, re.M)[1])


@pytest.mark.parametrize("root_key", [None, Server.root_key], ids=["made", "given"])
def test_every_line_is_json_from_the_first_on(start, root_key):
    server = start(root_key=root_key, options=["--metrics-listen", "127.0.0.1:0"])
    server.request("GET", "/bucket/%C2%9B31m%E2%80%AE%1B")
    server.stop()
    text = server.log.read_text()
    lines = list(map(json.loads, text.splitlines()))
    assert "master key was made" in lines[0]["message"]
    assert all({"timestamp", "level", "message"} <= line.keys() for line in lines)
    if root_key is None:
        assert lines[1]["AWS_ACCESS_KEY_ID"].startswith("AKIA")
    assert any(line.get("key") == "\u009b31m\u202e\x1b" for line in lines)
    for character in "\u009b\u202e\x1b":
        assert character not in text


def test_a_start_that_fails_says_so_in_a_line_of_the_log(start, tmp_path):
    server = start()
    other = Server(tmp_path / "other", listen=f"127.0.0.1:{server.port}")
    status, errors = other.run_to_end()
    last = json.loads(errors.splitlines()[-1])
    assert status == 1 and last["level"] == "ERROR" and "cannot listen on" in last["message"], errors


def test_text_is_for_people(start):
    server = start(root_key=None, options=["--log-format", "text"])
    server.request("GET", "/bucket/%C2%9B31m%0Aforged")
    server.stop()
    text = server.log.read_text()
    lines = text.splitlines()
    assert all(TEXT.match(line) for line in lines), text
    assert "AWS_SECRET_ACCESS_KEY=" in text
    answered = [line for line in lines if " answered " in line]
    assert len(answered) == 1 and ' key="\\u009b31m\\u000aforged"' in answered[0], text


def test_the_log_names_a_refused_link(start):
    server = start()
    server.make_bucket("bucket")
    link = server.link("/bucket/key")
    target = link.target()
    wrong = target[:-1] + ("0" if target[-1] != "0" else "1")
    assert server.request("GET", wrong).status == 403
    assert server.signed("GET", "/bucket/none").status == 404
    server.stop()
    lines = list(map(json.loads, server.log.read_text().splitlines()))
    refused = next(line for line in lines if line.get("status") == 403)
    assert refused["authentication"] == "link" and len(refused["link"]) == 16
    assert refused["claimed_access_key_id"] == Server.root_key.id and refused["access_key_id"] == "-"
    assert refused["code"] == "SignatureDoesNotMatch" and "does not match" in refused["reason"]
    signed = next(line for line in lines if line.get("status") == 404)
    assert (signed["authentication"], signed["link"]) == ("header", "-")
    assert signed["reason"] == "The specified key does not exist."


def test_the_log_tells_what_a_link_is_called(start):
    server = start()
    server.make_bucket("bucket")
    server.put("/bucket/key", b"x")
    named = [("x-valet-label", "Report for Zoë")]
    link = server.link("/bucket/key", query=named).target()
    assert server.request("GET", link).status == 200
    assert server.request("GET", link[:-1] + ("0" if link[-1] != "0" else "1")).status == 403
    assert server.request("GET", server.link("/bucket/key").target()).status == 200
    server.stop()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    asked = [(line["status"], line["label"]) for line in lines if line.get("method") == "GET"]
    # Nobody else than the signer says what a link is called. A line is written when its answer is over, in any order.
    assert sorted(asked) == [(200, "-"), (200, "Report for Zoë"), (403, "-")]


def test_a_refusal_that_repeats_much_is_logged_in_short(start):
    server = start()
    # The region that is claimed stands in what is said.
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{Server.root_key.id}/{now[:8]}/{30_000 * 'x'}/s3/aws4_request"
    claim = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={64 * '0'}"
    headers = [
        ("Authorization", claim), ("x-amz-date", now), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ]
    answer = server.request("GET", "/bucket/key", headers=headers)
    assert answer.status == 400 and len(answer.body) > 30_000, answer.body[:300]
    server.stop()
    lines = map(json.loads, server.log.read_text().splitlines())
    refused = next(line for line in lines if line.get("status") == 400)
    assert len(refused["reason"]) <= 512
