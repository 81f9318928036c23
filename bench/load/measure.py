"""How one server is driven for some seconds, and what that cost it."""

import datetime
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import urllib.request

# wrk counts a request when its answer is whole. Where a round has few of them, those under way at
# its end would be paid for and not counted, so large bodies are counted by their bytes.
COUNTED_BY_BYTES_FROM = 1024 * 1024
WRK_TIMEOUT = "30s"
# What wrk prints is rounded; this prints the numbers.
DONE = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PACKAGES = {"wrk": "wrk", "nginx": "nginx-light", "curl": "curl"}


def install_missing() -> None:
    missing = [package for tool, package in PACKAGES.items() if find(tool) is None]
    if missing:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        # With this run level the packages' services (nginx on port 80) are not started.
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
        subprocess.run(install, check=True, env=quietly, stdout=subprocess.DEVNULL)


def find(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def make_bodies(folder: pathlib.Path, sizes) -> dict[int, pathlib.Path]:
    folder.mkdir(parents=True)
    bodies = {size: folder / f"{size}.bin" for size in sizes}
    for size, path in bodies.items():
        path.write_bytes(os.urandom(size))
    return bodies


def check_body(url: str, body: pathlib.Path) -> None:
    with urllib.request.urlopen(url) as answer:
        received = hashlib.sha256(answer.read()).digest()
    if received != hashlib.sha256(body.read_bytes()).digest():
        raise SystemExit(f"other bytes than those of {body.name} from {url.partition('?')[0]}")


def drive(
    server,
    url: str,
    size: int,
    *,
    seconds: int,
    arguments,
    script: str = "",
    connections: int | None = None,
    refused: bool = False,
) -> dict:
    """One server, alone, for some seconds: requests, and CPU of all its processes.

    `refused`: every request is to be answered with an error, not none.
    """
    script_file = arguments.scratch / "wrk.lua"
    script_file.write_text(script + DONE)
    connections = connections or arguments.connections
    wrk = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
    wrk += ["--timeout", WRK_TIMEOUT, "-s", str(script_file), url]
    before = cpu_seconds(server.pids())
    out = subprocess.run(pinned(1, arguments) + wrk, check=True, capture_output=True, text=True)
    cpu = cpu_seconds(server.pids()) - before
    line = next(line for line in out.stdout.splitlines() if line.startswith("RESULT "))
    requests, received, microseconds, errors = map(int, line.split()[1:])
    if errors != (requests if refused else 0):
        raise SystemExit(f"{server.name}: {errors} failed of {requests} requests\n{out.stdout}")
    if size >= COUNTED_BY_BYTES_FROM:
        requests = received / size
    return {
        "requests": requests,
        "per_second": requests / (microseconds / 1e6),
        "cpu_us": cpu * 1e6 / requests,
    }


def pinned(cpu: int, arguments) -> list[str]:
    return ["taskset", "-c", str(cpu)] if arguments.pin else []


def cpu_seconds(pids: list[int]) -> float:
    """utime and stime of the processes; a process's own line counts all its threads."""
    ticks = 0
    for pid in pids:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def version(*command: str) -> str:
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    return (out.stdout + out.stderr).strip().splitlines()[0]


def machine(arguments) -> dict:
    facts = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": processor(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load average at start": f"{os.getloadavg()[0]:.1f}",
        "rounds": f"{arguments.rounds} of {arguments.seconds} s, {arguments.connections} connections",
        "pinned": "servers on CPU 0, wrk on CPU 1" if arguments.pin else "no",
        "valet": version(str(arguments.valet), "--version"),
        "nginx": version(find("nginx"), "-v"),
        "wrk": version(find("wrk"), "-v").partition(" [")[0],
    }
    for name in ("s3s_fs", "garage"):
        binary = getattr(arguments, name)
        if binary:
            facts[name.replace("_", "-")] = version(str(binary), "--version")
    return facts


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
