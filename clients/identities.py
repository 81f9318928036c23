"""Users, roles and their programs for the tests, made with `valet` itself."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from harness import FAKETIME_LIBRARY, Client, bare_environment, binary

# Out of the environment go the root's credentials, so that the SDK's chain must find others.
NO_KEY = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": None}
EXPORT = re.compile(r"^export ([A-Z0-9_]+)=(\S+)$", re.M)


def exports(text):
    """The variables that a command printed for a shell."""
    return dict(EXPORT.findall(text))


class Valet:
    """The `valet` command with somebody's credentials; root's unless told."""

    def __init__(self, server, home, environment=None):
        self.client = Client(server, home)
        self.environment = environment or {}

    def __call__(self, *arguments, status=0, stdin=None, **variables):
        return self.client.run(
            binary(), *arguments, status=status, stdin=stdin,
            environment={**self.environment, **variables},
        )

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))

    def user(self, name, *options):
        """A new user, and the command as that user."""
        key = exports(self("user", "create", name, "--key", *options))
        return Valet(self.client.server, self.client.home, key)


class CredentialsServer:
    """One process of `valet credentials serve`; what it printed is in `variables`."""

    def __init__(self, valet, role, *options, **environment):
        settings = {
            **bare_environment(valet.client.home), "AWS_ENDPOINT_URL": valet.client.server.endpoint,
            "AWS_REGION": "us-east-1", **valet.environment, **environment,
        }
        if valet.client.server.certificates:
            settings["AWS_CA_BUNDLE"] = str(valet.client.server.certificates.ca)
        self.errors = Path(valet.client.home) / f"credentials-{role}.log"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [binary(), "credentials", "serve", "--role", role, *options], env=settings,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            )
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.variables = exports("".join(lines))
        assert len(self.variables) == 3, (lines, self.errors.read_text())

    @property
    def port(self):
        return int(self.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rsplit(":", 1)[1])

    def imds(self):
        """The variables that lead a program to the metadata service alone."""
        name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
        return {**NO_KEY, name: self.variables[name]}

    def container(self):
        """The same for the container endpoint."""
        names = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        return {**NO_KEY, **{name: self.variables[name] for name in names}}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=20) == 0


class Clock:
    """A clock that programs of one test share, and that only moves when it is told."""

    def __init__(self, file):
        self.file = file
        self.move("+0")

    def move(self, offset):
        """Like `+40m`, counted from the real time."""
        new = self.file.with_suffix(".new")
        new.write_text(offset)
        os.replace(new, self.file)

    def variables(self):
        return {
            "LD_PRELOAD": FAKETIME_LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # Timeouts run on as they do.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
