"""Starts the real binary and speaks plain HTTP to it."""

import http.client
import os
import queue
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path

import sigv4

CLIENTS = Path(__file__).resolve().parent
ROOT = CLIENTS.parent
WORK = ROOT / "target" / "clients"
FULL = os.environ.get("VALET_FULL") == "1"

AWS_V2 = "/usr/bin/aws"
AWS_V1 = str(WORK / "venv-awscli1" / "bin" / "aws")
FAKETIME_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

# `/`, `+` and `=` in a secret are what sloppy encoders trip over.
ROOT_KEY = sigv4.Key("AKIAVALETCLIENTS0001", "wJalr/Utn+EMI=K7MDENG/bPxRfiCYVALETKEY00")
REGION = "us-east-1"

READY = re.compile(r"valet is ready on (https?)://(\[[^\]]+\]|[^:/]+):(\d+)")
READY_SECONDS = 20
# The server may take 30 s to finish what is under way.
STOP_SECONDS = 40

KIB = 1024
MIB = 1024 * KIB


def binary():
    path = os.environ.get("VALET_BIN")
    assert path, "VALET_BIN names no binary; start the tests with clients/run"
    return str(Path(path).resolve())


def bare_environment(home):
    """What a program gets besides its own settings: nothing of the developer's AWS set-up."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


@dataclass
class Certificates:
    """A certificate authority of the test's own and one server certificate."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder, names):
    """`names`: the subject alternative names, such as `DNS:localhost`."""
    folder.mkdir(parents=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=Valet clients CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=valet")
    (folder / "server.ext").write_text(
        f"subjectAltName={','.join(names)}\nbasicConstraints=CA:FALSE\n"
        "extendedKeyUsage=serverAuth\n"
    )
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.pem")
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")


@dataclass
class Answer:
    """One HTTP response, whole."""

    status: int
    headers: list
    body: bytes

    def header(self, name):
        values = [value for header, value in self.headers if header.lower() == name.lower()]
        return values[0] if values else None

    def error(self):
        """The elements of an S3 error body in order, as (name, text) pairs."""
        declaration = b'<?xml version="1.0" encoding="UTF-8"?>\n'
        assert self.body.startswith(declaration), self.body[:200]
        root = xml.fromstring(self.body)
        assert root.tag == "Error", root.tag
        return [(element.tag, element.text or "") for element in root]

    def code(self):
        return dict(self.error())["Code"] if self.body else None


@dataclass
class Server:
    """One process of `valet serve`. Command-line options are given without defaults of our own."""

    home: Path
    options: list = field(default_factory=list)
    certificates: Certificates | None = None
    environment: dict = field(default_factory=dict)
    listen: str = "127.0.0.1:0"
    root_key: sigv4.Key | None = ROOT_KEY
    data_dir: Path | None = None
    files_max: int | None = None
    process: subprocess.Popen | None = None
    port: int = 0

    def __post_init__(self):
        self.home.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.data_dir or self.home / "data"

    @property
    def scheme(self):
        return "https" if self.certificates else "http"

    @property
    def host(self):
        """The Host header of a client that was given `endpoint`."""
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return f"{self.scheme}://{self.host}"

    @property
    def log(self):
        return self.home / "server.log"

    def command(self):
        tls = []
        if self.certificates:
            tls = ["--tls-cert", self.certificates.certificate, "--tls-key", self.certificates.key]
        limits = []
        if self.files_max:
            limits = ["sh", "-c", f'ulimit -n {self.files_max} && exec "$@"', "sh"]
        return [
            *limits, binary(), "serve", "--listen", self.listen, "--data-dir", self.data_dir,
            *tls, *self.options,
        ]

    def settings(self):
        """The environment of the process."""
        root = {}
        if self.root_key:
            root = {
                "VALET_ROOT_ACCESS_KEY_ID": self.root_key.id,
                "VALET_ROOT_SECRET_ACCESS_KEY": self.root_key.secret,
            }
        return {**bare_environment(self.home), **root, **self.environment}

    def spawn(self):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                list(map(str, self.command())),
                cwd=self.home, env=self.settings(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )

    def start(self):
        self.process = self.spawn()
        lines = queue.Queue()
        # The pipe is read to its end, or a talkative server would block on it.
        threading.Thread(target=read_lines, args=(self.process.stdout, lines), daemon=True).start()
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            ready = READY.search(line) if line else None
            if ready:
                assert ready[1] == self.scheme, line
                self.port = int(ready[3])
                return self
            if line is None:
                self.kill()
                raise AssertionError(f"not ready; its log ends:\n{self.log_tail()}")

    def run_to_end(self):
        """For a start that must fail: (exit status, standard error)."""
        result = subprocess.run(
            list(map(str, self.command())), cwd=self.home, stdin=subprocess.DEVNULL,
            env=self.settings(), capture_output=True, text=True, timeout=READY_SECONDS,
        )
        return result.returncode, result.stderr

    def stop(self):
        """Asks it to end and insists on a clean one."""
        os.kill(self.process.pid, signal.SIGTERM)
        status = self.process.wait(timeout=STOP_SECONDS)
        assert status == 0, f"exit {status}; its log ends:\n{self.log_tail()}"

    def kill(self):
        """kill -9."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        """Stops it if it still runs, whatever became of the test."""
        if self.process and self.process.poll() is None:
            self.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def resident_max(self):
        """The most memory it has had resident, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * KIB

    # --- requests

    def connect(self, timeout=30):
        """A socket to it, inside TLS when it serves that."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.certificates:
            return plain
        context = ssl.create_default_context(cafile=self.certificates.ca)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def request(self, method, target, *, headers=(), body=b"", host=None):
        """Sends exactly these headers, Host and Content-Length, and reads the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.sock = self.connect(timeout=60)
        try:
            return send(connection, method, target, host or self.host, headers, body)
        finally:
            connection.close()

    def link(self, path, **options):
        """A link of the root key's for this server. `path`: as on the wire."""
        return sigv4.Link(ROOT_KEY, self.host, path, **options)

    def use(self, link, *, headers=None, body=b"", method=None, host=None):
        """Uses a link, by default just as its signer meant."""
        return self.request(
            method or link.method, link.target(), body=body, host=host,
            headers=link.headers if headers is None else headers,
        )

    def signed(self, method, path, *, query=(), headers=(), body=b"", **options):
        """A request signed in its Authorization header. `query`: decoded pairs."""
        made = sigv4.authorization(
            ROOT_KEY, method, self.host, path, query=query, headers=headers, body=body, **options
        )
        target = path
        if query:
            target += "?" + sigv4.canonical_query(query)
        return self.request(method, target, headers=made, body=body)

    def make_bucket(self, name):
        answer = self.signed("PUT", f"/{name}")
        assert answer.status == 200, answer

    def put(self, path, body, **options):
        answer = self.signed("PUT", path, body=body, **options)
        assert answer.status == 200, answer
        return answer

    def get(self, path, **options):
        return self.signed("GET", path, **options)

    def keys(self, bucket):
        """All keys of a bucket, through as many pages as it takes."""
        found, token = [], None
        while True:
            query = [("list-type", "2")] + ([("continuation-token", token)] if token else [])
            answer = self.get(f"/{bucket}", query=query)
            assert answer.status == 200, answer
            root = xml.fromstring(answer.body)
            found += [element.text for element in root.iterfind("{*}Contents/{*}Key")]
            token = root.findtext("{*}NextContinuationToken")
            if not token:
                return found


def send(connection, method, target, host, headers, body):
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", host)
    names = {name.lower() for name, _ in headers}
    if not names & {"content-length", "transfer-encoding"} and (body or method in ("PUT", "POST")):
        connection.putheader("Content-Length", str(len(body)))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    try:
        if body:
            connection.send(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # The answer may have come before the body was wanted.
    response = connection.getresponse()
    return Answer(response.status, response.getheaders(), response.read())


def read_lines(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)


def client_environment(server, home):
    """The environment in which a client finds the server: endpoint, credentials and authority."""
    environment = {
        **bare_environment(home),
        "AWS_ACCESS_KEY_ID": ROOT_KEY.id,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY.secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }
    if server.certificates:
        ca = str(server.certificates.ca)
        environment |= {
            "AWS_CA_BUNDLE": ca,
            "NODE_EXTRA_CA_CERTS": ca,
            "SSL_CERT_FILE": ca,
            "CURL_CA_BUNDLE": ca,
        }
    return environment


@dataclass
class Client:
    """Runs command-line clients against one server."""

    server: Server
    home: Path

    def run(self, *command, status=0, stdin=None, environment=None):
        """Runs a command and insists on its exit status; returns its standard output.

        `environment` adds to the client's own; None takes a variable out.
        """
        settings = {**client_environment(self.server, self.home), **(environment or {})}
        result = subprocess.run(
            list(map(str, command)), input=stdin, capture_output=True, timeout=240, cwd=self.home,
            env={name: value for name, value in settings.items() if value is not None},
        )
        assert result.returncode == status, (
            f"{command}: exit {result.returncode}\n{result.stdout[-2000:].decode(errors='replace')}"
            f"\n{result.stderr[-4000:].decode(errors='replace')}"
        )
        return result.stdout.decode(errors="surrogateescape")


def copy_data_dir(source, target):
    shutil.copytree(source, target, symlinks=True)
    return target
