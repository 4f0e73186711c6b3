"""Packaging of the tasks on tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, ValueInfoProto
from onnx.helper import tensor_dtype_to_np_dtype

from model_packaging.evaluation.evaluate import tensor_figures
from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.onnx_model import graph
from model_packaging.onnx_model.model_file import read_model
from model_packaging.onnx_model.source import Source, endless
from model_packaging.onnx_model.weights import weights
from model_packaging.probes import Probe
from model_packaging.probes.tensors import load_tensors
from model_packaging.serving.limited_run import RunTooLongError, run_within
from model_packaging.serving.request import MAX_INPUTS, MAX_PAYLOAD
from model_packaging.serving.runtime import Runtime, session_options
from model_packaging.serving.task import Answers, Task
from model_packaging.serving.tensors import Arrays
from model_packaging.spec import PackageSpec
from model_packaging.tasks import Packaging, classes, folder_of

LONG = 4  # examples of the long request that is timed
NUMBERS = "fiub"  # numpy's kinds of what npy and JSON can carry


class _Tensors(Packaging):
    inputs = "tensor"

    def inspect(self, spec: PackageSpec) -> Source:
        model, digest, size = read_model(spec.source)
        findings = [*weights(spec.source, model), *self.wrong_inputs(spec, model)]
        if findings:
            raise FindingsError(findings)
        inputs = [_described(each) for each in _inputs(model)]
        first = _probe(spec, inputs).selecting[0]
        given = _run(spec, model, inputs, first)
        card = {"inputs": inputs, **self.head(spec, model, given), "largest": _largest(model, inputs, first)}
        return Source(model, card, digest, size, self.dimension(given, card), sample=first)

    def wrong_inputs(self, spec: PackageSpec, model: ModelProto) -> list[Finding]:
        """Findings on the declared inputs."""
        found = []
        inputs = _inputs(model)
        if not inputs:
            found.append(
                Finding(str(spec.source), "must take an input", "none", "every request would get the same response")
            )
        for each in inputs:
            kind, shape = each.type.tensor_type.elem_type, _shape(each)
            typed = kind and kind != TensorProto.STRING and np.dtype(tensor_dtype_to_np_dtype(kind)).kind in NUMBERS
            if not typed or not shape or shape[0] not in (None, 1):
                found.append(
                    Finding(
                        f"{spec.source}: input {each.name}",
                        "must be a tensor of numbers whose first axis is the examples, any number of them or 1",
                        f"{TensorProto.DataType.Name(kind)}{shape}",
                        "requests of several examples could not be told apart",
                        "export it with a dynamic batch axis",
                    )
                )
        return found

    def head(self, spec: PackageSpec, model: ModelProto, given: Arrays) -> dict[str, Any]:
        """The card's entries for the outputs; `given` are those of one example, and only these are kept."""
        raise NotImplementedError

    def dimension(self, given: Arrays, card: dict[str, Any]) -> int | None:
        """The number of values in a result, if it is fixed."""
        return None

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        return _probe(spec, source.card["inputs"])

    def answers(self, runtime: Runtime, items: Sequence[Arrays]) -> Answers:
        """Runs examples one by one: they may differ in shape, and a batch affects the quantization of activations."""
        every = [runtime.compute(each, limited=True) for each in items]
        return {name: [each[name][0] for each in every] for name in every[0]} if every else {}

    def requests(self, probe: Probe, task: Task) -> tuple[Any, Any]:
        shortest = probe.scoring[0]
        alike = [each for each in probe.scoring if all(each[name].shape == shortest[name].shape for name in each)]
        return shortest, {name: np.concatenate([each[name] for each in alike[:LONG]]) for name in shortest}


class ImageClassification(_Tensors):
    """One class for an image, which is already scaled, cropped and normalised for the model."""

    outputs = "classes"

    def inspect(self, spec: PackageSpec) -> Source:
        return super().inspect(classes.described(spec, folder_of(spec)))

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        return classes.with_classes(super().probe(spec, source), source.card)

    def wrong_inputs(self, spec: PackageSpec, model: ModelProto) -> list[Finding]:
        found = super().wrong_inputs(spec, model)
        shapes = [_shape(each) for each in _inputs(model)]
        if len(shapes) != 1 or len(shapes[0]) != 4:
            found.append(
                Finding(
                    str(spec.source),
                    "a model for image-classification takes one input of four axes: images, channels, height, width",
                    ", ".join(f"{each.name}{shape}" for each, shape in zip(_inputs(model), shapes, strict=True)),
                    "the server would not know its inputs",
                    "export it with one image input, or package it as `generic`",
                )
            )
        return found

    def head(self, spec: PackageSpec, model: ModelProto, given: Arrays) -> dict[str, Any]:
        fitting = [name for name, value in given.items() if value.ndim == 2 and value.dtype.kind == "f"]
        if not fitting:
            raise refuse(
                str(spec.source),
                "a model for image-classification gives floats of (images, classes)",
                _said(given),
                "there is nothing to return",
                "export it with its classification head, or package it as `generic`",
            )
        name = "logits" if "logits" in fitting else fitting[0]
        graph.keep_outputs(model, [name])
        return {"output": name, **classes.head_card(spec, name, given[name])}

    def dimension(self, given: Arrays, card: dict[str, Any]) -> int | None:
        return int(given[card["output"]].shape[-1])

    def tell_apart(self, spec: PackageSpec, selecting: Answers, scoring: Answers) -> None:
        for answers in (selecting, scoring):
            classes.several_classes(spec.probe, answers)

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        return classes.figures(reference, answers, right)

    def error(self, figures: dict[str, float]) -> float:
        return figures["distance_mean"]


class Generic(_Tensors):
    """Outputs of any meaning, compared as vectors."""

    outputs = "tensor"

    def head(self, spec: PackageSpec, model: ModelProto, given: Arrays) -> dict[str, Any]:
        return {
            "outputs": [
                {"name": name, "dtype": value.dtype.name, "shape": [None] * value.ndim} for name, value in given.items()
            ]
        }

    def tell_apart(self, spec: PackageSpec, selecting: Answers, scoring: Answers) -> None:
        for answers in (selecting, scoring):
            if all(len({each.tobytes() for each in values}) == 1 for values in answers.values()):
                raise refuse(
                    str(spec.probe),
                    "must have inputs for which the model's results differ",
                    "the same result for all",
                    "a candidate that always returns that result would look perfect",
                    "give `probe` inputs like those that the endpoint will receive",
                )

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        return tensor_figures(reference, answers)

    def error(self, figures: dict[str, float]) -> float:
        return figures["error_mean"]


def _probe(spec: PackageSpec, inputs: list[dict[str, Any]]) -> Probe:
    if spec.probe is None:
        raise refuse("probe", f"must be given for {spec.task}", "none")
    return load_tensors(spec.probe, spec.calibration, inputs)


def _inputs(model: ModelProto) -> list[ValueInfoProto]:
    held = graph.initializers(model)
    return [each for each in model.graph.input if each.name not in held]


def _shape(each: ValueInfoProto) -> list[int | None]:
    return [dim.dim_value if dim.dim_value > 0 else None for dim in each.type.tensor_type.shape.dim]


def _described(each: ValueInfoProto) -> dict[str, Any]:
    dtype = np.dtype(tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type))
    return {"name": each.name, "dtype": dtype.name, "shape": _shape(each)}


def _said(given: Arrays) -> str:
    return ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in given.items())


def _session(model: ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), session_options(1), ["CPUExecutionProvider"])


def _run(spec: PackageSpec, model: ModelProto, inputs: list[dict[str, Any]], example: Arrays) -> Arrays:
    """The outputs for one example, after a check that two together give the same outputs as each alone.

    Raises:
        FindingsError: it fails; an output is not a tensor of numbers; an output's first axis is not the examples.
    """
    session = _session(model)
    names = [each.name for each in session.get_outputs()]
    several = all(each["shape"][0] is None for each in inputs)
    runs: list[Arrays] = []
    for count in (1, 2) if several else (1,):
        feeds = {name: np.concatenate([array] * count) for name, array in example.items()}
        try:
            values = run_within(session, names, feeds)
        except RunTooLongError as error:
            raise endless(spec.source, f"a request of {count} of the probe's examples", error) from error
        except Exception as error:
            raise refuse(
                str(spec.source),
                f"must serve a request of {count} of the probe's examples",
                str(error).splitlines()[0][:300],
                "the endpoint would fail on it",
                "give `probe` inputs that it takes, or export it with a dynamic batch axis",
            ) from error
        given = {name: np.asarray(value) for name, value in zip(names, values, strict=True)}
        odd = {
            name: value
            for name, value in given.items()
            if value.dtype.kind not in NUMBERS or value.shape[:1] != (count,)
        }
        if odd:
            raise refuse(
                str(spec.source),
                "must give tensors of numbers whose first axis is the examples",
                f"{_said(odd)} of {count}",
                "requests of several examples could not be told apart",
                "export it with these outputs left out, or with a batch axis",
            )
        runs.append(given)
    return runs[0]


def _largest(model: ModelProto, inputs: list[dict[str, Any]], example: Arrays) -> list[dict[str, list[int]]]:
    """Shapes of the largest requests: as many examples as fit into one, and the largest example that the model takes.

    Raises:
        FindingsError: not even one example fits.
    """
    each = sum(array.nbytes for array in example.values())
    room = MAX_PAYLOAD - 1024 * len(example)
    if each > room:
        raise refuse(
            "probe",
            f"an example must fit into a request of {MAX_PAYLOAD} bytes",
            f"{each} bytes",
            "the endpoint could not be invoked",
            "make the input smaller, or serve the model on an asynchronous endpoint",
        )
    shapes = [{name: [min(MAX_INPUTS, room // each), *array.shape[1:]] for name, array in example.items()}]
    free = sum(side is None for entry in inputs for side in entry["shape"][1:])
    scale = math.floor((room / each) ** (1 / free)) if free else 1
    session = _session(model)
    while scale > 1:
        single = {
            entry["name"]: [
                1,
                *(
                    side * scale if wanted is None else side
                    for side, wanted in zip(example[entry["name"]].shape[1:], entry["shape"][1:], strict=True)
                ),
            ]
            for entry in inputs
        }
        feeds = {entry["name"]: np.zeros(single[entry["name"]], entry["dtype"]) for entry in inputs}
        try:
            run_within(session, None, feeds)
        except Exception:  # noqa: BLE001 - a model may be tied to sizes that its graph does not declare
            scale //= 2
        else:
            shapes.append(single)
            break
    return shapes
