"""Drives verified downloads from Valet, and the same bytes from others, in one interleaved run.

    python3 bench/load --valet target/release/valet [--s3s-fs BIN] [--garage BIN]

A round measures every server once, one after the other; the order rotates from round to round, so
that whatever else the machine does meets all of them alike. Compared is CPU time (user and system,
all threads) of the server's processes for a request, which a busy machine disturbs least. Ratios
are formed within a round, and the median of the rounds is reported.

Needs Debian's wrk and nginx (installed when missing) and curl. Everything listens on loopback.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import distributions
import listing
import measure
import refusals
import report
import servers
import uploads

KIB = 1024
MIB = 1024 * KIB
# How far a peer is worth driving: the large bodies say nothing more about it.
PEER_SIZE_MAX = MIB
SIZES = (KIB, 64 * KIB, MIB, 64 * MIB)
PARTS = ("downloads", "uploads", "refusals", "listing", "distributions")


def main() -> int:
    arguments = read_arguments()
    measure.install_missing()
    with tempfile.TemporaryDirectory(prefix="load-", dir=arguments.scratch) as scratch:
        results = run(arguments, pathlib.Path(scratch))
    arguments.scratch.joinpath("load.json").write_text(json.dumps(results, indent=1))
    for name, text in report.markdown(results).items():
        arguments.scratch.joinpath(f"{name}.md").write_text(text)
        print(text)
    return 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--valet", type=pathlib.Path, required=True, metavar="BIN")
    parser.add_argument("--s3s-fs", type=pathlib.Path, metavar="BIN")
    parser.add_argument("--garage", type=pathlib.Path, metavar="BIN")
    parser.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("target/bench"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of one server in one round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="BYTES")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these servers, and nginx")
    parser.add_argument("--pin", action="store_true", help="servers on CPU 0, wrk on CPU 1")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    for binary in ("valet", "s3s_fs", "garage"):
        path = getattr(arguments, binary)
        if path is not None:
            setattr(arguments, binary, path.resolve(strict=True))
    return arguments


def run(arguments: argparse.Namespace, scratch: pathlib.Path) -> dict:
    results = {"machine": measure.machine(arguments)}
    if "downloads" in arguments.parts:
        results |= download(arguments, scratch)
    if "uploads" in arguments.parts:
        results["uploads"] = {
            server.name: uploads.run(server, arguments, scratch)
            for server in (valet(arguments, scratch, "uploads", how) for how in ("on", "off"))
        }
    if "refusals" in arguments.parts:
        bodies = measure.make_bodies(scratch / "refusals-www", [KIB])
        server = valet(arguments, scratch, "refusals", "on")
        server.start(bodies)
        try:
            results["refusals"] = refusals.run(server, KIB, arguments)
        finally:
            server.stop()
    if "distributions" in arguments.parts:
        results["distributions"] = distributions.run(arguments, scratch / "distributions")
    if "listing" in arguments.parts:
        results["listing"] = listing.run(valet(arguments, scratch, "listing", "on"), arguments)
    return results


def valet(arguments, scratch: pathlib.Path, folder: str, encryption: str) -> servers.Valet:
    return servers.Valet(arguments, scratch / folder, encryption)


def download(arguments: argparse.Namespace, scratch: pathlib.Path) -> dict:
    bodies = measure.make_bodies(scratch / "www", arguments.sizes)
    downloads = {}
    started = []
    try:
        for server in contenders(arguments, scratch):
            started.append(server)
            server.start(bodies)
        for size in arguments.sizes:
            taking_part = [
                server for server in started if size <= PEER_SIZE_MAX or not server.is_peer
            ]
            downloads[size] = interleave(taking_part, size, bodies[size], arguments)
        memory = {server.name: server.memory_peak_kib() for server in started}
    finally:
        for server in started:
            server.stop()
    return {"downloads": downloads, "memory": memory}


def contenders(arguments: argparse.Namespace, scratch: pathlib.Path) -> list:
    everyone = [
        servers.Nginx(arguments, scratch, access_log=False),
        servers.Nginx(arguments, scratch, access_log=True),
        servers.Valet(arguments, scratch, "on"),
        servers.Valet(arguments, scratch, "off"),
    ]
    if arguments.s3s_fs:
        everyone.append(servers.S3sFs(arguments, scratch))
    if arguments.garage:
        everyone.append(servers.Garage(arguments, scratch))
    chosen = arguments.only
    return [server for server in everyone if not chosen or server.name in (*chosen, "nginx")]


def interleave(taking_part: list, size: int, body: pathlib.Path, arguments) -> dict:
    rounds = {server.name: [] for server in taking_part}
    urls = {server.name: server.url(size) for server in taking_part}
    for server in taking_part:
        measure.check_body(urls[server.name], body)
        measure.drive(server, urls[server.name], size, seconds=1, arguments=arguments)
    for number in range(arguments.rounds):
        first = number % len(taking_part)
        for server in taking_part[first:] + taking_part[:first]:
            sample = measure.drive(
                server, urls[server.name], size, seconds=arguments.seconds, arguments=arguments
            )
            rounds[server.name].append(sample)
            print(
                f"{size:>9} B  round {number + 1}  {server.name:<16}"
                f" {sample['per_second']:>9.0f} /s  {sample['cpu_us']:>9.1f} us",
                file=sys.stderr,
            )
    return rounds


if __name__ == "__main__":
    sys.exit(main())
