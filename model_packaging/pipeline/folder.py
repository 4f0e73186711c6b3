"""inspect -> quantize or export -> manifest, bill of materials, OCI layout: a model as a folder."""

from __future__ import annotations

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model_packaging.artifact import oci, sbom
from model_packaging.artifact.folder_manifest import (
    BILL,
    MANIFEST,
    MODEL,
    OCI,
    FileEntry,
    FolderArtifact,
    FolderManifest,
    FolderSource,
    LicenceEntry,
    Quantization,
    digest_of,
    entries,
    open_folder,
)
from model_packaging.findings import FindingsError, refuse
from model_packaging.huggingface import export, hf_folder, hf_source
from model_packaging.licences import licence
from model_packaging.pipeline.work import Work, key_of, write_text
from model_packaging.progress import Progress, Report
from model_packaging.quantization import compressed_tensors
from model_packaging.spec import FolderSpec, ModuleSource

# https://docs.vllm.ai/en/latest/features/quantization/ and llm-compressor's compression schemes
COMPUTE_CAPABILITY = {"FP8_DYNAMIC": 8.9, "W4A16": 7.5}
_PRECISION = {"FP8_DYNAMIC": "bfloat16,float8_e4m3", "W4A16": "bfloat16,int4"}


def package_folder(spec: FolderSpec, report: Report) -> FolderArtifact:
    """Packages the model of `spec` into its `out` folder: model/, manifest.json, sbom.cdx.json, and oci/ if requested.

    A killed run is continued; if the artifact already exists, it is returned.

    Raises:
        FindingsError: the model or its licence is refused, or it cannot be quantized or exported.
        OSError: the disk is full.
    """
    _spare(spec)
    report(Progress("inspect", 0, 1, _name(spec)))
    source, parameters, decided = _inspect(spec)
    versions = {name: version(name) for name in ("numpy", "ml_dtypes", "onnx", "onnxruntime")}
    versions |= {"python": platform.python_version()}
    wanted = spec.model_dump(mode="json", exclude={"out", "work", "source", "oci", "licence", "denied"})
    key = key_of(wanted, source.sha256, decided.expression, versions)
    report(Progress("inspect", 1, 1, f"{source.size / 1e6:.1f} MB, {decided.expression} ({decided.source})"))
    there = _already(spec.out, key)
    if there is None:
        there = _make(spec, source, parameters, decided, key, versions, report)
    if spec.oci and not (spec.out / OCI).exists():
        report(Progress("oci", 0, 1))
        files = {entry.path: there.folder / entry.path for entry in there.manifest.files}
        digest = oci.write(files, _description(there.manifest), spec.out / OCI)
        report(Progress("oci", 1, 1, digest[:19]))
    return there


def _make(
    spec: FolderSpec,
    source: FolderSource,
    parameters: int,
    decided: licence.Licence,
    key: str,
    versions: dict[str, str],
    report: Report,
) -> FolderArtifact:
    stage = "quantize" if spec.target == "gpu-vllm" else "export"
    spec.out.mkdir(parents=True, exist_ok=True)
    with Work(_work(spec), key) as work:
        report(Progress(stage, 0, 1))
        made = work.folder("made", lambda folder: _build(spec, folder))
        evidence = json.loads((made / "evidence.json").read_text(encoding="utf-8"))
        report(Progress(stage, 1, 1))
        files = tuple(FileEntry.model_validate(entry) for entry in evidence.pop("files"))
        manifest = FolderManifest(
            schema="scaletozero.folder-manifest/1",
            name=spec.name,
            key=key,
            target=spec.target,
            task=spec.task,
            source=source,
            licence=LicenceEntry(expression=decided.expression, file=decided.source, remarks=decided.remarks),
            parameters=parameters,
            sha256=digest_of({entry.path: entry.sha256 for entry in files}),
            size=sum(entry.size for entry in files),
            files=files,
            versions=versions,
            **evidence,
        )
        # A run that was killed here has already moved the model.
        if (made / MODEL).exists():
            oci.clear(spec.out / OCI)
            shutil.rmtree(spec.out / MODEL, ignore_errors=True)
            (made / MODEL).rename(spec.out / MODEL)
        write_text(spec.out / BILL, sbom.bill(_bill(manifest), version("scaletozero")))
        write_text(spec.out / MANIFEST, manifest.to_json())
    there = open_folder(spec.out)
    report(Progress("manifest", 1, 1, there.digest[:12]))
    return there


def _spare(spec: FolderSpec) -> None:
    """Refuses an `out` in which anything but an earlier artifact would be replaced."""
    model = spec.out / MODEL
    if spec.source is not None and spec.source.resolve().is_relative_to(model.resolve()):
        raise refuse(
            "out",
            f"must not have the source as its `{MODEL}`",
            str(spec.out),
            "the artifact would replace the source",
            "write another folder",
        )
    # A run that was killed between the two has left its work folder.
    if model.exists() and not (spec.out / MANIFEST).exists() and not _work(spec).exists():
        raise refuse(
            str(model), "must be an artifact's or not exist", "a folder without a manifest", "it would be lost",
            "move it away, or write another `out`",
        )  # fmt: skip


def _work(spec: FolderSpec) -> Path:
    return spec.work or spec.out / ".work"


def _name(spec: FolderSpec) -> str:
    return spec.module.module if spec.module else spec.source.name if spec.source else ""


def _inspect(spec: FolderSpec) -> tuple[FolderSource, int, licence.Licence]:
    if spec.module is not None:
        decided = licence.decide([], spec.licence, spec.denied)
        # Changes of the module's code cannot be detected; users who change it give another revision.
        digest = key_of(spec.module.model_dump(mode="json", exclude={"search"}), spec.revision)
        return FolderSource(name=spec.module.module, sha256=digest, size=0, revision=spec.revision), 0, decided
    if spec.source is None:
        raise refuse("source", "must be given", "neither source nor module")
    source, parameters = hf_source.describe(spec.source, spec.revision)
    decided = licence.decide(licence.find(spec.source), spec.licence, spec.denied)
    return source, parameters, decided


def _already(out: Path, key: str) -> FolderArtifact | None:
    try:
        there = open_folder(out)
    except FindingsError:
        return None
    return there if there.manifest.key == key else None


def _build(spec: FolderSpec, folder: Path) -> None:
    evidence: dict[str, Any]
    if spec.source is not None and spec.target == "gpu-vllm":
        scheme = spec.scheme or "FP8_DYNAMIC"
        made = compressed_tensors.quantize(spec.source, folder / MODEL, scheme, spec.ignore)
        found = Quantization(
            scheme=scheme,
            format_version=compressed_tensors.FORMAT_VERSION,
            layers=len(made.layers),
            ignored=made.ignored,
            size_ratio=round(made.bytes / made.source_bytes, 4),
            mean_error=round(made.mean_error, 5),
            worst_error=round(made.worst_error, 5),
            compute_capability=COMPUTE_CAPABILITY[scheme],
        )
        evidence = {"quantization": found.model_dump(mode="json")}
    else:
        found = hf_source.entry(_exported(spec, folder / MODEL))
        evidence = {"export": found.model_dump(mode="json")}
    evidence["files"] = [entry.model_dump(mode="json") for entry in entries(folder / MODEL)]
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="utf-8")


def _exported(spec: FolderSpec, target: Path) -> export.Exported:
    if spec.module is not None:
        asked: ModuleSource = spec.module
        return export.export_module(asked.module, asked.example, asked.outputs, target, asked.axes, [asked.search])
    if spec.source is None or spec.task is None:
        raise refuse("source", "must be given, with its task", "neither")
    exported = export.export_folder(spec.source, target, spec.task)
    for name in hf_folder.read(spec.source).carried:
        if "/" not in name:
            shutil.copyfile(hf_folder.inside(spec.source, name), target / name)
    return exported


def _description(manifest: FolderManifest) -> oci.Description:
    quantization = manifest.quantization
    return oci.Description(
        name=manifest.name,
        version=manifest.sha256[:12],
        revision=manifest.source.revision or "",
        licences=(manifest.licence.expression,),
        model_format="safetensors" if quantization else "onnx",
        parameters=manifest.parameters,
        precision=_PRECISION[quantization.scheme] if quantization else "float32",
        quantization=quantization.scheme if quantization else "",
    )


def _bill(manifest: FolderManifest) -> sbom.Model:
    quantization, exported = manifest.quantization, manifest.export
    metrics, properties = [], {"target": manifest.target}
    if quantization:
        errors = (("weight_error_mean", quantization.mean_error), ("weight_error_worst", quantization.worst_error))
        metrics = [sbom.Metric(name, value) for name, value in errors]
        properties["quantization"] = quantization.scheme
    if exported:
        metrics = [sbom.Metric("largest_difference_to_torch", exported.parity)]
    return sbom.Model(
        name=manifest.name,
        version=manifest.sha256[:12],
        licence=manifest.licence.expression,
        task=manifest.task or "generation or pooling, by the server",
        files=[sbom.Material(entry.path, entry.sha256) for entry in manifest.files],
        ancestors=[sbom.Ancestor(manifest.source.name, manifest.source.revision or "", manifest.source.sha256)],
        metrics=metrics,
        properties=properties,
    )
