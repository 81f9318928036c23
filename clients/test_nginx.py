"""Behind nginx under other names, ports, TLS and path prefixes, by the recipe users are given."""

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

import sigv4
from content import ODD_KEYS, body, key_name
from harness import (
    MIB, REGION, ROOT_KEY, Certificates, Client, Server, binary,
    make_certificates, send,
)
from recipes import block, blocks, files

NAMES = ("files", "rewritten", "site", "forwarded")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass
class Nginx:
    """nginx in front of one server, run from the recipe."""

    home: object
    port: int
    upstream: str
    certificates: Certificates
    process: subprocess.Popen | None = None

    def start(self):
        """Debian's nginx.conf and the files of docs/nginx.md, with this test's paths and ports in them."""
        for folder in ("conf.d", "snippets", "sites-enabled", "log"):
            (self.home / folder).mkdir(parents=True)
        recipe = files("docs/nginx.md", "nginx")
        assert len(recipe) == len(blocks("docs/nginx.md", "nginx")), "a block without its path"
        seen = ""
        for path, text in recipe.items():
            seen += text
            (self.home / path.removeprefix("/etc/nginx/")).write_text(self.at_home(text))
        for text in ("127.0.0.1:9000", "listen 443 ssl;", "/etc/nginx/valet.pem", "/etc/nginx/valet.key"):
            assert text in seen, text
        debian = Path("/etc/nginx/nginx.conf").read_text()
        for text in ("/etc/nginx/conf.d/", "/var/log/nginx/access.log", "gzip on;"):
            assert text in debian, f"{text} is not in this nginx.conf, so it is not Debian's"
        (self.home / "nginx.conf").write_text(self.at_home(debian))
        temporary = "".join(
            f"{kind}_temp_path {self.home}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.home / "conf.d" / "temporary.conf").write_text(temporary)
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-c", self.home / "nginx.conf", "-e",
             self.home / "log" / "error.log", "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.errors()
                time.sleep(0.05)

    def at_home(self, text):
        changes = {
            "user www-data;": "user root;" if os.geteuid() == 0 else "",
            "127.0.0.1:9000": self.upstream,
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/nginx/valet.pem": self.certificates.certificate,
            "/etc/nginx/valet.key": self.certificates.key,
            "/etc/nginx/conf.d": self.home / "conf.d",
            "/etc/nginx/snippets": self.home / "snippets",
            "/etc/nginx/sites-enabled": self.home / "sites-enabled",
            "/var/log/nginx": self.home / "log",
            "/run/nginx.pid": self.home / "pid",
        }
        for old, new in changes.items():
            text = text.replace(old, str(new))
        return text

    def errors(self):
        return self.logs()["error.log"]

    def logs(self):
        """Every log by its name."""
        return {path.name: path.read_text() for path in (self.home / "log").iterdir()}

    def stop(self):
        os.kill(self.process.pid, signal.SIGQUIT)
        self.process.wait(timeout=20)

    def host(self, name):
        return f"{name}.example.com:{self.port}"

    def request(self, name, method, target, *, headers=(), body=b"", source="127.0.0.1"):
        """Sends a request to one of the four names, as a client would that resolved it."""
        context = ssl.create_default_context(cafile=self.certificates.ca)
        plain = socket.create_connection(
            ("127.0.0.1", self.port), timeout=60, source_address=(source, 0)
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = context.wrap_socket(plain, server_hostname=f"{name}.example.com")
        try:
            return send(connection, method, target, self.host(name), headers, body)
        finally:
            connection.close()


@dataclass
class Site:
    nginx: Nginx
    server: Server

    def use(self, link, name, *, headers=None, body=b""):
        return self.nginx.request(
            name, link.method, link.target(), body=body,
            headers=link.headers if headers is None else headers,
        )

    def link(self, name, path, **options):
        return sigv4.Link(ROOT_KEY, self.nginx.host(name), path, **options)


def printed_options(nginx, name):
    """What `valet serve` is told, by the page, for one of its public URLs."""
    line = block("docs/nginx.md", "sh", f"--public-url https://{name}.").strip()
    line = line.replace(f"{name}.example.com", nginx.host(name))
    return line.removeprefix("valet serve ").split()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """nginx in front of a server that trusts it and declares three public URLs."""
    yield from make_site(tmp_path_factory.mktemp("nginx"), lambda nginx: [
        *printed_options(nginx, "files"), *printed_options(nginx, "rewritten")[2:],
        *printed_options(nginx, "site")[2:],
    ])


@pytest.fixture(scope="module")
def trusting_site(tmp_path_factory):
    """nginx in front of a server that declares nothing and trusts it."""
    yield from make_site(
        tmp_path_factory.mktemp("trusted"), lambda _: ["--trusted-proxy", "127.0.0.1/32"]
    )


@pytest.fixture(scope="module")
def distrusting_site(tmp_path_factory):
    """nginx in front of a server that declares nothing and trusts nobody."""
    yield from make_site(tmp_path_factory.mktemp("distrusting"), lambda _: [])


def make_site(folder, options):
    certificates = make_certificates(folder / "tls", [f"DNS:{name}.example.com" for name in NAMES])
    nginx = Nginx(folder / "nginx", free_port(), "", certificates)
    with Server(folder / "server", options=options(nginx)) as server:
        nginx.upstream = server.host
        nginx.start()
        try:
            yield Site(nginx, server)
        finally:
            nginx.stop()


@pytest.fixture
def site_bucket(site, bucket_name):
    site.server.make_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def trusting_bucket(trusting_site, bucket_name):
    trusting_site.server.make_bucket(bucket_name)
    return bucket_name


WAYS = [("files", ""), ("rewritten", ""), ("site", "/store")]
# nginx itself refuses, or serves from elsewhere, a path that climbs above its root.
KEYS = [key for key in ODD_KEYS if not key.startswith("../..")]


@pytest.mark.parametrize(("name", "prefix"), WAYS)
@pytest.mark.parametrize("key", KEYS, ids=key_name)
def test_links_for_the_public_name_verify(site, site_bucket, name, prefix, key):
    path = f"{prefix}/{site_bucket}/{sigv4.encode_path(key)}"
    put = site.use(site.link(name, path, method="PUT"), name, body=key.encode())
    assert put.status == 200, put
    got = site.use(site.link(name, path), name)
    assert (got.status, got.body) == (200, key.encode())


@pytest.mark.parametrize(("name", "prefix"), WAYS)
def test_names_with_an_underscore_arrive(site, site_bucket, name, prefix):
    headers = [("x-amz-meta-line_number", "7")]
    link = site.link(name, f"{prefix}/{site_bucket}/key", method="PUT", headers=headers)
    put = site.use(link, name, body=b"x")
    assert put.status == 200, put
    got = site.server.get(f"/{site_bucket}/key")
    assert got.header("x-amz-meta-line_number") == "7"


@pytest.mark.parametrize(("name", "prefix"), WAYS)
def test_links_from_valet_presign(site, site_bucket, name, prefix, tmp_path):
    site.server.put(f"/{site_bucket}/a%20key", b"through nginx")
    client = Client(site.server, tmp_path)
    origin = f"https://{site.nginx.host(name)}"
    url = client.run(
        binary(), "presign", "--endpoint-url", origin + prefix, f"s3://{site_bucket}/a key"
    ).strip()
    assert url.startswith(f"{origin}{prefix}/{site_bucket}/a%20key?")
    assert site.nginx.request(name, "GET", url.removeprefix(origin)).body == b"through nginx"
    curl = client.run(
        "/usr/bin/curl", "--silent", "--cacert", site.nginx.certificates.ca,
        "--resolve", f"{site.nginx.host(name)}:127.0.0.1", url,
    )
    assert curl == "through nginx"


@pytest.mark.parametrize(("name", "prefix"), WAYS)
def test_boto3_with_the_public_url_as_its_endpoint(site, site_bucket, name, prefix, monkeypatch, tmp_path):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo",
        lambda host, *rest, **options: resolve(
            "127.0.0.1" if str(host).endswith(".example.com") else host, *rest, **options
        ),
    )
    s3 = boto3.client(
        "s3", endpoint_url=f"https://{site.nginx.host(name)}{prefix}", region_name=REGION,
        aws_access_key_id=ROOT_KEY.id, aws_secret_access_key=ROOT_KEY.secret,
        verify=str(site.nginx.certificates.ca),
    )
    data = body(12 * MIB)
    (tmp_path / "up").write_bytes(data)
    s3.upload_file(str(tmp_path / "up"), site_bucket, "dir/a b+ü")
    assert s3.get_object(Bucket=site_bucket, Key="dir/a b+ü")["Body"].read() == data
    listed = s3.list_objects_v2(Bucket=site_bucket, Prefix="dir/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["dir/a b+ü"]
    # SigV2, boto3's default: only the path is signed.
    url = s3.generate_presigned_url("get_object", {"Bucket": site_bucket, "Key": "dir/a b+ü"})
    target = url.removeprefix(f"https://{site.nginx.host(name)}")
    answer = site.nginx.request(name, "GET", target)
    assert answer.status == 200, answer.body
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("host", ["elsewhere.example.com", "files.example.com", "rewritten.example.com"])
def test_a_link_for_an_undeclared_host_does_not_verify(site, site_bucket, host):
    """Neither the host of the request nor declared; a declared name with another port is neither."""
    site.server.put(f"/{site_bucket}/key", b"x")
    link = sigv4.Link(ROOT_KEY, host, f"/{site_bucket}/key")
    answer = site.nginx.request("rewritten", "GET", link.target())
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")
    answer = site.server.use(link, host=site.server.host)
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_a_declared_prefix_counts_only_with_its_host(site, site_bucket):
    site.server.put(f"/{site_bucket}/key", b"x")
    link = site.link("rewritten", f"/store/{site_bucket}/key")
    answer = site.nginx.request("site", "GET", link.target())
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_a_mismatch_shows_the_request_as_it_arrived(site, site_bucket):
    link = site.link("site", f"/store/{site_bucket}/key", signature="0" * 64)
    answer = site.use(link, "site")
    canonical = dict(answer.error())["CanonicalRequest"]
    assert canonical.startswith(f"GET\n/{site_bucket}/key\n")
    assert "\nhost:valet\n" in canonical


FORWARDED = {
    "X-Forwarded-Host": "forged.example.com", "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/forged", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Port": "443",
    "Forwarded": 'for=192.0.2.7;host="forged.example.com";proto=https',
    "X-Original-Host": "forged.example.com", "X-Host": "forged.example.com",
    "X-Original-URL": "/forged", "X-Rewrite-URL": "/forged",
}


def test_forwarded_headers_from_a_stranger_change_nothing(http_server, bucket_name):
    http_server.make_bucket(bucket_name)
    path = f"/{bucket_name}/key"
    http_server.put(path, b"x")
    for prefix in ("", "/forged"):
        forged = sigv4.Link(ROOT_KEY, "forged.example.com", prefix + path)
        for names in (FORWARDED, ["X-Forwarded-Host"], ["Forwarded"]):
            headers = [(name, FORWARDED[name]) for name in names]
            target = forged.target().removeprefix(prefix)
            answer = http_server.request("GET", target, headers=headers)
            assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")
    # And a good link stays good.
    answer = http_server.use(http_server.link(path), headers=list(FORWARDED.items()))
    assert (answer.status, answer.body) == (200, b"x")


def test_forwarded_headers_from_a_client_of_nginx_change_nothing(site, site_bucket):
    path = f"/{site_bucket}/key"
    site.server.put(path, b"x")
    forged = sigv4.Link(ROOT_KEY, "forged.example.com", path)
    answer = site.nginx.request(
        "rewritten", "GET", forged.target(), headers=list(FORWARDED.items())
    )
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_a_trusted_proxy_says_the_host_and_the_prefix(trusting_site, trusting_bucket):
    site, path = trusting_site, f"/store/{trusting_bucket}/a//b%20c"
    put = site.use(site.link("forwarded", path, method="PUT"), "forwarded", body=b"trusted")
    assert put.status == 200, put
    assert site.use(site.link("forwarded", path), "forwarded").body == b"trusted"
    # What the client claims does not get past nginx.
    forged = sigv4.Link(ROOT_KEY, "forged.example.com", path)
    answer = site.nginx.request(
        "forwarded", "GET", forged.target(), headers=[("X-Forwarded-Host", "forged.example.com")]
    )
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_without_trust_the_same_does_not_verify(distrusting_site):
    answer = distrusting_site.use(distrusting_site.link("forwarded", "/store/bucket/key"), "forwarded")
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_only_the_trusted_network_is_trusted(start):
    """The peer here is 127.0.0.1, which this network does not hold."""
    server = start(options=["--trusted-proxy", "192.0.2.0/24"])
    server.make_bucket("bucket")
    server.put("/bucket/key", b"x")
    link = sigv4.Link(ROOT_KEY, "forged.example.com", "/bucket/key")
    answer = server.use(link, host=server.host, headers=[("X-Forwarded-Host", "forged.example.com")])
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")


def test_virtual_hosts_of_a_declared_domain(start):
    server = start(options=["--domain", "s3.valet.test"])
    server.make_bucket("bucket")
    server.put("/bucket/key", b"x")
    host = f"bucket.s3.valet.test:{server.port}"
    link = sigv4.Link(ROOT_KEY, host, "/key")
    answer = server.use(link, host=host)
    assert (answer.status, answer.body) == (200, b"x")
    # The same name where no domain is declared is just a host: the path names the bucket.
    other = f"bucket.other.test:{server.port}"
    answer = server.use(sigv4.Link(ROOT_KEY, other, "/key"), host=other)
    assert (answer.status, answer.code()) == (404, "NoSuchBucket")
    answer = server.use(sigv4.Link(ROOT_KEY, other, "/bucket/key"), host=other)
    assert (answer.status, answer.body) == (200, b"x")


def test_an_early_refusal_reaches_the_client_through_nginx(site, site_bucket):
    link = site.link("rewritten", f"/{site_bucket}/key", method="PUT", signature="0" * 64)
    answer = site.use(link, "rewritten", body=bytes(8 * MIB))
    assert (answer.status, answer.code()) == (403, "SignatureDoesNotMatch")
    assert site.server.keys(site_bucket) == []


def test_no_log_holds_a_link(tmp_path):
    """Served, refused, not even read, or without a server behind it: neither log has a signature in it."""
    folder = tmp_path / "site"
    for site in make_site(folder, lambda nginx: printed_options(nginx, "files")):
        nginx = site.nginx
        site.server.make_bucket("bucket")
        links = [site.link("files", path) for path in ("/bucket/key", "/bucket/a//b", "/bucket/%2561")]
        for link in links:
            site.use(site.link("files", link.path, method="PUT"), "files", body=b"x")
            assert site.use(link, "files").status == 200
        # The header lines of a bad request, and a target that is too long.
        assert site.use(links[0], "files", headers=[("X-Long", "x" * 40_000)]).status == 400
        too_long = links[0].target() + "&x=" + "x" * 40_000
        assert nginx.request("files", "GET", too_long).status == 414
        site.server.stop()
        assert site.use(links[0], "files").status == 502
        logs = nginx.logs()
        # In its log alone, nginx merges slashes.
        assert '"GET /bucket/a/b" 200' in logs["valet.log"], logs
        assert "[warn]" not in logs["error.log"], logs
        assert '"GET /bucket/key" 502' in logs["valet.log"], logs
        assert "127.0.0.1" in logs["valet.log"]
        for name, text in logs.items():
            assert "Signature" not in text, (name, text)


def test_the_client_s_own_address_is_judged(site, site_bucket):
    """nginx says it: neither nginx's own address, nor one that the client claims."""
    site.server.put(f"/{site_bucket}/key", b"x")
    # While public access is restricted, nobody comes in unsigned, whatever the address.
    blocks = site.server.signed("DELETE", f"/{site_bucket}", query=[("publicAccessBlock", "")])
    assert blocks.status == 204, blocks
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{site_bucket}/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.2/32"}},
    }]}
    answer = site.server.signed(
        "PUT", f"/{site_bucket}", query=[("policy", "")], body=json.dumps(policy).encode()
    )
    assert answer.status == 204, answer
    for source, expected in (("127.0.0.2", 200), ("127.0.0.1", 403)):
        answer = site.nginx.request(
            "files", "GET", f"/{site_bucket}/key", source=source,
            headers=[("X-Forwarded-For", "127.0.0.2")],
        )
        assert answer.status == expected, (source, answer)


def test_answers_are_passed_on_as_they_are(site, site_bucket):
    """Debian's nginx.conf compresses HTML, which would take the length and the strong ETag away."""
    page = b"<p>" + b"hello " * 1000
    site.server.put(f"/{site_bucket}/page.html", page, headers=[("Content-Type", "text/html")])
    link = site.link("files", f"/{site_bucket}/page.html")
    answer = site.nginx.request(
        "files", "GET", link.target(), headers=[("Accept-Encoding", "gzip")]
    )
    assert (answer.status, answer.body) == (200, page)
    assert answer.header("Content-Length") == str(len(page))
    assert answer.header("ETag").startswith('"')
