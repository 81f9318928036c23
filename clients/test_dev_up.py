"""What a newcomer does first: a clean copy, `./dev up`, the two commands it prints, Ctrl-C."""

import os
import signal
import socket
import subprocess
import threading
import time
from queue import Empty, Queue

import pytest

from harness import ROOT, bare_environment, binary, read_lines
from recipes import block, replaced

BUILD_SECONDS = 1200
DEV = ROOT / "dev"


def clean_copy(folder):
    """The tracked files as they stand, and nothing that was built."""
    folder.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    archive = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, input=listed.stdout, check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive.stdout, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS + 120)
def test_dev_up_prints_two_commands_that_work(tmp_path):
    # Not inside the folder of builds: Cargo would take the files of this copy for those of the checkout.
    copy = clean_copy(tmp_path / "valet")
    environment = bare_environment(tmp_path)
    for name in ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_AUTO_INSTALL"):
        if name in os.environ:
            environment[name] = os.environ[name]
    environment.setdefault("CARGO_HOME", os.path.expanduser("~/.cargo"))
    environment.setdefault("RUSTUP_HOME", os.path.expanduser("~/.rustup"))
    # What was built for the other tests need not be built again.
    environment["DEV_PROFILE"] = "release"
    environment["CARGO_BUILD_BUILD_DIR"] = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    process = subprocess.Popen(
        # Not the port of a `./dev up` that may be running beside the tests.
        ["./dev", "up", "--listen", "127.0.0.1:0"], cwd=copy, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )
    lines = Queue()
    threading.Thread(target=read_lines, args=(process.stdout, lines), daemon=True).start()
    try:
        commands = two_commands(lines)
        for command in commands:
            result = subprocess.run(
                ["bash", "-c", command], cwd=copy, env=environment, capture_output=True, timeout=60
            )
            assert result.returncode == 0, (command, result)
        assert process.poll() is None
    finally:
        # Ctrl-C reaches every process of the terminal's foreground group.
        os.killpg(process.pid, signal.SIGINT)
        status = process.wait(timeout=60)
    assert status == 0


@pytest.fixture
def built(tmp_path):
    """The environment of `./dev` where the binary is built already, and building it again does nothing."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "cargo").write_text("#!/bin/sh\n")
    (tools / "cargo").chmod(0o755)
    folder = tmp_path / "target" / "up"
    folder.mkdir(parents=True)
    (folder / "valet").symlink_to(binary())
    environment = bare_environment(tmp_path)
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    return {**environment, "CARGO_TARGET_DIR": str(tmp_path / "target")}


def test_dev_up_on_a_taken_port_says_so_and_makes_no_key(built, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        result = subprocess.run(
            [DEV, "up", "--listen", address], env=built, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60,
        )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"dev: cannot listen on {address}: Address already in use; "
        "./dev up --listen 127.0.0.1:0 takes a free port\n"
    )
    assert not (tmp_path / "target" / "dev" / "data" / "master.key").exists()


def test_dev_up_prints_what_every_client_needs_and_runs_once_a_checkout(built):
    process = subprocess.Popen(
        [DEV, "up", "--listen", "127.0.0.1:0"], env=built, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )
    try:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Serving until Ctrl-C"):
                break
        exports = "".join(line for line in printed if line.strip().startswith("export "))
        shown = subprocess.run(
            ["bash", "-c", exports + "env"], env={}, capture_output=True, text=True, check=True
        ).stdout
        for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
                     "AWS_SECRET_ACCESS_KEY"):
            assert f"\n{name}=" in "\n" + shown, "".join(printed)
        # What the README says to do next.
        readme = replaced(
            block("README.md", "sh", "target/up"), {"$PWD/target": built["CARGO_TARGET_DIR"]}
        )
        shown = subprocess.run(
            ["bash", "-euc", exports + readme], cwd=ROOT, env={"HOME": built["HOME"], "PATH": built["PATH"]},
            capture_output=True, text=True, timeout=60,
        )
        assert shown.returncode == 0, shown
        assert "http" in shown.stdout and shown.stdout.endswith((ROOT / "README.md").read_text()), shown
        second = subprocess.run(
            [DEV, "up", "--listen", "127.0.0.1:0"], env=built, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("dev: another ./dev up of this checkout runs already; ")
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 0


def two_commands(lines):
    """The lines that begin with `curl`, once there are two."""
    seen, commands = [], []
    deadline = time.monotonic() + BUILD_SECONDS
    while len(commands) < 2:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            line = None
        assert line is not None, "".join(seen)
        seen.append(line)
        if line.strip().startswith("curl "):
            commands.append(line.strip())
    return commands
