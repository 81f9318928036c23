"""STS with boto3 and the aws command line: sessions, what they may do, and how their links die.

The aws command is the newest of version 1: Debian's own asks AWS itself for a profile's role, whatever
endpoint is configured.
"""

import base64
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import AWS_V1 as AWS, client_environment
from identities import Clock
from people import ACCOUNT, allow, client, deny, key_of, make_user, policy, trust

V4 = Config(signature_version="s3v4")


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def name(bucket_name):
    return bucket_name[:50]


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make_role(server, name, *statements, principal=None):
    iam = client(server, "iam")
    iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=trust({"AWS": principal or ACCOUNT}))
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def link(server, key, bucket, seconds=3600, object_key="key"):
    url = client(server, "s3", key, config=V4).generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": object_key}, ExpiresIn=seconds)
    return url.removeprefix(server.endpoint)


def test_a_role_is_assumed_and_reads(server, bucket, name):
    server.put(f"/{bucket}/key", b"hello")
    arn = make_role(server, name, allow("s3:GetObject"))
    ann = make_user(server, name, allow("sts:AssumeRole", arn))
    answer = client(server, "sts", ann).assume_role(RoleArn=arn, RoleSessionName="ses")
    session = key_of(answer["Credentials"])
    who = client(server, "sts", session).get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ses"
    assert client(server, "s3", session).get_object(Bucket=bucket, Key="key")["Body"].read() == b"hello"
    # boto3's default links are SigV2, and carry the token too.
    for config in (None, V4):
        url = client(server, "s3", session, config=config).generate_presigned_url(
            "get_object", {"Bucket": bucket, "Key": "key"})
        assert server.request("GET", url.removeprefix(server.endpoint)).body == b"hello"
    assert refused(client(server, "s3", session).put_object, Bucket=bucket, Key="x", Body=b"")[0] == "AccessDenied"


def test_the_other_calls(server, name):
    ann = make_user(server, name, allow("sts:*"), allow("s3:ListAllMyBuckets"))
    sts = client(server, "sts", ann)
    token = key_of(sts.get_session_token(DurationSeconds=900)["Credentials"])
    client(server, "s3", token).list_buckets()
    federated = sts.get_federation_token(Name="bob", Policy=policy(allow("s3:*")))
    assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
    client(server, "s3", key_of(federated["Credentials"])).list_buckets()
    assert sts.get_access_key_info(AccessKeyId=ann[0])["Account"] == ACCOUNT


def test_the_aws_command_line_takes_a_role_by_its_profile(server, tmp_path, bucket, name):
    server.put(f"/{bucket}/key", b"hello")
    arn = make_role(server, name, allow("s3:*"))
    ann = make_user(server, name, allow("sts:AssumeRole"))
    environment = client_environment(server, tmp_path)
    environment = {k: v for k, v in environment.items() if not k.startswith("AWS_SECRET") and k != "AWS_ACCESS_KEY_ID"}
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws" / "config").write_text(
        f"[profile ann]\naws_access_key_id={ann[0]}\naws_secret_access_key={ann[1]}\n"
        f"[profile reader]\nrole_arn={arn}\nsource_profile=ann\n")

    def aws(*arguments):
        return subprocess.run(
            [AWS, "--profile", "reader", *arguments], env=environment, check=True,
            capture_output=True, text=True, timeout=60).stdout

    assert json.loads(aws("sts", "get-caller-identity", "--output", "json"))["Arn"].startswith(
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/")
    assert aws("s3", "cp", f"s3://{bucket}/key", "-") == "hello"
    url = aws("s3", "presign", f"s3://{bucket}/key").strip()
    assert "x-amz-security-token=" in url.lower()
    assert server.request("GET", url.removeprefix(server.endpoint)).body == b"hello"


def test_a_week_long_link_of_an_hour_long_session(start, tmp_path):
    """The gotcha: the link says seven days, the session that signed it ends in one hour."""
    clock = Clock(tmp_path / "clock")
    server = start(environment=clock.variables())
    server.make_bucket("bucket")
    server.put("/bucket/key", b"hello")
    arn = make_role(server, "instance", allow("s3:GetObject"))
    ann = make_user(server, "ann", allow("sts:AssumeRole"))
    answer = client(server, "sts", ann).assume_role(RoleArn=arn, RoleSessionName="ses")
    session = key_of(answer["Credentials"])
    week = link(server, session, "bucket", seconds=604_800)
    assert server.request("GET", week).body == b"hello"
    clock.move("+3500s")
    assert server.request("GET", week).body == b"hello"
    clock.move("+3601s")
    dead = server.request("GET", week)
    assert dead.status == 400
    assert dead.error()[:2] == [
        ("Code", "ExpiredToken"), ("Message", "The provided token has expired.")]
    assert dead.error()[2] == ("Token-0", session[2])
    # Long after both, it is the link that has expired.
    clock.move("+604801s")
    dead = server.request("GET", week)
    assert dead.status == 403
    assert dict(dead.error())["Message"] == "Request has expired"


def test_sessions_are_revoked_by_the_time_of_their_token(server, bucket, name):
    server.put(f"/{bucket}/key", b"hello")
    arn = make_role(server, name, allow("s3:GetObject"))
    ann = make_user(server, name, allow("sts:AssumeRole"))
    sts = client(server, "sts", ann)
    session = key_of(sts.assume_role(RoleArn=arn, RoleSessionName="ses")["Credentials"])
    url = link(server, session, bucket)
    assert server.request("GET", url).status == 200
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    client(server, "iam").put_role_policy(
        RoleName=name, PolicyName="AWSRevokeOlderSessions",
        PolicyDocument=policy(deny(["*"], ["*"], Condition={"DateLessThan": {"aws:TokenIssueTime": now}})))
    dead = server.request("GET", url)
    assert (dead.status, dead.code()) == (403, "AccessDenied")
    assert dict(dead.error())["Message"].endswith("with an explicit deny in an identity-based policy")


def test_sessions_survive_a_restart(start):
    server = start()
    server.make_bucket("bucket")
    server.put("/bucket/key", b"hello")
    arn = make_role(server, "reader", allow("s3:GetObject"))
    ann = make_user(server, "ann", allow("sts:AssumeRole"))
    answer = client(server, "sts", ann).assume_role(RoleArn=arn, RoleSessionName="ses")
    url = link(server, key_of(answer["Credentials"]), "bucket")
    server.listen = f"127.0.0.1:{server.port}"
    server.kill()
    server.start()
    assert server.request("GET", url).body == b"hello"


class Issuer:
    """An OIDC provider: a discovery document, keys, and tokens it has signed."""

    def __init__(self):
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.requests = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.requests.append(self.path)
                document = issuer.documents().get(self.path)
                self.send_response(200 if document else 404)
                self.end_headers()
                self.wfile.write(json.dumps(document or {}).encode())

            def log_message(self, *_):
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def documents(self):
        def number(value):
            size = (value.bit_length() + 7) // 8
            return base64.urlsafe_b64encode(value.to_bytes(size)).rstrip(b"=").decode()

        public = self.rsa.public_key().public_numbers()
        point = self.ec.public_key().public_numbers()
        keys = [
            {"kty": "RSA", "kid": "r", "use": "sig", "n": number(public.n), "e": number(public.e)},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(point.x), "y": number(point.y)},
        ]
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": self.url + "/keys"},
            "/keys": {"keys": keys},
        }

    def token(self, algorithm="RS256", key=None, kid=None, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "valet", "sub": "job-1", "iat": now, "exp": now + 600, **claims}
        key = key or (self.ec if algorithm.startswith("ES") else self.rsa)
        kid = kid or ("e" if algorithm.startswith("ES") else "r")
        return jwt.encode(claims, key, algorithm, headers={"kid": kid})


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.http.shutdown()


def provide(server, issuer, role="job", subject="job-*"):
    iam = client(server, "iam")
    provider = iam.create_open_id_connect_provider(
        Url=issuer.url, ClientIDList=["valet"], ThumbprintList=[])["OpenIDConnectProviderArn"]
    host = issuer.url.removeprefix("http://")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust(
        {"Federated": provider}, "sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {f"{host}:aud": "valet"}, "StringLike": {f"{host}:sub": subject}}))
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=policy(allow("s3:ListAllMyBuckets")))
    return f"arn:aws:iam::{ACCOUNT}:role/{role}", provider


def test_web_identities(start, issuer, tmp_path):
    server = start(options=["--outbound-allow", "127.0.0.0/8"])
    arn, provider = provide(server, issuer)
    anonymous = client(server, "sts", config=Config(signature_version="unsigned"))

    def assume(token, **more):
        return anonymous.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="ses", WebIdentityToken=token, **more)

    answer = assume(issuer.token())
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"], answer["Provider"]) == (
        "job-1", "valet", provider)
    client(server, "s3", key_of(answer["Credentials"])).list_buckets()
    # Keys are fetched once, whatever the algorithm.
    for algorithm in ("RS384", "RS512", "PS256", "ES256"):
        assume(issuer.token(algorithm))
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]

    now = int(time.time())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    rows = [
        (issuer.token(key=other), "InvalidIdentityToken"),
        (issuer.token(aud="another"), "InvalidIdentityToken"),
        (issuer.token(exp=now - 1), "ExpiredTokenException"),
        (issuer.token(nbf=now + 3600), "IDPRejectedClaim"),
        (issuer.token(iss="http://127.0.0.1:1"), "InvalidIdentityToken"),
        (issuer.token(sub="other"), "AccessDenied"),
        (issuer.token()[:-4] + "AAAA", "InvalidIdentityToken"),
        (jwt.encode({"iss": issuer.url, "aud": "valet", "sub": "job-1", "exp": now + 60}, "x" * 64, "HS256"),
         "InvalidIdentityToken"),
    ]
    for token, code in rows:
        assert refused(lambda token=token: assume(token))[0] == code, jwt.decode(
            token, options={"verify_signature": False})

    # The SDK's own chain, from a file.
    file = tmp_path / "token"
    file.write_text(issuer.token())
    environment = {
        k: v for k, v in client_environment(server, tmp_path).items()
        if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    environment |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": arn, "AWS_ROLE_SESSION_NAME": "cli"}
    who = subprocess.run(
        [AWS, "sts", "get-caller-identity", "--output", "json"], env=environment, check=True,
        capture_output=True, text=True, timeout=60)
    assert json.loads(who.stdout)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/job/cli"


def test_the_server_calls_no_neighbour_unasked(start, issuer):
    server = start()
    arn, _ = provide(server, issuer)
    anonymous = client(server, "sts", config=Config(signature_version="unsigned"))
    code, _ = refused(
        anonymous.assume_role_with_web_identity, RoleArn=arn, RoleSessionName="ses",
        WebIdentityToken=issuer.token())
    assert code == "IDPCommunicationError"
    assert issuer.requests == []
