"""Tasks on texts: embeddings, classes of a text, classes of its tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging.serving.request import JSON, MAX_PAYLOAD, texts_of
from model_packaging.serving.task import Answers, Run, Task, activated, best, label_of
from model_packaging.serving.tokenizer import load_tokenizer

TOKENS_PER_RUN = 2048  # padded tokens in one run of the session: bounds the memory of attention

FIELDS = {"input_ids": ("ids", "pad_id"), "attention_mask": ("attention_mask", ""), "token_type_ids": ("type_ids", "")}
OUTSIDE = "O"  # the label of a token outside any entity, in every tagging scheme


class Texts(Task):
    """Base class of the tasks on texts: a tokenizer, and runs of texts of similar lengths."""

    def __init__(self, card: dict[str, Any], folder: Path, tokenizer: Any = None) -> None:
        super().__init__(card, folder, tokenizer)
        self.tokenizer = tokenizer or load_tokenizer(card, folder)

    def items(self, request: Any) -> list[str]:
        return texts_of(request)

    def compute(self, run: Run, items: list[str]) -> Answers:
        encodings = self.tokenizer.encode_batch_fast(items)
        lengths = np.array([len(encoding.ids) for encoding in encodings])
        order = np.argsort(-lengths, kind="stable")
        rows: list[np.ndarray] = [np.empty(0)] * len(items)
        position = 0
        while position < len(order):
            longest = max(1, int(lengths[order[position]]))
            chosen = order[position : position + max(1, TOKENS_PER_RUN // longest)]
            picked = [encodings[index] for index in chosen]
            (values,) = run(self._feeds(picked, longest))
            for index, encoding, value in zip(chosen, picked, values, strict=True):
                rows[index] = self.row(encoding, value)
            position += len(chosen)
        return {self.outputs[0]: self.joined(rows)}

    def row(self, encoding: Any, value: np.ndarray) -> np.ndarray:
        """The part of one text's output that is kept."""
        return value

    def joined(self, rows: list[np.ndarray]) -> Any:
        """The rows of a request as one value."""
        return np.stack(rows)

    def _feeds(self, encodings: list[Any], longest: int) -> dict[str, np.ndarray]:
        feeds = {}
        for name, (field, padding) in FIELDS.items():
            feeds[name] = np.full(
                (len(encodings), longest), self.card["tokenizer"][padding] if padding else 0, np.int64
            )
            for row, encoding in zip(feeds[name], encodings, strict=True):
                values = getattr(encoding, field)
                row[: len(values)] = values
        return feeds

    def sample(self) -> list[str]:
        return [self.card["canary"]["text"]]

    def largest(self) -> list[tuple[bytes, str]]:
        count = 64
        text = "what a container needs is what its largest request needs " * (MAX_PAYLOAD // 57 // count)
        return [(json.dumps({"inputs": [text] * count}).encode()[:MAX_PAYLOAD], JSON)]


class SentenceEmbedding(Texts):
    """A text's embedding, float32 of shape (texts, dimension)."""

    def content(self, items: list[str], answers: Answers) -> dict[str, Any]:
        return {"embeddings": np.round(self.array(answers).astype(np.float64), 6).tolist()}


class TextClassification(Texts):
    """A text's class: probabilities, float32 of shape (texts, classes)."""

    def row(self, encoding: Any, value: np.ndarray) -> np.ndarray:
        return activated(value, self.card["activation"])

    def content(self, items: list[str], answers: Answers) -> dict[str, Any]:
        return {"predictions": [best(self.card["labels"], row) for row in self.array(answers)]}


class TokenClassification(Texts):
    """The class of each token of a text, except special tokens: probabilities, float32 of shape (tokens, classes)."""

    gives = (JSON,)  # texts differ in length, so their results are not one array

    def row(self, encoding: Any, value: np.ndarray) -> np.ndarray:
        own = np.flatnonzero(np.array(encoding.special_tokens_mask, dtype=np.int64) == 0)
        return activated(value[own], self.card["activation"])

    def joined(self, rows: list[np.ndarray]) -> Any:
        return rows

    def content(self, items: list[str], answers: Answers) -> dict[str, Any]:
        (values,) = answers.values()
        # Encoded again, because only this call returns the tokens' positions in the text.
        encodings = self.tokenizer.encode_batch(items)
        return {"entities": [self._entities(*each) for each in zip(items, encodings, values, strict=True)]}

    def _entities(self, text: str, encoding: Any, probabilities: np.ndarray) -> list[dict[str, Any]]:
        spans = [
            span for span, special in zip(encoding.offsets, encoding.special_tokens_mask, strict=True) if not special
        ]
        found = []
        for (start, end), row in zip(spans, probabilities, strict=True):
            index = int(row.argmax())
            label = label_of(self.card["labels"], index)
            if label != OUTSIDE:
                score = round(float(row[index]), 6)
                found.append({"entity": label, "score": score, "word": text[start:end], "start": start, "end": end})
        return found
