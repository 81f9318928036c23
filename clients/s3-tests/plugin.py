"""A pytest plugin that fits the suite to a server that is like AWS of today.

- Its IAM and STS clients name no region; AWS refuses an empty one.
- It assumes buckets as they were before April 2023. Block Public Access is taken off each new one, and a
  canned ACL that makes a bucket or an object public becomes the bucket policy that allows the same.
- Its cases of SigV2 links make their buckets with SigV2 headers, which Valet never takes: there the
  headers, and they alone, are SigV4.
- It cleans up with `x-amz-bypass-governance-retention`, which means nothing where no object is locked.
"""

import json
import os
from collections import defaultdict

import boto3
import botocore.client
import botocore.signers
import pytest

import groups

REGION = "us-east-1"
PUBLIC_BUCKET = {
    "public-read": ["s3:ListBucket"],
    "public-read-write": ["s3:ListBucket", "s3:PutObject"],
}
outcomes = {}
public = defaultdict(list)


# --- regions

plain_client = boto3.client


def client(*arguments, **options):
    if not options.get("region_name"):
        options["region_name"] = REGION
    return plain_client(*arguments, **options)


boto3.client = client
os.environ.setdefault("AWS_DEFAULT_REGION", REGION)


# --- SigV2

plain_signer = botocore.signers.RequestSigner._choose_signer
running = ""


def choose_signer(self, operation_name, signing_type, context):
    chosen = plain_signer(self, operation_name, signing_type, context)
    return "s3v4" if chosen == "s3" and "presigned" in running else chosen


botocore.signers.RequestSigner._choose_signer = choose_signer


def pytest_runtest_setup(item):
    global running
    running = item.name


# --- ACLs

plain_call = botocore.client.BaseClient._make_api_call


def call(self, operation, parameters):
    if self.meta.service_model.service_name != "s3":
        return plain_call(self, operation, parameters)
    if operation == "DeleteObjects":
        parameters.pop("BypassGovernanceRetention", None)
    acl = None
    if operation in ("CreateBucket", "PutObject", "PutBucketAcl", "PutObjectAcl"):
        acl = parameters.get("ACL")
    if acl in (None, "private", "public-read", "public-read-write"):
        parameters = {name: value for name, value in parameters.items() if name != "ACL" or not acl}
    else:
        acl = None
    if acl and operation.endswith("Acl"):
        answer = {"ResponseMetadata": {"HTTPStatusCode": 200}}
    else:
        answer = plain_call(self, operation, parameters)
    if operation == "CreateBucket":
        public.pop(parameters["Bucket"], None)
        plain_call(self, "DeletePublicAccessBlock", {"Bucket": parameters["Bucket"]})
    if acl and acl != "private":
        allow(self, parameters["Bucket"], parameters.get("Key"), acl)
    return answer


def allow(self, bucket, key, acl):
    resource = f"arn:aws:s3:::{bucket}"
    if key is None:
        statements = [
            {"Action": action, "Resource": resource if "List" in action else f"{resource}/*"}
            for action in PUBLIC_BUCKET[acl]
        ]
    else:
        statements = [{"Action": "s3:GetObject", "Resource": f"{resource}/{key}"}]
    public[bucket] += [{"Effect": "Allow", "Principal": "*", **made} for made in statements]
    document = {"Version": "2012-10-17", "Statement": public[bucket]}
    plain_call(self, "PutBucketPolicy", {"Bucket": bucket, "Policy": json.dumps(document)})


botocore.client.BaseClient._make_api_call = call


# --- what is run, and what came of it


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if groups.group(item.name) is None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if groups.group(item.name)]
    reasons = groups.exclusions()
    for item in items:
        if item.name in reasons:
            item.add_marker(pytest.mark.xfail(reason=reasons[item.name][1], strict=True))


def pytest_runtest_logreport(report):
    name = report.nodeid.rsplit("::", 1)[1]
    if report.when == "call":
        passed = report.passed and not hasattr(report, "wasxfail")
        outcomes[name] = "passed" if passed else "failed"
    elif not report.passed:
        outcomes[name] = "failed"


def pytest_sessionfinish():
    if path := os.environ.get("S3TEST_OUTCOMES"):
        with open(path, "w") as file:
            json.dump(outcomes, file)
