"""Runs ONNX Runtime's graph optimiser before the artifact is shipped instead of on every cold start."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import set_external_data

from model_packaging.onnx_model import graph

GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
LEAST_EXTERNAL = 1024  # bytes; smaller tensors stay in the graph
PAGE = 4096  # a tensor that starts on a page can be mapped directly

SLOWER_FUSIONS = ["SkipLayerNormFusion"]
"""Fusions whose operator is slower than what it replaces: on texts of 256 tokens SkipLayerNormalization takes 0.64 ms
where Add and LayerNormalization take 0.13 ms, an eighth of all-MiniLM-L6's latency (ONNX Runtime 1.32, x86)."""


def folded(model: ModelProto) -> ModelProto:
    """`model` with constants folded and redundant nodes removed, still plain ONNX, each node with a unique name:
    the input of the quantizers.
    """
    return graph.name_nodes(_optimised(model, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC))


def fused(model: ModelProto) -> ModelProto:
    """`model` with ONNX Runtime's fusions that hold on every CPU (EXTENDED; ALL bakes in this machine's layout) and
    make it faster.
    """
    return _optimised(model, ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED, SLOWER_FUSIONS)


def _optimised(model: ModelProto, level: ort.GraphOptimizationLevel, disabled: Sequence[str] = ()) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / GRAPH
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        ort.InferenceSession(
            model.SerializeToString(), options, ["CPUExecutionProvider"], disabled_optimizers=list(disabled)
        )
        return onnx.load_model(str(target))


def write(model: ModelProto, folder: Path) -> None:
    """Writes `model` as model.onnx and model.onnx.data: weights page-aligned, in the order of their names.

    They are ordered because the optimiser's order differs between processes; names and documentation that the runtime
    does not need are dropped.
    """
    slim = ModelProto()
    slim.CopyFrom(model)
    slim.producer_name, slim.producer_version, slim.doc_string = "scaletozero", "", ""
    del slim.metadata_props[:]
    del slim.graph.value_info[:]
    ordered = sorted(slim.graph.initializer, key=lambda each: each.name)
    with (folder / WEIGHTS).open("wb") as data:
        for tensor in ordered:
            if len(tensor.raw_data) < LEAST_EXTERNAL:
                continue
            offset = data.tell() + -data.tell() % PAGE
            data.write(bytes(offset - data.tell()))
            data.write(tensor.raw_data)
            set_external_data(tensor, WEIGHTS, offset, len(tensor.raw_data))
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
    copies = [TensorProto.FromString(each.SerializeToString()) for each in ordered]
    del slim.graph.initializer[:]
    slim.graph.initializer.extend(copies)
    (folder / GRAPH).write_bytes(slim.SerializeToString(deterministic=True))
    if not (folder / WEIGHTS).stat().st_size:
        (folder / WEIGHTS).unlink()
