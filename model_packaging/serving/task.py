"""A task: how a request becomes a model's inputs, and its outputs a response. One small class for each.

The packaging measures candidates through the same classes, so what it scored is what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from model_packaging.serving.registry import DEFAULT, TASKS, load
from model_packaging.serving.request import JSON, MAX_PAYLOAD, NPY, AnswerTooLongError, BadRequestError

Answers = dict[str, Any]
"""For each output its value for each input, in their order: one array whose first axis is the inputs, or a list of
arrays where they differ in shape."""

Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
"""One run of the session: feeds by input name, values of the card's outputs."""


class Task:
    """What a model is for. It is made of a verified card and the folder that it lies in.

    Attributes:
        takes: media types of a request's body.
        gives: media types of a response.
        outputs: names of the graph's outputs that it reads.
    """

    takes: ClassVar[tuple[str, ...]] = (JSON,)
    gives: ClassVar[tuple[str, ...]] = (JSON, NPY)

    def __init__(self, card: dict[str, Any], folder: Path) -> None:
        self.card, self.folder = card, folder
        self.outputs: list[str] = [card["output"]] if "output" in card else [each["name"] for each in card["outputs"]]

    def items(self, request: Any) -> Any:
        """The items of a decoded JSON request, as `compute` takes them.

        Raises:
            BadRequestError: with what was expected, where, and what was there.
        """
        raise NotImplementedError

    def items_of_array(self, array: np.ndarray) -> Any:
        """The same of an array; only of a task that takes `application/x-npy`.

        Raises:
            BadRequestError: as `items`.
        """
        raise BadRequestError(f"the body must be {JSON}")

    def compute(self, run: Run, items: Any) -> Answers:
        """The results of `items`, in their order, in as few runs as memory allows."""
        raise NotImplementedError

    def content(self, items: Any, answers: Answers) -> dict[str, Any]:
        """The JSON of a response."""
        raise NotImplementedError

    def array(self, answers: Answers) -> np.ndarray:
        """The one array of a response; only of a task that returns `application/x-npy`."""
        (values,) = answers.values()
        return np.asarray(values)

    def sample(self) -> Any:
        """Items whose result is known: the canary's."""
        raise NotImplementedError

    def request(self, items: Any) -> dict[str, Any]:
        """The JSON request for `items`."""
        return {"inputs": items}

    def numbers(self, answers: Answers) -> np.ndarray:
        """The numbers of the canary's result that are compared, in one dimension."""
        every = np.concatenate([np.ravel(values[0]) for values in answers.values()]).astype(np.float64)
        return every[self.card["canary"]["at"]] if "at" in self.card["canary"] else every

    def largest(self) -> list[tuple[bytes, str]]:
        """Requests that need the most memory: body and media type."""
        raise NotImplementedError


def load_task(card: dict[str, Any], folder: Path) -> Task:
    """The task of the model in `folder`."""
    return load(TASKS[card.get("task", DEFAULT)].serving)(card, folder)


def activated(values: np.ndarray, activation: str) -> np.ndarray:
    """Probabilities over the last axis: of `softmax` and `sigmoid` logits, or as they are (`none`); float32."""
    wide = values.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
        wide = powers / powers.sum(axis=-1, keepdims=True)
    elif activation == "sigmoid":
        wide = 1 / (1 + np.exp(-np.clip(wide, -500, 500)))
    return wide.astype(np.float32)


def label_of(labels: Sequence[str], index: int) -> str:
    """The name of class `index`: LABEL_3 where nobody gave one, as Hugging Face calls it."""
    return labels[index] if labels else f"LABEL_{index}"


def best(labels: Sequence[str], probabilities: np.ndarray, count: int = 5) -> list[dict[str, Any]]:
    """The `count` likeliest classes with their probabilities, the likeliest first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [{"label": label_of(labels, int(index)), "score": round(float(probabilities[index]), 6)} for index in order]


def fits(numbers: int) -> None:
    """Refuses a response that could not be sent, before it is written: a number has at least four bytes in either form.

    Raises:
        AnswerTooLongError: the response would be over the limit of a serverless response.
    """
    if 4 * numbers > MAX_PAYLOAD:
        raise AnswerTooLongError(
            f"the response has {numbers} numbers and may have {MAX_PAYLOAD} bytes: send fewer or smaller inputs"
        )
