"""Reads an .onnx file as untrusted input: no name or path in it is trusted."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.magic import RUNS_CODE, sniff_file
from model_packaging.onnx_model import graph

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
PROTOBUF_LIMIT = 2**31 - 2**20  # a serialised message may have 2 GiB


def read_model(path: Path) -> tuple[ModelProto, str, int]:
    """The ONNX model at `path` with its external data in memory, their SHA-256 (hex) and their size in bytes.

    Raises:
        FindingsError: it is missing; not ONNX (a pickle is reported as one); has external data that is not a plain file
            beside it; has operators of an unknown domain; or is newer than this runtime.
    """
    if not path.is_file():
        raise refuse(
            str(path), "the model must be an .onnx file", "no such file", "", "name the file that was exported"
        )
    kind = sniff_file(path)
    if kind != "onnx":
        raise refuse(
            str(path),
            "the model must be ONNX",
            f"a {kind} file" if kind != "unknown" else "bytes of no known model format",
            RUNS_CODE.get(kind, "the runtime cannot load it"),
            "export the model to ONNX and name that file",
        )
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except DecodeError as error:
        raise refuse(
            str(path), "the model must be ONNX", "bytes that do not decode (truncated?)", "", "export or copy it again"
        ) from error
    if not model.graph.node:
        raise refuse(str(path), "the model must have a graph", "no operators in it", "", "export the model again")
    findings = [*_external(path, model), *_domains(path, model), *_versions(path, model)]
    if findings:
        raise FindingsError(findings)
    digest = hashlib.sha256(path.read_bytes())
    size = path.stat().st_size
    for location in sorted(_locations(model)):
        data = path.parent / location
        digest.update(data.read_bytes())
        size += data.stat().st_size
    if size >= PROTOBUF_LIMIT:
        raise refuse(
            str(path),
            f"the model may have at most {PROTOBUF_LIMIT} bytes",
            str(size),
            "it would not fit into a serverless endpoint's memory while it loads",
            "package it for a GPU target",
        )
    onnx.load_external_data_for_model(model, str(path.parent))
    _loads(path, model)
    return model, digest.hexdigest(), size


def _locations(model: ModelProto) -> dict[str, list[TensorProto]]:
    found: dict[str, list[TensorProto]] = {}
    for tensor in graph.tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            found.setdefault(_external_field(tensor, "location"), []).append(tensor)
    return found


def _external_field(tensor: TensorProto, key: str) -> str:
    return next((each.value for each in tensor.external_data if each.key == key), "")


def _external(path: Path, model: ModelProto) -> list[Finding]:
    """onnx itself has accepted links and parent paths more than once, so every rule is checked here, before it
    reads.
    """
    findings = []
    for location, found in _locations(model).items():
        where = f"{path}: external data {location!r}"
        data = path.parent / location
        if (
            not location
            or location in (".", "..")
            or Path(location).name != location
            or "\\" in location
            or "\0" in location
        ):
            findings.append(
                Finding(
                    where,
                    "must be a plain file name beside the model",
                    repr(location),
                    "a file outside the model's folder would be read into the artifact",
                    "save the model again with its weights beside it",
                )
            )
            continue
        try:
            status = os.lstat(data)
        except OSError as error:
            findings.append(Finding(where, "must exist", error.strerror or "", "", "copy it beside the model"))
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            findings.append(
                Finding(
                    where,
                    "must be a separate regular file",
                    "a link or a special file",
                    "a file outside the model's folder would be read into the artifact",
                    "copy the file itself",
                )
            )
            continue
        for tensor in found:
            start, length = (_external_field(tensor, key) or "0" for key in ("offset", "length"))
            inside = start.isdecimal() and length.isdecimal() and int(start) + int(length) <= status.st_size
            if not inside:
                findings.append(
                    Finding(
                        f"{where}, tensor {tensor.name!r}",
                        f"must be inside the file's {status.st_size} bytes",
                        f"offset {start}, length {length}",
                        "the model is truncated",
                        "copy it again",
                    )
                )
    return findings


def _domains(path: Path, model: ModelProto) -> list[Finding]:
    local = {(each.domain, each.name) for each in model.functions}
    custom = sorted(
        {
            f"{node.domain}::{node.op_type}"
            for node in graph.nodes(model.graph)
            if node.domain not in DOMAINS and (node.domain, node.op_type) not in local
        }
    )
    if not custom:
        return []
    return [
        Finding(
            str(path),
            "may use operators of ONNX and of ONNX Runtime only",
            f"custom operators {', '.join(custom)}",
            "the serving container has no library for them",
            "export the model without them",
        )
    ]


def _versions(path: Path, model: ModelProto) -> list[Finding]:
    findings = []
    if model.ir_version > onnx.IR_VERSION:
        findings.append(
            Finding(
                str(path),
                f"may have IR version {onnx.IR_VERSION} at most",
                str(model.ir_version),
                "it is newer than the runtime that would serve it",
                "export it for an older ONNX version, or update onnx and onnxruntime",
            )
        )
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > newest:
            findings.append(
                Finding(
                    str(path),
                    f"may have opset {newest} at most",
                    str(opset.version),
                    "it is newer than the runtime that would serve it",
                    f"export it with opset_version={newest} or lower",
                )
            )
    return findings


def _loads(path: Path, model: ModelProto) -> None:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception as error:
        text = str(error)
        newer = "Unsupported model IR version" in text or "is under development" in text
        raise refuse(
            str(path),
            f"must load in onnxruntime {ort.__version__}",
            text.splitlines()[0][:300],
            "it is newer than the runtime that would serve it" if newer else "no endpoint could serve it",
            "export it with an older opset" if newer else "export the model again and check it with onnxruntime",
        ) from error
