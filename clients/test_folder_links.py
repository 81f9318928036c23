"""Links to folders over real connections: curl walks one, several programs read the zip, a crowd fetches it, and a browser
shows the page."""

import http.client
import io
import json
import subprocess
import threading
import urllib.parse
import zipfile

import pytest

from content import body
from harness import MIB, Server, bare_environment

FILES = {
    "a b.txt": b"one",
    "ä 😀.txt": b"two",
    "sub/deep/three.bin": body(3 * MIB, "three"),
    "../out.txt": b"four",
    "x/../../out.txt": b"five",
    "double//slash.txt": b"six",
    "..": b"seven",
    "c:\\nul": b"eight",
    "line\nbreak": b"nine",
    "empty": b"",
}
# What these keys are called in a zip.
ZIPPED = {
    "a b.txt": "a b.txt",
    "ä 😀.txt": "ä 😀.txt",
    "sub/deep/three.bin": "sub/deep/three.bin",
    "../out.txt": "__ (2)/out.txt",
    "x/../../out.txt": "x/__/__/out.txt",
    "double//slash.txt": "double/slash.txt",
    "..": "__",
    "c:\\nul": "c__nul",
    "line\nbreak": "linebreak",
    "empty": "empty",
}


@pytest.fixture
def own_server(tmp_path):
    with Server(tmp_path / "server") as server:
        server.make_bucket("bucket")
        yield server


def store(server, files, prefix="share/"):
    for key, content in files.items():
        server.put("/bucket/" + urllib.parse.quote(prefix + key), content)


def share(server, **more):
    """The URL of a link to a folder."""
    wanted = {"kind": "folder", "bucket": "bucket", "prefix": "share/", **more}
    made = server.signed("POST", "/_valet/api/v1/links", body=json.dumps(wanted).encode())
    assert made.status == 201, made
    return json.loads(made.body)["url"]


def curl(server, *arguments):
    run = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments],
        capture_output=True, timeout=60, env=bare_environment(server.home),
    )
    assert run.returncode == 0, (arguments, run.stdout[-500:], run.stderr)
    return run.stdout


def test_curl_walks_a_folder(own_server):
    """Without --path-as-is, as anybody calls it: it takes dots in a path for steps."""
    store(own_server, FILES)
    store(own_server, {"out.txt": b"secret", "other/out.txt": b"secret"}, prefix="")
    folders, found = [share(own_server)], {}
    while folders:
        listed = json.loads(curl(own_server, "-H", "Accept: application/json", folders.pop()))
        folders += [own_server.endpoint + folder["url"] for folder in listed["folders"]]
        for file in listed["files"]:
            content = curl(own_server, "--location", own_server.endpoint + file["url"])
            assert len(content) == file["size"]
            found[listed["path"] + file["name"]] = content
    assert found == FILES


def test_programs_read_the_zip(own_server, tmp_path):
    store(own_server, FILES)
    curl(own_server, "--output", tmp_path / "share.zip", share(own_server) + "?zip")
    with zipfile.ZipFile(tmp_path / "share.zip") as archive:
        assert archive.testzip() is None
        assert {entry.filename for entry in archive.infolist()} == set(ZIPPED.values())
        for key, name in ZIPPED.items():
            assert archive.read(name) == FILES[key], key
        assert all(entry.flag_bits & 0x808 == 0x808 for entry in archive.infolist())
    tested = subprocess.run(["unzip", "-t", tmp_path / "share.zip"], capture_output=True, timeout=60)
    assert tested.returncode == 0, tested
    unpacked = tmp_path / "unpacked"
    subprocess.run(["unzip", "-q", tmp_path / "share.zip", "-d", unpacked], check=True, timeout=60)
    assert (unpacked / "sub/deep/three.bin").read_bytes() == FILES["sub/deep/three.bin"]
    assert not list(tmp_path.glob("out.txt"))


def test_a_crowd_fetches_a_folder_and_others_are_served(own_server):
    """All at once, and each has it whole. No more is in memory than the pieces of those under way."""
    files = {f"{number}.bin": body(5 * MIB, str(number)) for number in range(10)}
    store(own_server, files)
    url = urllib.parse.urlsplit(share(own_server))
    before = own_server.resident_max()
    whole = []

    def fetch():
        connection = http.client.HTTPConnection("127.0.0.1", own_server.port, timeout=300)
        connection.request("GET", f"{url.path}?zip")
        response = connection.getresponse()
        content = response.read()
        connection.close()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            whole.append(len(archive.infolist()))

    crowd = [threading.Thread(target=fetch, daemon=True) for _ in range(24)]
    for one in crowd:
        one.start()
    small = own_server.get("/bucket/share/0.bin", headers=[("Range", "bytes=0-9")])
    assert small.status == 206
    for one in crowd:
        one.join(timeout=300)
    assert whole == [10] * 24
    # They fetch 1,200 MiB.
    assert own_server.resident_max() - before < 40 * MIB


def test_a_passphrase_opens_a_folder_for_a_while(own_server, tmp_path):
    store(own_server, FILES)
    url = share(own_server, passphrase="open sesame")
    jar = tmp_path / "cookies"
    page = curl(
        own_server, "--location", "--cookie-jar", jar, "--cookie", jar,
        "--data-urlencode", "passphrase=open sesame", "-H", "Sec-Fetch-Mode: navigate", url,
    )
    assert b"Download all (zip)" in page
    assert curl(own_server, "--location", "--cookie", jar, url + "/a%20b.txt") == b"one"
    refused = own_server.request("GET", urllib.parse.urlsplit(url).path)
    assert refused.status == 403


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_a_screen(own_server, chromium, width):
    store(own_server, FILES)
    store(own_server, {"a-name-without-any-place-to-break-it-" * 5: b"long"})
    shown = chromium.run({"open": share(own_server, show_creator=True), "width": width})
    assert (shown["status"], shown["overflows"]) == (200, False)
    assert "4 folders \u00b7 7 files" in shown["text"], shown["text"]
