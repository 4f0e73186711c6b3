"""Replaces encrypted values of a settings file in the sandbox: only the team's secrets provider can decrypt them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def replaced(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Replaces every `secure:` value of a configuration with a value of the sandbox.

    `token: {secure: AAAB...}` becomes `token: sandbox-token`, which is not a secret: the program receives a string
        where
    it expects one, and no passphrase or key is needed.

    Args:
        config: the `config` of a settings file.

    Returns:
        The configuration, and the paths of the values that were replaced.
    """
    paths: list[str] = []
    return {key: _replaced(value, key, key, paths) for key, value in config.items()}, paths


def _replaced(value: Any, path: str, name: str, paths: list[str]) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {"secure"}:
            paths.append(path)
            return f"sandbox-{name.rpartition(':')[2]}"
        return {key: _replaced(each, f"{path}.{key}", str(key), paths) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, f"{path}[{index}]", name, paths) for index, each in enumerate(value)]
    return value
