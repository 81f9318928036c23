"""Sharing as people do it: a file shared from a shell and opened in a browser, files sent to a request on a page as wide as a
phone, and what the ledger has of it."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from content import body
from harness import MIB, Server, bare_environment, binary, client_environment
from people import make_client


@pytest.fixture
def own_server(tmp_path):
    with Server(tmp_path / "server") as server:
        yield server


def valet(server, *arguments, given=None, status=0):
    run = subprocess.run(
        [binary(), *arguments], capture_output=True, text=True, timeout=120,
        env=client_environment(server, server.home), input=given,
    )
    assert run.returncode == status, (arguments, run.stdout, run.stderr)
    return run.stdout.strip()


def picture(tmp_path, name):
    """Where a picture goes: VALET_PICTURES keeps it, for those who look."""
    kept = os.environ.get("VALET_PICTURES")
    return str((tmp_path if kept is None else Path(kept)) / name)


def test_a_file_shared_from_a_shell_is_opened_in_a_browser(own_server, chromium, tmp_path):
    content = body(3 * MIB, "iso")
    (tmp_path / "big.iso").write_bytes(content)
    link = valet(
        own_server, "share", str(tmp_path / "big.iso"), "--expires-in", "30d", "--uses", "3", "--passphrase",
        "--label", "For Ana", "--show-creator", "--quiet", given="open sesame\n",
    )
    assert "/_valet/s/" in link and "\n" not in link
    task = {"fetch": link, "passphrase": "open sesame"}
    # Five tries a minute are all there are.
    first = chromium.run({**task, "wrong": "not this one", "picture": picture(tmp_path, "passphrase.png")})
    assert first["name"] == "big.iso" and first["sha256"] == hashlib.sha256(content).hexdigest()
    assert first["shown"] == ["A passphrase is needed", "That was not the passphrase. Try again."]
    assert "The download begins." in first["left"] and "passphrase" not in first["left"]
    # The use belongs to this client for ten minutes; a whole file again is another use.
    assert chromium.run(task)["size"] == len(content)
    third = subprocess.run(
        ["curl", "--silent", "--location", "--header", "x-valet-passphrase: open sesame", link],
        capture_output=True, timeout=60, env=bare_environment(own_server.home), check=True,
    )
    assert third.stdout == content
    fourth = chromium.run({**task, "picture": picture(tmp_path, "used-up.png")})
    assert (fourth["status"], fourth["shown"]) == (403, ["This link has been used up"])
    shown = json.loads(valet(own_server, "links", "show", link, "--json"))
    assert (shown["state"], shown["uses"], shown["uses_taken"]) == ("used-up", 3, 3)
    served = [used for used in shown["recorded"] if used["status"] == 200]
    assert len(served) == 3 and all(used["address"] == "127.0.0.1" for used in served)
    assert {used["bytes"] for used in served} == {len(content)}
    listed = valet(own_server, "links", "ls", "--state", "used-up")
    assert "For Ana" in listed and "3 of 3" in listed
    watched = valet(own_server, "links", "watch", link, "--since", "10m", "--once")
    assert watched.count("GetObject 200") == 3


def test_files_are_sent_on_a_page_as_wide_as_a_phone(own_server, chromium, tmp_path):
    own_server.make_bucket("inbox")
    link = valet(
        own_server, "request", "s3://inbox/from-ana/", "--max-bytes", "220MiB", "--label", "Photos of the summer", "--quiet",
    )
    folder = tmp_path / "files"
    folder.mkdir()
    large = folder / "film.bin"
    large.write_bytes(body(200 * MIB, "film"))
    small = []
    for number in range(19):
        file = folder / f"photo {number}.jpg"
        file.write_bytes(body(100_000 + number, f"photo {number}"))
        small.append(str(file))
    over = folder / "too large.bin"
    with over.open("wb") as file:
        file.truncate(221 * MIB)
    sent = chromium.run({
        "send": link, "files": [*small, str(over)], "reload": str(large), "picture": picture(tmp_path, "request.png"),
    })
    assert "film.bin" in sent["told"][0] and "Choose the same files again" in sent["told"][0]
    # Of the 40 parts of 5 MiB four at least were there, and went out no more after the reload.
    assert 0 < sent["told"][1] <= 36
    assert not sent["overflows"]
    states = dict(sent["rows"])
    assert len(states) == 21
    refused = "Not sent: it has 221 MiB, and one file may have 220 MiB."
    assert states.pop("too large.bin") == refused
    assert all(state.endswith(", sent") for state in states.values()), states
    assert sent["summary"] == "20 of 21 files sent"
    listing = own_server.signed("GET", "/inbox", query=[("list-type", "2")]).body.decode()
    keys = [rest.split("</Key>")[0] for rest in listing.split("<Key>")[1:]]
    assert len(keys) == 20 and not any("too large" in key for key in keys)
    film = next(key for key in keys if key.endswith("-film.bin"))
    got = own_server.signed("GET", f"/inbox/{film}").body
    assert hashlib.sha256(got).digest() == hashlib.sha256(large.read_bytes()).digest()
    uploads = own_server.signed("GET", "/inbox", query=[("uploads", "")]).body
    assert b"<UploadId>" not in uploads


@pytest.mark.parametrize("width", [390, 1280])
def test_a_pause_and_a_reload_lose_no_part(own_server, chromium, tmp_path, width):
    own_server.make_bucket("inbox")
    link = valet(
        own_server, "request", "s3://inbox/", "--max-files", "1", "--ask-name", "--types", ".bin", "--types", "image/*", "--quiet",
    )
    file = tmp_path / "film.bin"
    file.write_bytes(body(28 * MIB, "film"))
    sent = chromium.run({
        "pause": link, "file": str(file), "name": "Zoë Klein", "width": width, "picture": picture(tmp_path, f"pause-{width}.png"),
    })
    # Whole parts only: what was on its way has ended, and nothing was sent twice.
    wholes = [f"Paused at {5 * parts}.0 MiB of 28.0 MiB" for parts in range(1, 6)]
    assert all(state in wholes for state in sent["states"]) and sent["states"][0] != sent["states"][1], sent
    assert (sent["parts"], sent["most"], sent["named"]) == (6, 1, "Zoë Klein")
    assert (sent["full"], sent["left"]) == (True, "no more")
    assert (sent["again"], sent["title"]) == (403, "This link has been used up")
    b = make_client(own_server)
    (found,) = b.list_objects_v2(Bucket="inbox")["Contents"]
    assert b.get_object(Bucket="inbox", Key=found["Key"])["Body"].read() == file.read_bytes()
    listed = valet(own_server, "links", "ls")
    assert "1 of 1" in listed and "used-up" in listed


def test_files_are_sent_from_a_shell(own_server, tmp_path):
    own_server.make_bucket("inbox")
    link = valet(
        own_server, "request", "s3://inbox/", "--max-bytes", "20MiB", "--max-files", "2", "--ask-name", "--ask-note",
        "--passphrase", "--quiet", given="sesame\n",
    )
    content = body(17 * MIB, "report")
    (tmp_path / "Zoë's report.pdf").write_bytes(content)
    file = str(tmp_path / "Zoë's report.pdf")
    valet(own_server, "put", file, link, status=3)
    valet(own_server, "put", file, link, "--passphrase", given="sesame\n", status=1)
    told = valet(own_server, "put", file, link, "--passphrase", "--sender", "Zoë", "--note", "as promised", given="sesame\n")
    assert told == file
    (tmp_path / "large").write_bytes(bytes(20 * MIB + 1))
    valet(own_server, "put", str(tmp_path / "large"), link, "--passphrase", "--sender", "Zoë", given="sesame\n", status=1)
    listing = own_server.signed("GET", "/inbox", query=[("list-type", "2")]).body.decode()
    (key,) = [rest.split("</Key>")[0] for rest in listing.split("<Key>")[1:]]
    assert key.endswith("-Zoë&apos;s report.pdf") or key.endswith("-Zoë's report.pdf") or key.endswith("-Zoë&#39;s report.pdf")
    b = make_client(own_server)
    (found,) = b.list_objects_v2(Bucket="inbox")["Contents"]
    got = b.get_object(Bucket="inbox", Key=found["Key"])
    assert got["Body"].read() == content and got["ContentType"] == "application/pdf"
    assert got["Metadata"]["note"] == "as promised"
