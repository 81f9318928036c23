"""What clients' own words take of the server's memory."""

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import sigv4
from harness import KIB, MIB
from people import allow, client, policy

SESSIONS = 800
# A policy of 2 KB compiles to fifty times as much where nobody weighs it.
PATTERN = "*?" * 900
# What is kept of opened sessions may take 16 MiB, and the allocator some more.
GROWTH_MAX = 40 * MIB


def resident(server):
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE)[1]) * KIB


def test_opened_sessions_have_a_weight(start):
    server = start()
    server.make_bucket("bucket")
    server.put("/bucket/a", b"a")
    sts = client(server, "sts")
    narrow = policy(allow("s3:GetObject", Condition={"StringLike": {"aws:UserAgent": PATTERN}}))

    def use(number):
        made = sts.get_federation_token(Name=f"n{number}", Policy=narrow.replace(" ", ""))["Credentials"]
        key = sigv4.Key(made["AccessKeyId"], made["SecretAccessKey"])
        sent = [("User-Agent", "x" * 900), ("X-Amz-Security-Token", made["SessionToken"])]
        head = sigv4.authorization(key, "GET", server.host, "/bucket/a", headers=sent)
        assert server.request("GET", "/bucket/a", headers=head).status == 200

    for number in range(20):
        use(number)
    before = resident(server)
    for number in range(20, SESSIONS):
        use(number)
    assert resident(server) - before < GROWTH_MAX


def test_white_space_has_a_weight(start):
    iam = client(start(), "iam")
    iam.create_user(UserName="ann")
    document = policy(allow("s3:GetObject"))
    with pytest.raises(ClientError, match="LimitExceeded"):
        iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=document + " " * 100_000)
    iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=document + " " * 1000)
