"""What is needed to install it: the settings file, the systemd unit, manual pages, completions."""

import re
import shutil
import subprocess
import tomllib

import pytest

from harness import ROOT, ROOT_KEY, Server, bare_environment, binary
from recipes import replaced

PACKAGING = ROOT / "packaging"
SETTINGS = (PACKAGING / "valet.toml").read_text()


def valet(*arguments, home):
    return subprocess.run(
        [binary(), *arguments], env=bare_environment(home), capture_output=True, text=True, check=True,
        timeout=60,
    ).stdout


def uncommented():
    """The file as somebody has it who takes every `#` before a setting away."""
    return re.sub(r"^# ([a-z0-9-]+ = )", r"\1", SETTINGS, flags=re.MULTILINE)


def test_the_settings_file_has_every_flag(tmp_path):
    flags = set(re.findall(r"^ +--([a-z0-9-]+)", valet("serve", "--help", home=tmp_path), re.MULTILINE))
    assert len(flags) > 15
    assert set(tomllib.loads(uncommented())) == flags - {"config"}


def test_a_server_starts_with_the_settings_file_as_it_is(start, tmp_path):
    settings = tmp_path / "valet.toml"
    data = tmp_path / "data"
    settings.write_text(replaced(SETTINGS, {"/var/lib/valet": data}))
    server = start(home=tmp_path / "home", options=["--config", settings])
    server.make_bucket("bucket")


def test_a_server_starts_with_every_setting_of_the_file(start, tmp_path, certificates):
    settings = tmp_path / "valet.toml"
    settings.write_text(replaced(uncommented(), {
        "/var/lib/valet": tmp_path / "data",
        "127.0.0.1:9000": "127.0.0.1:0",
        "127.0.0.1:9001": "127.0.0.1:0",
        "/etc/valet/tls.pem": certificates.certificate,
        "/etc/valet/tls.key": certificates.key,
        "/etc/valet/master.key": tmp_path / "master.key",
        "/mnt/fast": tmp_path / "fast",
    }))
    server = WithFileAlone(home=tmp_path / "home", options=["--config", settings], certificates=certificates)
    with server:
        server.make_bucket("bucket")
        server.put("/bucket/key", b"x")
    assert (tmp_path / "master.key").exists() and (tmp_path / "data").is_dir()


class WithFileAlone(Server):
    """A server that is told nothing but its file and its root key."""

    def command(self):
        return [binary(), "serve", *self.options]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_the_unit_is_valid_and_closed(tmp_path):
    unit = tmp_path / "valet.service"
    # It must name a program that is there.
    text = (PACKAGING / "valet.service").read_text()
    unit.write_text(replaced(text, {"/usr/local/bin/valet": binary()}))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True,
        text=True, timeout=60,
    )
    assert judged.returncode == 0, judged.stdout[-2000:]


def commands(home, *words):
    """The subcommands that the help of a command lists."""
    text = valet(*words, "--help", home=home)
    listed = re.search(r"^Commands:\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    names = re.findall(r"^  ([a-z-]+)", listed[1], re.MULTILINE) if listed else []
    return [name for name in names if name != "help"]


def test_every_command_has_help_and_a_manual_page(tmp_path):
    known = commands(tmp_path)
    assert {"serve", "presign", "get", "put", "ls", "cp", "user", "completions", "man"} <= set(known)
    pages = [()] + [(name,) for name in known]
    pages += [(name, below) for name in known for below in commands(tmp_path, name)]
    for words in pages:
        page = valet("man", *words, home=tmp_path)
        name = "-".join(("valet", *words))
        assert re.search(rf'^\.TH {re.escape(name)} 1 +"valet ', page, re.MULTILINE), (words, page[:300])
        assert ".SH SYNOPSIS" in page and ".SH DESCRIPTION" in page, words
    assert "VALET_ROOT_ACCESS_KEY_ID" in valet("man", "serve", home=tmp_path).replace("\\", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(tmp_path, shell):
    script = valet("completions", shell, home=tmp_path)
    assert "presign" in script and "--expires-in" in script or "expires-in" in script
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, timeout=60)
        assert checked.returncode == 0, checked.stderr


def test_the_container_runs_what_is_there():
    """No container is built here: what it copies and sets is held against the repository."""
    text = (ROOT / "Dockerfile").read_text()
    assert "cargo install --locked --path crates/valet --root /out" in text
    assert (ROOT / "crates" / "valet" / "Cargo.toml").is_file() and (ROOT / "Cargo.lock").is_file()
    settings = dict(re.findall(r"(VALET_[A-Z_]+)=(\S+)", text))
    assert settings == {"VALET_DATA_DIR": "/var/lib/valet", "VALET_LISTEN": "0.0.0.0:9000"}
    # Root in a container is root.
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["/usr/local/bin/valet"\]\nCMD \["serve"\]$', text, re.MULTILINE)
