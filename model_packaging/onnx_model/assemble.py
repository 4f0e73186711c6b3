"""The folder from which a candidate is served: the same files, in the same form, as in the archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from onnx import ModelProto

from model_packaging.artifact.manifest import FileEntry
from model_packaging.artifact.reader import sha256_of
from model_packaging.onnx_model.optimise import GRAPH, WEIGHTS, write
from model_packaging.onnx_model.source import TOKENIZER, Source
from model_packaging.serving import npy
from model_packaging.serving.card import CARD, CARD_SCHEMA

Role = Literal["card", "graph", "weights", "tokenizer", "canary"]
ROLES: dict[str, Role] = {CARD: "card", GRAPH: "graph", WEIGHTS: "weights", TOKENIZER: "tokenizer"}
CANARY_TEXT = "The ferry to the island leaves at seven in the morning."


def assemble(
    folder: Path,
    model: ModelProto,
    source: Source,
    name: str,
    task: str,
    canary: dict[str, Any],
    *,
    optimise: bool = False,
) -> None:
    """Writes a servable model into the empty `folder`.

    Args:
        canary: the card's record of the unquantized model's result for the canary; empty while it is unknown.
        optimise: whether the runtime has to optimise the graph when it loads it, as for the unpackaged source.
    """
    write(model, folder)
    asked = write_inputs(folder, source)
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
        "canary": {"expected": [], **asked, **canary},
        "files": files,
        **source.card,
    }
    _write_json(folder / CARD, card, sort=True)


def write_inputs(folder: Path, source: Source) -> dict[str, Any]:
    """Writes the files for a task's inputs: the tokenizer, or the canary's arrays. Returns the card's record of the
    canary's input.
    """
    if source.tokenizer is not None:
        settings = {**source.tokenizer, "padding": None, "truncation": None}
        _write_json(folder / TOKENIZER, settings, sort=False)
        return {"text": CANARY_TEXT}
    names = {name: f"canary-{index}.npy" for index, name in enumerate(source.sample)}
    for name, file in names.items():
        (folder / file).write_bytes(npy.write(source.sample[name]))
    return {"files": names}


def entries(folder: Path) -> tuple[FileEntry, ...]:
    """The manifest's entries for the files in `folder`."""
    return tuple(
        FileEntry(path=path.name, size=path.stat().st_size, sha256=sha256_of(path), role=ROLES.get(path.name, "canary"))
        for path in sorted(folder.iterdir())
    )


def model_bytes(folder: Path) -> int:
    """The size of graph and weights in `folder`, in bytes."""
    return sum((folder / name).stat().st_size for name in (GRAPH, WEIGHTS) if (folder / name).exists())


def _write_json(path: Path, content: Any, *, sort: bool) -> None:
    text = json.dumps(content, ensure_ascii=False, sort_keys=sort, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")
