"""A user's tensors with which a model is measured: .npy, .npz, .jsonl, or a folder of files with one example each."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging.findings import FindingsError, refuse
from model_packaging.probes import Probe, json_lines, several
from model_packaging.serving import npy
from model_packaging.serving.request import BadRequestError
from model_packaging.serving.tensors import Arrays, Tensors

LEAST = 20  # minimum examples of a probe
LEAST_CALIBRATING = 8
LABELS = "labels"  # the array of an .npz that is not an input


@dataclass(frozen=True)
class Examples:
    """Distinct examples, each with its arrays by input name with a first axis of 1, and all labels or none."""

    arrays: tuple[Arrays, ...]
    labels: tuple[str, ...] | None


def load_tensors(probe: Path, calibration: Path | None, inputs: list[dict[str, Any]]) -> Probe:
    """The examples in `probe`, alternating between the two sets, and those in `calibration`.

    Args:
        inputs: name, dtype and shape of each of the model's inputs.

    Raises:
        FindingsError: like `read`; there are fewer than 20 different examples, or 8 for the calibration; labels are of
            one class only; examples that calibrate are among those that score.
    """
    found = _enough(probe, read(probe, inputs), LEAST)
    digest = hashlib.sha256("".join(map(_digest, found.arrays)).encode())
    labels = None
    if found.labels is not None:
        several(probe, found.labels)
        labels = several(probe, found.labels[1::2])
        digest.update(json.dumps(found.labels).encode())
    selecting, scoring = found.arrays[0::2], found.arrays[1::2]
    calibrating = selecting
    if calibration is not None:
        given = _enough(calibration, read(calibration, inputs), LEAST_CALIBRATING)
        if given.labels is not None:
            several(calibration, given.labels)
        calibrating = given.arrays
        digest.update("".join(map(_digest, calibrating)).encode())
        if both := {_digest(each) for each in calibrating} & {_digest(each) for each in scoring}:
            raise refuse(
                str(calibration),
                "must have none of the probe's examples",
                f"{len(both)} of them",
                "a candidate would be scored with inputs from which it was made",
                "leave them out, or give no calibration: the probe's other half is used then",
            )
    return Probe(selecting, scoring, digest.hexdigest(), labels, calibrating)


def read(path: Path, inputs: list[dict[str, Any]]) -> Examples:
    """The different examples at `path`: along the first axis of the arrays in a file, or in a folder's files.

    Raises:
        FindingsError: there are no examples; their form is unknown; an array has Python objects (a pickle), or other
            names, types or shapes than the model's inputs; numbers are not finite.
    """
    if not path.exists():
        raise refuse(str(path), "the examples must exist", "nothing there", "", "name a file or a folder of .npy")
    task = Tensors({"inputs": inputs, "outputs": []}, path)
    files = sorted(each for each in path.iterdir() if each.suffix in (".npy", ".npz")) if path.is_dir() else [path]
    if not files:
        raise refuse(str(path), "must have examples in it", "no .npy or .npz", "", "write one file for each example")
    found: dict[str, tuple[Arrays, str | None]] = {}
    for file in files:
        for arrays, label in _in_file(file, task):
            found.setdefault(_digest(arrays), (arrays, label))
    labels = [label for _, label in found.values()]
    if any(label is not None for label in labels) and any(label is None for label in labels):
        raise refuse(str(path), "must have a label for every example or for none", "some without", "", "label them all")
    named = tuple(label for label in labels if label is not None)
    return Examples(tuple(arrays for arrays, _ in found.values()), named or None)


def _in_file(path: Path, task: Tensors) -> Iterator[tuple[Arrays, str | None]]:
    readers = {".npy": _of_npy, ".npz": _of_npz, ".jsonl": _of_jsonl}
    if path.suffix not in readers:
        raise refuse(str(path), f"examples are in {', '.join(readers)}", f"{path.suffix or 'no suffix'}")
    try:
        yield from readers[path.suffix](path, task)
    except FindingsError:
        raise
    except (ValueError, OSError, zipfile.BadZipFile) as error:  # a BadRequestError is a ValueError
        raise refuse(
            str(path),
            "must contain what the model takes",
            str(error).removeprefix("inputs: "),
            "the model could not be measured with it",
            "save the arrays as the model takes them, examples along the first axis",
        ) from error


def _of_npy(path: Path, task: Tensors) -> Iterator[tuple[Arrays, None]]:
    array = npy.read(path.read_bytes())
    if array.ndim == len(task.card["inputs"][0]["shape"]) - 1:
        array = array[None]
    for arrays in _examples(task, {task.card["inputs"][0]["name"]: array}):
        yield arrays, None


def _of_npz(path: Path, task: Tensors) -> Iterator[tuple[Arrays, str | None]]:
    names = [each["name"] for each in task.card["inputs"]]
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    labels = arrays.pop(LABELS, None) if LABELS not in names else None
    if len(names) == len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    examples = list(_examples(task, arrays))
    if labels is not None and len(labels) != len(examples):
        raise BadRequestError(f"expected a label for each of {len(examples)} examples, got {len(labels)}")
    for index, each in enumerate(examples):
        yield each, None if labels is None else str(labels[index])


def _of_jsonl(path: Path, task: Tensors) -> Iterator[tuple[Arrays, str | None]]:
    for place, line, entry in json_lines(path, path.read_text(encoding="utf-8").splitlines()):
        if not isinstance(entry, dict) or not {"inputs"} <= set(entry) <= {"inputs", "label"}:
            raise refuse(place, 'must be {"inputs": ..., "label": ...}, or without `label`', line[:80])
        try:
            arrays = task.items({"inputs": entry["inputs"]})
        except BadRequestError as error:
            raise refuse(place, "must contain what the model takes", str(error)) from error
        for each in _rows(arrays):
            yield each, str(entry["label"]) if "label" in entry else None


def _examples(task: Tensors, arrays: dict[str, Any]) -> Iterator[Arrays]:
    """Checks `arrays` like a request's, except that a file may have more examples."""
    counts = {len(array) for array in arrays.values() if array.ndim}
    for start in range(max(counts, default=1)):
        yield task.items_of_arrays({name: array[start : start + 1] for name, array in arrays.items()})


def _rows(arrays: Arrays) -> Iterator[Arrays]:
    for index in range(len(next(iter(arrays.values())))):
        yield {name: array[index : index + 1] for name, array in arrays.items()}


def _enough(path: Path, found: Examples, least: int) -> Examples:
    if len(found.arrays) < least:
        raise refuse(
            str(path),
            f"must have at least {least} different examples",
            str(len(found.arrays)),
            "measurements on fewer are unreliable",
            "add inputs like those that the endpoint will receive",
        )
    return found


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
