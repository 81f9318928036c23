"""`valet backup` of a server that is being written, `valet restore`, and a server on what comes back."""

import json
import subprocess
import threading

import pytest

from content import body
from harness import KIB, bare_environment, binary

# Beside the record, in a file, in several chunks.
SIZES = [0, 1, 5 * KIB, 40 * KIB, 300 * KIB]


@pytest.fixture
def valet(tmp_path):
    def run(*arguments, status=0):
        done = subprocess.run(
            [binary(), *map(str, arguments)], capture_output=True, text=True, timeout=120,
            env=bare_environment(tmp_path), cwd=tmp_path,
        )
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        assert "panicked" not in done.stderr
        return done

    return run


class Writer(threading.Thread):
    """Puts under names of its own, overwrites and deletes some, and knows what was acknowledged."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number = server, number
        self.kept, self.lock, self.stopped = {}, threading.Lock(), threading.Event()
        self.failure = None

    def run(self):
        try:
            turn = 0
            while not self.stopped.is_set():
                turn += 1
                size = SIZES[turn % len(SIZES)]
                key = f"/bucket/kept/{self.number}/{turn}"
                self.server.put(key, body(size, turn))
                with self.lock:
                    self.kept[key] = (size, turn)
                changing = f"/bucket/changing/{self.number}"
                self.server.put(changing, body(40 * KIB, turn))
                if turn % 3 == 0:
                    assert self.server.signed("DELETE", changing).status == 204
        except Exception as failure:  # shown by the test
            self.failure = failure

    def acknowledged(self):
        with self.lock:
            return dict(self.kept)


def test_what_was_acknowledged_comes_back_whoever_writes(start, valet, tmp_path):
    server = start(home=tmp_path / "server")
    server.make_bucket("bucket")
    writers = [Writer(server, number) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        expected, told = [], []
        for _ in range(2):
            threading.Event().wait(2)
            expected.append({key: want for writer in writers for key, want in writer.acknowledged().items()})
            done = valet(
                "backup", tmp_path / "backup", "--data-dir", server.data_dir, "--with-master-key", "--json"
            )
            told.append(json.loads(done.stdout))
    finally:
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join()
    assert [writer.failure for writer in writers] == [None] * 3
    assert len(expected[0]) > 10 and len(expected[1]) > len(expected[0])
    # The second one copied what was new alone.
    assert 0 < told[1]["files_copied"] < told[1]["files"]
    assert told[1]["objects"] >= len(expected[1]) and told[1]["master_key"] is True
    server.stop()
    restored = tmp_path / "restored"
    done = valet("restore", tmp_path / "backup", "--data-dir", restored)
    assert done.stdout == f"{restored}\n"
    again = start(home=tmp_path / "again", data_dir=restored)
    for key, (size, turn) in expected[1].items():
        assert again.get(key).body == body(size, turn), key
    again.put("/bucket/new", b"new")
    assert again.get("/bucket/new").body == b"new"


def test_the_key_stays_unless_it_is_asked_for(start, valet, tmp_path):
    server = start(home=tmp_path / "server")
    server.make_bucket("bucket")
    server.put("/bucket/k", bytes(100_000))
    done = valet("backup", tmp_path / "backup", "--data-dir", server.data_dir)
    assert done.stdout == f"{tmp_path / 'backup'}\n"
    assert "the master key is not in the backup" in done.stderr
    assert not (tmp_path / "backup" / "master.key").exists()
    restored = tmp_path / "restored"
    done = valet("restore", tmp_path / "backup", "--data-dir", restored)
    assert "has no master key" in done.stderr
    again = start(
        home=tmp_path / "again", data_dir=restored,
        options=["--master-key-file", str(server.data_dir / "master.key")],
    )
    assert again.get("/bucket/k").body == bytes(100_000)


def test_a_key_of_an_earlier_run_is_not_passed_over_in_silence(start, valet, tmp_path):
    server = start(home=tmp_path / "server")
    backup = ["backup", tmp_path / "backup", "--data-dir", server.data_dir]
    key = tmp_path / "backup" / "master.key"
    assert "master key" not in valet(*backup, "--with-master-key").stderr
    done = valet(*backup, "--json")
    assert "the backup still has the master key of an earlier run" in done.stderr and str(key) in done.stderr
    assert json.loads(done.stdout)["master_key"] is True
    assert key.read_bytes() == (server.data_dir / "master.key").read_bytes()
    key.unlink()
    done = valet(*backup, "--json")
    assert "the master key is not in the backup" in done.stderr
    assert json.loads(done.stdout)["master_key"] is False


def test_refusals(start, valet, tmp_path):
    server = start(home=tmp_path / "server")
    data, backup, other = server.data_dir, tmp_path / "backup", tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("mine")
    valet("backup", backup, "--data-dir", data)
    for arguments, words in [
        (["backup", tmp_path / "new", "--data-dir", tmp_path / "nothing"], "holds no store"),
        (["backup", other, "--data-dir", data], "is not empty"),
        (["backup", data, "--data-dir", data], "is not empty"),
        (["restore", backup, "--data-dir", data], "is not empty"),
        (["restore", backup, "--data-dir", other], "is not empty"),
        (["restore", other, "--data-dir", tmp_path / "new"], "is no backup"),
    ]:
        done = valet(*arguments, status=2)
        assert words in done.stderr and done.stdout == "", done.stderr
    assert not (tmp_path / "new").exists()
    assert [path.name for path in other.iterdir()] == ["mine"]
    done = valet("serve", "--data-dir", backup, "--listen", "127.0.0.1:0", status=1)
    assert "restore it" in done.stderr
