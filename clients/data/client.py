"""Runs one scenario of DuckDB, Polars, pyarrow or s3fs and prints what came of it as JSON.

Usage: client.py SCENARIO BUCKET [LINK]. Endpoint, credentials and authority come from the `AWS_*`
variables; settings are the libraries' defaults but for those that lead to the server.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROWS = 500_000
TABLE = "tables/a table+ü.parquet"


def endpoint():
    return urlsplit(os.environ["AWS_ENDPOINT_URL"])


def tls():
    return endpoint().scheme == "https"


# --- DuckDB


def duckdb_connection():
    import duckdb
    import duckdb_extension_httpfs

    folder = Path(duckdb_extension_httpfs.__file__).parent
    connection = duckdb.connect()
    connection.load_extension(str(next(folder.rglob("httpfs.duckdb_extension"))))
    if tls():
        connection.execute(f"SET ca_cert_file = '{os.environ['AWS_CA_BUNDLE']}'")
    return connection


def duckdb_with_keys(bucket):
    """Writes a table in parts and reads some of it, one file of many."""
    connection = duckdb_connection()
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['AWS_ACCESS_KEY_ID']}',"
        f" SECRET '{os.environ['AWS_SECRET_ACCESS_KEY']}', REGION '{os.environ['AWS_REGION']}',"
        f" ENDPOINT '{endpoint().netloc}', URL_STYLE 'path', USE_SSL {str(tls()).lower()})"
    )
    connection.execute(
        f"COPY (SELECT i AS id, i % 10 AS digit, hash(i) AS noise FROM range({ROWS}) t(i))"
        f" TO 's3://{bucket}/{TABLE}' (ROW_GROUP_SIZE 50000)"
    )
    connection.execute(
        f"COPY (SELECT i AS id, i % 3 AS third FROM range(30) t(i))"
        f" TO 's3://{bucket}/parted' (FORMAT parquet, PARTITION_BY third)"
    )
    return {
        "rows": duckdb_rows(connection, f"s3://{bucket}/{TABLE}"),
        "files": len(connection.execute(f"FROM glob('s3://{bucket}/parted/*/*')").fetchall()),
        "parted": connection.execute(
            f"SELECT third, count(*), max(id) FROM 's3://{bucket}/parted/*/*.parquet'"
            " WHERE third > 0 GROUP BY third ORDER BY third"
        ).fetchall(),
    }


def duckdb_link(_bucket, link):
    return {"rows": duckdb_rows(duckdb_connection(), link)}


def duckdb_rows(connection, place):
    """The last rows: the filter skips all row groups but one, so little of the file is read."""
    query = "SELECT count(*), min(id), sum(digit) FROM read_parquet(?) WHERE id >= ?"
    return connection.execute(query, [place, ROWS - 10]).fetchone()


# --- Polars


def polars_with_keys(bucket):
    import polars

    # The libraries below Polars want to be told that plain HTTP is meant.
    options = {} if tls() else {"aws_allow_http": "true"}
    place = f"s3://{bucket}/{TABLE}"
    table().write_parquet(place, row_group_size=50_000, storage_options=options)
    polars.DataFrame({"id": [1, 2]}).lazy().sink_parquet(
        f"s3://{bucket}/sunk.parquet", storage_options=options
    )
    return {
        "rows": polars_rows(place, options),
        "read": polars.read_parquet(place, storage_options=options).height,
        "sunk": polars.read_parquet(f"s3://{bucket}/*.parquet", storage_options=options).height,
    }


def polars_link(_bucket, link):
    import polars

    return {"rows": polars_rows(link, None), "read": polars.read_parquet(link).height}


def polars_rows(place, options):
    import polars

    last = polars.scan_parquet(place, storage_options=options).filter(polars.col("id") >= ROWS - 10)
    found = last.select(polars.len(), polars.col("id").min(), polars.col("digit").sum()).collect()
    return found.row(0)


def table():
    import polars

    return polars.select(id=polars.int_range(ROWS)).with_columns(
        digit=polars.col("id") % 10, noise=polars.col("id").hash()
    )


# --- pyarrow


def pyarrow_with_keys(bucket):
    import pyarrow
    import pyarrow.compute as compute
    import pyarrow.dataset as dataset
    import pyarrow.parquet as parquet
    from pyarrow import fs

    s3 = fs.S3FileSystem(
        endpoint_override=endpoint().netloc,
        scheme=endpoint().scheme,
        tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE"),
    )
    rows = pyarrow.table({"id": range(ROWS), "digit": [i % 10 for i in range(ROWS)]})
    parquet.write_table(rows, f"{bucket}/{TABLE}", filesystem=s3, row_group_size=50_000)
    dataset.write_dataset(
        rows, f"{bucket}/digits", filesystem=s3, format="parquet",
        partitioning=["digit"], partitioning_flavor="hive",
    )
    read = dataset.dataset(f"{bucket}/digits", filesystem=s3, partitioning="hive")
    found = read.to_table(filter=(compute.field("digit") == 7))
    # More than a part, through the upload that runs behind `write`.
    with s3.open_output_stream(f"{bucket}/dir/stream") as stream:
        for number in range(12):
            stream.write(bytes([number]) * 1024 * 1024)
    with s3.open_input_file(f"{bucket}/dir/stream") as stream:
        stream.seek(5 * 1024 * 1024 - 2)
        border = stream.read(4)
    s3.move(f"{bucket}/dir/stream", f"{bucket}/moved")
    s3.create_dir(f"{bucket}/empty")
    kinds = {info.base_name: info.type.name for info in s3.get_file_info(fs.FileSelector(bucket))}
    s3.delete_dir(f"{bucket}/digits")
    left = s3.get_file_info(fs.FileSelector(bucket, recursive=True))
    return {
        "read": parquet.read_table(f"{bucket}/{TABLE}", filesystem=s3).equals(rows),
        "digit": found.num_rows,
        "border": list(border),
        "kinds": kinds,
        "left": sorted(info.path.removeprefix(f"{bucket}/") for info in left if info.is_file),
        "missing": s3.get_file_info(f"{bucket}/none").type.name,
    }


# --- s3fs


def s3fs_with_keys(bucket):
    import s3fs

    s3 = s3fs.S3FileSystem(client_kwargs={"verify": os.environ.get("AWS_CA_BUNDLE")})
    folder = Path("tree")
    (folder / "sub").mkdir(parents=True)
    for name in ("one", "sub/two ü"):
        (folder / name).write_bytes(name.encode() * 1000)
    s3.put("tree/", f"{bucket}/tree/", recursive=True)
    s3.get(f"{bucket}/tree/", "back", recursive=True)
    # The library's own block size is 50 MiB; below its least one there would be a single PUT.
    with s3.open(f"{bucket}/big", "wb", block_size=5 * 2**20) as file:
        for number in range(12):
            file.write(bytes([number]) * 2**20)
    s3.copy(f"{bucket}/big", f"{bucket}/copy")
    s3.mv(f"{bucket}/tree/one", f"{bucket}/tree/moved")
    s3.pipe_file(f"{bucket}/once", b"first")
    try:
        s3.pipe_file(f"{bucket}/once", b"second", mode="create")
        exclusive = "overwritten"
    except FileExistsError:
        exclusive = "refused"
    found = sorted(path.removeprefix(f"{bucket}/") for path in s3.find(bucket))
    result = {
        "back": Path("back/sub/two ü").read_bytes() == b"sub/two \xc3\xbc" * 1000,
        "border": list(s3.cat_file(f"{bucket}/copy", start=2**20 - 1, end=2**20 + 1)),
        "found": found,
        "folders": s3.ls(f"{bucket}/tree/"),
        "exclusive": exclusive,
        "link": s3.url(f"{bucket}/tree/sub/two ü", expires=60),
    }
    s3.rm(f"{bucket}/tree", recursive=True)
    return {**result, "gone": s3.exists(f"{bucket}/tree")}


SCENARIOS = {
    "duckdb": duckdb_with_keys,
    "duckdb-link": duckdb_link,
    "polars": polars_with_keys,
    "polars-link": polars_link,
    "pyarrow": pyarrow_with_keys,
    "s3fs": s3fs_with_keys,
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]](*sys.argv[2:])))
