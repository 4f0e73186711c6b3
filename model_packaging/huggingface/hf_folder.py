"""A Hugging Face model folder, read without running any code in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.huggingface import safetensors_file
from model_packaging.huggingface.safetensors_file import SafetensorsFile
from model_packaging.magic import RUNS_CODE, sniff_file

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.h5", "*.msgpack")

# Files that a runtime reads besides the weights: settings, tokenizers of every kind, chat templates; and files that the
# licence requires to be distributed with the model. No code.
_CARRIED = (
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
    "*.tiktoken",
    "*.md",
    "LICENSE*",
    "LICENCE*",
    "NOTICE*",
    "COPYING*",
)


@dataclass(frozen=True)
class HuggingFaceFolder:
    """A checked folder.

    Attributes:
        path: the folder.
        config: `config.json`.
        shards: the weight files by name, one or many, not read yet.
        carried: the other files to keep, relative to the folder and sorted: settings, tokenizer, model card, licence.
    """

    path: Path
    config: Mapping[str, Any]
    shards: Mapping[str, SafetensorsFile]
    carried: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return sum(info.elements for shard in self.shards.values() for info in shard.tensors.values())


def read(path: Path) -> HuggingFaceFolder:
    """Checks the folder at `path` and every safetensors header in it.

    Raises:
        FindingsError: there is no `config.json`, no safetensors weights, only pickled weights, `auto_map` (which names
            code to run on load), a link that leaves the folder, a file that is a pickle under any name, a broken
            safetensors file, or an index that names a file outside the folder, omits a tensor or lists a missing one.
    """
    if not path.is_dir():
        kind = sniff_file(path) if path.is_file() else ""
        got = f"a {kind} file" if kind else "nothing there"
        rule, fix = (
            "must be a folder with config.json and safetensors weights",
            "save it with `model.save_pretrained(folder)`",
        )
        raise refuse(str(path), rule, got, RUNS_CODE.get(kind, ""), fix)
    config = read_json(path, "config.json")
    if config is None:
        raise refuse(str(path), "must contain a config.json", fix="give the folder that `save_pretrained` wrote")
    findings = [*_code(path, "config.json", config)]
    if tokenizer := read_json(path, "tokenizer_config.json"):
        findings += _code(path, "tokenizer_config.json", tokenizer)
    carried = tuple(sorted(_carried(path)))
    for name in carried:
        if (kind := sniff_file(inside(path, name))) in RUNS_CODE:
            findings.append(
                Finding(str(path / name), "must not contain code", kind, RUNS_CODE[kind], "remove the file")
            )
    if findings:
        raise FindingsError(findings)
    return HuggingFaceFolder(path, config, _shards(path), carried)


def inside(folder: Path, name: str) -> Path:
    """The file `name` of `folder`, links resolved.

    The Hub's cache keeps a snapshot as links into `blobs` two folders up; any other link that leaves the folder is
    refused, because the artifact would contain a file that was not meant to be published.

    Raises:
        FindingsError: it is not a file, or a link leads outside.
    """
    root, target = folder.resolve(), (folder / name).resolve()
    roots = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    if not any(target.is_relative_to(allowed) for allowed in roots):
        raise refuse(
            str(folder / name), "must be inside the folder", target, "a file from elsewhere would be published"
        )
    if not target.is_file():
        raise refuse(str(folder / name), "must be a file", _what(target))
    return target


def read_json(folder: Path, name: str) -> dict[str, Any] | None:
    """Reads the JSON object in `name`; None if there is no such file.

    Raises:
        FindingsError: the file is not a JSON object, or a link leads outside the folder.
    """
    if not (folder / name).exists() and not (folder / name).is_symlink():
        return None
    try:
        parsed = json.loads(inside(folder, name).read_bytes())
    except (ValueError, RecursionError) as error:
        if isinstance(error, FindingsError):
            raise
        raise refuse(str(folder / name), "must be JSON", error) from error
    if not isinstance(parsed, dict):
        raise refuse(str(folder / name), "must be a JSON object", type(parsed).__name__)
    return parsed


def _what(path: Path) -> str:
    return "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing there"


def _code(path: Path, name: str, settings: Any) -> Iterator[Finding]:
    if isinstance(settings, dict):
        if settings.get("auto_map"):
            yield Finding(
                str(path / name),
                "must not name code to run on load (auto_map)",
                ", ".join(map(str, settings["auto_map"])),
                "loading the model would run the publisher's code",
                "use an architecture that transformers includes",
            )
        for value in settings.values():
            yield from _code(path, name, value)


def _carried(path: Path) -> Iterator[str]:
    for file in path.iterdir():
        if not file.is_dir() and file.name != INDEX and any(fnmatch(file.name, pattern) for pattern in _CARRIED):
            yield file.name
    # Modules of sentence-transformers (pooling, projections) have their own folders.
    for folder in path.iterdir():
        if folder.is_dir() and (folder / "config.json").is_file() and folder.name[:1].isdigit():
            yield f"{folder.name}/config.json"
            if (folder / WEIGHTS).is_file():
                safetensors_file.read(inside(path, f"{folder.name}/{WEIGHTS}"))
                yield f"{folder.name}/{WEIGHTS}"


def _shards(path: Path) -> dict[str, SafetensorsFile]:
    index = read_json(path, INDEX)
    if index is None and not (path / WEIGHTS).exists():
        pickled = sorted(
            file.name for file in path.iterdir() if any(fnmatch(file.name, name) for name in PICKLED_WEIGHTS)
        )
        raise refuse(
            str(path),
            "must contain safetensors weights",
            ", ".join(pickled) or "no weights at all",
            RUNS_CODE["pickle"] if pickled else "",
            "save it with `model.save_pretrained(folder, safe_serialization=True)`",
        )
    if index is None:
        return {WEIGHTS: safetensors_file.read(inside(path, WEIGHTS))}
    where, placed = str(path / INDEX), index.get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise refuse(where, "must have a weight_map from tensor to file", placed)
    names = sorted(set(placed.values()))
    if outside := [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]:
        raise refuse(where, "may name safetensors files of its own folder only", ", ".join(outside))
    shards = {name: safetensors_file.read(inside(path, name)) for name in names}
    held = {tensor: name for name, shard in shards.items() for tensor in shard.tensors}
    if sum(len(shard.tensors) for shard in shards.values()) != len(held):
        raise refuse(where, "a tensor must be in one shard only", fix="save the model again")
    if wrong := sorted(tensor for tensor in placed.keys() | held if placed.get(tensor) != held.get(tensor)):
        rule = "must name the shard of every tensor"
        raise refuse(
            where, rule, f"{len(wrong)} wrong, such as {wrong[0]}", "weights would be missing", "save it again"
        )
    return shards
