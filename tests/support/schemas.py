"""Kubernetes objects against the schemas of the API and of the custom resources, offline, strictly."""

import json
import os
from copy import deepcopy
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

CRD_DIR = Path(os.environ.get("CRD_DIR", Path(__file__).resolve().parents[3] / "shared" / "crds"))
VERSION = "1.34"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def custom() -> dict[tuple[str, str], Any]:
    """(apiVersion, kind) -> schema. Skips the test where there are none."""
    if not CRD_DIR.is_dir():
        pytest.skip(f"the custom resources' schemas are not at CRD_DIR ({CRD_DIR})")
    found: dict[tuple[str, str], Any] = {}
    for path in sorted(CRD_DIR.glob("*.yaml")):
        spec = yaml.load(path.read_text(), LOADER)["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    schema = json.loads((CRD_DIR / "eks.amazonaws.com_nodeclass_v1.schema.json").read_text())
    schema["properties"]["metadata"] = {"type": "object"}
    found["eks.amazonaws.com/v1", "NodeClass"] = strict(schema)
    return found


def strict(schema: Any) -> Any:
    """The schema, with unknown fields refused as the API server does with strict validation."""
    schema = deepcopy(schema)

    def close(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
                node.setdefault("additionalProperties", False)
            if node.get("x-kubernetes-list-type") == "set":
                node["uniqueItems"] = True
            if node.get("x-kubernetes-int-or-string"):
                node.pop("type", None)
            for value in node.values():
                close(value)
        elif isinstance(node, list):
            for value in node:
                close(value)

    close(schema)
    return schema


def problems(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with an object, in words; empty if nothing is."""
    key = (manifest["apiVersion"], manifest["kind"])
    checker = jsonschema.Draft7Validator(custom()[key]) if key in custom() else core(*key)
    return [f"{key}: {'.'.join(map(str, e.path))}: {e.message}" for e in checker.iter_errors(manifest)]


@cache
def core(api_version: str, kind: str) -> Any:
    """A validator of a kind of Kubernetes' own, from kubernetes-validate's schemas, which it would read each time."""
    group, _, version = api_version.rpartition("/")
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}.0-local-strict"
    name = "-".join(filter(None, [kind.lower(), group.partition(".")[0], version]))
    schema, definitions = (json.loads((folder / f"{each}.json").read_text()) for each in (name, "_definitions"))
    registry = Resource.from_contents(definitions) @ (Resource.from_contents(schema) @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)
