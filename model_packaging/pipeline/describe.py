"""Descriptions of an artifact: the manifest's input and output, the OCI configuration, the bill of materials."""

from __future__ import annotations

import json
from pathlib import Path

from model_packaging.artifact import oci, sbom
from model_packaging.artifact.manifest import InputOutput, Manifest
from model_packaging.onnx_model.source import Source
from model_packaging.serving.card import CARD
from model_packaging.serving.request import MAX_INPUTS, MAX_PAYLOAD
from model_packaging.serving.task import load_task
from model_packaging.tasks import Packaging

LONGEST_SAMPLE = 2048  # bytes; a Lambda function that keeps an endpoint warm can have 4 KB of variables


def input_output(source: Source, folder: Path) -> InputOutput:
    """Input and output of the servable model in `folder`."""
    task = load_task(json.loads((folder / CARD).read_text(encoding="utf-8")), folder)
    sample = json.dumps(task.request(task.sample()))
    return InputOutput(
        content_types=task.takes,
        answer_types=task.gives,
        max_payload_bytes=MAX_PAYLOAD,
        max_inputs=MAX_INPUTS,
        max_length=source.max_length,
        dimension=source.dimension,
        inputs=source.card.get("inputs", ()),
        outputs=source.card.get("outputs", ()),
        labels=source.card.get("labels", ()),
        sample=sample if len(sample) <= LONGEST_SAMPLE else "",
    )


def for_oci(manifest: Manifest, kind: Packaging) -> oci.Description:
    """The OCI configuration of an artifact."""
    return oci.Description(
        name=manifest.name,
        version=manifest.archive.sha256[:12],
        revision=manifest.source.revision or "",
        licences=(manifest.source.licence,),
        model_format="onnx",
        quantization=manifest.recipe,
        inputs=(kind.inputs,),
        outputs=(kind.outputs,),
    )


def bill_of(manifest: Manifest) -> sbom.Model:
    """The bill of materials of an artifact, from its manifest only."""
    machine = manifest.environment
    metrics = {name: value for name, value in manifest.chosen.figures.items() if name != "n"}
    source = manifest.source
    return sbom.Model(
        name=manifest.name,
        version=manifest.archive.sha256[:12],
        licence=source.licence,
        task=manifest.task,
        inputs=manifest.io.content_types,
        outputs=manifest.io.answer_types,
        files=[sbom.Material(each.path, each.sha256) for each in manifest.files],
        ancestors=[sbom.Ancestor(source.file, source.revision or "", source.sha256)],
        metrics=[sbom.Metric(name, value, f"{manifest.probe_sha256[:12]}") for name, value in metrics.items()],
        properties={"recipe": manifest.recipe, "archive_sha256": manifest.archive.sha256},
        libraries={"onnxruntime": machine.onnxruntime, "tokenizers": machine.tokenizers},
    )
