"""Renders objects to files if there is no cluster, validated as far as possible without one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scaletozero.sandbox.providers.kube.paths import format_path
from scaletozero.sandbox.providers.kube.target import Manifest, Operation

VERSION = "1.34"
"""The Kubernetes version whose schemas apply."""


class Rendered:
    """The `Target` that writes each object to a file, in the official provider's folders `0-crd` and `1-manifest`.

    Args:
        namespace: the namespace of objects that name none. Default: left open, as for `kubectl apply`.
    """

    def __init__(self, folder: Path, namespace: str | None = None) -> None:
        self._folder = folder
        self._namespace = namespace

    def located(self, manifest: Manifest) -> dict[str, Any]:
        return dict(manifest)

    def foresee(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        validate(manifest)
        return None

    def create(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        validate(manifest)
        file = self._file(manifest)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(yaml.safe_dump(dict(manifest), sort_keys=False))
        draft.replace(file)
        return dict(manifest)

    def differs(self, manifest: Manifest, operation: Operation) -> bool:
        validate(manifest)
        return True

    def foresee_update(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        return self.foresee(manifest, operation)

    def update(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        return self.create(manifest, operation)

    def read(self, manifest: Manifest) -> dict[str, Any] | None:
        try:
            return yaml.safe_load(self._file(manifest).read_text())
        except FileNotFoundError:
            return None

    def delete(self, manifest: Manifest, operation: Operation) -> None:
        self._file(manifest).unlink(missing_ok=True)

    def _file(self, manifest: Manifest) -> Path:
        metadata = manifest["metadata"]
        version = str(manifest["apiVersion"]).replace("/", "_")
        namespace = metadata.get("namespace") or self._namespace or "default"
        name = str(metadata["name"]).replace("/", "_").replace(":", "_")
        order = "0-crd" if manifest["kind"] == "CustomResourceDefinition" else "1-manifest"
        return self._folder / order / f"{version}-{manifest['kind'].lower()}-{namespace}-{name}.yaml"


def validate(manifest: Mapping[str, Any]) -> None:
    """Validates an object of a built-in kind against its schema; refuses unknown fields.

    Custom resources are not validated: their schema is on the cluster that has their definition.

    Raises:
        ValueError: the object breaks the schema; the text has the path.
    """
    # This import takes two seconds, so only a run without a cluster does it.
    import kubernetes_validate

    try:
        kubernetes_validate.validate(dict(manifest), VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = format_path(tuple(error.absolute_path)) or manifest["kind"]
        raise ValueError(f"{manifest['kind']} {manifest['metadata'].get('name')}: {path}: {error.message}") from None
    except kubernetes_validate.SchemaNotFoundError:
        return
