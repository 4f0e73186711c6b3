"""Reads custom resource definitions from a folder and installs them on a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from model_packaging.findings import refuse
from scaletozero.kubernetes.api import KubernetesApi

ESTABLISH_SECONDS = 300


def read_definitions(folder: Path) -> list[dict[str, Any]]:
    """Reads the CustomResourceDefinitions among the YAML files of `folder`.

    Raises:
        FindingsError: there is none, or a file is not valid YAML.
    """
    found = [document for file in sorted(folder.glob("*.yaml")) for document in _documents(file)]
    definitions = [document for document in found if document.get("kind") == "CustomResourceDefinition"]
    if not definitions:
        raise refuse(str(folder), "holds the definitions of the custom resources", "none", fix="name another folder")
    return definitions


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from (document for document in yaml.load_all(file.read_text(), _Loader) if isinstance(document, dict))
    except yaml.YAMLError as error:
        raise refuse(str(file), "must be YAML", str(error).splitlines()[0]) from None


# These files have megabytes of schema; the C loader, if present, reads them ten times as fast.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def install_definitions(api: KubernetesApi, definitions: Iterable[dict[str, Any]]) -> None:
    """Installs the definitions on the cluster and waits until it serves them.

    Raises:
        ApiError: the cluster refused one.
        TimeoutError: one was not established in time.
    """
    waiting = [*definitions]
    for definition in waiting:
        api.apply(definition, force=True)
    deadline = time.monotonic() + ESTABLISH_SECONDS
    while waiting := [definition for definition in waiting if not _established(api.get(definition))]:
        if time.monotonic() > deadline:
            names = ", ".join(definition["metadata"]["name"] for definition in waiting)
            raise TimeoutError(f"not established after {ESTABLISH_SECONDS} s: {names}")
        time.sleep(0.1)


def _established(live: dict[str, Any] | None) -> bool:
    conditions = ((live or {}).get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
