"""DuckDB, Polars, pyarrow and s3fs for Python: tables in a bucket and behind a link."""

import json

import pytest

from harness import CLIENTS, MIB, WORK, binary

TABLE = "tables/a%20table%2B%C3%BC.parquet"
# The last ten of the 500,000 rows.
LAST_ROWS = [10, 499_990, 45]


@pytest.fixture
def data(client, bucket):
    def run(scenario, *arguments):
        output = client.run(
            WORK / "venv-data/bin/python", CLIENTS / "data/client.py", scenario, bucket, *arguments
        )
        return json.loads(output)

    return run


@pytest.fixture
def table_link(client, bucket):
    """A link to the table, as anybody would be given."""
    return lambda: client.run(
        binary(), "presign", f"s3://{bucket}/tables/a table+ü.parquet"
    ).strip()


def test_duckdb_with_keys_and_through_a_link(data, table_link, server, bucket):
    assert data("duckdb") == {
        "rows": LAST_ROWS, "files": 3, "parted": [[1, 10, 28], [2, 10, 29]],
    }
    link, logged = table_link(), server.log.stat().st_size
    assert data("duckdb-link", link) == {"rows": LAST_ROWS}
    lines = map(json.loads, server.log.read_bytes()[logged:].splitlines())
    requests = [line for line in lines if line["bucket"] == bucket]
    # It asks by HEAD too, which a GET link refuses, and reads the ranges that it needs without waiting for that.
    answered = [(request["method"], request["status"]) for request in requests]
    assert answered.count(("HEAD", 403)) == 1
    assert set(answered) == {("HEAD", 403), ("GET", 206)}
    size = int(server.signed("HEAD", f"/{bucket}/{TABLE}").header("content-length"))
    assert sum(request["bytes_out"] for request in requests) < size / 4


def test_polars_with_keys_and_through_a_link(data, table_link):
    assert data("polars") == {"rows": LAST_ROWS, "read": 500_000, "sunk": 2}
    assert data("polars-link", table_link()) == {"rows": LAST_ROWS, "read": 500_000}


def test_pyarrow(data):
    assert data("pyarrow") == {
        "read": True,
        "digit": 50_000,
        "border": [4, 4, 5, 5],
        "kinds": {
            "digits": "Directory", "dir": "Directory", "empty": "Directory", "moved": "File",
            "tables": "Directory",
        },
        "left": ["moved", "tables/a table+ü.parquet"],
        "missing": "NotFound",
    }


def test_s3fs_for_python(data, server, bucket):
    result = data("s3fs")
    link = result.pop("link").removeprefix(server.endpoint)
    assert result == {
        "back": True,
        "border": [0, 1],
        "found": ["big", "copy", "once", "tree/moved", "tree/sub/two ü"],
        "folders": [f"{bucket}/tree/moved", f"{bucket}/tree/sub"],
        "exclusive": "refused",
        "gone": False,
    }
    # The link was made before the file went.
    assert server.request("GET", link).code() == "NoSuchKey"
    head = server.signed("HEAD", f"/{bucket}/big")
    assert head.header("content-length") == str(12 * MIB)
    assert head.header("etag").endswith('-3"')
