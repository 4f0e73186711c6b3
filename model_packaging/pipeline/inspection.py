"""Inspects the files of a spec before anything is written: the source, and the digests of other files."""

from __future__ import annotations

from pathlib import Path

from model_packaging.artifact.reader import sha256_of
from model_packaging.findings import refuse
from model_packaging.huggingface import hf_source
from model_packaging.onnx_model.source import Source, tokenizer_of
from model_packaging.probes import load_probe
from model_packaging.serving.registry import TASKS
from model_packaging.spec import PackageSpec
from model_packaging.tasks import Packaging, classes, folder_of


def inspected(spec: PackageSpec, kind: Packaging) -> tuple[Source | None, str, str]:
    """The source if it is a graph, its SHA-256, and a note about it. A folder is exported later.

    Raises:
        FindingsError: it is refused.
    """
    if not spec.source.is_dir():
        source = kind.inspect(spec)
        numbers = f", {source.dimension} numbers per result" if source.dimension else ""
        return source, source.sha256, f"{source.size / 1e6:.1f} MB{numbers}"
    if not TASKS[spec.task].transformers:
        raise refuse(
            str(spec.source),
            f"a model for {spec.task} must be an .onnx file",
            "a folder",
            "it would be unknown what to export",
            "export it, or name the task that it is for",
        )
    if spec.tokenizer and not tokenizer_of(spec).is_file():
        raise refuse(
            str(spec.tokenizer), "the tokenizer must be a tokenizer.json", "no such file", "", "name the model's own"
        )
    folder, parameters = hf_source.describe(spec.source, spec.revision)
    return None, folder.sha256, f"{folder.size / 1e6:.1f} MB, {parameters / 1e6:.1f} million parameters"


def described_by(spec: PackageSpec) -> list[Path]:
    """The config that names the classes, if there is one."""
    config = folder_of(spec) / classes.CONFIG
    return [config] if TASKS[spec.task].classes and config.is_file() else []


def probed(spec: PackageSpec) -> list[str]:
    """Digests of the user's inputs, or of this package's if there are none."""
    if spec.probe is None:
        return [load_probe(None).sha256]
    found = []
    for path in (spec.probe, spec.calibration):
        if path is not None:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [f"{each.name} {sha256_of(each)}" for each in files if each.is_file()]
    return found
