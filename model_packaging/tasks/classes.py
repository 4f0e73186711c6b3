"""What the tasks with classes share: the classes' names, and how outputs become probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging.evaluation.evaluate import class_figures
from model_packaging.findings import refuse
from model_packaging.probes import Probe
from model_packaging.serving.task import Answers
from model_packaging.spec import PackageSpec

CONFIG = "config.json"


def described(spec: PackageSpec, folder: Path) -> PackageSpec:
    """`spec`, with missing labels and activation from a Hugging Face config.json in `folder`.

    Raises:
        FindingsError: the config is not JSON, or its id2label has gaps.
    """
    path = folder / CONFIG
    if not path.is_file():
        return spec
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise refuse(str(path), "must be JSON", str(error), "", "restore the model's own, or move it away") from error
    names = config.get("id2label") if isinstance(config, dict) else None
    changes: dict[str, Any] = {}
    if spec.labels is None and isinstance(names, dict):
        try:
            changes["labels"] = tuple(str(names[str(index)]) for index in range(len(names)))
        except KeyError as error:
            raise refuse(f"{path}: id2label", "must name every class from 0 on", f"none for {error.args[0]}") from error
    several = isinstance(config, dict) and config.get("problem_type") == "multi_label_classification"
    if spec.activation is None and several:
        changes["activation"] = "sigmoid"
    return spec.model_copy(update=changes)


def head_card(spec: PackageSpec, name: str, values: np.ndarray) -> dict[str, Any]:
    """The card's entries for the output `name`, with examples `values`, whose last axis is the classes.

    Raises:
        FindingsError: it has only one class, or another number than there are labels.
    """
    count = values.shape[-1]
    if count < 2:
        raise refuse(
            f"{spec.source}: output {name}",
            "must have at least two classes",
            str(count),
            "there is nothing to choose between",
            "export a head with one output for each class, or package it as `generic`",
        )
    if spec.labels is not None and len(spec.labels) != count:
        raise refuse(
            "labels",
            f"must name the {count} classes of {name}",
            str(len(spec.labels)),
            "responses would have the names of other classes",
            "name each class, in the model's order",
        )
    activation = spec.activation or ("none" if are_probabilities(values) else "softmax")
    return {"labels": list(spec.labels or ()), "activation": activation}


def are_probabilities(values: np.ndarray) -> bool:
    """Whether the numbers along the last axis are not negative and add up to one."""
    wide = values.astype(np.float64)
    return bool((wide >= -1e-6).all() and (np.abs(wide.sum(axis=-1) - 1) < 1e-3).all())


def figures(reference: Answers, answers: Answers, right: Sequence[int] | None) -> dict[str, float]:
    """The figures of a classifier's only output; `right` are the correct classes."""
    ((theirs,), (ours,)) = (tuple(each.values()) for each in (reference, answers))
    return class_figures(theirs, ours, right)


def with_classes(probe: Probe, card: dict[str, Any]) -> Probe:
    """`probe`, with its labels converted to numbers of the card's classes.

    Raises:
        FindingsError: a label is not the name of a class.
    """
    if probe.labels is None:
        return probe
    return replace(probe, labels=tuple(index_of(card["labels"], str(each)) for each in probe.labels))


def index_of(labels: Sequence[str], label: str) -> int:
    """The class that `label` names, by its name or as LABEL_3.

    Raises:
        FindingsError: there is no such class.
    """
    if label in labels:
        return list(labels).index(label)
    number = label.removeprefix("LABEL_")
    if not labels and number.isdecimal():
        return int(number)
    known = ", ".join(labels[:8]) or "LABEL_0, LABEL_1, ..."
    raise refuse("probe", "labels must be the model's own", repr(label), "", f"one of {known}")


def several_classes(where: object, answers: Answers) -> None:
    """Checks that the source finds at least two classes among the inputs.

    Raises:
        FindingsError: it gives the same class to all.
    """
    (values,) = answers.values()
    seen = np.concatenate([np.atleast_2d(each) for each in values]).argmax(axis=1)
    if len(np.unique(seen)) < 2:
        raise refuse(
            str(where),
            "must have inputs of at least two classes",
            f"{len(seen)} that the model puts in class {int(seen[0]) if len(seen) else '-'}",
            "a candidate that always returns that class would look perfect",
            "give `probe` inputs of several classes",
        )
