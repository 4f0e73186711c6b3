"""Tasks, which convert requests to a model's inputs and its outputs to responses. One small class each.

Packaging measures candidates through the same classes, so that it scores what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from model_packaging.serving.registry import DEFAULT, TASKS, load
from model_packaging.serving.request import JSON, MAX_PAYLOAD, NPY, AnswerTooLongError, BadRequestError

Answers = dict[str, Any]
"""For each output, its values for the inputs in their order: one array whose first axis is the inputs, or a list of
arrays if they differ in shape."""

Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
"""Runs the session: takes inputs by name, returns the values of the card's outputs."""


class Task:
    """A model's task, from a verified card and its folder; a task on texts also takes its tokenizer if that is made.

    Attributes:
        takes: media types of a request's body.
        gives: media types of a response.
        outputs: names of the graph's outputs that it uses.
    """

    takes: ClassVar[tuple[str, ...]] = (JSON,)
    gives: ClassVar[tuple[str, ...]] = (JSON, NPY)

    def __init__(self, card: dict[str, Any], folder: Path, tokenizer: Any = None) -> None:
        self.card, self.folder = card, folder
        self.outputs: list[str] = [card["output"]] if "output" in card else [each["name"] for each in card["outputs"]]

    def items(self, request: Any) -> Any:
        """The items of a decoded JSON request, for `compute`.

        Raises:
            BadRequestError: with what was expected, where, and what was there.
        """
        raise NotImplementedError

    def items_of_array(self, array: np.ndarray) -> Any:
        """Like `items`, for an array; only for a task that takes `application/x-npy`.

        Raises:
            BadRequestError: like `items`.
        """
        raise BadRequestError(f"the body must be {JSON}")

    def compute(self, run: Run, items: Any) -> Answers:
        """The results of `items`, in their order, in as few runs as memory allows."""
        raise NotImplementedError

    def content(self, items: Any, answers: Answers) -> dict[str, Any]:
        """The JSON of a response."""
        raise NotImplementedError

    def array(self, answers: Answers) -> np.ndarray:
        """The array of a response; only for a task that returns `application/x-npy`."""
        (values,) = answers.values()
        return np.asarray(values)

    def sample(self) -> Any:
        """The canary's items, whose result is known."""
        raise NotImplementedError

    def request(self, items: Any) -> dict[str, Any]:
        """The JSON request for `items`."""
        return {"inputs": items}

    def numbers(self, answers: Answers) -> np.ndarray:
        """The numbers of the canary's result that are compared, as a vector."""
        every = np.concatenate([np.ravel(values[0]) for values in answers.values()]).astype(np.float64)
        return every[self.card["canary"]["at"]] if "at" in self.card["canary"] else every

    def largest(self) -> list[tuple[bytes, str]]:
        """The requests that need the most memory: body and media type."""
        raise NotImplementedError


def load_task(card: dict[str, Any], folder: Path, tokenizer: Any = None) -> Task:
    """Makes the task of the model in `folder`.

    Args:
        tokenizer: its tokenizer. Default: it is loaded here.
    """
    return load(TASKS[card.get("task", DEFAULT)].serving)(card, folder, tokenizer)


def activated(values: np.ndarray, activation: str) -> np.ndarray:
    """Probabilities over the last axis, in float32: from logits by `softmax` or `sigmoid`, or unchanged (`none`)."""
    wide = values.astype(np.float64)
    if activation == "softmax":
        powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
        wide = powers / powers.sum(axis=-1, keepdims=True)
    elif activation == "sigmoid":
        wide = 1 / (1 + np.exp(-np.clip(wide, -500, 500)))
    return wide.astype(np.float32)


def label_of(labels: Sequence[str], index: int) -> str:
    """The name of class `index`. Default: LABEL_3, like Hugging Face."""
    return labels[index] if labels else f"LABEL_{index}"


def best(labels: Sequence[str], probabilities: np.ndarray, count: int = 5) -> list[dict[str, Any]]:
    """The `count` most likely classes with their probabilities, the most likely first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [{"label": label_of(labels, int(index)), "score": round(float(probabilities[index]), 6)} for index in order]


def fits(numbers: int) -> None:
    """Refuses a response that could not be sent before it is encoded: a number has at least four bytes in either form.

    Raises:
        AnswerTooLongError: the response would be over the limit of a serverless response.
    """
    if 4 * numbers > MAX_PAYLOAD:
        raise AnswerTooLongError(
            f"the response has {numbers} numbers and may have {MAX_PAYLOAD} bytes: send fewer or smaller inputs"
        )
