"""`valet credentials`: the SDKs' own chains take a role's credentials from it, and refresh them."""

import http.client
import json
import os
import subprocess
import sys

import pytest

from harness import CLIENTS, bare_environment
from identities import Clock, CredentialsServer, Valet

ROLE = "deploy"
ARN = "arn:aws:iam::000000000000"


def set_up(server, home, bucket, name):
    """A user of its own, and a role that trusts it with the bucket."""
    root = Valet(server, home)
    user = root.user(name)
    root("role", "create", name, "--trust", f"{ARN}:user/{name}", "--max-session", "12h",
         "--read", f"s3://{bucket}", "--write", f"s3://{bucket}")
    return user


@pytest.fixture
def role(bucket_name):
    return bucket_name


@pytest.fixture
def user(server, tmp_path, bucket, role):
    return set_up(server, tmp_path, bucket, role)


@pytest.fixture
def served(user, role):
    with CredentialsServer(user, role) as served:
        yield served


def ask(port, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.fixture(params=["imds", "container"])
def source(request, served):
    return getattr(served, request.param)()


BOTO3 = """
import boto3, json, sys
session = boto3.Session()
s3 = session.client("s3")
for line in sys.stdin:
    key = session.get_credentials().get_frozen_credentials().access_key
    count = s3.list_objects_v2(Bucket=sys.argv[1])["KeyCount"]
    method = session.get_credentials().method
    print(json.dumps({"key": key, "count": count, "method": method}), flush=True)
"""


def test_boto3(client, bucket, source):
    output = client.run(sys.executable, "-c", BOTO3, bucket, stdin=b"\n", environment=source)
    found = json.loads(output)
    assert found["key"].startswith("ASIA")
    assert found["method"] in ("iam-role", "container-role")
    assert found["count"] == 0


def test_js(client, bucket, source):
    script = CLIENTS / "js" / "client.mjs"
    output = client.run("node", script, "put-get", bucket, "key", environment=source)
    assert json.loads(output)["same"]


def test_rust(client, bucket, source):
    target = os.environ.get("VALET_CLIENTS_RUST_TARGET", CLIENTS / "rust" / "target")
    program = f"{target}/debug/valet-clients"
    output = client.run(program, "sdk-put-get", bucket, "key", environment=source)
    assert json.loads(output)["same"]


def test_valet_itself(user, client, bucket, source):
    url = Valet(client.server, client.home, source)("presign", f"s3://{bucket}/k", "--expires-in", "15m")
    assert "X-Amz-Credential=ASIA" in url


def test_credential_process(user, role, server, tmp_path, bucket):
    printed = json.loads(user("credentials", "print", "--role", role, "--duration", "15m"))
    assert printed["Version"] == 1
    assert sorted(printed) == [
        "AccessKeyId", "Expiration", "SecretAccessKey", "SessionToken", "Version",
    ]
    own = json.loads(user("credentials", "print"))
    assert own == {
        "Version": 1, "AccessKeyId": user.environment["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": user.environment["AWS_SECRET_ACCESS_KEY"],
    }


def test_the_rules_of_the_metadata_service(served, role):
    token, roles = "/latest/api/token", "/latest/meta-data/iam/security-credentials/"
    life = "X-aws-ec2-metadata-token-ttl-seconds"
    port = served.port
    assert ask(port, "PUT", token)[0] == 400
    assert ask(port, "PUT", token, {life: "0"})[0] == 400
    assert ask(port, "PUT", token, {life: "21601"})[0] == 400
    assert ask(port, "PUT", token, {life: "60", "X-Forwarded-For": "10.0.0.1"})[0] == 403
    status, value = ask(port, "PUT", token, {life: "60"})
    assert status == 200
    with_token = {"X-aws-ec2-metadata-token": value}
    assert ask(port, "GET", roles)[0] == 401
    assert ask(port, "GET", roles, {"X-aws-ec2-metadata-token": "x"})[0] == 401
    assert ask(port, "GET", roles, with_token) == (200, role)
    status, document = ask(port, "GET", roles + role, with_token)
    assert status == 200
    assert json.loads(document)["Code"] == "Success"
    assert ask(port, "GET", roles + "other", with_token)[0] == 404
    assert ask(port, "GET", "/latest/meta-data/placement/region", with_token) == (200, "us-east-1")


def test_no_web_page_gets_credentials(served):
    port = served.port
    token = {"Authorization": served.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    assert ask(port, "GET", "/credentials", token)[0] == 200
    assert ask(port, "GET", "/credentials")[0] == 401
    assert ask(port, "GET", "/credentials", {"Authorization": "x"})[0] == 401
    assert ask(port, "GET", "/credentials", {**token, "Origin": "https://page.example"})[0] == 403
    assert ask(port, "GET", "/credentials", {**token, "Host": "rebound.example"})[0] == 403


def test_only_loopback_is_listened_on(user, role):
    user("credentials", "serve", "--role", role, "--listen", "0.0.0.0:0", status=2)


def test_a_role_that_does_not_trust_is_a_denial(user):
    user("credentials", "serve", "--role", "nobody", status=3)
    user("credentials", "print", "--role", "nobody", status=3)


@pytest.mark.parametrize("kind", ["imds", "container"])
def test_an_sdk_goes_on_when_its_session_ends(start, tmp_path, kind):
    """Both ends and the SDK share a clock; nobody waits."""
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    user = set_up(server, tmp_path, "demo", ROLE)
    with CredentialsServer(user, ROLE, **clock.variables()) as served:
        settings = {
            **bare_environment(tmp_path), "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", **clock.variables(),
            **{name: value for name, value in getattr(served, kind)().items() if value},
        }
        program = subprocess.Popen(
            [sys.executable, "-c", BOTO3, "demo"], env=settings, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )

        def step(offset):
            clock.move(offset)
            program.stdin.write("\n")
            program.stdin.flush()
            return json.loads(program.stdout.readline())["key"]

        first = step("+0")
        assert step("+20m") == first
        second = step("+50m")
        assert second != first
        assert step("+130m") not in (first, second)
        program.stdin.close()
        assert program.wait(timeout=20) == 0


def test_a_failed_renewal_keeps_what_lives(start, tmp_path):
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("demo")
    user = set_up(server, tmp_path, "demo", ROLE)
    with CredentialsServer(user, ROLE, **clock.variables()) as served:
        token = {"Authorization": served.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}

        def credentials():
            return ask(served.port, "GET", "/credentials", token)

        first = credentials()
        assert first[0] == 200
        Valet(server, tmp_path)("role", "delete", ROLE, "--force")
        clock.move("+40m")
        assert credentials() == first
        assert "could not be renewed" in served.errors.read_text()
        clock.move("+61m")
        assert credentials()[0] == 503
