"""Packaging of the tasks on texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto

from model_packaging.artifact.manifest import Quality
from model_packaging.evaluation.evaluate import quality
from model_packaging.findings import refuse
from model_packaging.onnx_model import graph
from model_packaging.onnx_model.assemble import CANARY_TEXT
from model_packaging.onnx_model.source import Source, inspect_source, text_outputs
from model_packaging.probes import Probe, load_probe
from model_packaging.serving.task import Answers, Task
from model_packaging.serving.texts import Texts
from model_packaging.spec import PackageSpec
from model_packaging.tasks import CANARY_NUMBERS, Packaging, classes, folder_of, rounded


class _Texts(Packaging):
    inputs = "text"

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        return load_probe(spec.probe)

    def requests(self, probe: Probe, task: Task) -> tuple[Any, Any]:
        assert isinstance(task, Texts)
        return [CANARY_TEXT], [as_long_as_read(probe.scoring, task)]


def as_long_as_read(texts: Sequence[str], task: Texts) -> str:
    """`texts`, repeated up to the last token that the model reads, because further text would distort the timing."""
    text, tokens = " ".join(texts), 0
    while tokens < len((read := task.tokenizer.encode(text)).ids) < task.card["tokenizer"]["max_length"]:
        text, tokens = f"{text} {text}", len(read.ids)
    return text[: max((end for _, end in read.offsets), default=0)]


class SentenceEmbedding(_Texts):
    """Embeddings, compared by cosines and nearest neighbours."""

    outputs = "embedding"

    def inspect(self, spec: PackageSpec) -> Source:
        return inspect_source(spec)

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        ((theirs,), (ours,)) = (tuple(each.values()) for each in (reference, answers))
        return quality(np.asarray(theirs), np.asarray(ours)).model_dump()

    def error(self, figures: dict[str, float]) -> float:
        return 1 - figures["cosine_mean"]

    def recorded(self, figures: dict[str, float]) -> dict[str, Any]:
        return {"quality": Quality.model_validate(figures)}

    def canary(self, numbers: np.ndarray) -> dict[str, Any]:
        return {"expected": rounded(numbers[:CANARY_NUMBERS])}


class _Classes(_Texts):
    outputs = "classes"
    token = False

    def inspect(self, spec: PackageSpec) -> Source:
        return inspect_source(classes.described(spec, folder_of(spec)), self._head)

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        return classes.with_classes(super().probe(spec, source), source.card)

    def _head(self, spec: PackageSpec, model: ModelProto, max_length: int) -> tuple[dict[str, Any], int]:
        seen = text_outputs(spec, model, max_length)
        fitting, shape = (seen.tokens, "batch, sequence, classes") if self.token else (seen.pooled, "batch, classes")
        if not fitting:
            raise refuse(
                str(spec.source),
                f"a model for {spec.task} gives float32 of ({shape})",
                seen.said,
                "there is nothing to return",
                "export the model with its classification head",
            )
        name = "logits" if "logits" in fitting else fitting[0]
        graph.keep_outputs(model, [name])
        values = seen.floats[name]
        return {"output": name, **classes.head_card(spec, name, values)}, int(values.shape[-1])

    def tell_apart(self, spec: PackageSpec, selecting: Answers, scoring: Answers) -> None:
        for answers in (selecting, scoring):
            classes.several_classes(spec.probe or "this package's sentences", answers)

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        return classes.figures(reference, answers, right)

    def error(self, figures: dict[str, float]) -> float:
        return figures["distance_mean"]


class TextClassification(_Classes):
    """One class for a text."""


class TokenClassification(_Classes):
    """One class for each token of a text."""

    outputs = "entities"
    token = True

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        probe = super().probe(spec, source)
        if probe.labels is not None:
            raise refuse(
                str(spec.probe), "labels of whole texts are for text-classification", "labels", "", "leave them out"
            )
        return probe
