"""What a newcomer does first: a clean copy, `./dev up`, the two commands it prints, Ctrl-C."""

import os
import signal
import subprocess
import threading
import time
from queue import Empty, Queue

import pytest

from harness import ROOT, bare_environment, read_lines

BUILD_SECONDS = 1200


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
    for name in ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"):
        if name in os.environ:
            environment[name] = os.environ[name]
    environment.setdefault("CARGO_HOME", os.path.expanduser("~/.cargo"))
    environment.setdefault("RUSTUP_HOME", os.path.expanduser("~/.rustup"))
    # What was built for the other tests need not be built again.
    environment["CARGO_BUILD_BUILD_DIR"] = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    process = subprocess.Popen(
        ["./dev", "up"], cwd=copy, env=environment, stdin=subprocess.DEVNULL,
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
