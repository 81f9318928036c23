"""Who holds a data directory, and the key that seals it."""

import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import pytest

import sigv4
from harness import ROOT_KEY, Server, binary, copy_data_dir

MASTER_KEY = "master.key"


@pytest.fixture
def stopped(start, tmp_path):
    """A data directory with an object in it, whose server has ended."""
    server = start(home=tmp_path / "first")
    server.make_bucket("bucket")
    server.put("/bucket/small", b"small")
    server.put("/bucket/large", bytes(100_000))
    server.stop()
    return server.data_dir


def refused(data_dir, home, **settings):
    """A start that fails as it should: exit 1, and the reason on standard error."""
    status, errors = Server(home, data_dir=data_dir, **settings).run_to_end()
    assert status == 1, errors
    assert "panicked" not in errors
    return errors.lower()


def test_what_was_stored_is_there_after_a_restart(start, stopped, tmp_path):
    server = start(home=tmp_path / "again", data_dir=stopped)
    assert server.get("/bucket/small").body == b"small"
    assert server.get("/bucket/large").body == bytes(100_000)


def test_the_master_key_is_its_owners_alone(stopped):
    mode = (stopped / MASTER_KEY).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_bodies_and_secrets_are_not_in_clear(start, tmp_path):
    server = start(home=tmp_path / "first")
    server.make_bucket("bucket")
    marker = b"a body that must not be readable on the disk"
    server.put("/bucket/small", marker)
    server.put("/bucket/large", marker * 10_000)
    server.stop()
    for path in server.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert marker not in content, path
            assert ROOT_KEY.secret.encode() not in content, path


def test_encryption_off_leaves_plain_files_and_both_stay_readable(start, stopped, tmp_path):
    server = start(home=tmp_path / "plain", data_dir=stopped, options=["--encryption", "off"])
    marker = b"a body that is readable on the disk "
    answer = server.put("/bucket/plain", marker * 10_000)
    assert answer.header("x-amz-server-side-encryption") is None
    asked = server.put(
        "/bucket/asked", marker[::-1] * 10_000, headers=[("x-amz-server-side-encryption", "AES256")]
    )
    assert asked.header("x-amz-server-side-encryption") == "AES256"
    assert server.get("/bucket/plain").header("x-amz-server-side-encryption") is None
    assert server.get("/bucket/asked").header("x-amz-server-side-encryption") == "AES256"
    assert server.get("/bucket/large").body == bytes(100_000)
    server.stop()
    contents = [path.read_bytes() for path in stopped.rglob("*") if path.is_file()]
    assert any(marker in content for content in contents)
    assert not any(marker[::-1] in content for content in contents)
    server = start(home=tmp_path / "again", data_dir=stopped)
    assert server.get("/bucket/plain").body == marker * 10_000
    assert server.get("/bucket/asked").body == marker[::-1] * 10_000


def test_a_second_process_is_refused(start, tmp_path):
    server = start(home=tmp_path / "first")
    errors = refused(server.data_dir, tmp_path / "second")
    assert "in use" in errors
    server.make_bucket("bucket")


def test_a_killed_process_leaves_no_lock(start, tmp_path):
    server = start(home=tmp_path / "first")
    server.kill()
    start(home=tmp_path / "second", data_dir=server.data_dir)


def test_a_lost_master_key(stopped, tmp_path, start):
    key = (stopped / MASTER_KEY).read_bytes()
    (stopped / MASTER_KEY).unlink()
    assert MASTER_KEY in refused(stopped, tmp_path / "lost")
    # It does not make another one, which would hide the loss.
    assert not (stopped / MASTER_KEY).exists()
    (stopped / MASTER_KEY).write_bytes(key)
    os.chmod(stopped / MASTER_KEY, 0o600)
    assert start(home=tmp_path / "found", data_dir=stopped).get("/bucket/small").body == b"small"


def test_a_foreign_master_key(stopped, tmp_path, start):
    foreign = start(home=tmp_path / "foreign")
    key = (foreign.data_dir / MASTER_KEY).read_bytes()
    assert key != (stopped / MASTER_KEY).read_bytes()
    (stopped / MASTER_KEY).write_bytes(key)
    assert "master key" in refused(stopped, tmp_path / "second").replace("master.key", "master key")


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_lost_database_is_no_new_store(stopped, tmp_path, left):
    database = stopped / "metadata.sqlite"
    for path in stopped.glob("metadata.sqlite*"):
        path.unlink()
    if left != "nothing":
        database.touch()
    bodies = sorted(stopped.glob("blobs/*/*"))
    assert bodies and "metadata.sqlite" in refused(stopped, tmp_path / "again")
    assert sorted(stopped.glob("blobs/*/*")) == bodies


def traced(home, data_dir, *options):
    """What strace writes of a first start, which is ended as soon as it is ready, or by itself."""
    home.mkdir()
    log = home / "strace"
    command = ["/usr/bin/strace", "-f", "-y", "-qq", "-o", log, *options]
    command += [binary(), "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=home, env={"PATH": os.environ["PATH"]}, **streams) as tracer:
        if b"ready" in tracer.stdout.readline():
            child = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()[0]
            os.kill(int(child), signal.SIGTERM)
        tracer.stdout.read()
    return log.read_text()


def test_a_new_data_directory_is_in_its_parent_after_a_crash(tmp_path):
    """What made it is durable only with the directory that it stands in."""
    inside = tmp_path / "made" / "by" / "it"
    calls = traced(tmp_path / "home", inside, "-e", "trace=fsync,fdatasync")
    for parent in (tmp_path, tmp_path / "made", tmp_path / "made" / "by"):
        assert re.search(rf"f(data)?sync\(\d+<{re.escape(str(parent))}>\) += 0", calls), parent


def test_a_first_start_that_was_cut_leaves_no_copy_of_the_key(start, tmp_path):
    data_dir = tmp_path / "data"
    # It ends where the key that was written gets its name.
    cut = "inject=link,linkat:signal=SIGKILL:when=1"
    traced(tmp_path / "home", data_dir, "-e", "trace=link,linkat", "-e", cut)
    left = [path.name for path in data_dir.glob("*") if "master.key" in path.name]
    assert left and left != [MASTER_KEY], "the start was not cut there"
    start(home=tmp_path / "again", data_dir=data_dir).stop()
    keys = [path for path in data_dir.glob("*") if path.is_file() and len(path.read_bytes()) < 200]
    assert [path.name for path in keys if "master.key" in path.name] == [MASTER_KEY]


@pytest.mark.parametrize("content", [b"", b"short", b"z" * 64], ids=repr)
def test_a_master_key_that_is_none(stopped, tmp_path, content):
    (stopped / MASTER_KEY).write_bytes(content)
    assert MASTER_KEY in refused(stopped, tmp_path / "second")


def test_a_master_key_kept_elsewhere(start, tmp_path):
    key = tmp_path / "elsewhere.key"
    server = start(home=tmp_path / "first", options=["--master-key-file", key])
    server.make_bucket("bucket")
    server.put("/bucket/key", b"x")
    server.stop()
    assert key.exists() and not (server.data_dir / MASTER_KEY).exists()
    refused(server.data_dir, tmp_path / "without")
    again = start(home=tmp_path / "again", data_dir=server.data_dir, options=["--master-key-file", key])
    assert again.get("/bucket/key").body == b"x"


def test_a_data_dir_can_be_copied_while_nobody_holds_it(start, stopped, tmp_path):
    copy = copy_data_dir(stopped, tmp_path / "copy")
    assert start(home=tmp_path / "again", data_dir=copy).get("/bucket/large").body == bytes(100_000)


def test_root_credentials_are_made_once_where_none_are_given(tmp_path):
    """The first start prints a pair to standard error, the second does not, and the pair works."""
    settings = {"root_key": None}
    with Server(tmp_path / "first", **settings) as server:
        first = server.log.read_text()
    with Server(tmp_path / "second", data_dir=server.data_dir, **settings) as server:
        second = server.log.read_text()
        pair = re.search(r"(AKIA[A-Z0-9]{16})\b.*?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])", first, re.S)
        assert pair, first
        key = sigv4.Key(pair[1], pair[2])
        link = sigv4.Link(key, server.host, "/")
        assert server.use(link).status == 200
    assert pair[1] not in second and pair[2] not in second
