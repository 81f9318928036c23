"""Disks that are full and disks that fail, injected from outside."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from content import body
from harness import KIB, MIB

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and traces, so it needs root")

# Above what is kept beside the record: such a body is a file.
FILE_SIZE = 200 * KIB
WRITER_THREAD = "store-writer"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "valet-clients", folder], check=True
    )
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_start_on_a_full_disk_without_the_reserve(small_disk, start, tmp_path):
    data_dir = small_disk / "data"
    server = start(home=tmp_path / "first", data_dir=data_dir)
    server.make_bucket("bucket")
    stored = {"/bucket/small": body(KIB, 1), "/bucket/large": body(300 * KIB, 2)}
    for key, data in stored.items():
        server.put(key, data)
    server.kill()
    for name in ["reserve", "metadata.sqlite-shm"]:
        (data_dir / name).unlink()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        with pytest.raises(OSError):
            while True:
                file.write(bytes(4 * KIB))
    server = start(home=tmp_path / "again", data_dir=data_dir)
    for key, data in stored.items():
        assert server.get(key).body == data
    answer = server.signed("PUT", "/bucket/more", body=body(KIB, 3))
    assert (answer.status, answer.code()) == (507, "StorageFull")
    filler.unlink()
    server.put("/bucket/more", body(KIB, 3))
    for key, data in stored.items():
        assert server.get(key).body == data


@pytest.mark.parametrize("size", [1 * KIB, 300 * KIB], ids=["beside the record", "files"])
def test_a_full_disk(small_disk, start, tmp_path, size):
    server = start(home=tmp_path / "server", data_dir=small_disk / "data")
    try:
        server.make_bucket("bucket")
        stored = {}
        filler = small_disk / "filler"
        for number in range(40):
            key = f"/bucket/{number:03}"
            stored[key] = body(size, number)
            server.put(key, stored[key])
        with filler.open("wb") as file:
            # The rest of the disk but for a little, which is not enough for long.
            free = os.statvfs(small_disk)
            file.write(bytes(free.f_bavail * free.f_frsize - 2 * size - 64 * KIB))
        refused = None
        for number in range(40, 4000):
            key = f"/bucket/{number:03}"
            data = body(size, number)
            answer = server.signed("PUT", key, body=data)
            if answer.status != 200:
                refused = answer
                break
            stored[key] = data
        assert refused, "the disk took everything"
        assert (refused.status, refused.code()) == (507, "StorageFull")
        assert dict(refused.error())["Message"] == "The storage is full."
        # Whatever was acknowledged is there, and what was refused is not.
        for key, data in list(stored.items())[:5] + list(stored.items())[-5:]:
            assert server.get(key).body == data
        assert server.get(key_after(stored)).status == 404
        for key in list(stored)[:10]:
            assert server.signed("DELETE", key).status == 204
            del stored[key]
        filler.unlink()
        wait_until(lambda: server.signed("PUT", "/bucket/again", body=body(size)).status == 200)
        assert server.get("/bucket/again").body == body(size)
        assert server.request("GET", "/_valet/health/ready").status == 200
    finally:
        server.end()


def key_after(stored):
    return f"/bucket/{len(stored):03}"


def test_deletes_on_a_full_disk_make_room(small_disk, start, tmp_path):
    """Without anybody's help but its own deletes."""
    server = start(home=tmp_path / "server", data_dir=small_disk / "data")
    try:
        server.make_bucket("bucket")
        number = 0
        while server.signed("PUT", f"/bucket/{number:03}", body=body(MIB, number)).status == 200:
            number += 1
            assert number < 30
        for done in range(3):
            assert server.signed("DELETE", f"/bucket/{done:03}").status == 204
        wait_until(lambda: server.signed("PUT", "/bucket/again", body=body(MIB)).status == 200)
        assert server.get("/bucket/again").body == body(MIB)
        assert server.get(f"/bucket/{number - 1:03}").body == body(MIB, number - 1)
    finally:
        server.end()


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


def threads(server, *, writer):
    """The threads that write the database's log, or all the others."""
    found = []
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if (name == WRITER_THREAD) == writer:
            found.append(task.name)
    assert found, f"no thread named {WRITER_THREAD}"
    return found


@contextmanager
def failing(tasks, calls, error, log):
    """Lets system calls of these threads fail while the block runs.

    Without `-f`, which would attach to every thread of the process.
    """
    command = ["/usr/bin/strace", "-y", "-o", log, "-e", f"trace={calls}",
               "-e", f"inject={calls}:error={error}"]
    for task in tasks:
        command += ["-p", task]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    attached = 0
    while attached < len(tasks):
        line = tracer.stderr.readline()
        assert line, "strace ended"
        attached += "attached" in line
    try:
        yield
    finally:
        os.kill(tracer.pid, signal.SIGINT)
        tracer.stderr.read()
        tracer.wait()


@pytest.fixture
def faulty(start):
    server = start()
    server.make_bucket("bucket")
    # The threads that write bodies are there before the tracer looks for them.
    for _ in range(5):
        server.put("/bucket/before", body(FILE_SIZE))
    return server


def test_a_failed_sync_of_a_body_fails_that_request_only(faulty, tmp_path):
    log = tmp_path / "strace.log"
    with failing(threads(faulty, writer=False), "fdatasync,fsync", "EIO", log):
        answer = faulty.signed("PUT", "/bucket/failed", body=body(FILE_SIZE))
        # The body of a small one is in the database, whose log another thread writes.
        small = faulty.signed("PUT", "/bucket/small", body=b"small")
    assert "EIO" in log.read_text(), "no call was made to fail"
    assert (answer.status, answer.code()) == (500, "InternalError")
    assert small.status == 200, small
    assert faulty.get("/bucket/failed").status == 404
    assert faulty.get("/bucket/before").body == body(FILE_SIZE)
    faulty.put("/bucket/failed", body(FILE_SIZE, 2))
    assert faulty.get("/bucket/failed").body == body(FILE_SIZE, 2)
    assert faulty.keys("bucket") == ["before", "failed", "small"]


def test_a_failed_write_of_a_body_fails_that_request_only(faulty, tmp_path):
    """Bodies are written with pwrite64; sockets and wakers are not."""
    log = tmp_path / "strace.log"
    with failing(threads(faulty, writer=False), "pwrite64", "EIO", log):
        answer = faulty.signed("PUT", "/bucket/failed", body=body(FILE_SIZE))
    assert "EIO" in log.read_text(), "no call was made to fail"
    assert (answer.status, answer.code()) == (500, "InternalError")
    assert faulty.get("/bucket/failed").status == 404
    faulty.put("/bucket/failed", body(FILE_SIZE))


def test_a_failed_sync_of_the_database_stops_all_writes(faulty, tmp_path, start):
    log = tmp_path / "strace.log"
    with failing(threads(faulty, writer=True), "fdatasync,fsync", "EIO", log):
        answer = faulty.signed("PUT", "/bucket/failed", body=b"x")
        assert answer.status in (500, 503), answer
    assert "EIO" in log.read_text(), "no call was made to fail"
    # The disk is well again, but nobody knows what it has lost: nothing is written until a restart.
    for method, body_sent in (("PUT", b"x"), ("PUT", body(FILE_SIZE)), ("DELETE", b"")):
        answer = faulty.signed(method, "/bucket/later", body=body_sent)
        assert answer.status in (500, 503), answer
    assert faulty.get("/bucket/before").body == body(FILE_SIZE)
    assert faulty.request("GET", "/_valet/health/ready").status == 503
    assert faulty.request("GET", "/_valet/health/live").status == 200
    faulty.kill()
    again = start(data_dir=faulty.data_dir)
    assert again.get("/bucket/before").body == body(FILE_SIZE)
    assert again.get("/bucket/later").status == 404
    again.put("/bucket/later", b"x")


def test_reads_that_fail_are_not_answered_with_other_bytes(start):
    """A body changed on the disk is an error, never a body."""
    server = start()
    server.make_bucket("bucket")
    data = body(FILE_SIZE)
    server.put("/bucket/key", data)
    server.stop()
    [blob] = [path for path in (server.data_dir / "blobs").rglob("*") if path.is_file()]
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    server = start(data_dir=server.data_dir)
    try:
        answer = server.get("/bucket/key")
        broken = answer.status != 200
    except Exception:
        # The status had gone out; the connection breaks off instead.
        broken = True
    assert broken
    assert server.request("GET", "/_valet/health/live").status == 200
