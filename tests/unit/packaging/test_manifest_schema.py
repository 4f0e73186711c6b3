"""The manifest's schema is a committed file: a change of it is a decision, not an accident."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema

from model_packaging import Artifact
from model_packaging.manifest import Manifest, schema_text

COMMITTED = files("model_packaging").joinpath("manifest.schema.json")


def test_the_committed_schema_is_what_the_models_say() -> None:
    """Regenerate it: python -m model_packaging.manifest > model_packaging/manifest.schema.json."""
    assert COMMITTED.read_text(encoding="utf-8") == schema_text()


def test_a_manifest_meets_it(make_artifact: Any) -> None:
    artifact: Artifact = make_artifact("sentences")
    jsonschema.validate(json.loads(artifact.manifest.to_json()), json.loads(COMMITTED.read_text(encoding="utf-8")))


def test_writing_and_reading_gives_the_same(make_artifact: Any) -> None:
    manifest: Manifest = make_artifact("sentences").manifest
    assert Manifest.model_validate_json(manifest.to_json()) == manifest
    assert Manifest.model_validate_json(manifest.to_json()).to_json() == manifest.to_json()
