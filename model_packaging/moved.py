"""Keeps module names from before 0.2 importable for one release, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED: dict[str, str] = {
    f"model_packaging.{old}": f"model_packaging.{new}"
    for old, new in {
        "archive": "artifact.archive",
        "assemble": "onnx_model.assemble",
        "baseline": "benchmark.baseline",
        "bench": "benchmark.bench",
        "choose": "evaluation.choose",
        "compress": "artifact.compress",
        "compressed_tensors": "quantization.compressed_tensors",
        "describe": "pipeline.describe",
        "evaluate": "evaluation.evaluate",
        "export": "huggingface.export",
        "floors": "thresholds",
        "folder_manifest": "artifact.folder_manifest",
        "folder_pipeline": "pipeline.folder",
        "graph": "onnx_model.graph",
        "hf_folder": "huggingface.hf_folder",
        "hf_source": "huggingface.hf_source",
        "inspection": "pipeline.inspection",
        "licence": "licences.licence",
        "licence_texts": "licences.licence_texts",
        "low_bit": "quantization.weight_codecs",
        "manifest": "artifact.manifest",
        "measure": "evaluation.measure",
        "oci": "artifact.oci",
        "optimise": "onnx_model.optimise",
        "plot": "benchmark.plot",
        "publication": "artifact.publish",
        "publish": "artifact.s3_upload",
        "quantize": "quantization.quantize",
        "safetensors_file": "huggingface.safetensors_file",
        "sbom": "artifact.sbom",
        "sentence_modules": "huggingface.sentence_modules",
        "signing": "artifact.signing",
        "source": "onnx_model.source",
        "static_qdq": "quantization.static_qdq",
        "tokenizer_file": "onnx_model.tokenizer_file",
        "verification": "evaluation.verification",
        "whole_start": "benchmark.whole_start",
        "work": "pipeline.work",
    }.items()
}
"""Old name -> new name."""


class MovedFinder(MetaPathFinder):
    """Finds modules under their former names.

    Args:
        moved: old name -> new name.
    """

    def __init__(self, moved: Mapping[str, str]) -> None:
        self._moved = moved

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, _Alias(self._moved[fullname])) if fullname in self._moved else None


class _Alias(Loader):
    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {self._new}; the old name ends with 0.3", DeprecationWarning, stacklevel=2)
        module = import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has given the module the old name's specification.
        module.__spec__ = self._spec
