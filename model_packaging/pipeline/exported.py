"""Exports the ONNX graph of a Hugging Face folder once for all runs of a spec."""

from __future__ import annotations

import json
from pathlib import Path

from model_packaging.artifact.folder_manifest import Export
from model_packaging.huggingface import export, hf_source
from model_packaging.pipeline.work import Work

_EVIDENCE = "evidence.json"


def exported_once(path: Path, task: str, work: Work) -> tuple[Path, Export]:
    """Exports the model in `path`, unless a killed run has done so. Returns the graph and the evidence for it.

    Raises:
        FindingsError: see `export.export_folder`.
    """

    def build(folder: Path) -> None:
        made = hf_source.entry(export.export_folder(path, folder / "model", task))
        (folder / _EVIDENCE).write_text(made.model_dump_json(), encoding="utf-8")

    folder = work.folder("exported", build)
    return folder / "model" / "model.onnx", Export.model_validate(json.loads((folder / _EVIDENCE).read_text("utf-8")))
