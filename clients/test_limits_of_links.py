"""Limits of links, by signers that know nothing of Valet: the recipes of docs/limits-of-links.md, run as they stand there."""

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

import recipes
from harness import CLIENTS, Client
from test_presign_options import conditions

PAGE = "docs/limits-of-links.md"
ONCE = {"x-valet-uses": "1", "x-valet-label": "Invoice 7"}
SMALL = {"x-valet-content-length-range": "1,1024"}


def by_boto3(client, bucket, key):
    recipe = recipes.block(PAGE, "python", "limited_links")
    program = f"{recipe}\nimport json, sys\nprint(json.dumps([limited_links(*sys.argv[1:]) for _ in range(2)]))\n"
    (get, put), (another, _) = json.loads(client.run(sys.executable, "-c", program, bucket, key))
    return (get, []), (put, []), (another, [])


def compiled(source, language, indent=""):
    """The page shows what the program is made of, but for what the program needs around it."""
    shown = recipes.block(PAGE, language, "x-valet-uses")
    assert textwrap.indent(shown, indent).rstrip() in (CLIENTS / source).read_text(), source


def made(output):
    """(URL, headers that must be sent) of a link to GET, one to PUT, and another to GET, made at once."""
    links = json.loads(output)
    return tuple((links[name]["url"], links[name]["headers"]) for name in ("get", "put", "another"))


def by_js(client, bucket, key):
    compiled("js/limits.mjs", "js")
    return made(client.run("node", CLIENTS / "js" / "client.mjs", "limited-links", bucket, key))


def by_rust(client, bucket, key):
    compiled("rust/src/limits.rs", "rust")
    target = os.environ.get("VALET_CLIENTS_RUST_TARGET", CLIENTS / "rust" / "target")
    return made(client.run(f"{target}/debug/valet-clients", "sdk-limited-links", bucket, key))


def by_go(client, bucket, key):
    compiled("go/limits.go", "go")
    go = Path(os.environ.get("VALET_CLIENTS_GO", "/nowhere"))
    return made(client.run(go / "valet-clients", "sdk-limited-links", bucket, key))


def by_java(client, bucket, key):
    compiled("java/Limits.java", "java", "    ")
    java = Path(os.environ.get("VALET_CLIENTS_JAVA", "/nowhere"))
    classes = f"{java / 'classes'}:{java / 'lib'}/*"
    links = json.loads(client.run("java", "-cp", classes, "Client", "limited-links", bucket, key))
    return tuple((links[name], []) for name in ("get", "put", "another"))


SIGNERS = pytest.mark.parametrize("signer", [by_boto3, by_js, by_rust, by_go, by_java])
KEY = "dir/a key+ü"


@SIGNERS
def test_an_sdk_limits_its_links(client, server, bucket, signer):
    (get, _), (put, headers), _ = signer(client, bucket, KEY)
    assert (conditions(get), conditions(put)) == (ONCE, SMALL)
    get, put = (url.removeprefix(server.endpoint) for url in (get, put))

    large = server.request("PUT", put, headers=headers, body=b"x" * 1025)
    assert (large.status, large.code()) == (400, "EntityTooLarge")
    empty = server.request("PUT", put, headers=headers, body=b"")
    assert (empty.status, empty.code()) == (400, "EntityTooSmall")
    assert server.request("GET", get).status == 404
    stored = server.request("PUT", put, headers=headers, body=b"small enough")
    assert stored.status == 200, stored
    # Without its limits, or with others, the link is another one.
    for changed in (get.replace("x-valet-uses=1", "x-valet-uses=2"), get.replace("x-valet-label=Invoice", "x-valet-label=Receipt")):
        assert changed != get
        assert server.request("GET", changed).code() == "SignatureDoesNotMatch"
    assert server.request("GET", get).body == b"small enough"


@SIGNERS
def test_what_it_limits_is_counted(client, server, bucket, signer):
    server.put(f"/{bucket}/key", b"once")
    (get, _), _, _ = signer(client, bucket, "key")
    get = get.removeprefix(server.endpoint)
    assert server.request("GET", get).body == b"once"
    again = server.request("GET", get)
    assert again.status == 403
    assert dict(again.error())["Message"] == "Link has been used up"


@SIGNERS
def test_links_that_are_made_at_once_are_used_apart(client, server, bucket, signer):
    server.put(f"/{bucket}/key", b"once each")
    (first, _), _, (second, _) = signer(client, bucket, "key")
    assert first != second
    for url in (first, second):
        assert server.request("GET", url.removeprefix(server.endpoint)).body == b"once each"
    for url in (first, second):
        assert server.request("GET", url.removeprefix(server.endpoint)).status == 403
