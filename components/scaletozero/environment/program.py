"""The environment of the stack whose program runs, with its secrets kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime.config import is_config_secret

from model_packaging.findings import FindingsError
from scaletozero.cold_start.remembered import Start, read_starts
from scaletozero.component import DeclarationError, without_secrets
from scaletozero.environment.project import find_project
from scaletozero.environment.read import KEY, read_environment
from scaletozero.environment.secure import encrypted, undecrypted
from scaletozero.environment.settings import Environment


def stack_environment(root: Path) -> Environment:
    """The environment in the stack's configuration. To be called inside a Pulumi program.

    A KMS key that is encrypted in the settings file is a secret of the program: no error shows it, and the state holds
    it encrypted.

    Args:
        root: the project's folder.

    Raises:
        DeclarationError: with everything that is wrong.
    """
    written: Any = pulumi.Config().require_object(KEY)
    hidden: dict[str, Any] = {}
    try:
        if is_config_secret(f"{pulumi.get_project()}:{KEY}"):
            hidden = _secrets(written, root)
        environment = read_environment(written, root, starts=_starts(root))
    except FindingsError as error:
        raise DeclarationError(without_secrets(found, hidden) for found in error.findings) from None
    return environment.with_secret_key() if hidden else environment


def _starts(root: Path) -> Mapping[str, tuple[Start, ...]]:
    """The measured starts of the stack's endpoints; none for a program outside of a project's folder.

    Raises:
        FindingsError: their file is invalid.
    """
    if not (root / "Pulumi.yaml").is_file():
        return {}
    return read_starts(find_project(root).starts_file(pulumi.get_stack()))


def _secrets(written: Any, root: Path) -> dict[str, Any]:
    """Path -> value of what is a secret: the engine says only that something in the configuration is one, and not what.

    Raises:
        FindingsError: what is encrypted must not be.
    """
    project = find_project(root)
    in_file = project.configuration(pulumi.get_stack()).get(f"{project.name}:{KEY}")
    paths = encrypted(in_file) if isinstance(in_file, Mapping) else []
    if not isinstance(in_file, Mapping) or not paths:
        # The configuration is from elsewhere, and all of it may be secret.
        return {KEY: written}
    undecrypted(in_file, KEY)
    return {f"{KEY}.{path}": reduce(lambda at, part: at[part], path.split("."), written) for path in paths}
