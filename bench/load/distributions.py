"""Files behind CloudFront's signatures: from the cache and past it, beside nginx with `secure_link` and presigned GETs."""

import base64
import hashlib
import itertools
import json
import pathlib
import random
import re
import subprocess
import time
import urllib.request

import measure
import servers

KIB = 1024
MIB = 1024 * KIB
SIZE = 64 * KIB
# More than the small cache holds, so that nearly every request is a miss.
OBJECTS = 2_000
SMALL_CACHE = "4MiB"
# The load of the hit rates: as many objects, asked for as words are used, and caches that hold this much of all.
ZIPF_EXPONENTS = (0.8, 1.0)
ZIPF_SHARES = (0.05, 0.25)
REQUESTS = 200_000
SECRET = "bench"

# Takes the targets of a file in their order.
FROM_FILE = """
local targets, at = {{}}, 0
for line in io.lines("{file}") do targets[#targets + 1] = line end
request = function()
  at = at % #targets + 1
  return wrk.format(nil, targets[at])
end
"""


class SecureLink(servers.Nginx):
    """nginx that checks a signature and a time of each URL, by MD5."""

    CONFIG = servers.Nginx.CONFIG.replace(
        "root {root}; }}",
        'root {root}; location / {{ secure_link $arg_md5,$arg_expires;'
        f' secure_link_md5 "$secure_link_expires$uri {SECRET}";'
        ' if ($secure_link = "") {{ return 403; }} if ($secure_link = "0") {{ return 410; }} }} }}',
    )

    def __init__(self, arguments, scratch: pathlib.Path, *, access_log: bool):
        super().__init__(arguments, scratch, access_log=access_log)
        self.name = "secure-link-log" if access_log else "secure-link"
        self.folder = scratch / self.name

    def target(self, name: str) -> str:
        expires = int(time.time()) + 86_400
        digest = hashlib.md5(f"{expires}/{name} {SECRET}".encode()).digest()
        md5 = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"/{name}?md5={md5}&expires={expires}"


class Distribution(servers.Valet):
    """A server with a distribution of its bucket, and the same objects by presigned URLs."""

    def __init__(self, arguments, scratch: pathlib.Path, cache: str):
        super().__init__(arguments, scratch, "on")
        self.name = f"valet-{cache}"
        self.folder = scratch / self.name
        self.cache = cache
        self.metrics_port = servers.free_port()

    def command(self) -> list[str]:
        metrics = f"127.0.0.1:{self.metrics_port}"
        return [*super().command(), "--cache-memory", self.cache, "--metrics-listen", metrics]

    def fill(self, bodies: dict) -> None:
        super().fill(bodies)
        self.private = self.folder / "private.pem"
        public = self.folder / "public.pem"
        openssl = measure.find("openssl")
        subprocess.run([openssl, "genrsa", "-out", self.private, "2048"], check=True, capture_output=True)
        subprocess.run(
            [openssl, "rsa", "-in", self.private, "-pubout", "-out", public], check=True, capture_output=True
        )
        self.key = self.run("public-key", "add", "bench", str(public))
        self.run("key-group", "create", "bench", "bench")
        made = self.run("distribution", "create", "--bucket", servers.BUCKET, "--key-group", "bench", "--json")
        self.address = json.loads(made)["address"]
        signed = self.run(
            *("cloudfront", "sign-url", "--url", f"{self.address}x", "--policy-resource", f"{self.address}*"),
            *("--key-pair-id", self.key, "--private-key", str(self.private), "--date-less-than", "2037-01-01"),
        )
        self.query = signed.partition("?")[2]

    def run(self, *words: str, stdin: str | None = None) -> str:
        environment = {**servers.surroundings(), **self.client_environment()}
        done = subprocess.run(
            [self.arguments.valet, *words], env=environment, input=stdin, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def target(self, name: str) -> str:
        path = self.address.removeprefix(f"http://127.0.0.1:{self.port}")
        return f"{path}{name}?{self.query}"

    def presigned(self, names: list[str]) -> list[str]:
        lines = "".join(json.dumps({"uri": f"s3://{servers.BUCKET}/{name}"}) + "\n" for name in names)
        made = self.run("presign", "-", "--expires-in", "1d", "--offline", stdin=lines)
        origin = f"http://127.0.0.1:{self.port}"
        return [json.loads(line)["url"].removeprefix(origin) for line in made.splitlines()]

    def put_many(self, body: bytes) -> list[str]:
        names = [f"{n}.bin" for n in range(OBJECTS)]
        folder = self.folder / "many"
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(body)
        self.run("cp", "--recursive", str(folder), f"s3://{servers.BUCKET}/many/")
        return [f"many/{name}" for name in names]

    def counted(self, name: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            text = answer.read().decode()
        return int(re.search(rf"^valet_edge_{name}_total (\d+)", text, re.M)[1])


def run(arguments, scratch: pathlib.Path) -> dict:
    bodies = measure.make_bodies(scratch / "www", [SIZE])
    [body] = bodies.values()
    nginx, bare = (SecureLink(arguments, scratch, access_log=log) for log in (True, False))
    large = Distribution(arguments, scratch, "512MiB")
    small = Distribution(arguments, scratch, SMALL_CACHE)
    started = []
    try:
        for server in (nginx, bare, large, small):
            started.append(server)
            server.start(bodies)
        names = small.put_many(body.read_bytes())
        random.Random(1).shuffle(names)
        cases = {
            "secure-link-log": (nginx, [nginx.target(body.name)]),
            "secure-link": (bare, [bare.target(body.name)]),
            "hit": (large, [large.target(body.name)]),
            "presigned": (small, small.presigned(names)),
            "miss": (small, [small.target(name) for name in names]),
        }
        rounds = {name: [] for name in cases}
        for number in range(arguments.rounds + 1):
            for name, (server, targets) in rotated(cases, number):
                sample = measure.drive(
                    server, f"http://127.0.0.1:{server.port}/", SIZE, seconds=arguments.seconds,
                    arguments=arguments, script=script(targets, arguments),
                )
                # The first round warms.
                if number:
                    rounds[name].append(sample)
        return {"rounds": rounds, "zipf": [*zipf(arguments, scratch, body, bodies, started)]}
    finally:
        for server in started:
            server.stop()


def rotated(cases: dict, number: int) -> list:
    items = list(cases.items())
    first = number % len(items)
    return items[first:] + items[:first]


def script(targets: list[str], arguments) -> str:
    file = (arguments.scratch / "targets").resolve()
    file.write_text("\n".join(targets))
    return FROM_FILE.format(file=file)


def zipf(arguments, scratch: pathlib.Path, body: pathlib.Path, bodies: dict, started: list):
    """Hit rates where few objects are asked for often, and the cache holds a part of all."""
    for share in ZIPF_SHARES:
        mib = int(OBJECTS * SIZE * share / MIB)
        server = Distribution(arguments, scratch / f"zipf-{share}", f"{mib}MiB")
        started.append(server)
        server.start(bodies)
        names = server.put_many(body.read_bytes())
        for exponent in ZIPF_EXPONENTS:
            weights = list(itertools.accumulate((n + 1) ** -exponent for n in range(OBJECTS)))
            order = random.Random(2).choices(range(OBJECTS), cum_weights=weights, k=REQUESTS)
            # What a cache would hit that always held the objects asked for most.
            held = int(OBJECTS * share)
            best = sum(1 for n in order if n < held) / REQUESTS
            before = server.counted("hits"), server.counted("misses")
            measure.drive(
                server, f"http://127.0.0.1:{server.port}/", SIZE, seconds=arguments.seconds * 5,
                arguments=arguments, script=script([server.target(names[n]) for n in order], arguments),
            )
            hits, misses = server.counted("hits") - before[0], server.counted("misses") - before[1]
            yield {"share": share, "exponent": exponent, "rate": hits / (hits + misses), "best": best}
