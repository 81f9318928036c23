"""The servers that are compared: each starts on a free port of loopback and serves the same bytes."""

import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import measure

BUCKET = "bench"
ACCESS_KEY_ID = "GK" + "0123456789abcdef01234567"
SECRET = secrets.token_hex(32)
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 40


class Server:
    """A process with its folder, port and log. What it prints goes to files, as an operator's would."""

    name = ""
    is_peer = False
    region = "us-east-1"

    def __init__(self, arguments, scratch: pathlib.Path):
        self.arguments = arguments
        self.folder = scratch / self.name
        self.port = free_port()
        self.process = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def start(self, bodies: dict) -> None:
        self.folder.mkdir(parents=True)
        with (self.folder / "stdout").open("w") as out, (self.folder / "stderr").open("w") as err:
            self.process = subprocess.Popen(
                measure.pinned(0, self.arguments) + self.command(),
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env={**surroundings(), **self.environment()},
            )
        self.await_port()
        self.fill(bodies)

    def await_port(self) -> None:
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.name} did not start:\n{(self.folder / 'stderr').read_text()}")

    def fill(self, bodies: dict) -> None:
        raise NotImplementedError

    def url(self, size: int) -> str:
        return self.presign("GET", f"{size}.bin")

    def pids(self) -> list[int]:
        """The process and its children: nginx has a worker."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def memory_peak_kib(self) -> int:
        return self.status_kib("VmHWM")

    def memory_kib(self) -> int:
        return self.status_kib("VmRSS")

    def status_kib(self, field: str) -> int:
        return sum(
            int(line.split()[1])
            for pid in self.pids()
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith(f"{field}:")
        )

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def presign(self, method: str, key: str) -> str:
        """A link made by `valet presign`, for whichever server."""
        return self.presign_target(method, f"s3://{BUCKET}/{key}")

    def presign_target(self, method: str, target: str, query: dict[str, str] | None = None) -> str:
        command = [self.arguments.valet, "presign", "--method", method, "--expires-in", "1d", target]
        for name, value in (query or {}).items():
            command += ["--query", f"{name}={value}"]
        return subprocess.run(
            command,
            env={**surroundings(), **self.client_environment()},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def client_environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def put(self, target: str, body: bytes) -> None:
        self.call("PUT", target, body=body)

    def call(
        self, method: str, target: str, query: dict[str, str] | None = None, body: bytes | None = None
    ) -> None:
        url = self.presign_target(method, target, query)
        try:
            urllib.request.urlopen(urllib.request.Request(url, data=body, method=method)).close()
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{self.name}: {refused.code} {refused.read().decode()}") from None

    def put_bodies(self, bodies: dict) -> None:
        for path in bodies.values():
            self.put(f"s3://{BUCKET}/{path.name}", path.read_bytes())


class Valet(Server):
    """Every setting at its default, but where it listens and whether bodies are encrypted."""

    def __init__(self, arguments, scratch: pathlib.Path, encryption: str):
        self.encryption = encryption
        self.name = "valet" if encryption == "on" else "valet-plain"
        super().__init__(arguments, scratch)

    def command(self) -> list[str]:
        listen = f"127.0.0.1:{self.port}"
        valet = str(self.arguments.valet)
        return [valet, "serve", "--listen", listen, "--encryption", self.encryption]

    def environment(self) -> dict[str, str]:
        return {
            "VALET_ROOT_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "VALET_ROOT_SECRET_ACCESS_KEY": SECRET,
        }

    def fill(self, bodies: dict) -> None:
        self.put(f"s3://{BUCKET}", b"")
        self.put_bodies(bodies)


class Nginx(Server):
    """One worker that sends bare files and checks nothing."""

    CONFIG = """
        daemon off;
        {user}
        worker_processes 1;
        pid {folder}/pid;
        error_log {folder}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            default_type application/octet-stream;
            access_log {access_log};
            sendfile on;
            tcp_nopush on;
            keepalive_timeout 65;
            # The default closes a connection after 1000.
            keepalive_requests 1000000000;
            server {{ listen 127.0.0.1:{port}; root {root}; }}
        }}
    """

    def __init__(self, arguments, scratch: pathlib.Path, *, access_log: bool):
        self.access_log = access_log
        self.name = "nginx-log" if access_log else "nginx"
        self.root = scratch / "www"
        super().__init__(arguments, scratch)

    def command(self) -> list[str]:
        config = self.folder / "nginx.conf"
        config.write_text(
            self.CONFIG.format(
                # The folder is readable by whoever made it.
                user="user root;" if os.geteuid() == 0 else "",
                folder=self.folder.resolve(),
                access_log=self.folder.resolve() / "access.log" if self.access_log else "off",
                port=self.port,
                root=self.root.resolve(),
            )
        )
        return [measure.find("nginx"), "-p", str(self.folder.resolve()), "-c", str(config.resolve())]

    def fill(self, bodies: dict) -> None:
        """It serves the files where they were made."""

    def url(self, size: int) -> str:
        return f"http://127.0.0.1:{self.port}/{size}.bin"


class S3sFs(Server):
    """The file-system server that belongs to s3s."""

    name = "s3s-fs"
    is_peer = True

    def command(self) -> list[str]:
        root = self.folder / "root"
        root.mkdir()
        return [
            str(self.arguments.s3s_fs),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--access-key", ACCESS_KEY_ID, "--secret-key", SECRET),
            str(root.resolve()),
        ]

    def fill(self, bodies: dict) -> None:
        folder = self.folder / "root" / BUCKET
        folder.mkdir()
        for path in bodies.values():
            (folder / path.name).write_bytes(path.read_bytes())


class Garage(Server):
    """A single node, with its fastest engine and the defaults otherwise."""

    name = "garage"
    is_peer = True
    region = "garage"
    CONFIG = """
        metadata_dir = "{folder}/meta"
        data_dir = "{folder}/data"
        db_engine = "lmdb"
        replication_factor = 1
        rpc_bind_addr = "127.0.0.1:{rpc_port}"
        rpc_public_addr = "127.0.0.1:{rpc_port}"
        rpc_secret = "{rpc_secret}"

        [s3_api]
        s3_region = "{region}"
        api_bind_addr = "127.0.0.1:{port}"
    """

    def command(self) -> list[str]:
        config = self.CONFIG.format(
            folder=self.folder.resolve(),
            rpc_port=free_port(),
            rpc_secret=secrets.token_hex(32),
            region=self.region,
            port=self.port,
        )
        (self.folder / "garage.toml").write_text(config)
        return [*self.tool(), "server"]

    def tool(self) -> list[str]:
        return [str(self.arguments.garage), "-c", str((self.folder / "garage.toml").resolve())]

    def ask(self, *words: str) -> str:
        done = subprocess.run([*self.tool(), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"garage {words[0]}: {done.stderr}")
        return done.stdout

    def fill(self, bodies: dict) -> None:
        node = self.ask("node", "id", "-q").partition("@")[0]
        self.ask("layout", "assign", "-z", "here", "-c", "10G", node)
        self.ask("layout", "apply", "--version", "1")
        self.ask("key", "import", "--yes", "-n", "bench", ACCESS_KEY_ID, SECRET)
        self.ask("bucket", "create", BUCKET)
        self.ask("bucket", "allow", "--read", "--write", BUCKET, "--key", ACCESS_KEY_ID)
        self.put_bodies(bodies)


def surroundings() -> dict[str, str]:
    """The environment without settings of a Valet: what is measured is its defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VALET_")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
