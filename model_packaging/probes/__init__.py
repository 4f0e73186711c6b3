"""Inputs with which a model is measured, split so that inputs that select a recipe never score it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from model_packaging.files import read_text
from model_packaging.findings import FindingsError, refuse

LEAST_TEXTS = 40
LARGEST = 100_000_000
"""Maximum bytes of a file of texts."""


@dataclass(frozen=True)
class Probe:
    """Inputs of a model: texts, or for a task on tensors arrays by input name, whose first axis is 1.

    Attributes:
        selecting: inputs that select a recipe's details; `scoring`: inputs that decide whether it is good enough.
        sha256: SHA-256 of all of them, in hex.
        labels: the correct class of each of `scoring`, by name or number, if the inputs have labels.
        calibrating: inputs for the ranges of activations of static quantization; none of `scoring` is among them.
    """

    selecting: tuple[Any, ...]
    scoring: tuple[Any, ...]
    sha256: str
    labels: tuple[Any, ...] | None = None
    calibrating: tuple[Any, ...] = ()


def builtin_pairs() -> tuple[tuple[str, str], ...]:
    """The sentences of this package: pairs with the same meaning."""
    text = files("model_packaging.probes").joinpath("sentences.tsv").read_text(encoding="utf-8")
    first_second = [line.split("\t") for line in text.splitlines()]
    return tuple((first, second) for first, second in first_second)


def load_probe(path: Path | None) -> Probe:
    """Loads the texts in `path`, or this package's, alternating between the two sets; pairs are kept together.

    Args:
        path: UTF-8, one text per line; or .jsonl, one object per line with `text` and, in every line or none, `label`.

    Raises:
        FindingsError: the file is missing, not UTF-8, not of its form, has fewer than 40 different texts, or labels
            of one class only.
    """
    labels: dict[str, str] = {}
    if path is None:
        groups = builtin_pairs()
    else:
        try:
            lines = read_text(path, LARGEST).splitlines()
        except FindingsError as error:
            (found,) = error.findings
            fix = "write one text a line"
            raise refuse(found.path, "the probe must be a UTF-8 text file", found.got, "", fix) from error
        if path.suffix == ".jsonl":
            labels = _labelled(path, lines)
            lines = list(labels)
        groups = tuple((line,) for line in dict.fromkeys(each.strip() for each in lines) if line)
        if len(groups) < LEAST_TEXTS:
            raise refuse(
                str(path),
                f"the probe must have at least {LEAST_TEXTS} different texts, one a line",
                str(len(groups)),
                "quality measured on fewer is unreliable",
                "add texts like those that the endpoint will receive",
            )
    digest = hashlib.sha256("\n".join(text for group in groups for text in group).encode())
    selecting = tuple(text for group in groups[0::2] for text in group)
    scoring = tuple(text for group in groups[1::2] for text in group)
    if not any(labels.values()):
        return Probe(selecting, scoring, digest.hexdigest())
    digest.update(json.dumps(list(labels.values())).encode())
    return Probe(selecting, scoring, digest.hexdigest(), several(path, tuple(labels[text] for text in scoring)))


def json_lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """The place in the file, the text and the value of each line that is not blank.

    Raises:
        FindingsError: a line is not JSON.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise refuse(place, "must be JSON", str(error), "", "one object per line") from error
        yield place, line, entry


def _labelled(path: Path, lines: list[str]) -> dict[str, str]:
    """Text -> label; empty if the file has none."""
    found: dict[str, str] = {}
    for place, line, entry in json_lines(path, lines):
        if not (
            isinstance(entry, dict)
            and isinstance(entry.get("text"), str)
            and set(entry) <= {"text", "label"}
            and isinstance(entry.get("label", ""), str)
        ):
            raise refuse(place, 'must be {"text": "...", "label": "..."}, or without `label`', line[:80])
        found[entry["text"].strip()] = entry.get("label", "")
    if any(found.values()) and not all(found.values()):
        raise refuse(str(path), "must have a label in every line or in none", "some without", "", "label them all")
    return found


def several(path: object, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `labels` if they have at least two classes.

    Raises:
        FindingsError: they are not.
    """
    if len(set(labels)) < 2:
        raise refuse(
            str(path),
            "must have inputs of at least two classes",
            f"{len(labels)} of class {labels[0]!r}" if labels else "no inputs",
            "a model that always returns that class would look perfect",
            "add inputs of the other classes",
        )
    return labels
