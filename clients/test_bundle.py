"""`valet presign --multipart`: bundles, run by `valet put` and by the page of docs/multipart.md."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree as xml
from datetime import datetime

import people
import pytest
import sigv4
from botocore.client import Config

from content import write_file
from harness import CLIENTS, MIB, ROOT_KEY, Server, binary, client_environment
from identities import Clock, Valet
from test_expiry import role_session

SIZE = 12 * MIB
PARTS = 3
PAGE = CLIENTS.parent / "docs" / "multipart.md"
RUN_PAGE = """
import { openAsBlob, readFileSync } from "node:fs";
import { upload } from "./page.mjs";
const shares = [];
const bundle = JSON.parse(readFileSync(process.argv[3]));
const file = await openAsBlob(process.argv[2]);
const text = await upload(file, bundle, (share) => shares.push(share));
console.log(JSON.stringify({ text, shares }));
"""

RUN_IN_BROWSER = b"""<!doctype html><meta charset="utf-8"><input type="file"><pre></pre>
<script type="module">
import { upload } from "/page.mjs";
document.querySelector("input").onchange = async ({ target }) => {
  const bundle = await (await fetch("/bundle.json")).json();
  const say = (text) => (document.querySelector("pre").textContent = text);
  upload(target.files[0], bundle).then(say, (error) => say(error.message));
};
</script>"""


def bundle_of(valet, uri, *options, size=SIZE):
    """A bundle in a file, and what it says."""
    text = valet(
        "presign", "--multipart", "--size", size, "--part-size", "5MiB", uri, *options
    )
    (valet.client.home / "bundle.json").write_text(text)
    return json.loads(text)


def put(valet, *options, **more):
    server = valet.client.server
    ca = ["--cacert", server.certificates.ca] if server.certificates else []
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    return valet("put", "file", "bundle.json", *ca, *options, **nobody, **more)


def script():
    """That of the documentation."""
    return re.search(r"^```js\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[1]


def run_page(valet):
    """Runs the script in node; returns the answer's text and how far it was, told."""
    home = valet.client.home
    (home / "page.mjs").write_text(script())
    (home / "run.mjs").write_text(RUN_PAGE)
    return json.loads(valet.client.run("node", "run.mjs", "file", "bundle.json"))


def parts_there(server, path, upload_id):
    """The numbers of the parts, or none where the upload is gone."""
    answer = server.signed("GET", path, query=[("uploadId", upload_id)])
    if answer.status == 404:
        return None
    return [int(e.text) for e in xml.fromstring(answer.body).iter() if e.tag.endswith("PartNumber")]


def target(url):
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


def until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def valet(server, tmp_path):
    write_file(tmp_path / "file", SIZE)
    return Valet(server, tmp_path)


def test_a_bundle_is_run(server, valet, bucket, tmp_path):
    """The attributes are those the signer chose; whoever uploads has no key."""
    made = bundle_of(
        valet, f"s3://{bucket}/dir/a file+ü", "--content-type", "text/x-film",
        "--header", "x-amz-meta-project: blue", "--expires-in", "2d",
    )
    assert [part["number"] for part in made["parts"]] == [1, 2, 3]
    assert made["limited_by"] == ["requested"]
    life = datetime.fromisoformat(made["effective_expires_at"].replace("Z", "+00:00"))
    parts_life = datetime.fromisoformat(made["parts_expire_at"].replace("Z", "+00:00"))
    assert (life - parts_life).total_seconds() == 47 * 3600
    etag = put(valet).strip()
    assert etag.endswith(f"-{PARTS}")
    found = server.get(f"/{bucket}/dir/a%20file%2B%C3%BC")
    assert found.body == (tmp_path / "file").read_bytes()
    assert found.header("content-type") == "text/x-film"
    assert found.header("x-amz-meta-project") == "blue"
    assert found.header("etag") == f'"{etag}"'
    put(valet, status=1)


def test_the_page_of_the_documentation_runs_a_bundle(server, valet, bucket, tmp_path):
    made = bundle_of(valet, f"s3://{bucket}/film")
    # It goes on where somebody else ended.
    part = made["parts"][1]
    body = (tmp_path / "file").read_bytes()[part["offset"]:][:part["size"]]
    assert server.request("PUT", target(part["link"]), body=body).status == 200
    told = run_page(valet)
    assert "CompleteMultipartUploadResult" in told["text"]
    assert told["shares"] == [1 / 3, 2 / 3, 1, 1]
    assert server.get(f"/{bucket}/film").body == (tmp_path / "file").read_bytes()


def test_the_page_runs_in_chromium(server, valet, s3, site, bucket, chromium, tmp_path):
    """On another origin, under a rule that allows no header and exposes none."""
    site.allow(s3, bucket, AllowedMethods=["PUT", "POST"], AllowedHeaders=[], ExposeHeaders=[])
    bundle_of(valet, f"s3://{bucket}/film")
    site.pages["/page.mjs"] = ("text/javascript", script().encode())
    site.pages["/bundle.json"] = ("application/json", (tmp_path / "bundle.json").read_bytes())
    site.pages["/bundle"] = ("text/html", RUN_IN_BROWSER)
    said = chromium.choose("/bundle", tmp_path / "file")
    assert "CompleteMultipartUploadResult" in said, said
    assert server.get(f"/{bucket}/film").body == (tmp_path / "file").read_bytes()


class Gate:
    """Passes connections on to a server: the first ones, and all once it is open. The others wait."""

    def __init__(self, server, passes):
        self.server, self.passes = server, passes
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.waiting = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            if self.passes == 0:
                self.waiting.append(client)
                continue
            self.passes -= 1
            there = socket.create_connection(("127.0.0.1", self.server.port))
            for ends in ((client, there), (there, client)):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_a_killed_upload_goes_on(http_server, tmp_path, bucket_name):
    server = http_server
    server.make_bucket(bucket_name)
    write_file(tmp_path / "file", SIZE)
    # The list is asked for, and one part is put, over one connection; another part has its own.
    gate = Gate(server, passes=2)
    valet = Valet(server, tmp_path, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"})
    gate.passes = 1000
    made = bundle_of(valet, f"s3://{bucket_name}/film")
    gate.passes = 2
    process = subprocess.Popen(
        [binary(), "put", "file", "bundle.json"], cwd=tmp_path,
        env=client_environment(server, tmp_path),
    )
    there = lambda: parts_there(server, f"/{bucket_name}/film", made["upload_id"])
    until(lambda: len(there()) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gate.passes = 1000
    again = subprocess.run(
        [binary(), "put", "file", "bundle.json"], cwd=tmp_path, capture_output=True, text=True,
        env=client_environment(server, tmp_path), timeout=60,
    )
    assert again.returncode == 0, again
    assert again.stderr.startswith("note: 2 of 3 parts are there already\n"), again
    assert server.get(f"/{bucket_name}/film").body == (tmp_path / "file").read_bytes()
    gate.socket.close()


def test_ctrl_c_says_how_to_go_on(http_server, tmp_path, bucket_name):
    server = http_server
    server.make_bucket(bucket_name)
    write_file(tmp_path / "file", SIZE)
    gate = Gate(server, passes=1000)
    valet = Valet(server, tmp_path, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"})
    made = bundle_of(valet, f"s3://{bucket_name}/film")
    gate.passes = 2
    process = subprocess.Popen(
        [binary(), "put", "file", "bundle.json"], cwd=tmp_path,
        env=client_environment(server, tmp_path), stderr=subprocess.PIPE, text=True,
    )
    there = lambda: parts_there(server, f"/{bucket_name}/film", made["upload_id"])
    until(lambda: len(there()) == 2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    # That a part is stored is known to the client a moment later than to the server.
    assert re.match(
        r"note: [12] of 3 parts are stored: run the same command to go on, or add --abort to give "
        r"the upload up\nerror: interrupted\n$", told,
    ), told
    assert len(there()) == 2
    gate.passes = 1000
    put(valet, "--abort")
    assert there() is None
    put(valet, status=1)
    gate.socket.close()


@pytest.mark.parametrize("run", [put, run_page], ids=["valet", "page"])
def test_links_that_have_died_are_renewed(start, tmp_path, run):
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    write_file(tmp_path / "file", SIZE)
    valet = Valet(server, tmp_path)
    made = bundle_of(valet, "s3://demo/film", "--expires-in", "7d")
    clock.move("+2h")
    part = made["parts"][0]
    dead = server.request("PUT", target(part["link"]), body=b"a" * part["size"])
    assert (dead.status, dict(dead.error())["Message"]) == (403, "Request has expired")
    run(valet)
    clock.move("+0")
    assert server.get("/demo/film").body == (tmp_path / "file").read_bytes()


def test_a_bundle_dies_with_the_session_that_signed_it(start, tmp_path):
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    write_file(tmp_path / "file", SIZE)
    valet, end = role_session(server, tmp_path, "night", "demo")
    link = ["presign", "--multipart", "--size", SIZE, "s3://demo/film", "--expires-in", "7d"]
    valet(*link, "--strict", status=4)
    # What is not made is not begun either.
    uploads = server.signed("GET", "/demo", query=[("uploads", "")])
    assert b"<UploadId>" not in uploads.body
    made = bundle_of(valet, "s3://demo/film", "--expires-in", "7d")
    assert made["limited_by"] == ["session"]
    assert datetime.fromisoformat(made["effective_expires_at"].replace("Z", "+00:00")) == end
    clock.move("+50m")
    part = made["parts"][2]
    renewed = server.request("POST", target(made["renew"]), body=b'{"parts":[3]}')
    fresh = json.loads(renewed.body)
    assert datetime.fromisoformat(fresh["expires_at"].replace("Z", "+00:00")) == end
    clock.move("+61m")
    assert put(valet, status=1, AWS_SESSION_TOKEN=None) == ""
    for link in (part["link"], fresh["parts"][0]["link"]):
        # Neither had claimed to live longer.
        dead = server.request("PUT", target(link), body=b"a" * part["size"])
        assert (dead.status, dict(dead.error())["Message"]) == (403, "Request has expired")
    refused = json.loads(server.request("POST", target(made["renew"])).body)
    assert refused["error"]["code"] == "ExpiredToken"
    for method, link in (("POST", made["complete"]), ("DELETE", made["abort"])):
        assert dict(server.request(method, target(link)).error())["Code"] == "ExpiredToken"


def test_a_glimpse_of_a_late_clock_ends_no_upload(start, tmp_path):
    """What is swept by age waits for an hour of steady readings: the store's own tests let it pass."""
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    write_file(tmp_path / "file", SIZE)
    valet = Valet(server, tmp_path)
    made = bundle_of(valet, "s3://demo/left", "--expires-in", "7d")
    part = made["parts"][0]
    assert server.request("PUT", target(part["link"]), body=b"a" * part["size"]).status == 200
    server.put("/demo/whole", b"b" * MIB)
    for glimpse in ("+7d", "+15d"):
        clock.move(glimpse)
        time.sleep(5)
        clock.move("+0")
        assert parts_there(server, "/demo/left", made["upload_id"]) == [1]
    assert b"aborted" not in server.log.read_bytes()
    assert server.get("/demo/whole").body == b"b" * MIB


def test_nothing_is_swept_when_nothing_shall_be(start, tmp_path):
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables(), options=["--abort-uploads-after", "never"])
    server.make_bucket("demo")
    made = bundle_of(Valet(server, tmp_path), "s3://demo/left")
    clock.move("+1000d")
    time.sleep(5)
    clock.move("+0")
    assert parts_there(server, "/demo/left", made["upload_id"]) == []


def test_a_shorter_time_than_links_live_is_refused(tmp_path):
    status, told = Server(tmp_path, options=["--abort-uploads-after", "7d"]).run_to_end()
    assert status == 2 and "so that no link outlives its upload" in told


def test_renewed_links_lead_where_the_signer_said(start, tmp_path):
    """Behind a proxy that the server does not know, and with a prefix that it strips."""
    server = start(options=["--public-url", "https://files.example.com/store"])
    server.make_bucket("demo")
    valet = Valet(server, tmp_path)
    made = bundle_of(valet, "s3://demo/film")
    host = "files.example.com"
    path = f"/_valet/api/v1/uploads/{made['upload_id']}/parts"
    query = [
        ("bucket", "demo"), ("key", "film"), ("size", str(SIZE)), ("part-size", str(5 * MIB)),
        ("endpoint", f"https://{host}/store"),
    ]
    renew = sigv4.Link(ROOT_KEY, host, f"/store{path}", method="POST", query=query)
    answer = server.request("POST", renew.target().removeprefix("/store"))
    assert answer.status == 200, answer
    part = json.loads(answer.body)["parts"][2]
    assert part["link"].startswith(f"https://{host}/store/demo/film?partNumber=3&")
    put = server.request("PUT", target(part["link"]).removeprefix("/store"), body=b"x" * part["size"])
    assert put.status == 200, put


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_links_of_parts_by_boto3(server, bucket, version):
    s3 = people.client(server, "s3")
    signer = people.client(server, "s3", config=Config(signature_version=version))
    place = {"Bucket": bucket, "Key": "dir/a key+ü"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    parts = []
    for number, body in [(1, b"a" * 5 * MIB), (2, b"the end")]:
        link = signer.generate_presigned_url(
            "upload_part", Params={**place, "UploadId": upload, "PartNumber": number}
        )
        put = server.request("PUT", target(link), body=body)
        assert put.status == 200, put
        parts.append({"PartNumber": number, "ETag": put.header("etag")})
    s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**place)["Body"].read() == b"a" * 5 * MIB + b"the end"
