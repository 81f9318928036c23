"""`valet mb`, `ls`, `cp`, `rm`, `rb`: a first bucket without another client."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import pytest

from content import ODD_KEYS, body, file_sha256, key_name, sha256, write_file
from harness import FAKETIME_LIBRARY, MIB, ROOT_KEY, Certificates, binary, client_environment
from sigv4 import Link, encode_path


@pytest.fixture
def valet(client):
    def run(*arguments, **options):
        return client.run(binary(), *arguments, **options)

    return run


def failed(server, home, *arguments, environment=None):
    """(exit status, standard error) of a command that must fail without a result."""
    settings = {**client_environment(server, home), **(environment or {})}
    result = subprocess.run(
        [binary(), *map(str, arguments)], capture_output=True, text=True, cwd=home, timeout=60,
        env={name: value for name, value in settings.items() if value is not None},
    )
    assert result.returncode != 0 and result.stdout == "", result
    assert "panicked" not in result.stderr
    return result.returncode, result.stderr


def test_a_first_bucket(valet, server, bucket_name, tmp_path):
    (tmp_path / "hello.txt").write_text("hello\n")
    assert valet("mb", f"s3://{bucket_name}") == f"s3://{bucket_name}\n"
    assert f" {bucket_name}\n" in valet("ls")
    assert valet("cp", "hello.txt", f"s3://{bucket_name}") == f"s3://{bucket_name}/hello.txt\n"
    assert server.signed("HEAD", f"/{bucket_name}/hello.txt").header("Content-Type") == "text/plain"
    assert valet("ls", f"s3://{bucket_name}").endswith(" 6 hello.txt\n")
    assert valet("cp", f"s3://{bucket_name}/hello.txt", "back.txt") == "back.txt\n"
    assert (tmp_path / "back.txt").read_text() == "hello\n"
    assert valet("rm", f"s3://{bucket_name}/hello.txt") == f"s3://{bucket_name}/hello.txt\n"
    assert valet("ls", f"s3://{bucket_name}") == ""
    assert valet("rb", f"s3://{bucket_name}") == f"s3://{bucket_name}\n"
    assert f" {bucket_name}\n" not in valet("ls")


def test_large_files_go_in_parts(valet, server, bucket, tmp_path):
    digest = write_file(tmp_path / "up", 20 * MIB + 7)
    told = json.loads(valet("cp", "--json", "up", f"s3://{bucket}/large"))
    assert told["size"] == 20 * MIB + 7 and told["etag"].endswith("-3")
    assert valet("cp", f"s3://{bucket}/large", "down") == "down\n"
    assert file_sha256(tmp_path / "down") == digest
    assert b"<Upload>" not in server.get(f"/{bucket}", query=[("uploads", "")]).body


def test_streams(valet, bucket, tmp_path):
    data = body(100_000)
    client_output = valet("cp", "-", f"s3://{bucket}/piped", stdin=data)
    assert client_output == f"s3://{bucket}/piped\n"
    valet("cp", f"s3://{bucket}/piped", "file")
    assert sha256((tmp_path / "file").read_bytes()) == sha256(data)
    valet("cp", "-", f"s3://{bucket}/text", stdin=b"some text\n")
    assert valet("cp", f"s3://{bucket}/text", "-") == "some text\n"


FOLDED = [key for key in ODD_KEYS if {".", ".."} & set(key.split("/"))]


@pytest.mark.parametrize("key", [key for key in ODD_KEYS if key not in FOLDED], ids=key_name)
def test_odd_keys(valet, server, bucket, tmp_path, key):
    (tmp_path / "file").write_bytes(key.encode())
    if key.endswith("/"):
        server.put(f"/{bucket}/{encode_path(key)}", key.encode())
    else:
        valet("cp", "file", f"s3://{bucket}/{key}")
    assert server.get(f"/{bucket}/{encode_path(key)}").body == key.encode()
    objects = json.loads(valet("ls", "--recursive", "--json", f"s3://{bucket}"))["objects"]
    assert [entry["key"] for entry in objects] == [key]
    valet("cp", f"s3://{bucket}/{key}", "back")
    assert (tmp_path / "back").read_bytes() == key.encode()
    valet("cp", f"s3://{bucket}/{key}", f"s3://{bucket}/copy")
    assert server.get(f"/{bucket}/copy").body == key.encode()
    valet("rm", "--recursive", f"s3://{bucket}")
    assert server.keys(bucket) == []


@pytest.mark.parametrize("key", FOLDED, ids=key_name)
def test_keys_that_url_libraries_fold_are_refused_in_words(server, bucket, tmp_path, key):
    (tmp_path / "file").write_bytes(b"x")
    status, errors = failed(server, tmp_path, "cp", "file", f"s3://{bucket}/{key}")
    assert (status, "valet presign --curl" in errors) == (1, True), errors
    assert server.keys(bucket) == []


def test_lists_have_folders(valet, server, bucket):
    for key in ("a.txt", "dir/b.txt", "dir/sub/c.txt", "dirt"):
        server.put(f"/{bucket}/{key}", b"x")
    names = lambda *arguments: [line.split(maxsplit=2) for line in valet("ls", *arguments).splitlines()]
    last = lambda *arguments: [line[-1] for line in names(*arguments)]
    assert last(f"s3://{bucket}") == ["dir/", "a.txt", "dirt"]
    assert names(f"s3://{bucket}")[0] == ["PRE", "dir/"]
    assert last(f"s3://{bucket}/dir") == ["dir/", "dirt"]
    assert last(f"s3://{bucket}/dir/") == ["sub/", "b.txt"]
    assert last("--recursive", f"s3://{bucket}/dir/") == ["dir/b.txt", "dir/sub/c.txt"]
    told = json.loads(valet("ls", "--json", f"s3://{bucket}/dir/"))
    assert told["folders"] == ["dir/sub/"]
    assert [(entry["key"], entry["size"]) for entry in told["objects"]] == [("dir/b.txt", 1)]
    assert bucket in [entry["name"] for entry in json.loads(valet("ls", "--json"))["buckets"]]


def test_folders_go_up_down_and_across(valet, server, bucket, bucket_name, tmp_path):
    for name in ("one", "sub/two", "sub/deep/three ü"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "folder" / "loop").symlink_to(tmp_path / "folder")
    valet("cp", "--recursive", "folder", f"s3://{bucket}/to")
    assert server.keys(bucket) == ["to/one", "to/sub/deep/three ü", "to/sub/two"]
    other = f"{bucket_name[:50]}-2"
    valet("mb", f"s3://{other}")
    valet("cp", "--recursive", f"s3://{bucket}/to/sub", f"s3://{other}")
    assert server.keys(other) == ["deep/three ü", "two"]
    valet("cp", "--recursive", f"s3://{bucket}/to", "back")
    assert (tmp_path / "back" / "sub" / "deep" / "three ü").read_text() == "sub/deep/three ü"
    # A folder, as for `cp` and `aws s3 rm`: what only begins so stays.
    server.put(f"/{bucket}/to/subway", b"x")
    assert valet("rm", "--recursive", f"s3://{bucket}/to/s") == ""
    assert valet("rm", "--recursive", "--dry-run", f"s3://{bucket}/to/sub").count("\n") == 2
    assert len(server.keys(bucket)) == 4
    assert valet("rm", "--recursive", f"s3://{bucket}/to/sub").count("\n") == 2
    assert server.keys(bucket) == ["to/one", "to/subway"]


def test_no_key_leads_out_of_the_folder(server, bucket, tmp_path):
    home = tmp_path / "home"
    (home / "down").mkdir(parents=True)
    for key in ("good", "../evil", "a/../../evil", "//evil"):
        server.put(f"/{bucket}/{encode_path(key)}", b"x")
    settings = client_environment(server, home)
    result = subprocess.run(
        [binary(), "cp", "--recursive", f"s3://{bucket}", "down"], cwd=home, env=settings,
        capture_output=True, text=True, timeout=60,
    )
    assert result.returncode == 1 and "3 objects were left out" in result.stderr, result
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "home/down/good"
    ]


def test_more_than_a_page(valet, server, bucket):
    for number in range(1003):
        server.put(f"/{bucket}/k{number:04}", b"")
    assert valet("ls", "--recursive", f"s3://{bucket}").count("\n") == 1003
    # Folders on both pages: what is written page by page is one document all the same.
    for folder in ("a", "z\"é"):
        server.put(f"/{bucket}/{encode_path(folder)}/k", b"x")
    written = valet("ls", "--json", f"s3://{bucket}")
    told = json.loads(written)
    assert written.count("\n") == 1 and told["bucket"] == bucket and told["prefix"] == ""
    assert told["folders"] == ["a/", "z\"é/"] and len(told["objects"]) == 1003
    assert sorted(told["objects"][0]) == ["etag", "key", "last_modified", "size"]
    assert json.loads(valet("ls", "--json", f"s3://{bucket}/none/")) == {
        "bucket": bucket, "prefix": "none/", "objects": [], "folders": [],
    }
    assert "not empty" in failed(server, server.home, "rb", f"s3://{bucket}")[1]
    valet("rb", "--force", f"s3://{bucket}")
    assert server.signed("HEAD", f"/{bucket}").status == 404


def test_what_goes_wrong_is_told_in_words(server, bucket, tmp_path):
    def check(expected_status, words, *arguments, environment=None):
        status, errors = failed(server, tmp_path, *arguments, environment=environment)
        assert (status, words in errors) == (expected_status, True), errors
        # Nothing is said twice, and nothing of the inside.
        assert len(errors.splitlines()) <= 2, errors

    (tmp_path / "file").write_text("x")
    object_uri = f"s3://{bucket}/k"
    check(1, "404 NoSuchKey", "cp", object_uri, "down")
    check(1, "If it is a folder, add --recursive", "cp", object_uri, ".")
    check(1, "The name of a bucket has 3 to 63 of", "mb", "s3://Bad_Name")
    check(2, "for an object use `valet cp`", "get", object_uri)
    assert not (tmp_path / "down").exists()
    check(1, "404 NoSuchBucket", "ls", "s3://no-such-bucket-here")
    check(1, "No such file", "cp", "missing", object_uri)
    check(2, "one of the two is at the server", "cp", "file", "other")
    check(2, "is no S3 URI", "ls", bucket)
    check(2, "add --recursive", "rm", f"s3://{bucket}")
    check(2, ". is a folder: add --recursive", "cp", ".", object_uri)
    check(2, "without a key", "mb", object_uri)
    check(2, "set AWS_ENDPOINT_URL", "ls", environment={"AWS_ENDPOINT_URL": None})
    nobody = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    check(2, "no credentials: set AWS_ACCESS_KEY_ID", "ls", environment=nobody)
    # Nor where the metadata service of an instance is asked, and is not there.
    absent = {"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}
    check(2, "no credentials: set AWS_ACCESS_KEY_ID", "ls", environment={**nobody, **absent})
    check(3, "does not know the credentials", "ls", environment={"AWS_ACCESS_KEY_ID": "AKIANOBODY"})
    check(1, "The server's region is us-east-1", "ls", environment={"AWS_REGION": "eu-west-9"})


def test_presign_says_what_the_server_refuses(server, bucket, tmp_path):
    """The link is printed all the same: it may be for later, and the note is for people."""
    def note(environment, uri=f"s3://{bucket}/k"):
        settings = {**client_environment(server, tmp_path), **environment}
        result = subprocess.run(
            [binary(), "presign", uri], capture_output=True, text=True, cwd=tmp_path, env=settings, timeout=60,
        )
        assert result.returncode == 0 and result.stdout.startswith(settings["AWS_ENDPOINT_URL"]), result
        return result.stderr

    will_not = "note: the link will not work: "
    assert note({}) == ""
    assert note({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}) == (
        f"{will_not}the server does not know the access key, or it was switched off\n"
    )
    assert note({"AWS_SECRET_ACCESS_KEY": "wrong-wrong-wrong"}) == (
        f"{will_not}the secret is not the one of the access key\n"
    )
    assert note({"AWS_REGION": "eu-west-9"}) == (
        f"{will_not}it is signed for another region than the server's; set AWS_REGION=us-east-1\n"
    )
    # Every word is said once, and on one line.
    names = (
        "the name of a bucket has 3 to 63 of `a-z`, `0-9`, `-` and `.`, begins and ends with a letter or digit, has no "
        "`.` or `-` beside a `.`, and is no IP address"
    )
    assert note({}, "s3://Bad_Bucket/k") == f"{will_not}{names}\n"
    assert failed(server, tmp_path, "presign", "--strict", "s3://Bad_Bucket/k") == (
        4, f"{will_not}{names}\nerror: no link was made: the link will not work: {names}\n"
    )
    if server.endpoint.startswith("https"):
        plain = {"AWS_ENDPOINT_URL": server.endpoint.replace("https", "http")}
        assert note(plain) == f"{will_not}this port speaks TLS: use https://\n"
    else:
        assert note({"AWS_ENDPOINT_URL": server.endpoint.replace("http", "https")}) == (
            "note: the server could not be asked whether policies end the link earlier: "
            f"{server.endpoint.replace('http', 'https')} cannot be reached: this port does not speak TLS; if it speaks "
            "plain HTTP, use http://\n"
        )


def noted(server, home, *arguments):
    """(standard output, standard error) of a command that must not fail."""
    result = subprocess.run(
        [binary(), *map(str, arguments)], capture_output=True, text=True, cwd=home, timeout=60,
        env=client_environment(server, home),
    )
    assert result.returncode == 0, result
    return result.stdout, result.stderr


def test_a_stored_checksum_is_asked_for(valet, server, bucket, tmp_path):
    write_file(tmp_path / "up", 20 * MIB + 7)
    uri = f"s3://{bucket}/large"
    valet("cp", "up", uri)
    assert "; CRC-64/NVME verified\n" in noted(server, tmp_path, "cp", uri, "down")[1]
    link = valet("presign", uri).strip()
    errors = noted(server, tmp_path, "get", link, "down")[1]
    assert "; not verified: the link does not ask for the checksum\n" in errors, errors
    link = valet("presign", uri, "--query", "x-amz-checksum-mode=ENABLED").strip()
    assert "; CRC-64/NVME verified\n" in noted(server, tmp_path, "get", link, "down")[1]


def test_what_recursive_does_not_find_is_told(valet, server, bucket, tmp_path):
    server.put(f"/{bucket}/k", b"x")
    uri = f"s3://{bucket}/k"
    for command in (
        ["rm", "--recursive", uri], ["rm", "--recursive", "--dry-run", uri],
        ["cp", "--recursive", uri, "down"], ["cp", "--recursive", uri, f"s3://{bucket}/copies"],
    ):
        told = f"note: nothing is stored below {uri}/; for the object {uri} leave --recursive out\n"
        assert noted(server, tmp_path, *command) == ("", told), command
    (tmp_path / "empty").mkdir()
    assert noted(server, tmp_path, "cp", "--recursive", "empty", uri) == ("", "note: empty has no files\n")
    assert server.get(f"/{bucket}/k").body == b"x"


def test_a_bucket_that_is_not_empty_says_what_stays(server, bucket_name, tmp_path):
    server.make_bucket(bucket_name)
    server.put(f"/{bucket_name}/k", b"x")
    uri = f"s3://{bucket_name}"
    errors = failed(server, tmp_path, "rb", uri)[1]
    assert "`valet rb --force` deletes its objects first" in errors
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    server.put(f"/{bucket_name}", versioning, query=[("versioning", "")])
    server.put(f"/{bucket_name}/k", b"y")
    status, errors = failed(server, tmp_path, "rb", "--force", uri)
    assert status == 1 and errors.startswith("note: 1 object deleted\n"), errors
    assert "BucketNotEmpty" in errors and "Older versions and delete markers stay" in errors, errors
    assert "valet rb --force" not in errors, errors


def test_a_link_out_of_html_is_told(server, bucket, tmp_path):
    link = f"{server.endpoint}{server.link(f'/{bucket}/k').target()}".replace("&", "&amp;")
    # What a browser or curl is told.
    answer = server.request("GET", link.removeprefix(server.endpoint))
    assert answer.status == 400 and b"<Code>AuthorizationQueryParametersError</Code>" in answer.body
    (tmp_path / "file").write_text("x")
    for command in (["get", link, "-"], ["put", "file", link]):
        status, errors = failed(server, tmp_path, *command)
        assert (status, "replace each by `&`" in errors) == (2, True), errors


def test_a_wrong_clock_is_told_by_every_service(server, bucket, tmp_path):
    clock = {"LD_PRELOAD": FAKETIME_LIBRARY, "FAKETIME": "-2h"}
    for command in (["ls"], ["user", "ls"]):
        status, errors = failed(server, tmp_path, *command, environment=clock)
        # Over TLS it is the certificate that is not valid yet.
        assert status == (3 if server.certificates is None else 1), (command, errors)
        assert "s the clock of this machine right?" in errors, (command, errors)


def test_an_unquoted_link_is_guessed(server, bucket, tmp_path):
    link = server.link(f"/{bucket}/k")
    for arguments in (("get", "{}"), ("put", "file", "{}")):
        (tmp_path / "file").write_text("x")
        cut = f"{server.endpoint}{link.target()}".split("&")[0]
        words = [word.replace("{}", cut) for word in arguments]
        status, errors = failed(server, tmp_path, *words)
        assert (status, "Was the link quoted?" in errors) == (2, True), errors
        bare = cut.split("?")[0] + "?response-content-type=text%2Fplain"
        words = [word.replace("{}", bare) for word in arguments]
        status, errors = failed(server, tmp_path, *words)
        assert "Was the link quoted?" in errors, errors


@pytest.mark.parametrize("option", ["--ca-bundle", "--cacert", "AWS_CA_BUNDLE"])
def test_one_word_for_authorities(https_server, bucket_name, tmp_path, option):
    https_server.make_bucket(bucket_name)
    https_server.put(f"/{bucket_name}/k", b"x")
    (tmp_path / "file").write_text("x")
    ca = str(https_server.certificates.ca)
    environment = client_environment(https_server, tmp_path)
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        del environment[name]
    if option == "AWS_CA_BUNDLE":
        environment["AWS_CA_BUNDLE"] = ca
    trust = [] if option == "AWS_CA_BUNDLE" else [option, ca]
    link = https_server.link(f"/{bucket_name}/k")
    put = https_server.link(f"/{bucket_name}/k", method="PUT")
    url = lambda link: f"{https_server.endpoint}{link.target()}"
    for command in (
        ["ls"], ["cp", "file", f"s3://{bucket_name}/k"], ["user", "ls"], ["account", "ls"], ["key", "ls"],
        ["get", url(link), "-"], ["put", "file", url(put)], ["presign", f"s3://{bucket_name}/k"],
        ["credentials", "print"],
    ):
        result = subprocess.run(
            [binary(), *command, *trust], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=60,
        )
        assert result.returncode == 0, (command, result)
        assert "could not be asked" not in result.stderr, (command, result)


def test_an_empty_name_of_authorities_is_none(http_server, bucket_name, tmp_path):
    """As for the `aws` command."""
    http_server.make_bucket(bucket_name)
    environment = client_environment(http_server, tmp_path) | {"AWS_CA_BUNDLE": ""}
    result = subprocess.run(
        [binary(), "ls"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0 and bucket_name in result.stdout, result


def test_plain_http_to_a_port_that_speaks_tls(https_server, bucket_name, tmp_path):
    https_server.make_bucket(bucket_name)
    plain = https_server.endpoint.replace("https://", "http://")
    link = https_server.link(f"/{bucket_name}/k", method="PUT")
    (tmp_path / "file").write_bytes(bytes(300_000))
    for command in (
        ["ls", "--endpoint-url", plain], ["user", "ls", "--endpoint-url", plain],
        ["get", f"{plain}{link.target()}", "-"], ["put", "file", f"{plain}{link.target()}"],
    ):
        status, errors = failed(https_server, tmp_path, *command)
        assert status == 1 and "This port speaks TLS: use https://" in errors, (command, errors)


def test_tls_to_a_port_that_speaks_plain_http(http_server, tmp_path):
    encrypted = http_server.endpoint.replace("http://", "https://")
    link = http_server.link("/b/k", method="PUT")
    (tmp_path / "file").write_bytes(b"x")
    for command in (
        ["ls", "--endpoint-url", encrypted], ["user", "ls", "--endpoint-url", encrypted],
        ["get", f"{encrypted}{link.target()}", "-"], ["put", "file", f"{encrypted}{link.target()}"],
    ):
        status, errors = failed(http_server, tmp_path, *command)
        assert status == 1 and "if it speaks plain HTTP, use http://" in errors, (command, errors)
        assert "corrupt" not in errors, (command, errors)


def test_names_below_localhost_are_this_machine(http_server, bucket_name, tmp_path):
    http_server.make_bucket(bucket_name)
    host = f"{bucket_name}.localhost:{http_server.port}"
    url = lambda method: f"http://{host}{Link(ROOT_KEY, host, '/k', method=method).target()}"
    (tmp_path / "file").write_bytes(b"x")
    noted(http_server, tmp_path, "put", "file", url("PUT"))
    assert noted(http_server, tmp_path, "get", url("GET"), "-")[0] == "x"
    assert http_server.get(f"/{bucket_name}/k").body == b"x"


def test_an_untrusted_certificate_names_the_option(https_server, tmp_path):
    without = {"AWS_CA_BUNDLE": None, "SSL_CERT_FILE": None}
    status, errors = failed(https_server, tmp_path, "ls", environment=without)
    assert status == 1 and errors.count("\n") == 1, errors
    assert f"error: {https_server.endpoint} cannot be reached: invalid peer certificate" in errors
    assert "; --ca-bundle FILE trusts the certificate or authority in that file" in errors


def qr(server, bucket, home, columns, rows):
    """(exit status, what a terminal of that size shows)."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [binary(), "presign", "--offline", "--qr", f"s3://{bucket}/k"], stdin=subprocess.DEVNULL,
        stdout=terminal, stderr=terminal, env=client_environment(server, home), cwd=home,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    return process.wait(timeout=60), shown.decode()


def test_a_qr_code_fits_the_terminal_or_says_that_it_does_not(http_server, tmp_path):
    status, shown = qr(http_server, "bucket", tmp_path, 120, 70)
    lines = shown.splitlines()
    assert status == 0 and len(lines) > 20 and max(map(len, lines)) <= 120, shown
    status, shown = qr(http_server, "bucket", tmp_path, 40, 70)
    assert status == 1, shown
    assert f"the QR code needs {len(lines[0])} columns" in shown.replace("\r\n", " "), shown
    status, shown = qr(http_server, "bucket", tmp_path, 120, 20)
    assert status == 1 and "the terminal has 120 and 20" in shown.replace("\r\n", " "), shown


def self_signed(folder, name, *, environment=None):
    """What `openssl req -x509` makes: a server's certificate that is an authority's too."""
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", "server.key", "-out", "server.pem", "-days", "2", "-subj", "/CN=valet",
         "-addext", f"subjectAltName={name}"],
        cwd=folder, check=True, capture_output=True, env={**os.environ, **(environment or {})},
    )
    return Certificates(folder / "server.pem", folder / "server.pem", folder / "server.key")


def test_a_server_s_own_certificate_is_trusted_when_it_is_given(start, tmp_path):
    def ls(server, given):
        environment = client_environment(server, tmp_path) | {"AWS_CA_BUNDLE": str(given)}
        return subprocess.run(
            [binary(), "ls"], env=environment, capture_output=True, text=True, timeout=60
        )

    own = self_signed(tmp_path / "own", "IP:127.0.0.1")
    other = self_signed(tmp_path / "other", "IP:127.0.0.1")
    elsewhere = self_signed(tmp_path / "elsewhere", "DNS:elsewhere.test")
    long_ago = {"LD_PRELOAD": FAKETIME_LIBRARY, "FAKETIME": "-30d"}
    expired = self_signed(tmp_path / "expired", "IP:127.0.0.1", environment=long_ago)
    server = start(certificates=own)
    result = ls(server, own.ca)
    assert result.returncode == 0, result
    result = ls(server, other.ca)
    assert result.returncode == 1 and "certificate" in result.stderr, result
    # Its name and its time count as ever. The harness itself would not connect to these.
    for certificates, words in ((elsewhere, "not valid for name"), (expired, "expired")):
        result = ls(start(certificates=certificates), certificates.ca)
        assert result.returncode == 1 and words in result.stderr, result
