"""aws4fetch, the signer of edge runtimes: it writes spaces of a query as `+`."""

import json

import pytest

from harness import CLIENTS


@pytest.fixture
def aws4fetch(client, bucket):
    def run(scenario, key):
        return json.loads(client.run("node", CLIENTS / "js" / "fetch.mjs", scenario, bucket, key))

    return run


@pytest.mark.parametrize("key", ["key", "dir/a key+ü"])
def test_objects(aws4fetch, key):
    result = aws4fetch("objects", key)
    assert (" " in key) == ("+key" in result.pop("query"))
    assert result == {"put": 200, "got": "from aws4fetch", "listed": 200, "keys": [key]}


@pytest.mark.parametrize("key", ["key", "dir/a key+ü"])
def test_links(aws4fetch, key):
    assert aws4fetch("links", key) == {
        "put": 200, "status": 200, "got": "by a link",
        "disposition": 'attachment; filename="a b+c.txt"',
    }
