"""Presigned URLs by botocore, the Python of boto3 and the aws CLI, as microseconds of CPU for each."""

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


python = sys.version.split()[0]
for version, name in (("s3v4", "SigV4"), ("s3", "SigV2")):
    each = microseconds(version)
    print(f"| botocore {botocore.__version__}, Python {python}, {name} | {each:.0f} µs | {1e6 / each:.0f} | |")
