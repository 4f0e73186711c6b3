"""The first stage: is this a model that can be packaged and served, and what is it. Nothing here trusts a name or a
path in it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, numpy_helper

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.magic import RUNS_CODE, sniff_file
from model_packaging.onnx_model import graph, tokenizer_file
from model_packaging.spec import PackageSpec

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"}
TOKENIZER = "tokenizer.json"
TEXT_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
FACTORS = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Gather"}
SAME_NUMBERS = {"Identity", "Transpose", "Reshape", "Cast"}
DEFAULT_LENGTH = 512
PROTOBUF_LIMIT = 2**31 - 2**20  # a serialised message may have 2 GiB


@dataclass(frozen=True)
class Source:
    """A model that passed inspection.

    Attributes:
        model: its graph with every weight in memory, only the outputs that the task reads left.
        card: what the serving card says of the task: outputs, inputs, labels and the like.
        sha256: over the model file and its external data, hex; `size`: their bytes.
        dimension: numbers in one answer, where that is one number for all: an embedding's, a classifier's classes.
        tokenizer: tokenizer.json, decoded, of a task on texts.
        max_length: tokens of a text that are read.
        tokenizer_sha256: of tokenizer.json, hex.
        sample: of a task on tensors, the arrays of one of its inputs: the canary's.
    """

    model: ModelProto
    card: dict[str, Any]
    sha256: str
    size: int
    dimension: int | None = None
    tokenizer: dict[str, Any] | None = None
    max_length: int | None = None
    tokenizer_sha256: str | None = None
    sample: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The name of the only output, of a task that has one."""
        return self.card["output"]


Head = Callable[[PackageSpec, ModelProto, int], tuple[dict[str, Any], int]]
"""Leaves the output that a task on texts reads: what its card says, and the numbers in one answer. Takes the spec, the
model, which it changes, and the longest text in tokens."""


def inspect_source(spec: PackageSpec, head: Head | None = None) -> Source:
    """Reads and checks the model and the tokenizer of `spec`, whose task is one on texts.

    Args:
        head: finds the output; by default that of a sentence encoder.

    Raises:
        FindingsError: everything that stands against packaging them, as far as each can be told.
    """
    model, digest, size = read_model(spec.source)
    path = tokenizer_of(spec)
    tokenizer = tokenizer_file.read(path)
    findings = [*_inputs(spec, model), *weights(spec, model)]
    if findings:
        raise FindingsError(findings)
    vocabulary = tokenizer_file.size(tokenizer)
    max_length = spec.max_length or (tokenizer.get("truncation") or {}).get("max_length") or DEFAULT_LENGTH
    findings = _vocabulary(path, model, vocabulary)
    if findings:
        raise FindingsError(findings)
    card, dimension = (head or _embedding)(spec, model, max_length)
    pad_id = (tokenizer.get("padding") or {}).get("pad_id") or tokenizer_file.pad_of(tokenizer)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    card = {**card, "tokenizer": {"file": TOKENIZER, "max_length": max_length, "pad_id": pad_id}}
    return Source(model, card, digest, size, dimension, tokenizer, max_length, sha)


def tokenizer_of(spec: PackageSpec) -> Path:
    """The tokenizer.json of a task on texts."""
    if spec.tokenizer is None:
        raise refuse("tokenizer", f"must be given for {spec.task}", "none")
    return spec.tokenizer


def read_model(path: Path) -> tuple[ModelProto, str, int]:
    """The ONNX model at `path` with its external data in memory, their sha256 (hex) and their bytes.

    Raises:
        FindingsError: missing; not ONNX (a pickle is named as one); external data that is not a plain file beside it;
            operators of an unknown domain; newer than this runtime.
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
    """onnx itself has let links and parent paths through more than once, so every rule is checked here, before it
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
                    "must be a regular file of its own",
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
                        f"must lie inside the file's {status.st_size} bytes",
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


def _inputs(spec: PackageSpec, model: ModelProto) -> list[Finding]:
    held = graph.initializers(model)
    inputs = [each for each in model.graph.input if each.name not in held]
    names = {each.name for each in inputs}
    findings = []
    if not {"input_ids", "attention_mask"} <= names <= TEXT_INPUTS:
        findings.append(
            Finding(
                str(spec.source),
                f"a model for {spec.task} takes input_ids, attention_mask and at most token_type_ids",
                ", ".join(sorted(names)) or "no inputs",
                "the server would not know what to feed it",
                "export it with these input names",
            )
        )
    for each in inputs:
        kind, shape = each.type.tensor_type.elem_type, each.type.tensor_type.shape.dim
        if kind != TensorProto.INT64 or len(shape) != 2 or any(dim.dim_value for dim in shape):
            findings.append(
                Finding(
                    f"{spec.source}: input {each.name}",
                    "must be int64 of any batch and any length",
                    _type_of(kind, shape),
                    "texts of other lengths could not be answered",
                    "export it with dynamic axes",
                )
            )
    return findings


def _type_of(kind: int, shape: Iterable[Any]) -> str:
    return f"{TensorProto.DataType.Name(kind)}[{', '.join(each.dim_param or str(each.dim_value) for each in shape)}]"


def weights(spec: PackageSpec, model: ModelProto) -> list[Finding]:
    """A finding where a weight is NaN or infinite.

    Masks are constants too: a scalar may be infinite, and -inf may be anywhere but in what is multiplied or looked up.
    Whether it does harm there is seen by the answers to the probe.
    """
    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    used = _multiplied(model)
    bad = []
    for tensor in graph.tensors(model.graph):
        if tensor.data_type in floats:
            values = numpy_helper.to_array(tensor)
            if values.dtype.kind != "f":  # bfloat16 is no type of numpy's own
                values = values.astype(np.float32)
            fine = np.isfinite(values)
            if values.size > 1 and tensor.name not in used:
                fine |= values == -np.inf
            elif values.size == 1:
                fine |= np.isinf(values)
            if not fine.all():
                bad.append(tensor.name or "a constant")
    if not bad:
        return []
    return [
        Finding(
            str(spec.source),
            "weights must be finite",
            f"NaN or infinity in {', '.join(bad[:5])}{' and others' if len(bad) > 5 else ''}",
            "every answer would be NaN",
            "train or export the model again",
        )
    ]


def _multiplied(model: ModelProto) -> set[str]:
    """Names of constants that a matrix product or a convolution multiplies by, or that are looked up in."""
    makers = {output: node for node in graph.nodes(model.graph) for output in node.output}
    pending = [name for node in graph.nodes(model.graph) if node.op_type in FACTORS for name in node.input[:2]]
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name and name not in found:
            found.add(name)
            maker = makers.get(name)
            if maker is not None and maker.op_type in SAME_NUMBERS:
                pending += maker.input
            elif maker is not None and maker.op_type == "Constant":
                found |= {each.t.name for each in maker.attribute if each.t.name}
    return found


def _vocabulary(path: Path, model: ModelProto, size: int) -> list[Finding]:
    rows = [
        graph.initializers(model)[name].dims[0]
        for name, readers in graph.embedding_tables(model, least_bytes=0).items()
        if any(node.input[1] == "input_ids" for node in readers)
    ]
    if not rows or 0.9 * rows[0] <= size <= rows[0]:
        return []
    consequence = (
        "ids beyond the table fail at run time" if size > rows[0] else "texts would be cut into the wrong words"
    )
    return [
        Finding(
            str(path),
            f"the tokenizer must match the model, whose vocabulary has {rows[0]} entries",
            f"a tokenizer with {size}",
            consequence,
            "name the tokenizer.json that the model was trained with",
        )
    ]


@dataclass(frozen=True)
class TextOutputs:
    """What a graph of texts gives of two texts of `max_length` tokens, by name.

    Attributes:
        floats: the float32 outputs.
        pooled: names of those of shape (batch, numbers); `tokens`: of shape (batch, sequence, numbers).
        said: all outputs, in words.
    """

    floats: dict[str, np.ndarray]
    pooled: list[str]
    tokens: list[str]
    said: str


def text_outputs(spec: PackageSpec, model: ModelProto, max_length: int) -> TextOutputs:
    """Runs the model on two texts to see what it gives.

    Raises:
        FindingsError: it cannot answer texts of `max_length` tokens.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(length: int) -> dict[str, np.ndarray]:
        feeds = {each.name: np.ones((2, length), np.int64) for each in session.get_inputs()}
        return dict(zip(names, session.run(names, feeds), strict=True))  # type: ignore[arg-type]

    try:
        found, shorter = run(max_length), run(max_length - 1)
    except Exception as error:
        raise refuse(
            str(spec.source),
            f"must answer texts of {max_length} tokens",
            str(error).splitlines()[0][:300],
            "the endpoint would fail on long texts",
            "set max_length to what the model was trained with",
        ) from error
    floats = {name: value for name, value in found.items() if value.dtype == np.float32 and value.shape[:1] == (2,)}
    pooled = [name for name, value in floats.items() if value.ndim == 2 and value.shape == shorter[name].shape]
    tokens = [name for name, value in floats.items() if value.ndim == 3 and value.shape[1] == max_length]
    said = ", ".join(f"{each} {found[each].dtype}{list(found[each].shape)}" for each in names)
    return TextOutputs(floats, pooled, tokens, said)


def _embedding(spec: PackageSpec, model: ModelProto, max_length: int) -> tuple[dict[str, Any], int]:
    """Leaves one float output (batch, dimension): the model's own, else the mean of its token embeddings."""
    seen = text_outputs(spec, model, max_length)
    floats, pooled, tokens = seen.floats, seen.pooled, seen.tokens
    if pooled:
        name = "sentence_embedding" if "sentence_embedding" in pooled else pooled[0]
        output = name if name == graph.SENTENCE else graph.rename_output(model, name, graph.SENTENCE)
    elif tokens:
        name = "last_hidden_state" if "last_hidden_state" in tokens else tokens[0]
        output = graph.pool_mean(model, name)
    else:
        raise refuse(
            str(spec.source),
            f"a model for {spec.task} gives float32 of (batch, sequence, dimension) or (batch, dimension)",
            seen.said,
            "there is nothing to return",
            "export the encoder, not only a head on top of it",
        )
    graph.keep_outputs(model, [output])
    dimension = int(floats[name].shape[-1])
    return {"output": output, "dimension": dimension}, dimension
