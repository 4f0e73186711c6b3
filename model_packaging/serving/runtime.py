"""One loaded model: a request becomes tensors, and the outputs of the session become a response."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from model_packaging.serving import npy
from model_packaging.serving.card import NotServableError
from model_packaging.serving.limited_run import run_within
from model_packaging.serving.request import JSON, MAX_PAYLOAD, NPY, AnswerTooLongError, BadRequestError
from model_packaging.serving.task import Answers, Task, load_task

CANARY_COSINE = 0.9  # far below any quality floor: it detects a broken runtime or CPU, not a worse model


class Runtime:
    """A loaded model: a session, its task, and its card."""

    def __init__(self, card: dict[str, Any], session: ort.InferenceSession, task: Task) -> None:
        self.card, self.task = card, task
        self._session = session
        self._inputs = [each.name for each in session.get_inputs()]
        self._one_at_a_time = threading.Lock()

    @classmethod
    def load(
        cls,
        folder: Path,
        card: dict[str, Any],
        threads: int,
        done: Callable[[str], None] = lambda _: None,
        tokenizer: Callable[[], Any] = lambda: None,
    ) -> Runtime:
        """Loads the model in `folder`, described by its verified `card`, with `threads` threads for one inference.

        Args:
            done: called when `tokenizer` (for a task on texts) and `session` are loaded.
            tokenizer: gives the tokenizer that is already being made. Default: it is made here.

        Raises:
            NotServableError: the session or the tokenizer cannot be loaded.
        """
        try:
            task = load_task(card, folder, tokenizer())
            if "tokenizer" in card:
                done("tokenizer")
            options = session_options(threads, optimise=card["optimise"])
            session = ort.InferenceSession(str(folder / card["graph"]), options, ["CPUExecutionProvider"])
            done("session")
        except Exception as error:
            raise NotServableError(f"the model in {folder} cannot be loaded: {error}") from error
        return cls(card, session, task)

    def with_graph(self, graph: bytes) -> Runtime:
        """The same task with another serialised graph, which is optimised here and run by one thread."""
        session = ort.InferenceSession(graph, session_options(1, optimise=True), ["CPUExecutionProvider"])
        return Runtime(self.card, session, self.task)

    def compute(self, items: Any, *, limited: bool = False) -> Answers:
        """The outputs for `items`, which the task makes from a request, in their order.

        Args:
            limited: whether each run of the session is stopped after a while (`limited_run`).

        Raises:
            RunTooLongError: a limited run was stopped.
        """
        return self.task.compute(self._run_limited if limited else self._run, items)

    def embed(self, texts: list[str]) -> np.ndarray:
        """Embeddings of `texts` by a sentence encoder, float32 of shape (texts, dimension), in their order."""
        return self.task.array(self.compute(texts))

    def _run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        values = self._session.run(self.task.outputs, {name: feeds[name] for name in self._inputs})
        return [np.asarray(value) for value in values]

    def _run_limited(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        values = run_within(self._session, self.task.outputs, {name: feeds[name] for name in self._inputs})
        return [np.asarray(value) for value in values]

    def answer(self, request: Any, media: str = JSON) -> bytes:
        """The response to a decoded JSON request, in one of the media types that the task returns.

        Raises:
            BadRequestError: the request is invalid for the model, or its response would be too long.
        """
        return self._answer(self.task.items(request), media)

    def respond(self, body: bytes, media: str, wanted: str) -> bytes:
        """The response, of media type `wanted`, to a body of type `media`; the task supports both.

        Raises:
            BadRequestError: like `answer`; or the body is not of its type.
        """
        if media == NPY:
            return self._answer(self.task.items_of_array(npy.read(body)), wanted)
        try:
            request = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {error}") from error
        return self.answer(request, wanted)

    def _answer(self, items: Any, media: str) -> bytes:
        with self._one_at_a_time:
            answers = self.compute(items)
        if media == NPY:
            body = npy.write(self.task.array(answers))
        else:
            body = json.dumps(self.task.content(items, answers), ensure_ascii=False, allow_nan=False).encode()
        if len(body) > MAX_PAYLOAD:
            raise AnswerTooLongError(
                f"the response has {len(body)} bytes and may have {MAX_PAYLOAD}: send fewer or smaller inputs"
            )
        return body

    def answer_largest(self) -> None:
        """Serves the requests that need the most memory, even if the response is too long to be sent."""
        for body, media in self.task.largest():
            with contextlib.suppress(AnswerTooLongError):
                self.respond(body, media, JSON)

    def answer_sample(self) -> None:
        """Serves the request with which it was packaged, even if the response is too long to be sent."""
        with contextlib.suppress(AnswerTooLongError):
            self.answer(self.task.request(self.task.sample()))

    def canary(self) -> None:
        """Runs one inference whose result is known.

        Raises:
            NotServableError: it fails, is not finite, or is not close to the result that the unquantized model returned
                when packaged.
        """
        try:
            numbers = self.task.numbers(self.compute(self.task.sample()))
        except Exception as error:
            raise NotServableError(f"the canary inference failed: {error}") from error
        expected = np.array(self.card["canary"]["expected"])
        seen = numbers[: len(expected)]
        lengths = float(np.linalg.norm(seen) * np.linalg.norm(expected))
        # A result of zeros is close to zeros only; one with fewer numbers is close to no other.
        alike = len(seen) == len(expected) and lengths
        cosine = float(seen @ expected / lengths) if alike else float(np.array_equal(seen, expected))
        dimension = self.card.get("dimension", len(numbers))
        if not np.isfinite(numbers).all() or len(numbers) != dimension or not cosine >= CANARY_COSINE:
            raise NotServableError(
                f"the canary's result is off: cosine {cosine:.3f} to the packaged one, needed {CANARY_COSINE}"
            )


def session_options(threads: int, *, optimise: bool = False) -> ort.SessionOptions:
    """Options for a graph that was optimised when it was packaged, run by `threads` threads."""
    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
