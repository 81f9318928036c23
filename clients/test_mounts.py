"""A bucket as a folder: s3fs and `rclone mount`, through FUSE; and `rclone serve`."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest

from content import write_file
from harness import MIB, ROOT_KEY, bare_environment

needs_fuse = pytest.mark.skipif(
    not os.path.exists("/dev/fuse"), reason="this machine has no /dev/fuse"
)
READY_SECONDS = 20


def wait_until(condition):
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def running(command, environment, log, *, is_ready, end):
    """Runs a program in the foreground while the body runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: process.poll() is not None or is_ready())
        assert process.poll() is None, log.read_text()
        yield
    finally:
        end(process)
        try:
            process.wait(timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def rclone_environment(server, home):
    """Makes `:s3:` the server."""
    environment = {
        **bare_environment(home),
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENDPOINT": server.endpoint,
        "RCLONE_S3_ACCESS_KEY_ID": ROOT_KEY.id,
        "RCLONE_S3_SECRET_ACCESS_KEY": ROOT_KEY.secret,
    }
    if server.certificates:
        environment["RCLONE_CA_CERT"] = str(server.certificates.ca)
    return environment


@pytest.fixture(params=["s3fs", "rclone"])
def mount(request, server, bucket, tmp_path):
    """Mounts the bucket on a folder, as often as it is called."""
    environment = bare_environment(tmp_path)
    if request.param == "s3fs":
        passwords = tmp_path / "passwd"
        passwords.write_text(f"{ROOT_KEY.id}:{ROOT_KEY.secret}")
        passwords.chmod(0o600)
        command = [
            "/usr/bin/s3fs", bucket, "FOLDER", "-f", "-o",
            f"url={server.endpoint},use_path_request_style,passwd_file={passwords}",
        ]
        if server.certificates:
            environment["CURL_CA_BUNDLE"] = str(server.certificates.ca)
    else:
        environment = rclone_environment(server, tmp_path)
        # Without a cache of writes rclone's mount takes no more than a stream into a new file; with
        # one it writes five seconds later unless told, whether or not the mount still stands.
        command = [
            "/usr/bin/rclone", "mount", f":s3:{bucket}", "FOLDER",
            "--vfs-cache-mode", "writes", "--vfs-write-back", "100ms",
        ]

    @contextmanager
    def mount(name):
        folder = tmp_path / name
        folder.mkdir()
        unmount = ["/usr/bin/fusermount3", "-u", "-z", str(folder)]
        with running(
            [folder if word == "FOLDER" else word for word in command],
            environment, tmp_path / f"{name}.log",
            is_ready=lambda: os.path.ismount(folder),
            end=lambda _: subprocess.run(unmount, capture_output=True),
        ):
            yield folder

    return mount


def files(server, bucket):
    """The keys that are no markers of folders."""
    return [key for key in server.keys(bucket) if not key.endswith("/")]


@needs_fuse
def test_a_bucket_is_a_folder(mount, server, bucket, tmp_path):
    write_file(tmp_path / "big", 12 * MIB)
    with mount("first") as folder:
        (folder / "sub").mkdir()
        shutil.copyfile(tmp_path / "big", folder / "sub/big ü")
        (folder / "note").write_text("one\n")
        with (folder / "note").open("a") as note:
            note.write("two\n")
        (folder / "gone").write_text("x")
        (folder / "gone").unlink()
        (folder / "old").write_text("renamed")
        (folder / "old").rename(folder / "sub/new")
        with (folder / "sub/big ü").open("r+b") as big:
            big.seek(6 * MIB)
            big.write(b"in the middle")
        with (tmp_path / "big").open("r+b") as big:
            big.seek(6 * MIB)
            big.write(b"in the middle")
        whole = (tmp_path / "big").read_bytes()
        wait_until(lambda: files(server, bucket) == ["note", "sub/big ü", "sub/new"])
        wait_until(lambda: server.get(f"/{bucket}/note").body == b"one\ntwo\n")
        wait_until(lambda: server.get(f"/{bucket}/sub/big%20%C3%BC").body == whole)

    # What another wrote is seen by a second mount.
    server.put(f"/{bucket}/sub/from%20outside", b"hello")
    with mount("second") as folder:
        assert sorted(os.listdir(folder / "sub")) == ["big ü", "from outside", "new"]
        assert (folder / "sub/from outside").read_bytes() == b"hello"
        assert (folder / "sub/new").read_text() == "renamed"
        assert (folder / "sub/big ü").read_bytes() == whole
        with pytest.raises(FileNotFoundError):
            (folder / "none").read_bytes()
        shutil.rmtree(folder / "sub")
    assert files(server, bucket) == ["note"]


def test_rclone_serves_a_bucket_to_programs_that_only_speak_http(server, bucket, tmp_path):
    server.put(f"/{bucket}/dir/a%20file", b"0123456789")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with running(
        ["/usr/bin/rclone", "serve", "http", "--addr", "%s:%d" % address, f":s3:{bucket}/dir"],
        rclone_environment(server, tmp_path), tmp_path / "serve.log",
        is_ready=lambda: answers(address), end=subprocess.Popen.terminate,
    ):
        part = urllib.request.Request(
            "http://%s:%d/a%%20file" % address, headers={"Range": "bytes=3-5"}
        )
        with urllib.request.urlopen(part) as answer:
            assert (answer.status, answer.read()) == (206, b"345")


def answers(address):
    with socket.socket() as connection:
        return connection.connect_ex(address) == 0
