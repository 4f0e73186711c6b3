"""One loaded model: what a request asks becomes tensors, what the session gives becomes an answer."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from model_packaging.serving.request import JSON, MAX_PAYLOAD, NPY, texts_of
from model_packaging.serving.start import NotServableError

TOKENS_PER_RUN = 2048  # padded tokens in one run of the session: bounds the memory of attention
CANARY_COSINE = 0.9  # far below any quality floor: it tells a broken runtime or CPU, not a worse model

FIELDS = {"input_ids": ("ids", "pad_id"), "attention_mask": ("attention_mask", ""), "token_type_ids": ("type_ids", "")}


class Runtime:
    """A sentence encoder in memory: a session, its tokenizer, and the card that says how they belong together."""

    def __init__(self, card: dict[str, Any], session: ort.InferenceSession, tokenizer: Tokenizer) -> None:
        self.card = card
        self._session, self._tokenizer = session, tokenizer
        self._inputs = [each.name for each in session.get_inputs()]
        self._one_at_a_time = threading.Lock()

    @classmethod
    def load(
        cls, folder: Path, card: dict[str, Any], threads: int, done: Callable[[str], None] = lambda _: None
    ) -> Runtime:
        """The model in `folder`, described by its verified `card`, with `threads` threads for one inference.

        Args:
            done: told when `tokenizer` and `session` are there.

        Raises:
            NotServableError: the session or the tokenizer cannot be loaded.
        """
        # Its thread pool costs a start more than it saves on the few texts of one request.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            tokenizer = Tokenizer.from_file(str(folder / card["tokenizer"]["file"]))
            tokenizer.enable_truncation(card["tokenizer"]["max_length"])
            done("tokenizer")
            options = session_options(threads, optimise=card["optimise"])
            session = ort.InferenceSession(str(folder / card["graph"]), options, ["CPUExecutionProvider"])
            done("session")
        except Exception as error:
            raise NotServableError(f"the model in {folder} cannot be loaded: {error}") from error
        return cls(card, session, tokenizer)

    def with_graph(self, graph: bytes) -> Runtime:
        """The same encoder on another graph, serialised, optimised here and run by one thread."""
        session = ort.InferenceSession(graph, session_options(1, optimise=True), ["CPUExecutionProvider"])
        return Runtime(self.card, session, self._tokenizer)

    def embed(self, texts: list[str]) -> np.ndarray:
        """Embeddings of `texts`, float32 of shape (texts, dimension), in their order."""
        encodings = self._tokenizer.encode_batch_fast(texts)
        lengths = np.array([len(encoding.ids) for encoding in encodings])
        order = np.argsort(-lengths, kind="stable")
        rows = np.empty((len(texts), self.card["dimension"]), np.float32)
        position = 0
        while position < len(order):
            longest = max(1, int(lengths[order[position]]))
            chosen = order[position : position + max(1, TOKENS_PER_RUN // longest)]
            rows[chosen] = self._run([encodings[index] for index in chosen], longest)
            position += len(chosen)
        return rows

    def _run(self, encodings: list[Any], longest: int) -> np.ndarray:
        feeds = {}
        for name in self._inputs:
            field, padding = FIELDS[name]
            feeds[name] = np.full(
                (len(encodings), longest), self.card["tokenizer"][padding] if padding else 0, np.int64
            )
            for row, encoding in zip(feeds[name], encodings, strict=True):
                values = getattr(encoding, field)
                row[: len(values)] = values
        return np.asarray(self._session.run([self.card["output"]], feeds)[0])

    def answer(self, request: Any, media: str = JSON) -> bytes:
        """The answer to one decoded JSON request: `{"inputs": "text" | ["text", ...]}` or the text or list itself.

        Args:
            media: `application/json` for `{"embeddings": [[...], ...]}`, `application/x-npy` for float32 of shape
                (texts, dimension).

        Raises:
            BadRequestError: the request is something else.
        """
        texts = texts_of(request)
        with self._one_at_a_time:
            vectors = self.embed(texts)
        if media == NPY:
            buffer = io.BytesIO()
            np.save(buffer, vectors, allow_pickle=False)
            return buffer.getvalue()
        return json.dumps({"embeddings": np.round(vectors.astype(np.float64), 6).tolist()}).encode()

    def largest_request(self) -> dict[str, list[str]]:
        """A request of the most bytes that a container gets, in texts that are all longer than the model reads."""
        count = 64
        text = "what a container needs is what its largest request needs " * (MAX_PAYLOAD // 57 // count)
        return {"inputs": [text] * count}

    def canary(self) -> None:
        """One inference whose answer is known.

        Raises:
            NotServableError: it fails, is not finite, or is not near the answer that the unquantized model gave
                when packaged.
        """
        canary = self.card["canary"]
        try:
            vector = self.embed([canary["text"]])[0].astype(np.float64)
        except Exception as error:
            raise NotServableError(f"the canary inference failed: {error}") from error
        expected = np.array(canary["expected"])
        seen = vector[: len(expected)]
        cosine = float(seen @ expected / max(1e-12, float(np.linalg.norm(seen) * np.linalg.norm(expected))))
        if not np.isfinite(vector).all() or len(vector) != self.card["dimension"] or not cosine >= CANARY_COSINE:
            raise NotServableError(
                f"the canary's answer is off: cosine {cosine:.3f} to the packaged one, needed {CANARY_COSINE}"
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
