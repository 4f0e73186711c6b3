"""The baseline of an artifact: its own source, in fp32, as it is usually shipped."""

from __future__ import annotations

from pathlib import Path

from model_packaging.artifact.reader import Artifact
from model_packaging.benchmark.bench import Contender, usual_archive
from model_packaging.findings import refuse
from model_packaging.huggingface import export, hf_source
from model_packaging.onnx_model.model_file import read_model
from model_packaging.progress import Progress, Report, quiet
from model_packaging.spec import PackageSpec

LABEL = "fp32, gzip -9"


def baseline(spec: PackageSpec, artifact: Artifact, folder: Path, report: Report = quiet) -> Contender:
    """The unquantized model that `artifact` was packaged from: one .onnx, weights inside, in a gzip -9 tar, started
    without digests and canary.

    Args:
        spec: the spec from which it was packaged.
        folder: an existing folder for the archive.

    Raises:
        FindingsError: the spec is of another model, or `inspect_source` or `export_folder` refuses it.
    """
    report(Progress("baseline", 0, 1, f"{spec.source.name}, {LABEL}"))
    digest = hf_source.describe(spec.source, spec.revision)[0].sha256 if spec.source.is_dir() else _digest(spec.source)
    if digest != artifact.manifest.source.sha256:
        raise refuse(
            str(spec.source),
            f"must be the model that the artifact was packaged from, sha256 {artifact.manifest.source.sha256[:12]}",
            f"sha256 {digest[:12]}",
            "two different models would be compared",
            "name the spec of this artifact, or package it again",
        )
    contender = Contender(LABEL, usual_archive(graph_of(spec, folder, report), folder), checked=False)
    report(Progress("baseline", 1, 1, f"{contender.archive.stat().st_size / 1e6:.1f} MB"))
    return contender


def graph_of(spec: PackageSpec, folder: Path, report: Report = quiet) -> PackageSpec:
    """`spec` with an ONNX graph as its source: its own, or the one that a Hugging Face folder exports to.

    Raises:
        FindingsError: like `export_folder`.
    """
    if not spec.source.is_dir():
        return spec
    report(Progress("baseline", 0, 1, "to one graph, through torch"))
    exported = export.export_folder(spec.source, folder / "exported", spec.task)
    length = spec.max_length or exported.max_length
    return spec.model_copy(update={"source": exported.path, "max_length": length})


def _digest(source: Path) -> str:
    return read_model(source)[1]
