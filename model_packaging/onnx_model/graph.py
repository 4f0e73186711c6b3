"""Small changes of ONNX graphs. These functions change the given model and return it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, count

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

SENTENCE = "sentence_embedding"


def initializers(model: ModelProto) -> dict[str, TensorProto]:
    """The graph's initializers by name."""
    return {each.name: each for each in model.graph.initializer}


def opset(model: ModelProto) -> int:
    """The version of ONNX's own operators that `model` uses."""
    return next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every constant tensor in `graph` and its subgraphs: initializers, values of sparse ones, tensor attributes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from tensors(inner)


def nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Every node in `graph` and its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from nodes(inner)


def keep_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """Keeps only the outputs `names` and the nodes from which they are computed."""
    wanted = set(names)
    producers = {output: node for node in model.graph.node for output in node.output}
    used: set[str] = set()
    pending = sorted(wanted)
    while pending:
        name = pending.pop()
        if name in used:
            continue
        used.add(name)
        if name in producers:
            pending += [each for each in _reads(producers[name]) if each]
    _keep(model.graph.node, [node for node in model.graph.node if used & set(node.output)])
    _keep(model.graph.initializer, [each for each in model.graph.initializer if each.name in used])
    _keep(model.graph.output, [each for each in model.graph.output if each.name in wanted])
    _keep(model.graph.value_info, [each for each in model.graph.value_info if each.name in used])
    return model


def _reads(node: NodeProto) -> list[str]:
    inside = [
        name
        for attribute in node.attribute
        if attribute.HasField("g")
        for each in nodes(attribute.g)
        for name in each.input
    ]
    return [*node.input, *inside]


def _keep(field: object, items: list) -> None:  # type: ignore[type-arg]
    copies = [type(each).FromString(each.SerializeToString()) for each in items]
    del field[:]  # type: ignore[attr-defined]
    field.extend(copies)  # type: ignore[attr-defined]


def unused(model: ModelProto, name: str) -> str:
    """`name`, or the first of name_1, name_2 and so on that is not used in `model`."""
    taken = {each.name for each in (*model.graph.input, *model.graph.output, *model.graph.initializer)}
    taken |= {each for node in nodes(model.graph) for each in (node.name, *node.input, *node.output)}
    return next(each for each in chain([name], (f"{name}_{index}" for index in count(1))) if each not in taken)


def rename_output(model: ModelProto, old: str, new: str) -> str:
    """Makes `old` the only output, under the name `new` or a similar unused one. Returns its name."""
    new = unused(model, new)
    info = next(each for each in model.graph.output if each.name == old)
    model.graph.node.append(helper.make_node("Identity", [old], [new], name=unused(model, f"as_{new}")))
    kind = info.type.tensor_type.elem_type
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(new, kind, ["batch", "dimension"]))
    return new


def pool_mean(model: ModelProto, tokens: str) -> str:
    """Makes the mean of `tokens` (batch, sequence, dimension) over the attention mask the only output.

    Returns:
        the output's name: `sentence_embedding`, or a similar name if the model already uses that.
    """
    graph = model.graph
    own = {
        each: unused(model, f"pool_{each}")
        for each in ("sequence_axis", "last_axis", "least", "mask", "mask_3d", "masked", "sum", "count", "count_safe")
    }
    pooled = unused(model, SENTENCE)
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1], np.int64), own["sequence_axis"]),
            numpy_helper.from_array(np.array([2], np.int64), own["last_axis"]),
            numpy_helper.from_array(np.array(1e-9, np.float32), own["least"]),
        ]
    )
    # Axes were attributes before opset 13.
    as_inputs = opset(model) >= 13
    last, sequence = ([own["last_axis"]], [own["sequence_axis"]]) if as_inputs else ([], [])
    at_last, at_sequence = ({}, {}) if as_inputs else ({"axes": [2]}, {"axes": [1]})
    steps = [
        ("Cast", ["attention_mask"], own["mask"], {"to": TensorProto.FLOAT}),
        ("Unsqueeze", [own["mask"], *last], own["mask_3d"], at_last),
        ("Mul", [tokens, own["mask_3d"]], own["masked"], {}),
        ("ReduceSum", [own["masked"], *sequence], own["sum"], {"keepdims": 0, **at_sequence}),
        ("ReduceSum", [own["mask_3d"], *sequence], own["count"], {"keepdims": 0, **at_sequence}),
        ("Max", [own["count"], own["least"]], own["count_safe"], {}),
        ("Div", [own["sum"], own["count_safe"]], pooled, {}),
    ]
    graph.node.extend(helper.make_node(op, inputs, [out], name=out, **extra) for op, inputs, out, extra in steps)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(pooled, TensorProto.FLOAT, ["batch", "dimension"]))
    return pooled


def weight_matmuls(model: ModelProto) -> dict[str, NodeProto]:
    """MatMul nodes whose second operand is a two-dimensional float32 weight, by the node's name."""
    held = initializers(model)
    return {
        node.name: node
        for node in model.graph.node
        if node.op_type == "MatMul"
        and node.input[1] in held
        and len(held[node.input[1]].dims) == 2
        and held[node.input[1]].data_type == TensorProto.FLOAT
    }


def name_nodes(model: ModelProto) -> ModelProto:
    """Gives a unique name to each node without one, because not every exporter does."""
    taken = {node.name for node in nodes(model.graph)}
    for index, node in enumerate(model.graph.node):
        if not node.name:
            free = (f"{node.op_type}_{number}" for number in count(index))
            node.name = next(each for each in free if each not in taken)
            taken.add(node.name)
    return model


def embedding_tables(model: ModelProto, least_bytes: int = 65_536) -> dict[str, list[NodeProto]]:
    """Two-dimensional float32 weights of at least `least_bytes` that are only read by Gather on axis 0, with those
    nodes.
    """
    found: dict[str, list[NodeProto]] = {}
    other: set[str] = set()
    for node in model.graph.node:
        for position, name in enumerate(node.input):
            axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
            if node.op_type == "Gather" and position == 0 and axis == 0:
                found.setdefault(name, []).append(node)
            else:
                other.add(name)
    held = initializers(model)
    return {
        name: readers
        for name, readers in found.items()
        if name in held
        and name not in other
        and held[name].data_type == TensorProto.FLOAT
        and len(held[name].dims) == 2
        and 4 * held[name].dims[0] * held[name].dims[1] >= least_bytes
    }


def quantize_rows(model: ModelProto, common: int | None = None) -> ModelProto:
    """Stores each embedding table as int8 with one scale per row (symmetric), decoded after the look-up.

    Args:
        common: see `row_codes`.
    """
    tables = embedding_tables(model)
    held = initializers(model)
    for name in tables:
        codes, scales = row_codes(numpy_helper.to_array(held[name]), common)
        model.graph.initializer.remove(held[name])
        model.graph.initializer.extend(
            [numpy_helper.from_array(codes, f"{name}/codes"), numpy_helper.from_array(scales, f"{name}/scales")]
        )
    replaced: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type != "Gather" or node.input[0] not in tables:
            replaced.append(node)
            continue
        table, indices, out = node.input[0], node.input[1], node.output[0]
        codes, steps, scale = (f"{out}/{each}" for each in ("codes", "steps", "scale"))
        replaced += [
            helper.make_node("Gather", [f"{table}/codes", indices], [codes], name=codes, axis=0),
            helper.make_node("Cast", [codes], [steps], name=steps, to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{table}/scales", indices], [scale], name=scale, axis=0),
            helper.make_node("Mul", [steps, scale], [out], name=f"{out}/decoded"),
        ]
    _keep(model.graph.node, replaced)
    return model


def row_codes(table: NDArray[np.float32], common: int | None = None) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 codes and the float32 scale of each row, of shape (rows, 1), such that codes * scales is close to `table`.

    Args:
        common: number of steps from zero to the median row's largest number, for a step that all rows share whose own
            would be smaller. Default: each row uses all 127.
    """
    largest = np.abs(table).max(axis=1, keepdims=True)
    scales = largest / 127
    if common is not None and largest.size:
        scales = np.maximum(scales, np.median(largest) / common)
    scales[scales == 0] = 1
    return np.rint(table / scales).astype(np.int8), scales.astype(np.float32)


def flatten_biases(model: ModelProto) -> ModelProto:
    """Makes each Gemm's bias of shape (1, n) an equivalent vector of n, because the quantizer reads no other."""
    held = initializers(model)
    for node in model.graph.node:
        bias = held.get(node.input[2]) if node.op_type == "Gemm" and len(node.input) == 3 else None
        if bias is None or list(bias.dims[:-1]) != [1]:
            continue
        name = unused(model, f"{bias.name}_flat")
        model.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(bias)[0], name))
        node.input[2] = name
    return keep_outputs(model, [each.name for each in model.graph.output])


def restore(quantized: ModelProto, original: ModelProto, names: Iterable[str]) -> ModelProto:
    """A copy of `quantized` in which the MatMul nodes `names` of `original` compute in float32 again."""
    model = ModelProto()
    model.CopyFrom(quantized)
    matmuls, held = weight_matmuls(original), initializers(original)
    back = {matmuls[name].output[0]: matmuls[name] for name in names}
    replaced = []
    for node in model.graph.node:
        for output in node.output:
            if output in back:
                replaced.append(back[output])
                break
        else:
            replaced.append(node)
    present = initializers(model)
    for node in back.values():
        if node.input[1] not in present:
            model.graph.initializer.append(held[node.input[1]])
            present[node.input[1]] = held[node.input[1]]
    _keep(model.graph.node, replaced)
    return keep_outputs(model, [each.name for each in model.graph.output])


def save(model: ModelProto, path: object) -> None:
    """Writes `model` with its weights inside."""
    onnx.save_model(model, str(path))
