"""Reads an untrusted tokenizer.json, and its properties that packaging needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_packaging.findings import refuse
from model_packaging.magic import RUNS_CODE, sniff_file


def read(path: Path) -> dict[str, Any]:
    """Reads and decodes the tokenizer.json at `path`.

    Raises:
        FindingsError: it is missing, or is not a tokenizer.
    """
    from tokenizers import Tokenizer

    if not path.is_file():
        raise refuse(
            str(path), "the tokenizer must be a tokenizer.json", "no such file", "", "name the model's tokenizer.json"
        )
    kind = sniff_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if kind == "json" else None
        if content is not None:
            Tokenizer.from_file(str(path))
    except Exception as error:
        raise refuse(
            str(path), "the tokenizer must be a tokenizer.json", str(error)[:200], "", "name the model's tokenizer.json"
        ) from error
    if not isinstance(content, dict):
        raise refuse(
            str(path),
            "the tokenizer must be a tokenizer.json",
            f"a {kind} file",
            RUNS_CODE.get(kind, ""),
            "save the fast tokenizer of the model (`tokenizer.json`)",
        )
    return content


def size(tokenizer: dict[str, Any]) -> int:
    """The number of ids of a tokenizer.json: its largest id plus one."""
    vocabulary = (tokenizer.get("model") or {}).get("vocab") or {}
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else list(range(len(vocabulary)))
    ids += [each["id"] for each in tokenizer.get("added_tokens") or []]
    return max(ids, default=-1) + 1


def pad_of(tokenizer: dict[str, Any]) -> int:
    """The id of the padding token; 0 if there is none."""
    return next(
        (each["id"] for each in tokenizer.get("added_tokens") or [] if each["content"] in ("[PAD]", "<pad>")), 0
    )
