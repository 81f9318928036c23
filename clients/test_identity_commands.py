"""`valet user`, `group`, `role`, `policy`, `key` and `account`, and what follows of them."""

import json

import pytest

from harness import AWS_V2
from identities import Valet, exports


@pytest.fixture
def root(server, tmp_path):
    return Valet(server, tmp_path)


@pytest.fixture
def name(bucket_name):
    return bucket_name


def test_a_user_may_do_what_was_said_and_nothing_else(root, bucket, name, tmp_path, aws):
    server = root.client.server
    for key in ("reports/1", "reports-secret/1"):
        server.put(f"/{bucket}/{key}", b"x")
    user = root.user(name, "--read", f"s3://{bucket}/reports", "--write", f"s3://{bucket}/in/")

    def may(*command, status=0):
        return aws(user, "s3api", *command, "--bucket", bucket, status=status)

    may("get-object", "--key", "reports/1", "out")
    may("get-object", "--key", "reports-secret/1", "out", status=254)
    may("list-objects-v2", "--prefix", "reports/")
    may("list-objects-v2", status=254)
    may("get-bucket-location")
    may("put-object", "--key", "in/1")
    may("put-object", "--key", "reports/2", status=254)
    may("delete-object", "--key", "in/1", status=254)
    root("policy", "put", "more", "--user", name, "--write", f"s3://{bucket}/in/", "--delete")
    may("delete-object", "--key", "in/1")


@pytest.fixture
def aws(client):
    def run(valet, *arguments, status=0):
        # This version of the CLI does not read AWS_ENDPOINT_URL.
        command = [AWS_V2, "--endpoint-url", client.server.endpoint, *arguments]
        return client.run(*command, status=status, environment=valet.environment)

    return run


def test_users(root, name):
    made = root.json("user", "create", name, "--path", "/apps/")
    assert made["user"]["arn"] == f"arn:aws:iam::000000000000:user/apps/{name}"
    root("user", "create", name, status=1)
    assert name in [user["name"] for user in root.json("user", "ls")["users"]]
    assert name in root("user", "ls")
    root("key", "create", name)
    root("user", "delete", name, status=1)
    root("user", "delete", name, "--force")
    root("user", "show", name, status=1)


def test_a_given_key_is_taken_over(root, name, bucket, aws):
    # Server and bucket differ between the runs of a test, and so must the key.
    id = f"moved-{name.rsplit('-', 1)[1]}"
    key = {"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": f"secret-of-{name}"}
    root("user", "create", name, "--read", f"s3://{bucket}", "--access-key-id", id,
         "--secret-access-key", "-", stdin=(key["AWS_SECRET_ACCESS_KEY"] + "\n").encode())
    moved = Valet(root.client.server, root.client.home, key)
    aws(moved, "s3api", "list-objects-v2", "--bucket", bucket)


def test_a_key_is_switched_off_and_on(root, name, bucket, aws):
    user = root.user(name, "--read", f"s3://{bucket}")
    id = user.environment["AWS_ACCESS_KEY_ID"]
    listing = ("s3api", "list-objects-v2", "--bucket", bucket)
    aws(user, *listing)
    root("key", "disable", id)
    assert root.json("key", "ls", name)["keys"][0]["status"] == "Inactive"
    aws(user, *listing, status=254)
    root("key", "enable", id)
    aws(user, *listing)
    # Of their own keys users need no name, but a permission.
    user("key", "ls", status=3)
    root("key", "delete", id)
    aws(user, *listing, status=254)


def test_groups(root, name, bucket, aws):
    user = root.user(name)
    listing = ("s3api", "list-objects-v2", "--bucket", bucket)
    aws(user, *listing, status=254)
    root("group", "create", f"{name}-g", "--read", f"s3://{bucket}")
    root("group", "add", f"{name}-g", name)
    assert root.json("group", "show", f"{name}-g")["users"] == [name]
    aws(user, *listing)
    root("group", "remove", f"{name}-g", name)
    aws(user, *listing, status=254)
    root("group", "delete", f"{name}-g", "--force")


def test_policies(root, name, tmp_path):
    root("user", "create", name)
    generated = root("policy", "generate", "--read", "s3://b/x/")
    arn = root("policy", "create", name, "--read", "s3://b/x/").strip()
    assert root("policy", "show", name) == generated == root("policy", "show", arn)
    root("policy", "attach", name, "--user", name)
    shown = root.json("user", "show", name)
    assert shown["policies"]["attached"] == [{"name": name, "arn": arn}]
    root("policy", "delete", name, status=1)
    root("policy", "detach", name, "--user", name)
    root("policy", "attach", "AmazonS3ReadOnlyAccess", "--user", name)
    root("policy", "delete", name)
    (tmp_path / "audit.json").write_text(generated)
    root("policy", "put", "audit", str(tmp_path / "audit.json"), "--user", name)
    assert root("policy", "show", "audit", "--user", name) == generated
    root("policy", "delete", "audit", "--user", name)
    # A repeated member reaches the server, which refuses it.
    (tmp_path / "twice.json").write_text('{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}')
    root("policy", "put", "twice", str(tmp_path / "twice.json"), "--user", name, status=1)
    root("policy", "put", "none", "--user", name, status=2)
    root("policy", "attach", "AmazonS3ReadOnlyAccess", status=2)


def test_roles(root, name):
    root("role", "create", name, "--trust", "account", "--max-session", "2h", "--read", "s3://b")
    shown = root.json("role", "show", name)
    assert shown["role"]["max_session_seconds"] == 7200
    principal = shown["trust"]["Statement"][0]["Principal"]
    assert principal == {"AWS": "arn:aws:iam::000000000000:root"} or principal == {
        "AWS": ["arn:aws:iam::000000000000:root"]
    }
    root("role", "delete", name, status=1)
    root("role", "delete", name, "--force")


def test_a_dry_run_asks_nobody(root, name):
    output = root(
        "user", "create", name, "--read", "s3://b/x/", "--dry-run",
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
    )
    assert json.loads(output)["Version"] == "2012-10-17"
    root("user", "show", name, status=1)


def test_accounts(root, name, bucket, aws):
    made = exports(root("account", "create", name, "--email", "ops@example.com"))
    account = next(a for a in root.json("account", "ls")["accounts"] if a["name"] == name)
    assert account["email"] == "ops@example.com"
    other = Valet(root.client.server, root.client.home, made)
    aws(other, "s3api", "create-bucket", "--bucket", f"{bucket}-other")
    aws(other, "s3api", "list-objects-v2", "--bucket", bucket, status=254)
    root("account", "delete", account["id"], status=1)
    aws(other, "s3api", "delete-bucket", "--bucket", f"{bucket}-other")
    other("account", "ls", status=3)
    renewed = exports(root("account", "renew-key", account["id"]))
    other("user", "ls", status=3)
    Valet(root.client.server, root.client.home, renewed)("user", "ls")
    root("account", "renew-key", "000000000000", status=1)
    root("account", "delete", account["id"])
    root("account", "show", account["id"], status=1)


def test_a_server_must_be_configured(root):
    root("user", "ls", status=2, AWS_ENDPOINT_URL=None)


def test_a_denial_is_exit_3(root, name):
    user = root.user(name)
    user("user", "ls", status=3)
    root("user", "ls", status=3, AWS_SECRET_ACCESS_KEY="wrong")
