"""Uploads to Valet, in absolute numbers: an answer of 200 means that the bytes are on the disk."""

import json
import os
import pathlib
import subprocess
import time

import measure
import servers

SMALL_BYTES = 1024
SMALL_CONNECTIONS = 64
# Every request of a run has a key of its own until they are used up.
SMALL_KEYS = 20_000
LARGE_BYTES = 64 * 1024 * 1024
LARGE_CONNECTIONS = 4
LARGE_UPLOADS_EACH = 4

PUT = """
wrk.method = "PUT"
wrk.body = string.rep("v", {size})
local paths = {{}}
for line in io.lines("{paths}") do paths[#paths + 1] = line end
local at = 0
request = function()
  at = at % #paths + 1
  return wrk.format(nil, paths[at])
end
"""


def run(server, arguments, scratch: pathlib.Path) -> dict:
    """Starts the server on an empty folder, so that its memory peak is that of the uploads."""
    server.start({})
    try:
        idle = server.memory_peak_kib()
        small = put_small(server, arguments, scratch)
        after_small = server.memory_peak_kib()
        large = put_large(server, scratch)
        after_large = server.memory_peak_kib()
    finally:
        server.stop()
    return {
        "small": small,
        "large": large,
        "memory": {"idle": idle, "small": after_small, "large": after_large},
    }


def put_small(server, arguments, scratch: pathlib.Path) -> list[dict]:
    paths = scratch / f"{server.name}.paths"
    paths.write_text("\n".join(presign_many(server)))
    script = PUT.format(size=SMALL_BYTES, paths=paths.resolve())
    connections, arguments.connections = arguments.connections, SMALL_CONNECTIONS
    try:
        return [
            measure.drive(
                server,
                f"http://127.0.0.1:{server.port}/",
                SMALL_BYTES,
                seconds=arguments.seconds,
                arguments=arguments,
                script=script,
            )
            for _ in range(arguments.rounds)
        ]
    finally:
        arguments.connections = connections


def presign_many(server) -> list[str]:
    """Paths and queries of links to as many keys, made by one `valet presign -`."""
    lines = "".join(
        json.dumps({"method": "PUT", "uri": f"s3://{servers.BUCKET}/small/{number}"}) + "\n"
        for number in range(SMALL_KEYS)
    )
    done = subprocess.run(
        [server.arguments.valet, "presign", "--expires-in", "1d", "-"],
        input=lines,
        env={**servers.surroundings(), **server.client_environment()},
        check=True,
        capture_output=True,
        text=True,
    )
    origin = f"http://127.0.0.1:{server.port}"
    return [json.loads(line)["url"].removeprefix(origin) for line in done.stdout.splitlines()]


def put_large(server, scratch: pathlib.Path) -> dict:
    body = scratch / "large.bin"
    body.write_bytes(os.urandom(LARGE_BYTES))
    urls = [server.presign("PUT", f"large/{number}") for number in range(LARGE_CONNECTIONS)]
    before = measure.cpu_seconds(server.pids())
    began = time.monotonic()
    clients = [upload_repeatedly(url, body) for url in urls]
    failed = [client.returncode for client in clients if client.wait() != 0]
    elapsed = time.monotonic() - began
    cpu = measure.cpu_seconds(server.pids()) - before
    if failed:
        raise SystemExit(f"{server.name}: curl failed with {failed}")
    megabytes = LARGE_CONNECTIONS * LARGE_UPLOADS_EACH * LARGE_BYTES / 1e6
    return {"mb_per_second": megabytes / elapsed, "cpu_s_per_gb": cpu / (megabytes / 1000)}


def upload_repeatedly(url: str, body: pathlib.Path) -> subprocess.Popen:
    once = ["--fail", "--silent", "--show-error", "--upload-file", str(body), url]
    again = ["--next", *once] * (LARGE_UPLOADS_EACH - 1)
    return subprocess.Popen([measure.find("curl"), *once, *again], stdout=subprocess.DEVNULL)
