"""Presigned URLs by botocore, the Python of boto3 and the aws CLI.

Continues the table of `bench-lib`, which it reads from standard input and repeats.
"""

import statistics
import sys
import time

import botocore
import botocore.session
from botocore.config import Config

ROUNDS = 15
LINKS = 200


def microseconds(signature_version: str) -> float:
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://localhost:9000",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        config=Config(signature_version=signature_version, s3={"addressing_style": "path"}),
    )
    parameters = {"Bucket": "examplebucket", "Key": "photos/2026/June/beach house.jpg"}
    each = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(LINKS):
            client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=3600)
        each.append((time.process_time() - before) / LINKS * 1e6)
    return statistics.median(each)


def main() -> None:
    table = sys.stdin.read()
    # The first row after the head is a presign by this repository's library.
    first = float(table.splitlines()[2].split("|")[2].split()[0])
    print(table, end="")
    python = sys.version.split()[0]
    for version, name in (("s3v4", "SigV4"), ("s3", "SigV2")):
        each = microseconds(version)
        label = f"botocore {botocore.__version__}, Python {python}, {name}"
        print(f"| {label} | {each:.0f} µs | {1e6 / each:.0f} | **{each / first:.0f}** |")


main()
