"""The sandbox's credentials: random for each sandbox, and the only ones that its embedded AWS accepts."""

from __future__ import annotations

import os
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FILE = "aws.env"


@dataclass(frozen=True)
class Credentials:
    """An access key ID and its secret access key."""

    access_key: str
    secret_key: str = field(repr=False)


def new_credentials() -> Credentials:
    """Makes random credentials in AWS's format."""
    key = "ASBX" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return Credentials(key, secrets.token_urlsafe(30))


def from_environment() -> Credentials:
    """The credentials of the process's environment; if it has none, empty ones, which no sandbox accepts."""
    return Credentials(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))


def environment_file(state: Path) -> Path:
    """The file to source in a shell, so that boto3 and the AWS CLI use the sandbox of the folder `state`."""
    return state / _FILE


def write_environment_file(state: Path, aws_url: str, credentials: Credentials) -> None:
    """Writes the environment file, readable by its owner only."""
    lines = [
        f"export AWS_ENDPOINT_URL={shlex.quote(aws_url)}",
        f"export AWS_ACCESS_KEY_ID={shlex.quote(credentials.access_key)}",
        f"export AWS_SECRET_ACCESS_KEY={shlex.quote(credentials.secret_key)}",
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
    ]
    write_private(environment_file(state), "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Atomically writes a file that only its owner can read."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
