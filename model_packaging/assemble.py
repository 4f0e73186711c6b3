"""The folder that a candidate is served from: the same files, in the same form, that the archive will hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from onnx import ModelProto

from model_packaging.artifact import sha256_of
from model_packaging.manifest import FileEntry
from model_packaging.optimise import GRAPH, WEIGHTS, write
from model_packaging.serving.start import CARD, CARD_SCHEMA
from model_packaging.source import Source

TOKENIZER = "tokenizer.json"
ROLES: dict[str, Literal["card", "graph", "weights", "tokenizer"]] = {
    CARD: "card",
    GRAPH: "graph",
    WEIGHTS: "weights",
    TOKENIZER: "tokenizer",
}
CANARY_TEXT = "The ferry to the island leaves at seven in the morning."
CANARY_NUMBERS = 32


def assemble(
    folder: Path,
    model: ModelProto,
    source: Source,
    name: str,
    task: str,
    canary: list[float],
    *,
    optimise: bool = False,
) -> None:
    """Writes a servable model into the empty `folder`.

    Args:
        canary: the first numbers of the unquantized model's answer to the canary text; empty while that is not known.
        optimise: whether the runtime has to optimise the graph when it loads it (the unpackaged source does).
    """
    write(model, folder)
    settings = {**source.tokenizer, "padding": None, "truncation": None}
    _write_json(folder / TOKENIZER, settings, sort=False)
    files = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.iterdir())
        if path.name != CARD
    }
    card = {
        "schema": CARD_SCHEMA,
        "name": name,
        "task": task,
        "graph": GRAPH,
        "optimise": optimise,
        "output": source.output,
        "dimension": source.dimension,
        "tokenizer": {"file": TOKENIZER, "max_length": source.max_length, "pad_id": source.pad_id},
        "canary": {"text": CANARY_TEXT, "expected": canary},
        "files": files,
    }
    _write_json(folder / CARD, card, sort=True)


def canary_numbers(vector: Any) -> list[float]:
    """What the card records of the canary's answer: few numbers, two significant digits, the same on every machine."""
    return [float(f"{value:.2g}") for value in vector[:CANARY_NUMBERS]]


def entries(folder: Path) -> tuple[FileEntry, ...]:
    """What the manifest says of each file in `folder`."""
    return tuple(
        FileEntry(path=path.name, size=path.stat().st_size, sha256=sha256_of(path), role=ROLES[path.name])
        for path in sorted(folder.iterdir())
    )


def model_bytes(folder: Path) -> int:
    """Bytes of graph and weights in `folder`."""
    return sum((folder / name).stat().st_size for name in (GRAPH, WEIGHTS) if (folder / name).exists())


def _write_json(path: Path, content: Any, *, sort: bool) -> None:
    text = json.dumps(content, ensure_ascii=False, sort_keys=sort, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")
