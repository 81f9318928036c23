"""Distributions: what the signers of others make opens them, a film plays in Chromium, and a thousand ask at once."""

import asyncio
import json
import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from chromium import bundle
from harness import AWS_V1, AWS_V2, CLIENTS, MIB, Server, binary
from identities import Valet
from people import client

KEYS = Path(__file__).parent.parent / "crates/presign/tests/vectors/cloudfront"
PRIVATE = KEYS / "cf-rsa.pem"
STRANGER = serialization.load_pem_private_key(PRIVATE.read_bytes(), None)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    options = ["--distribution-domain", "cdn.localhost", "--cache-memory", "256MiB"]
    # A thousand clients of one machine.
    options += ["--connections-per-address", "0"]
    with Server(tmp_path_factory.mktemp("distributions"), options=options) as server:
        yield server


@pytest.fixture(scope="module")
def s3(server):
    s3 = client(server, "s3")
    s3.create_bucket(Bucket="media")
    s3.put_object(Bucket="media", Key="a.txt", Body=b"hello", ContentType="text/plain")
    s3.put_object(Bucket="media", Key="course/b.txt", Body=b"there", ContentType="text/plain")
    return s3


@pytest.fixture(scope="module")
def root(server, tmp_path_factory):
    return Valet(server, tmp_path_factory.mktemp("valet"))


@pytest.fixture(scope="module")
def site(root, s3):
    """A distribution that trusts one key: its address, and the id of the key."""
    key = root.json("public-key", "add", "signer", str(KEYS / "cf-rsa.pub.pem"))["id"]
    root("key-group", "create", "viewers", "signer")
    made = root.json("distribution", "create", "--bucket", "media", "--key-group", "viewers")
    return made["address"], key


def curl(url, *words):
    """Status and body of what curl is answered."""
    # A name below localhost is this machine, also where the system does not know it.
    port = url.split("/")[2].split(":")[1]
    name = url.split("/")[2].split(":")[0]
    resolve = [] if name[0].isdigit() else ["--resolve", f"{name}:{port}:127.0.0.1"]
    got = subprocess.run(
        ["curl", "-s", "--path-as-is", "-w", "\n%{http_code}", *resolve, *words, url],
        capture_output=True, text=True, check=True,
    )
    body, status = got.stdout.rsplit("\n", 1)
    return int(status), body


def code(body):
    return re.search("<Code>(.*?)</Code>", body)[1]


def in_an_hour():
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)


def botocore(key):
    return CloudFrontSigner(key, lambda text: STRANGER.sign(text, padding.PKCS1v15(), hashes.SHA1()))


def javascript(root, **arguments):
    arguments["privateKey"] = PRIVATE.read_text()
    signed = root.client.run("node", CLIENTS / "js" / "cloudfront.mjs", stdin=json.dumps(arguments).encode())
    return json.loads(signed)


def valet_cookies(key, resource, end):
    made = subprocess.run(
        [binary(), "cloudfront", "sign-cookies", "--resource", resource, "--key-pair-id", key,
         "--private-key", str(PRIVATE), "--date-less-than", end.isoformat(), "--json"],
        capture_output=True, text=True, check=True,
    )
    return json.loads(made.stdout)


@pytest.mark.parametrize("signer", ["botocore", "javascript", "aws-v1", "aws-v2"])
def test_urls_of_other_signers_open_a_distribution(root, site, signer):
    address, key = site
    end = in_an_hour()

    def sign(url, end):
        if signer == "botocore":
            return botocore(key).generate_presigned_url(url, date_less_than=end)
        if signer == "javascript":
            return javascript(root, url=url, keyPairId=key, dateLessThan=end.isoformat())
        aws = {"aws-v1": AWS_V1, "aws-v2": AWS_V2}[signer]
        words = ["--url", url, "--key-pair-id", key, "--private-key", f"file://{PRIVATE}"]
        words += ["--date-less-than", end.strftime("%Y-%m-%dT%H:%M:%SZ")]
        return root.client.run(aws, "cloudfront", "sign", *words).strip()

    url = sign(f"{address}a.txt", end)
    assert curl(url) == (200, "hello")
    for changed, why in [
        (url.replace("a.txt", "course/b.txt"), "AccessDenied"),
        (url.replace("?", "?more=1&"), "AccessDenied"),
        (re.sub("Signature=[^&]*", "Signature=@", url), "MalformedSignature"),
        (re.sub("Expires=[0-9]*", "Expires=soon", url), "MalformedPolicy"),
        (url.replace(key, "K00000000000AA"), "InvalidKey"),
        (re.sub("[&?]Key-Pair-Id=[^&]*", "", url), "MissingKey"),
        (sign(f"{address}a.txt", end - timedelta(hours=2)), "AccessDenied"),
    ]:
        status, body = curl(changed)
        assert (status, code(body)) == (403, why), changed


def policy(resource, end, **more):
    condition = {"DateLessThan": {"AWS:EpochTime": int(end.timestamp())}, **more}
    return json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":"))


def test_custom_policies_of_other_signers(root, site):
    address, key = site
    end = in_an_hour()
    here = {"IpAddress": {"AWS:SourceIp": "127.0.0.1/32"}}
    elsewhere = {"IpAddress": {"AWS:SourceIp": "192.0.2.0/24"}}
    later = {"DateGreaterThan": {"AWS:EpochTime": int(end.timestamp()) - 60}}
    for text, path, expected in [
        (policy(f"{address}*", end), "course/b.txt", (200, "there")),
        (policy(f"{address}*", end, **here), "a.txt", (200, "hello")),
        (policy(f"{address}*", end, **elsewhere), "a.txt", 403),
        (policy(f"{address}*", end, **later), "a.txt", 403),
        (policy(f"{address}course/*", end), "a.txt", 403),
        (policy(f"{address}course/*", end), "course/b.txt", (200, "there")),
    ]:
        url = f"{address}{path}"
        urls = [
            botocore(key).generate_presigned_url(url, policy=text),
            javascript(root, url=url, keyPairId=key, policy=text),
        ]
        for url in urls:
            got = curl(url)
            assert got == expected if isinstance(expected, tuple) else got[0] == expected, (url, got)


def test_cookies_of_other_signers(root, site):
    address, key = site
    text = policy(f"{address}course/*", in_an_hour())
    cookies = javascript(root, keyPairId=key, policy=text, cookies=True)
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert curl(f"{address}course/b.txt", "-H", f"Cookie: {header}") == (200, "there")
    assert curl(f"{address}a.txt", "-H", f"Cookie: {header}")[0] == 403
    huge = f"Cookie: {header}; x={'y' * 16384}"
    status, refused = curl(f"{address}course/b.txt", "-H", huge)
    assert (status, code(refused)) == (403, "MalformedPolicy")


def film(folder):
    """A stream of three seconds in pieces of one."""
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10", "-t", "3",
         "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "10", "-f", "hls", "-hls_time", "1",
         "-hls_playlist_type", "vod", "-hls_segment_filename", str(folder / "piece%d.ts"),
         str(folder / "film.m3u8")],
        check=True, capture_output=True, timeout=120,
    )
    return sorted(folder.iterdir())


PLAYER = b'<!doctype html><title>film</title><video muted></video><script src="player.js"></script>'


def test_a_film_plays_by_cookies_and_by_a_token_in_the_path(s3, site, chromium, tmp_path):
    address, key = site
    kinds = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}
    pieces = film(tmp_path)
    assert len(pieces) == 4
    for piece in pieces:
        s3.put_object(
            Bucket="media", Key=f"film/{piece.name}", Body=piece.read_bytes(), ContentType=kinds[piece.suffix])
    s3.put_object(Bucket="media", Key="film/player.html", Body=PLAYER, ContentType="text/html")
    script = bundle(tmp_path, "player")
    s3.put_object(Bucket="media", Key="film/player.js", Body=script, ContentType="text/javascript")
    end = in_an_hour()
    cookies = valet_cookies(key, f"{address}film/*", end)
    page = f"{address}film/player.html"
    host = address.split("/")[2].split(":")[0]
    given = [
        {"name": name, "value": value, "domain": host, "path": "/film/"} for name, value in cookies.items()
    ]
    assert chromium.play(page, given) == {"status": 200, "state": "played 3"}
    assert chromium.play(page) == {"status": 403}
    names = ["CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"]
    token = "~" + "~".join(cookies[name] for name in names)
    by_token = page.replace(address, f"{address}{token}/")
    assert chromium.play(by_token) == {"status": 200, "state": "played 3"}
    # A page whose pieces the token does not open gets no further than the token.
    outside = by_token.replace("/film/player.html", "/course/b.txt")
    assert curl(outside)[0] == 403


def counted(server, name):
    text = server.get("/_valet/metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)", text, re.M)[1])


def test_a_thousand_ask_and_the_store_is_read_once(server, root, s3):
    body = bytes(range(256)) * (64 * MIB // 256)
    s3.put_object(Bucket="media", Key="large", Body=body)
    made = root.json("distribution", "create", "--bucket", "media")
    host = made["address"].split("/")[2]
    before = counted(server, "valet_edge_origin_bytes_total")

    async def ask(taken):
        """Takes so many bytes of the object and leaves."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET /large HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        left, right = taken, True
        while left > 0:
            piece = await reader.read(min(left, 256 * 1024))
            if not piece:
                break
            at = (taken - left) % 256
            right = right and piece[:256] == (bytes(range(256)) * 2)[at:at + min(256, len(piece))]
            left -= len(piece)
        writer.close()
        return left == 0 and right

    async def everybody():
        # Most leave early, the first of them too; some stay to the end.
        return await asyncio.gather(*(ask(64 * MIB if n % 100 == 50 else 64 * 1024) for n in range(1000)))

    assert all(asyncio.run(everybody()))
    assert counted(server, "valet_edge_origin_bytes_total") - before == len(body)


def test_what_memory_has_no_room_for_comes_back_from_disk(tmp_path):
    folder = tmp_path / "cache"
    options = ["--distribution-domain", "cdn.localhost", "--cache-memory", "1MiB"]
    options += ["--cache-disk", "64MiB", "--cache-dir", str(folder)]
    with Server(tmp_path / "data", options=options) as server:
        home = tmp_path / "home"
        home.mkdir()
        s3, root = client(server, "s3"), Valet(server, home)
        s3.create_bucket(Bucket="media")
        bodies = {f"{n}.bin": bytes([n]) * 700_000 for n in range(16)}
        for name, body in bodies.items():
            s3.put_object(Bucket="media", Key=name, Body=body)
        address = root.json("distribution", "create", "--bucket", "media")["address"]
        for _ in range(2):
            for name, body in bodies.items():
                got = tmp_path / "got"
                assert curl(f"{address}{name}", "-o", str(got)) == (200, "")
                assert got.read_bytes() == body, name
        all_bytes = sum(map(len, bodies.values()))
        # Sixteen times the memory, and yet each byte was read from the bucket once.
        assert counted(server, "valet_edge_origin_bytes_total") == all_bytes
        assert counted(server, "valet_edge_hit_bytes_total") == all_bytes
        assert counted(server, "valet_edge_disk_bytes_total") > all_bytes // 2
        assert counted(server, "valet_edge_evictions_total") > 100
        assert counted(server, "valet_edge_disk_failures_total") == 0
        assert list(folder.iterdir()) == []
