"""Tasks on arrays, as JSON lists or raw .npy: classes of an image, and any model of tensors."""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Any

import numpy as np

from model_packaging.serving import npy
from model_packaging.serving.request import JSON, MAX_INPUTS, MAX_PAYLOAD, NPY, BadRequestError, json_type
from model_packaging.serving.task import Answers, Run, Task, activated, best, fits

NUMBERS_PER_RUN = 2**16  # input numbers in one run of the session: bounds the memory of its layers
NUMBERS = {int, float, bool}  # the types that json.loads makes
Arrays = dict[str, np.ndarray]


class Tensors(Task):
    """Base class of the tasks on arrays. The first axis of every input and output is the examples of a request.

    The card has the `name`, `dtype` and `shape` of each input; None in a shape stands for any size.
    """

    takes = (JSON, NPY)

    def items(self, request: Any) -> Arrays:
        inputs = self.card["inputs"]
        given = request
        if isinstance(request, dict) and (len(inputs) == 1 or set(request) == {"inputs"}):
            if set(request) != {"inputs"}:
                unknown = next((key for key in request if key != "inputs"), None)
                got = f"unknown key {unknown!r}" if unknown is not None else "no such key"
                raise BadRequestError(f'expected {{"inputs": ...}}, got {got}')
            given = request["inputs"]
        if len(inputs) == 1 and not isinstance(given, dict):
            given = {inputs[0]["name"]: given}
        return self._checked(given, lambda value, each, where: _array(value, each["dtype"], where))

    def items_of_array(self, array: np.ndarray) -> Arrays:
        names = [each["name"] for each in self.card["inputs"]]
        if len(names) > 1:
            raise BadRequestError(f"one array is not enough: the model takes {', '.join(names)}; send {JSON}")
        return self.items_of_arrays({names[0]: array})

    def items_of_arrays(self, arrays: Arrays) -> Arrays:
        """The items of a request with arrays by input name.

        Raises:
            BadRequestError: like `items`.
        """
        return self._checked(arrays, _typed)

    def _checked(self, given: Any, convert: Any) -> Arrays:
        if not isinstance(given, dict):
            names = ", ".join(each["name"] for each in self.card["inputs"])
            raise BadRequestError(f"inputs: expected an object with {names}, got {json_type(given)}")
        known = {each["name"]: each for each in self.card["inputs"]}
        for name in given:
            if name not in known:
                raise BadRequestError(f"inputs: expected {', '.join(known)}, got unknown {name!r}")
        arrays = {}
        for name, each in known.items():
            where = "inputs" if len(known) == 1 else f"inputs.{name}"
            if name not in given:
                raise BadRequestError(f"{where}: expected an array, got nothing")
            arrays[name] = _shaped(convert(given[name], each, where), each["shape"], where)
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise BadRequestError(f"inputs: expected as many examples of each input, got {said}")
        return arrays

    def compute(self, run: Run, items: Arrays) -> Answers:
        count = len(next(iter(items.values())))
        each = max(1, sum(array.size for array in items.values()) // count)
        step = max(1, NUMBERS_PER_RUN // each)
        if any(entry["shape"][0] == 1 for entry in self.card["inputs"]):
            step = 1
        runs = [
            run({name: array[start : start + step] for name, array in items.items()}) for start in range(0, count, step)
        ]
        joined: Answers = {}
        for index, name in enumerate(self.outputs):
            joined[name] = self._joined([self.values(values[index]) for values in runs])
        return joined

    def _joined(self, runs: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """The examples of all runs; a list if their sizes depend on their content."""
        if len({values.shape[1:] for values in runs}) == 1:
            return np.concatenate(runs)
        return [each for values in runs for each in values]

    def values(self, output: np.ndarray) -> np.ndarray:
        """The values of an output that are kept."""
        return output

    def sample(self) -> Arrays:
        files = self.card["canary"]["files"]
        return {name: npy.read((self.folder / file).read_bytes()) for name, file in files.items()}

    def request(self, items: Arrays) -> dict[str, Any]:
        lists = {name: array.tolist() for name, array in items.items()}
        return {"inputs": next(iter(lists.values())) if len(lists) == 1 else lists}

    def largest(self) -> list[tuple[bytes, str]]:
        """As many examples as fit in a request, and the largest single example that the model takes."""
        requests = []
        for shapes in self.card["largest"]:
            arrays = {
                each["name"]: np.zeros(shapes[each["name"]], np.dtype(each["dtype"])) for each in self.card["inputs"]
            }
            lists = {name: _cut(array, MAX_PAYLOAD // 5 // len(arrays)).tolist() for name, array in arrays.items()}
            requests.append((json.dumps({"inputs": lists}, separators=(",", ":")).encode(), JSON))
            if len(arrays) == 1:
                requests.append((npy.write(next(iter(arrays.values()))), NPY))
        return requests


class ImageClassification(Tensors):
    """An image's class: probabilities, float32 of shape (images, classes)."""

    def values(self, output: np.ndarray) -> np.ndarray:
        return activated(output, self.card["activation"])

    def content(self, items: Arrays, answers: Answers) -> dict[str, Any]:
        return {"predictions": [best(self.card["labels"], row) for row in self.array(answers)]}


class Generic(Tensors):
    """Every output, unchanged."""

    def content(self, items: Arrays, answers: Answers) -> dict[str, Any]:
        fits(sum(each.size for values in answers.values() for each in values))
        return {"outputs": {name: _listed(values) for name, values in answers.items()}}

    def array(self, answers: Answers) -> np.ndarray:
        if len(answers) > 1:
            raise BadRequestError(f"{NPY} is one array, and the model returns {', '.join(answers)}: accept {JSON}")
        ((name, values),) = answers.items()
        if isinstance(values, list):
            raise BadRequestError(f"{NPY} is one array, and {name} differs in shape between the inputs: accept {JSON}")
        fits(values.size)
        return super().array(answers)


def _array(value: Any, dtype: str, where: str) -> np.ndarray:
    """Converts the nested lists `value` to an array of `dtype`, without rounding or overflow."""
    if not isinstance(value, list):
        raise BadRequestError(f"{where}: expected lists of numbers, got {json_type(value)}")
    unequal = f"{where}: expected lists of equal length at each depth"
    leaves = _kinds_of_leaves(value)
    if list in leaves:
        raise BadRequestError(unequal)
    if not leaves <= NUMBERS:
        raise BadRequestError(f"{where}: expected {dtype}, got something else")
    try:
        array = np.array(value)
    except ValueError as error:
        raise BadRequestError(unequal) from error
    wanted = np.dtype(dtype)
    kinds = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}[wanted.kind]
    if array.size and array.dtype.kind not in kinds:
        got = {"b": "booleans", "f": "fractions", "i": "whole numbers", "u": "whole numbers"}
        raise BadRequestError(f"{where}: expected {dtype}, got {got.get(array.dtype.kind, 'something else')}")
    if wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise BadRequestError(f"{where}: expected {dtype}, {limits.min} to {limits.max}, got a number outside")
    with np.errstate(over="ignore"):
        return _finite(array.astype(wanted), where)


def _kinds_of_leaves(value: list[Any]) -> set[type]:
    """The types of the elements of the innermost lists of `value`.

    Checked before numpy, which would allocate the size of the longest text for every text of a request.
    """
    lists = [value]
    while (kinds := set(map(type, chain.from_iterable(lists)))) == {list}:
        lists = list(chain.from_iterable(lists))
    return kinds


def _typed(array: np.ndarray, each: dict[str, Any], where: str) -> np.ndarray:
    if array.dtype != np.dtype(each["dtype"]):
        raise BadRequestError(f"{where}: expected {each['dtype']}, got {array.dtype}")
    return _finite(array, where)


def _finite(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadRequestError(f"{where}: expected finite numbers, got NaN or infinity")
    return array


def _shaped(array: np.ndarray, shape: list[int | None], where: str) -> np.ndarray:
    """Returns the array if its axes after the first match `shape` and it has 1 to 512 examples."""
    free = [None, *shape[1:]]
    fine = len(array.shape) == len(free) and all(
        side == wanted or (wanted is None and side > 0) for side, wanted in zip(array.shape, free, strict=True)
    )
    if not fine:
        sides = ", ".join("any" if side is None else str(side) for side in free)
        raise BadRequestError(
            f"{where}: expected shape [{sides}], the first axis one for each example, got {list(array.shape)}"
        )
    if len(array) > MAX_INPUTS:
        raise BadRequestError(f"{where}: expected at most {MAX_INPUTS} examples, got {len(array)}")
    return array


def _cut(array: np.ndarray, numbers: int) -> np.ndarray:
    """The first examples of `array` with at most `numbers` numbers; at least one example."""
    return array[: max(1, numbers // max(1, math.prod(array.shape[1:])))]


def _listed(values: np.ndarray | list[np.ndarray]) -> list[Any]:
    return [_short(each).tolist() for each in values] if isinstance(values, list) else _short(values).tolist()


def _short(array: np.ndarray) -> np.ndarray:
    """Floats with seven significant digits, like float32: JSON would write seventeen."""
    if array.dtype.kind != "f":
        return array
    if not np.isfinite(array).all():
        raise ValueError("the model's output is not finite")
    wide = array.astype(np.float64)
    size = np.floor(np.log10(np.abs(wide), where=wide != 0, out=np.zeros_like(wide)))
    scale = 10.0 ** (6 - np.maximum(size, -290))
    return np.round(wide * scale) / scale
