"""`valet doctor` at clean servers, and behind an nginx that changes one thing on the way."""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import FAKETIME_LIBRARY, binary, client_environment, make_certificates
from test_nginx import free_port

CHECKS = ["reach", "tls", "clock", "link", "health", "put", "keys", "headers", "head", "body",
          "large-head", "upload", "buffering"]

# What docs/nginx.md says for every server, so that each test takes one thing away.
GOOD = """
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_http_version 1.1;
    large_client_header_buffers 4 32k;
    underscores_in_headers on;
    gzip off;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
"""
PASS = "location / { proxy_pass http://$UPSTREAM; }"


@dataclass
class Proxy:
    """nginx before a server, on plain HTTP."""

    home: Path
    server: object
    port: int
    process: subprocess.Popen | None = None

    def start(self, settings, location=PASS):
        self.home.mkdir()
        temporary = "".join(
            f"{kind}_temp_path {self.home}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = f"""
        {"user root;" if os.geteuid() == 0 else ""}
        pid {self.home}/pid;
        error_log {self.home}/error.log;
        events {{}}
        http {{
            access_log off;
            {temporary}
            types {{ text/html html; }}
            server {{
                listen 127.0.0.1:{self.port};
                {settings}
                {location}
            }}
        }}
        """
        (self.home / "nginx.conf").write_text(text.replace("$UPSTREAM", self.server.host))
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-c", self.home / "nginx.conf", "-e", self.home / "error.log",
             "-g", "daemon off;"], stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                errors = self.home / "error.log"
                assert self.process.poll() is None and time.monotonic() < deadline, errors.read_text()
                time.sleep(0.05)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGQUIT)
            self.process.wait(timeout=20)


@pytest.fixture
def proxy(http_server, tmp_path):
    started = []

    def proxy(settings=GOOD, location=PASS):
        started.append(Proxy(tmp_path / f"nginx-{len(started)}", http_server, free_port()))
        return started[-1].start(settings, location)

    yield proxy
    for one in started:
        one.stop()


@pytest.fixture
def doctor(tmp_path):
    """Runs the command: (exit status, {name: check}, everything printed)."""

    def doctor(server, *arguments, endpoint=None, environment=None):
        settings = {**client_environment(server, tmp_path), **(environment or {})}
        if endpoint:
            settings["AWS_ENDPOINT_URL"] = endpoint
        ran = subprocess.run(
            [binary(), "doctor", "--json", *arguments], env=settings, capture_output=True, text=True,
            timeout=120,
        )
        assert ran.stdout, ran.stderr
        found = json.loads(ran.stdout)
        assert list(found) == ["checks"]
        checks = {}
        for check in found["checks"]:
            assert check["status"] in ("ok", "warn", "FAIL"), check
            assert check["text"], check
            assert set(check) == {"name", "status", "text", "mend", "url"}
            assert bool(check["mend"]) == (check["status"] != "ok"), check
            checks[check["name"]] = check
        failed = any(check["status"] == "FAIL" for check in checks.values())
        assert ran.returncode == (1 if failed else 0), ran.stderr
        return checks

    return doctor


def statuses(checks):
    return {name: check["status"] for name, check in checks.items()}


def test_a_clean_server_is_well(doctor, server):
    checks = doctor(server, "--origin", "https://app.example.com")
    assert list(checks) == [*CHECKS, "preflight"]
    assert set(statuses(checks).values()) == {"ok"}, checks
    # Nothing is left behind.
    assert b"valet-doctor" not in server.signed("GET", "/").body


def test_a_bucket_that_is_there_is_used_and_left_as_it_was(doctor, server, bucket):
    server.put(f"/{bucket}/own", b"stays")
    checks = doctor(server, "--bucket", bucket)
    assert list(checks) == CHECKS
    assert set(statuses(checks).values()) == {"ok"}, checks
    assert server.keys(bucket) == ["own"]


def test_lines_for_people(client, server):
    printed = client.run(binary(), "doctor", environment={"NO_COLOR": "1"}).splitlines()
    assert printed[0].startswith(server.endpoint)
    assert [line.split()[:2] for line in printed[1:]] == [["ok", name] for name in CHECKS]


def test_a_clean_proxy_is_well(doctor, http_server, proxy):
    checks = doctor(http_server, "--origin", "https://app.example.com", endpoint=proxy().url)
    assert set(statuses(checks).values()) == {"ok"}, checks


def test_further_public_urls(doctor, http_server, proxy):
    behind = proxy(GOOD.replace("$http_host", "valet"))
    ran = subprocess.run(
        [binary(), "doctor", "--json", "--public-url", behind.url],
        env=client_environment(http_server, behind.home), capture_output=True, text=True, timeout=120,
    )
    checks = json.loads(ran.stdout)["checks"]
    at = {check["url"].rstrip("/") for check in checks}
    assert at == {http_server.endpoint, behind.url}
    failed = [check for check in checks if check["status"] == "FAIL"]
    assert [(check["name"], check["url"].rstrip("/")) for check in failed] == [("link", behind.url)]
    assert ran.returncode == 1
    assert ran.stderr == "error: one thing must be mended\n"


# settings, location, the check that fails or warns, how, what it says, what mends it
CHANGED = {
    "host": (GOOD.replace("$http_host", "valet"), PASS, "link", "FAIL",
             "host: the host `127.0.0.1:PORT` arrives as `valet`", "--public-url"),
    "port": (GOOD.replace("$http_host", "$host"), PASS, "link", "FAIL",
             "port: the host `127.0.0.1:PORT` arrives as `127.0.0.1`", "$http_host"),
    "a prefix": (GOOD, "location /store/ { proxy_pass http://$UPSTREAM/; }", "link", "FAIL",
                 "path-prefix: the path `/store/", "--public-url"),
    "a prefix that nobody takes off": (GOOD, PASS, "link", "FAIL",
                                       "path-prefix: the store takes `store` for the bucket", "--public-url"),
    "scheme": ("", "location / { return 308 https://$host$request_uri; }", "link", "FAIL",
               "scheme: http is sent on to https", "make links for where they end: https://127.0.0.1"),
    "another site": ("", "location / { return 200 hello; }", "link", "FAIL",
                     "the answer 200 is not the store's", "let the proxy pass"),
    "no upstream": (GOOD, "location / { proxy_pass http://127.0.0.1:1; }", "link", "FAIL",
                    "the answer 502 is not the store's, but of something before it (nginx",
                    "check its upstream address"),
    "path encoding": (GOOD, "location / { proxy_pass http://$UPSTREAM/; }", "keys", "FAIL",
                      "path-encoding: the path `", "`proxy_pass` without a path"),
    "a header": (GOOD + "proxy_set_header x-amz-meta-doctor '';", PASS, "headers", "FAIL",
                 "header-missing: the header `x-amz-meta-doctor` does not arrive", "x-amz-meta-doctor"),
    "a header that changes": (GOOD + "proxy_set_header x-doctor 2;", PASS, "headers", "FAIL",
                              "header-changed: the header `x-doctor` arrives with another value", "x-doctor"),
    "underscores": (GOOD.replace("underscores_in_headers on;", ""), PASS, "headers", "warn",
                    "`x-amz-meta-doctor_line` does not arrive", "underscores_in_headers on"),
    "a parameter": (GOOD, "location / { proxy_pass http://$UPSTREAM$request_uri&tracked=1; }", "link", "FAIL",
                    "parameter-added: a parameter `tracked` is added on the way", "the query as it is"),
    "compression": (GOOD.replace("gzip off;", "gzip on;"), PASS, "body", "warn", "compressed on the way (gzip)",
                    "gzip off"),
    "ranges": (GOOD + "proxy_set_header Range '';", PASS, "body", "warn", "a range is answered with the whole",
               "`range`"),
    "long heads": (GOOD.replace("large_client_header_buffers 4 32k;", ""), PASS, "large-head", "warn",
                   "those of 8 KiB do not", "large_client_header_buffers"),
    "large bodies": (GOOD.replace("client_max_body_size 0;", ""), PASS, "upload", "FAIL", "of 8 MiB: ",
                     "client_max_body_size 0"),
    "buffered bodies": (GOOD.replace("proxy_request_buffering off;", ""), PASS, "buffering", "warn",
                        "uploads are kept on the way", "proxy_request_buffering off"),
    "two origins": (GOOD + "add_header access-control-allow-origin '*' always;", PASS, "preflight", "FAIL",
                    "names allowed origins twice", "add no such headers itself"),
}


@pytest.mark.parametrize("what", CHANGED, ids=lambda name: name.replace(" ", "-"))
def test_what_changes_on_the_way_is_named(doctor, http_server, proxy, what):
    settings, location, name, status, text, mend = CHANGED[what]
    behind = proxy(settings, location)
    prefix = "/store" if what.startswith("a prefix") else ""
    checks = doctor(http_server, "--origin", "https://app.example.com", endpoint=behind.url + prefix)
    assert text.replace("PORT", str(behind.port)) in checks[name]["text"], checks
    assert (checks[name]["status"], mend in checks[name]["mend"]) == (status, True), checks
    others = [check for other, check in checks.items() if other != name and check["status"] != "ok"]
    assert others == []
    assert b"valet-doctor" not in http_server.signed("GET", "/").body


def test_head_that_becomes_get(doctor, http_server, proxy):
    """As nginx does where it caches, unless it is told otherwise."""
    only_head = "location / { error_page 418 = @head; if ($request_method = HEAD) { return 418; } "
    only_head += "proxy_pass http://$UPSTREAM; } location @head { proxy_method GET; proxy_pass http://$UPSTREAM; }"
    checks = doctor(http_server, endpoint=proxy(GOOD, only_head).url)
    assert (checks["head"]["status"], checks["head"]["text"]) == ("FAIL", "method: HEAD arrives as GET")
    assert "proxy_cache_convert_head off" in checks["head"]["mend"]


def test_a_bucket_without_rules_for_the_origin(doctor, http_server, bucket_name):
    http_server.make_bucket(bucket_name)
    checks = doctor(http_server, "--bucket", bucket_name, "--origin", "https://app.example.com")
    assert checks["preflight"]["status"] == "FAIL"
    assert "CORS rules of the bucket" in checks["preflight"]["mend"]


def test_clocks_that_differ(doctor, http_server):
    def at(seconds):
        return doctor(http_server, environment={
            "LD_PRELOAD": FAKETIME_LIBRARY, "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        })

    near = at(120)["clock"]
    assert near["status"] == "warn" and "ahead of the server's" in near["text"], near
    far = at(-600)
    assert far["clock"]["status"] == "FAIL" and "behind the server's" in far["clock"]["text"], far
    gone = at(-7200)
    assert gone["link"]["status"] == "FAIL"
    assert "the store finds the time of the link wrong" in gone["link"]["text"], gone


def test_a_server_that_is_not_there(doctor, http_server):
    checks = doctor(http_server, endpoint=f"http://127.0.0.1:{free_port()}")
    assert statuses(checks) == {"reach": "FAIL"}


def test_certificates(doctor, https_server, start, tmp_path):
    checks = doctor(https_server)
    # The one of these tests lives for two days.
    assert checks["tls"]["status"] == "ok" and "ends in 1 days" in checks["tls"]["text"], checks
    untrusted = doctor(https_server, environment={"AWS_CA_BUNDLE": "", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})
    assert statuses(untrusted) == {"tls": "FAIL"}
    assert "--ca-bundle" in untrusted["tls"]["mend"]
    other = start(certificates=make_certificates(tmp_path / "other", ["DNS:elsewhere.example.com"]))
    named = doctor(other)
    assert statuses(named) == {"tls": "FAIL"}
    assert "not valid for name" in named["tls"]["text"], named


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "words"),
    [
        ([], {"AWS_ENDPOINT_URL": ""}, 2, "no server is configured"),
        (["--endpoint-url", "https://s3.eu-west-1.amazonaws.com"], {}, 2, "name a bucket of AWS with --bucket"),
        (["--bucket", "no-such-bucket"], {}, 2, "there is no bucket `no-such-bucket`"),
        (["--public-url", "ftp://x"], {}, 2, "--public-url ftp://x"),
        ([], {"AWS_ACCESS_KEY_ID": "AKIANOBODY0000000000"}, 3, "the server refuses the credentials"),
    ],
)
def test_wrong_usage(http_server, tmp_path, arguments, environment, status, words):
    settings = {**client_environment(http_server, tmp_path), **environment}
    settings = {name: value for name, value in settings.items() if value}
    ran = subprocess.run([binary(), "doctor", *arguments], env=settings, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (status, ""), ran
    assert words in ran.stderr
