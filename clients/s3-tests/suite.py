"""Starts a server with the accounts that the suite wants, runs the suite, and writes RESULTS.md."""

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import groups  # noqa: E402
from harness import REGION, Server, binary, client_environment, make_certificates  # noqa: E402

# The sections of the suite's configuration, each the root of an account of its own.
ACCOUNTS = ["s3 main", "s3 alt", "s3 tenant", "iam root", "iam alt root"]


def main(checkout, *options):
    checkout = Path(checkout).resolve()
    with tempfile.TemporaryDirectory(prefix="valet-s3-tests-") as home:
        home = Path(home)
        # SSE-C keys travel over TLS only.
        certificates = make_certificates(home / "tls", ["IP:127.0.0.1"])
        with Server(home / "server", certificates=certificates) as server:
            configuration = home / "s3tests.conf"
            configuration.write_text(configure(server, home))
            outcomes = home / "outcomes.json"
            environment = {
                **os.environ,
                "S3TEST_CONF": str(configuration),
                "S3TEST_OUTCOMES": str(outcomes),
                "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
                "AWS_EC2_METADATA_DISABLED": "true",
                "SSL_CERT_FILE": str(certificates.ca),
                "REQUESTS_CA_BUNDLE": str(certificates.ca),
            }
            status = subprocess.run(
                [
                    sys.executable, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider",
                    "-q", "--timeout=180", "--tb=short",
                    "s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py", *options,
                ],
                cwd=checkout, env=environment,
            ).returncode
        if not options:
            results = groups.results(json.loads(outcomes.read_text()), commit(checkout), today())
            (HERE / "RESULTS.md").write_text(results)
    return status


def configure(server, home):
    """Makes the accounts with given keys and fills the template."""
    values = {"port": server.port}
    for number, section in enumerate(ACCOUNTS, 1):
        word = section.replace(" ", "_")
        key_id, secret = f"AKIAS3TESTS000000{number:03}", f"secret/of+{word}".ljust(40, "0")
        account = str(number) * 12
        subprocess.run(
            [
                binary(), "account", "create", word.replace("_", "-"), "--id", account,
                "--email", f"{word}@example.com",
                "--access-key-id", key_id, "--secret-access-key", secret,
            ],
            env=client_environment(server, home), check=True, stdout=subprocess.DEVNULL,
        )
        s3 = boto3.client(
            "s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=key_id,
            aws_secret_access_key=secret, verify=str(server.certificates.ca),
        )
        values |= {
            f"{word}_key": key_id, f"{word}_secret": secret, f"{word}_account": account,
            f"{word}_id": s3.list_buckets()["Owner"]["ID"],
        }
    return (HERE / "s3tests.conf.template").read_text().format(**values)


def commit(checkout):
    command = ["git", "-C", checkout, "log", "-1", "--format=%h of %cs"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def today():
    return datetime.date.today().isoformat()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
