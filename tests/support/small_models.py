"""Small models for every task on a CPU, with random weights from a fixed seed, and inputs for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from model_packaging import PackageSpec
from model_packaging.onnx_model.assemble import assemble
from model_packaging.probes import builtin_pairs
from model_packaging.serving.card import verify
from model_packaging.serving.runtime import Runtime
from model_packaging.tasks import packaging_of

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
COLOURS = ("red", "green", "blue")


def model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, NDArray[Any]], opset: int = 17
) -> ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def tensor(name: str, kind: int, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def words() -> dict[str, int]:
    known = sorted({word for pair in builtin_pairs() for text in pair for word in text.split()})
    return {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", *known])}


def tokenizer(path: Path) -> None:
    """Words at spaces, a [CLS] in front."""
    made = Tokenizer(models.WordLevel(words(), unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])  # type: ignore[assignment]
    made.save(str(path))


def token_classifier(classes: int = 3) -> ModelProto:
    """One class for each token, by its embedding alone."""
    random = np.random.default_rng(5)
    weights = {
        "table": random.standard_normal((len(words()), 16)).astype(np.float32),
        "head": random.standard_normal((16, classes)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["seen"], "look_up"),
        helper.make_node("MatMul", ["seen", "head"], ["logits"], "head"),
    ]
    inputs = [tensor(name, INT64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask")]
    return model(nodes, inputs, [tensor("logits", FLOAT, ["batch", "sequence", classes])], weights)


def text_classifier(classes: int = 3, *, probabilities: bool = False) -> ModelProto:
    """One class for a text: the mean over its tokens."""
    made = token_classifier(classes)
    graph = made.graph
    for node in graph.node:
        node.output[0] = {"logits": "each"}.get(node.output[0], node.output[0])
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), "last"))
    graph.node.extend(
        [
            helper.make_node("Cast", ["attention_mask"], ["mask"], "as_float", to=FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide"], "widen"),
            helper.make_node("Mul", ["each", "wide"], ["real"], "real"),
            helper.make_node("ReduceSum", ["real", "axis"], ["sum"], "sum", keepdims=0),
            helper.make_node("ReduceSum", ["wide", "axis"], ["count"], "count", keepdims=0),
            helper.make_node("Div", ["sum", "count"], ["mean" if probabilities else "logits"], "mean"),
        ]
    )
    if probabilities:
        graph.node.append(helper.make_node("Softmax", ["mean"], ["logits"], "softmax", axis=-1))
    del graph.output[:]
    graph.output.append(tensor("logits", FLOAT, ["batch", classes]))
    return made


def image_classifier(opset: int = 17) -> ModelProto:
    """Which of three channels is the brightest, through two convolutions."""
    random = np.random.default_rng(3)
    weights = {
        "first": (random.standard_normal((8, 3, 3, 3)) / 20).astype(np.float32),
        "second": (random.standard_normal((12, 8, 3, 3)) / 20).astype(np.float32),
        "head": (random.standard_normal((12, 3)) / 20).astype(np.float32),
    }
    for channel in range(3):  # three of the paths carry a channel's brightness straight through
        weights["first"][channel, channel, 1, 1] = 1
        weights["second"][channel, channel, 1, 1] = 1
        weights["head"][channel, channel] = 8
    nodes = [
        helper.make_node("Conv", ["pixels", "first"], ["seen"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["seen"], ["positive"], "positive"),
        helper.make_node("Conv", ["positive", "second"], ["again"], "second", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["again"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flat"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"),
    ]
    inputs = [tensor("pixels", FLOAT, ["images", 3, "height", "width"])]
    return model(nodes, inputs, [tensor("logits", FLOAT, ["images", 3])], weights, opset)


def images(count: int, side: int = 16, seed: int = 1) -> tuple[NDArray[np.float32], list[str]]:
    """Pictures in which one channel after the other is the brightest, and its name."""
    random = np.random.default_rng(seed)
    pictures = random.uniform(0, 0.4, (count, 3, side, side))
    # The sets to choose and to score with take turns: three in a row would give each of them every colour anyway.
    brightest = [index % 3 for index in range(count)]
    for picture, channel in zip(pictures, brightest, strict=True):
        picture[channel] += 0.5
    return pictures.astype(np.float32), [COLOURS[channel] for channel in brightest]


def two_inputs() -> ModelProto:
    """Rows times a matrix, scaled by a whole number each, and that number's double."""
    weights = {"matrix": np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32), "two": np.array(2)}
    nodes = [
        helper.make_node("MatMul", ["rows", "matrix"], ["turned"], "turn"),
        helper.make_node("Cast", ["times"], ["factor"], "as_float", to=FLOAT),
        helper.make_node("Mul", ["turned", "factor"], ["scaled"], "scale"),
        helper.make_node("Mul", ["times", "two"], ["doubled"], "double"),
    ]
    inputs = [tensor("rows", FLOAT, ["n", 4]), tensor("times", INT64, ["n", 1])]
    outputs = [tensor("scaled", FLOAT, ["n", 4]), tensor("doubled", INT64, ["n", 1])]
    return model(nodes, inputs, outputs, weights)


def counter(batch: Any = "n") -> ModelProto:
    """int32 rows of 8, each plus one."""
    nodes = [helper.make_node("Add", ["bytes", "one"], ["more"], "add")]
    inputs, outputs = [tensor("bytes", TensorProto.INT32, [batch, 8])], [tensor("more", TensorProto.INT32, [batch, 8])]
    return model(nodes, inputs, outputs, {"one": np.array(1, np.int32)})


def spec(folder: Path, task: str, made: ModelProto, **changes: Any) -> PackageSpec:
    """A spec for `made`, written into `folder` with the inputs that its task is usually measured with."""
    onnx.save_model(made, str(folder / "model.onnx"))
    values: dict[str, Any] = {"name": "small", "source": folder / "model.onnx", "licence": "MIT", "out": folder / "out"}
    if task in ("text-classification", "token-classification"):
        tokenizer(folder / "tokenizer.json")
        values["max_length"] = 32
    elif task == "image-classification":
        pictures, names = images(48)
        np.savez(folder / "images.npz", pixels=pictures, labels=np.array(names))
        values |= {"probe": folder / "images.npz", "labels": COLOURS}
    elif {each.name for each in made.graph.input} == {"rows", "times"}:
        random = np.random.default_rng(4)
        rows = random.standard_normal((24, 4)).astype(np.float32)
        np.savez(folder / "rows.npz", rows=rows, times=np.arange(24, dtype=np.int64)[:, None])
        values["probe"] = folder / "rows.npz"
    else:
        np.save(folder / "rows.npy", np.arange(24 * 8, dtype=np.int32).reshape(24, 8))
        values["probe"] = folder / "rows.npy"
    return PackageSpec.of(task=task, **{**values, **changes})


def servable(folder: Path, wanted: PackageSpec) -> Path:
    """The model of `wanted` as a folder that the server serves, without quantizing and measuring it first."""
    kind = packaging_of(wanted.task)
    source = kind.inspect(wanted)

    def write(name: str, canary: dict[str, Any]) -> Path:
        (folder / name).mkdir(parents=True)
        assemble(folder / name, source.model, source, wanted.name, wanted.task, canary, optimise=True)
        return folder / name

    asked = write("asked", {})
    runtime = Runtime.load(asked, verify(asked), 1)
    return write("served", kind.canary(runtime.task.numbers(runtime.compute(runtime.task.sample()))))
