"""Fixtures: servers over HTTP and HTTPS that live as long as the run, and a fresh bucket a test."""

import itertools
import re

import pytest

from chromium import Chromium, Site, bundle
from chromium import signer as page_signer
from harness import Certificates, Client, Server, client_environment, make_certificates
from people import make_client

serial = itertools.count(1)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls") / "own"
    return make_certificates(
        folder, ["IP:127.0.0.1", "DNS:localhost", "DNS:*.localhost", "DNS:s3.valet.test", "DNS:*.s3.valet.test"]
    )


@pytest.fixture(scope="session")
def http_server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest.fixture(scope="session")
def https_server(tmp_path_factory, certificates):
    with Server(tmp_path_factory.mktemp("https"), certificates=certificates) as server:
        yield server


@pytest.fixture(params=["http", "https"])
def server(request):
    """The same test over plain HTTP and over TLS, where SDKs send checksums as trailers."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def start(tmp_path):
    """Starts further servers, each with its own settings, and ends them with the test."""
    servers = []

    def start(**settings):
        settings.setdefault("home", tmp_path / f"server-{len(servers)}")
        servers.append(Server(**settings))
        return servers[-1].start()

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def bucket_name(request):
    """A bucket name that no other test of the run uses."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"{words}-{next(serial)}"


@pytest.fixture
def bucket(server, bucket_name):
    server.make_bucket(bucket_name)
    return bucket_name


@pytest.fixture
def client(server, tmp_path):
    return Client(server, tmp_path)


@pytest.fixture
def environment(server, tmp_path):
    return client_environment(server, tmp_path)


@pytest.fixture(scope="session")
def page_script(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("page"))


@pytest.fixture
def site(page_script):
    """A page of another origin than the server's, and its back end."""
    site = Site(page_script)
    yield site
    site.close()


@pytest.fixture
def chromium(site, tmp_path):
    return Chromium(site, tmp_path)


@pytest.fixture
def s3(server):
    """What signs links for pages."""
    return page_signer(server)


@pytest.fixture(params=[None, "s3v4"], ids=["default", "s3v4"])
def signer(request, server):
    """boto3 that makes links at its default signature version, which is SigV2 here, and at SigV4."""
    return make_client(server, signature_version=request.param) if request.param else make_client(server)


@pytest.fixture
def allowed(s3, site, bucket):
    """A bucket that the page may use."""
    site.allow(s3, bucket)
    return bucket
