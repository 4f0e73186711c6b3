"""A CycloneDX 1.6 bill of materials of one model, with its model card: https://cyclonedx.org/docs/1.6/json/

The document depends only on its arguments, and so has the same bytes every time: its serial number is derived from
its content, and it has a time only if one is given.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SERIALS = uuid.UUID("f2c1d9a0-6a0f-5f0a-9c5e-6d1f4f0e7b11")


@dataclass(frozen=True)
class Material:
    """A file of the artifact: `path` in it, sha256 (hex)."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Ancestor:
    """The model that was packaged: `name`, `version` (a revision, may be empty), sha256 (hex, may be empty), `url`."""

    name: str
    version: str = ""
    sha256: str = ""
    url: str = ""


@dataclass(frozen=True)
class Metric:
    """A measured figure: its name (such as `cosine_mean`), its value, and the part of the data (may be empty)."""

    type: str
    value: float
    slice: str = ""


@dataclass(frozen=True)
class Model:
    """The subject of the bill.

    Attributes:
        name, version: those of the artifact.
        licence: SPDX expression.
        task: for example `sentence-embedding`.
        family, architecture: for example `transformer` and `BertModel`. Empty if unknown.
        inputs, outputs: formats, for example `application/json`.
        files: files of the artifact.
        ancestors: models from which it was made.
        metrics: measurements of the artifact.
        properties: other properties, for example the quantization.
        libraries: names and versions of the libraries that run it.
        source_date: the document's time in Unix seconds; None for no time.
    """

    name: str
    version: str
    licence: str
    task: str
    family: str = ""
    architecture: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    files: Sequence[Material] = ()
    ancestors: Sequence[Ancestor] = ()
    metrics: Sequence[Metric] = ()
    properties: Mapping[str, str] | None = None
    libraries: Mapping[str, str] | None = None
    source_date: int | None = None


def bill(model: Model, tool_version: str) -> str:
    """The JSON text of the bill of `model`, made by this tool's `tool_version`."""
    tool = {"type": "application", "name": "scaletozero", "version": tool_version}
    metadata: dict[str, Any] = {"tools": {"components": [tool]}, "component": _component(model)}
    if model.source_date is not None:
        metadata["timestamp"] = datetime.fromtimestamp(model.source_date, UTC).isoformat().replace("+00:00", "Z")
    libraries = [
        {"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "purl": f"pkg:pypi/{name}@{version}"}
        | {"name": name, "version": version}
        for name, version in sorted((model.libraries or {}).items())
    ]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": libraries,
        "dependencies": [{"ref": "model", "dependsOn": [library["bom-ref"] for library in libraries]}],
    }
    serial = uuid.uuid5(_SERIALS, json.dumps(document, sort_keys=True))
    return json.dumps(document | {"serialNumber": f"urn:uuid:{serial}"}, indent=2, sort_keys=True) + "\n"


def _component(model: Model) -> dict[str, Any]:
    files = [
        {"type": "file", "bom-ref": f"file/{file.path}", "name": file.path, "hashes": _hashes(file.sha256)}
        for file in sorted(model.files, key=lambda file: file.path)
    ]
    return _filled(
        {
            "type": "machine-learning-model",
            "bom-ref": "model",
            "name": model.name,
            "version": model.version,
            "licenses": [{"expression": model.licence}],
            "components": files,
            "pedigree": _filled({"ancestors": [_ancestor(each) for each in model.ancestors]}),
            "modelCard": _card(model),
        }
    )


def _card(model: Model) -> dict[str, Any]:
    parameters = {
        "task": model.task,
        "architectureFamily": model.family,
        "modelArchitecture": model.architecture,
        "inputs": [{"format": each} for each in model.inputs],
        "outputs": [{"format": each} for each in model.outputs],
    }
    metrics = [_filled({"type": each.type, "value": repr(each.value), "slice": each.slice}) for each in model.metrics]
    properties = [
        {"name": f"scaletozero:{name}", "value": value} for name, value in sorted((model.properties or {}).items())
    ]
    analysis = {"performanceMetrics": metrics} if metrics else {}
    return _filled({"modelParameters": _filled(parameters), "quantitativeAnalysis": analysis, "properties": properties})


def _ancestor(ancestor: Ancestor) -> dict[str, Any]:
    return _filled(
        {
            "type": "machine-learning-model",
            "name": ancestor.name,
            "version": ancestor.version,
            "hashes": _hashes(ancestor.sha256),
            "externalReferences": [{"type": "distribution", "url": ancestor.url}] if ancestor.url else [],
        }
    )


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}] if sha256 else []


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", [], {})}
