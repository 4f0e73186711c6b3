"""The sandbox's own credentials: random for each sandbox, and the only ones that its embedded AWS accepts."""

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
    """An access key and its secret, as AWS calls them."""

    access_key: str
    secret_key: str = field(repr=False)


def new_credentials() -> Credentials:
    """Random credentials in the form of AWS's own."""
    key = "ASBX" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return Credentials(key, secrets.token_urlsafe(30))


def from_environment() -> Credentials:
    """The credentials of the process's environment; empty ones, which no sandbox accepts, where it has none."""
    return Credentials(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))


def environment_file(state: Path) -> Path:
    """The file that a shell sources so that boto3 and the AWS CLI use the sandbox of the folder `state`."""
    return state / _FILE


def write_environment_file(state: Path, aws_url: str, credentials: Credentials) -> None:
    """Writes that file, readable by its owner only."""
    lines = [
        f"export AWS_ENDPOINT_URL={shlex.quote(aws_url)}",
        f"export AWS_ACCESS_KEY_ID={shlex.quote(credentials.access_key)}",
        f"export AWS_SECRET_ACCESS_KEY={shlex.quote(credentials.secret_key)}",
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
    ]
    write_private(environment_file(state), "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, at once or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
