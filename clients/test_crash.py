"""kill -9 under load: whatever was acknowledged is there, whole; nothing else is visible in part."""

import http.client
import random
import threading
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

import pytest

import sigv4
from content import body
from harness import FULL, KIB, MIB, ROOT_KEY, Server, send

ACKNOWLEDGED = 10_000 if FULL else 2_000
THREADS = 8
# Bodies up to here stand beside their record, larger ones are files.
INLINE_MAX = 16 * KIB
LIFE_SECONDS = (0.2, 2.5)
SWEEP_SECONDS = 30


@dataclass(eq=False)
class Writer(threading.Thread):
    """Puts objects until the server dies. A key is written by one thread only, now and then twice."""

    server: Server
    number: int
    round: int
    # What each key holds for sure, and what may have replaced it when the answer never came.
    acknowledged: dict = field(default_factory=dict)
    uncertain: dict = field(default_factory=dict)
    answers: int = 0

    def __post_init__(self):
        super().__init__(daemon=True)

    def run(self):
        chance = random.Random(f"{self.round}/{self.number}")
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        serial = 0
        while True:
            serial += 1
            key = f"{self.round:03}/{self.number}/{serial:05}"
            if self.acknowledged and chance.random() < 0.1:
                key = chance.choice(list(self.acknowledged))
            put = self.multipart if chance.random() < 0.01 else self.put
            wanted = (random_size(chance), f"{key}/{serial}")
            self.uncertain[key] = wanted
            try:
                put(connection, key, wanted)
            except (OSError, http.client.HTTPException):
                return
            self.acknowledged[key] = self.uncertain.pop(key)
            self.answers += 1

    def put(self, connection, key, wanted):
        path = f"/bucket/{sigv4.encode_path(key)}"
        self.send(connection, "PUT", path, body(*wanted))

    def multipart(self, connection, key, wanted):
        """Two parts, the first of the least size there is."""
        size, seed = wanted
        self.uncertain[key] = wanted = (5 * MIB + size, seed)
        data = body(*wanted)
        path = f"/bucket/{sigv4.encode_path(key)}"
        created = self.send(connection, "POST", path, b"", [("uploads", "")])
        upload = xml.fromstring(created.body).findtext("{*}UploadId")
        etags = [
            self.send(connection, "PUT", path, part, [("partNumber", str(n)), ("uploadId", upload)])
            .header("etag")
            for n, part in ((1, data[: 5 * MIB]), (2, data[5 * MIB :]))
        ]
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"
            for n, etag in enumerate(etags, 1)
        )
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        done = self.send(connection, "POST", path, document, [("uploadId", upload)])
        # A completion may say 200 before it is done and put an error into its body.
        if b"<CompleteMultipartUploadResult" not in done.body:
            raise http.client.HTTPException(done.body)

    def send(self, connection, method, path, data, query=()):
        link = sigv4.Link(ROOT_KEY, self.server.host, path, method=method, query=list(query))
        answer = send(connection, method, link.target(), self.server.host, [], data)
        assert answer.status == 200, answer
        return answer


def random_size(chance):
    """0 B to 1 MiB, the small ones more often."""
    return chance.choice([0, 1, INLINE_MAX, INLINE_MAX + 1, int(2 ** chance.uniform(0, 20))])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_acknowledged_puts_survive_kill_9(start):
    chance = random.Random(1)
    server = start()
    server.make_bucket("bucket")
    state = {}
    answers = rounds = 0
    while answers < ACKNOWLEDGED:
        rounds += 1
        writers = [Writer(server, number, rounds) for number in range(THREADS)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(*LIFE_SECONDS))
        server.kill()
        for writer in writers:
            writer.join()
        uncertain = {key: want for writer in writers for key, want in writer.uncertain.items()}
        for writer in writers:
            state |= writer.acknowledged
        answers += sum(writer.answers for writer in writers)
        server = start(data_dir=server.data_dir)
        settle(server, state, uncertain)
    assert rounds > 1
    check_all(server, state)
    end_uploads(server)
    server.stop()
    check_files(start(data_dir=server.data_dir), state)


def settle(server, state, uncertain):
    """What was under way is there whole, or it is as if it had never been sent."""
    for key, wanted in uncertain.items():
        answer = server.get(f"/bucket/{key}")
        if answer.status == 200 and answer.body == body(*wanted):
            state[key] = wanted
        elif key in state:
            assert answer.status == 200 and answer.body == body(*state[key]), key
        else:
            assert answer.status == 404, key


def check_all(server, state):
    assert server.keys("bucket") == sorted(state)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for key, wanted in state.items():
        link = server.link(f"/bucket/{key}")
        answer = send(connection, "GET", link.target(), server.host, [], b"")
        assert answer.status == 200, (key, answer)
        assert answer.body == body(*wanted), key


def end_uploads(server):
    listed = xml.fromstring(server.get("/bucket", query=[("uploads", "")]).body)
    for upload in listed.iterfind("{*}Upload"):
        key, upload_id = upload.findtext("{*}Key"), upload.findtext("{*}UploadId")
        answer = server.signed("DELETE", f"/bucket/{key}", query=[("uploadId", upload_id)])
        assert answer.status == 204


def check_files(server, state):
    """A start sweeps the files that no record points at."""
    expected = sum(files_of(size) for size, _ in state.values())
    deadline = time.monotonic() + SWEEP_SECONDS
    while (found := count_files(server.data_dir)) != expected:
        assert time.monotonic() < deadline, f"{found} files for {expected} bodies"
        time.sleep(0.5)


def files_of(size):
    """How many files a body is kept in. Those of 5 MiB and more were put in two parts, and a part
    is always a file."""
    return 2 if size >= 5 * MIB else int(size > INLINE_MAX)


def count_files(data_dir):
    return sum(
        path.is_file() for folder in ("blobs", "tmp") for path in (data_dir / folder).rglob("*")
    )
