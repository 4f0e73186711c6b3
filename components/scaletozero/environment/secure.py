"""Encrypted values of a settings file, which only the team's secrets provider can decrypt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import LATER
from scaletozero.partitions import find_partition

KMS_KEY = "artifacts.kms_key_arn"
"""The setting of an environment that may be encrypted: it decides nothing that has to be checked beforehand."""

ACCOUNT = "123456789012"
"""The sandbox's account."""


def replaced(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Replaces every `secure:` value of a configuration with a value of the sandbox.

    `token: {secure: AAAB...}` becomes `token: sandbox-token`, which is not a secret: the program receives a string
    where it expects one, and no passphrase or key is needed. A value named `kms_key_arn` becomes the ARN of a key.

    Args:
        config: the `config` of a settings file, or an environment in it.

    Returns:
        The configuration, and the paths of the values that were replaced.
    """
    region = _region(config)

    def stand_in(name: str) -> str:
        text = f"sandbox-{name.rpartition(':')[2]}"
        if not text.endswith("kms_key_arn"):
            return text
        partition = find_partition(region)
        return f"arn:{partition.name if partition else 'aws'}:kms:{region}:{ACCOUNT}:key/{text.replace('_', '-')}"

    paths: list[str] = []
    return {key: _replaced(value, key, key, paths, stand_in) for key, value in config.items()}, paths


def encrypted(config: Mapping[str, Any]) -> list[str]:
    """The paths of the `secure:` values."""
    return replaced(config)[1]


def undecrypted(environment: Mapping[str, Any], path: str) -> dict[str, Any]:
    """An environment whose encrypted KMS key is not known yet; the engine hands it, decrypted, to the program.

    Args:
        environment: what was written.
        path: where, the root of every finding's path.

    Raises:
        FindingsError: another value is encrypted.
    """
    paths: list[str] = []
    found = {key: _replaced(value, key, key, paths, lambda name: LATER) for key, value in environment.items()}
    if others := [each for each in paths if each != KMS_KEY]:
        raise FindingsError(
            Finding(
                f"{path}.{each}",
                "must not be encrypted",
                "a `secure:` value",
                "what it decides could not be checked before it exists",
                f"write the value itself; of an environment, `{KMS_KEY}` alone may be encrypted",
            )
            for each in others
        )
    return found


def _region(config: Mapping[str, Any]) -> str:
    """The region of an environment, or of the environment or the provider in a configuration."""
    groups = [config, *(value for value in config.values() if isinstance(value, Mapping))]
    written = [*(group.get("region") for group in groups), config.get("aws:region")]
    return next((each for each in written if isinstance(each, str)), "us-east-1")


def _replaced(value: Any, path: str, name: str, paths: list[str], stand_in: Callable[[str], Any]) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {"secure"}:
            paths.append(path)
            return stand_in(name)
        return {key: _replaced(each, f"{path}.{key}", str(key), paths, stand_in) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, f"{path}[{index}]", name, paths, stand_in) for index, each in enumerate(value)]
    return value
