"""Chromium on a page of another origin, and the page's small back end that signs for it."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.config import Config

from harness import CLIENTS, bare_environment
from people import client

BROWSER = CLIENTS / "browser"
PAGE = b'<!doctype html><meta charset="utf-8"><title>A page of another origin</title>' \
    b'<body><script src="/page.js"></script>'
# What Uppy needs to be let do and to read.
RULES = {
    "AllowedMethods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 60,
}


def content(size):
    """The bytes that the page makes."""
    period = bytes(index * 31 & 255 for index in range(256))
    return (period * (size // 256 + 1))[:size]


def signer(server, key=None):
    """boto3 that makes SigV4 links, as every page's back end should."""
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    return client(server, "s3", key, config=config)


def bundle(folder, name="page"):
    """A page's script, with the libraries in it."""
    target = folder / f"{name}.js"
    subprocess.run(
        [BROWSER / "node_modules" / ".bin" / "esbuild", BROWSER / f"{name}.mjs", "--bundle",
         "--format=iife", "--log-level=warning", f"--outfile={target}"],
        check=True, capture_output=True, timeout=120,
    )
    return target.read_bytes()


class Site:
    """Serves `pages`, types and bytes by path, and answers POST requests by `back_end`, functions
    by path."""

    def __init__(self, script):
        self.pages = {"/": ("text/html", PAGE), "/page.js": ("text/javascript", script)}
        self.back_end = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(*site.pages.get(self.path, ("text/plain", b"")))

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = site.back_end[self.path](asked)
                self.answer("application/json", json.dumps(answer).encode())

            def answer(self, kind, body):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def allow(self, s3, bucket, **more):
        """Lets this site's pages use a bucket."""
        rule = {**RULES, "AllowedOrigins": [self.origin], **more}
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Chromium:
    """A fresh Chromium for each thing that is asked of it."""

    def __init__(self, site, home):
        self.site = site
        self.home = home

    def call(self, function, **argument):
        """Calls a function of the page."""
        return self.run({"page": self.site.origin, "call": function, "argument": argument})

    def open(self, url):
        """Opens a link as somebody would who clicked it."""
        return self.run({"open": url})

    def play(self, url, cookies=()):
        """Opens a page with a player; what became of the film."""
        return self.run({"play": url, "cookies": list(cookies)})

    def choose(self, path, file):
        """Chooses a file on a page of the site; what the page then says."""
        return self.run({"page": self.site.origin + path, "choose": str(file)})

    def run(self, task):
        result = subprocess.run(
            ["node", BROWSER / "drive.mjs"], input=json.dumps(task).encode(), capture_output=True,
            timeout=120, cwd=self.home, env=bare_environment(self.home),
        )
        assert result.returncode == 0, result.stderr[-4000:].decode(errors="replace")
        return json.loads(result.stdout)
