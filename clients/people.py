"""Identities for tests, made through boto3 as any program would make them."""

import json

import boto3
from botocore.config import Config

from harness import REGION, ROOT_KEY

ACCOUNT = "000000000000"


def client(server, service, key=None, **options):
    """A boto3 client; `key`: id, secret and perhaps token, of the root when there is none."""
    access_key, secret, token = key or (ROOT_KEY.id, ROOT_KEY.secret, None)
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=options.pop("region", REGION),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        verify=str(server.certificates.ca) if server.certificates else None,
        **options,
    )


def make_client(server, **config):
    """The root's boto3 client for S3, with these settings and else at its defaults."""
    return client(server, "s3", config=Config(**config) if config else None)


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


def trust(principal, action="sts:AssumeRole", **more):
    return policy({"Effect": "Allow", "Principal": principal, "Action": action, **more})


def make_user(server, name, *statements):
    """A user with a key and, where statements are given, an inline policy `own`."""
    iam = client(server, "iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"], None


def key_of(credentials):
    """What STS answers, as a key."""
    return (
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"],
    )
