"""The first stage: inspects a model, and checks that it can be packaged and served. Nothing here trusts a name or a
path in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.onnx_model import graph, tokenizer_file
from model_packaging.onnx_model.model_file import read_model
from model_packaging.onnx_model.weights import weights
from model_packaging.serving.limited_run import RunTooLongError, run_within
from model_packaging.spec import PackageSpec

TOKENIZER = "tokenizer.json"
TEXT_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
DEFAULT_LENGTH = 512


@dataclass(frozen=True)
class Source:
    """A model that passed inspection.

    Attributes:
        model: its graph with every weight in memory, reduced to the outputs that the task reads.
        card: the serving card's entries for the task, such as outputs, inputs and labels.
        sha256: SHA-256 of the model file and its external data, in hex.
        size: size of the model file and its external data in bytes.
        dimension: length of a result, if it is fixed: of an embedding, or the number of a classifier's classes.
        tokenizer: the decoded tokenizer.json, for a task on texts.
        max_length: maximum number of tokens that are read of a text.
        tokenizer_sha256: SHA-256 of tokenizer.json, in hex.
        sample: for a task on tensors, the arrays of the canary's input.
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
        """The name of the only output, for a task that has one."""
        return self.card["output"]


Head = Callable[[PackageSpec, ModelProto, int], tuple[dict[str, Any], int]]
"""Keeps only the output that a task on texts reads. Returns its card's entries and the length of a result. Takes the
spec, the model, which it changes, and the longest text in tokens."""


def inspect_source(spec: PackageSpec, head: Head | None = None) -> Source:
    """Reads and checks the model and the tokenizer of `spec`, whose task is one on texts.

    Args:
        head: finds the output. Default: that of a sentence encoder.

    Raises:
        FindingsError: every reason that was found against packaging them.
    """
    model, digest, size = read_model(spec.source)
    path = tokenizer_of(spec)
    tokenizer = tokenizer_file.read(path)
    findings = [*_inputs(spec, model), *weights(spec.source, model)]
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
                "the server would not know its inputs",
                "export it with these input names",
            )
        )
    for each in inputs:
        kind, shape = each.type.tensor_type.elem_type, each.type.tensor_type.shape.dim
        if kind != TensorProto.INT64 or len(shape) != 2 or any(dim.dim_value for dim in shape):
            findings.append(
                Finding(
                    f"{spec.source}: input {each.name}",
                    "must be int64 of any batch size and any length",
                    _type_of(kind, shape),
                    "texts of other lengths could not be served",
                    "export it with dynamic axes",
                )
            )
    return findings


def _type_of(kind: int, shape: Iterable[Any]) -> str:
    return f"{TensorProto.DataType.Name(kind)}[{', '.join(each.dim_param or str(each.dim_value) for each in shape)}]"


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


def endless(source: Path, asked: str, error: RunTooLongError) -> FindingsError:
    """The error for a model that does not finish a run."""
    return refuse(
        str(source),
        f"must give a result for {asked} within the limit for one run",
        error,
        "every request would time out; the graph may contain an endless loop",
        "export the model without a loop that depends on its input, or package a smaller one",
    )


@dataclass(frozen=True)
class TextOutputs:
    """The outputs of a graph for two texts of `max_length` tokens.

    Attributes:
        floats: the float32 outputs.
        pooled: names of outputs of shape (batch, numbers); `tokens`: those of shape (batch, sequence, numbers).
        said: a description of all outputs.
    """

    floats: dict[str, np.ndarray]
    pooled: list[str]
    tokens: list[str]
    said: str


def text_outputs(spec: PackageSpec, model: ModelProto, max_length: int) -> TextOutputs:
    """Runs the model on two texts to find its outputs.

    Raises:
        FindingsError: it fails for texts of `max_length` tokens.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(length: int) -> dict[str, np.ndarray]:
        feeds = {each.name: np.ones((2, length), np.int64) for each in session.get_inputs()}
        return dict(zip(names, run_within(session, names, feeds), strict=True))

    try:
        found, shorter = run(max_length), run(max_length - 1)
    except RunTooLongError as error:
        raise endless(spec.source, f"two texts of {max_length} tokens", error) from error
    except Exception as error:
        raise refuse(
            str(spec.source),
            f"must serve texts of {max_length} tokens",
            str(error).splitlines()[0][:300],
            "the endpoint would fail on long texts",
            "set max_length to the length that the model was trained with",
        ) from error
    floats = {name: value for name, value in found.items() if value.dtype == np.float32 and value.shape[:1] == (2,)}
    pooled = [name for name, value in floats.items() if value.ndim == 2 and value.shape == shorter[name].shape]
    tokens = [name for name, value in floats.items() if value.ndim == 3 and value.shape[1] == max_length]
    said = ", ".join(f"{each} {found[each].dtype}{list(found[each].shape)}" for each in names)
    return TextOutputs(floats, pooled, tokens, said)


def _embedding(spec: PackageSpec, model: ModelProto, max_length: int) -> tuple[dict[str, Any], int]:
    """Keeps one float output (batch, dimension): the model's own, or the mean of its token embeddings."""
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
