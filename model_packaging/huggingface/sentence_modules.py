"""How a sentence encoder makes one embedding of many: the modules of sentence-transformers in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model_packaging.findings import FindingsError, refuse
from model_packaging.huggingface import hf_folder, safetensors_file

Mode = Literal["mean", "cls", "max"]

_MODES: dict[str, Mode] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU")


@dataclass(frozen=True)
class Dense:
    """A projection after the pooling: its weights file, dimensions, whether it has a bias, its activation's name."""

    weights: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class Pooling:
    """The modules after the encoder: the `mode` of pooling, projections, and whether the result is normalised.

    `max_length` is the encoder's maximum number of tokens; None if the folder does not state it.
    """

    mode: Mode
    dense: tuple[Dense, ...] = ()
    normalise: bool = False
    max_length: int | None = None


def read(folder: Path) -> Pooling:
    """Reads the modules of `folder`; an encoder without any is pooled by the mean, like in sentence-transformers.

    Raises:
        FindingsError: there is a module of another kind (it would be code), a pooling other than mean, cls and max, an
            encoder in a separate folder, or a projection that cannot be read.
    """
    where = str(folder / "modules.json")
    settings = hf_folder.read_json(folder, "sentence_bert_config.json") or {}
    limit = settings.get("max_seq_length")
    max_length = limit if isinstance(limit, int) and limit > 0 else None
    if not (folder / "modules.json").exists():
        return Pooling("mean", max_length=max_length)
    try:
        modules = json.loads(hf_folder.inside(folder, "modules.json").read_bytes())
        named = [(str(module["type"]).rpartition(".")[2], str(module["path"])) for module in modules]
    except FindingsError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise refuse(where, "must be a list of modules with type and path", error) from error
    mode: Mode = "mean"
    dense: list[Dense] = []
    normalise = False
    for kind, path in named:
        if kind == "Transformer" and path == "":
            continue
        if kind == "Pooling":
            mode = _mode(folder, path)
        elif kind == "Dense":
            dense.append(_dense(folder, path))
        elif kind == "Normalize":
            normalise = True
        else:
            rule = "may name Transformer (in the folder itself), Pooling, Dense and Normalize"
            raise refuse(
                where,
                rule,
                f"{kind} in {path or 'the folder itself'}",
                "the graph would lack it",
                "export it as a module",
            )
    return Pooling(mode, tuple(dense), normalise, max_length)


def _settings(folder: Path, path: str) -> dict[str, Any]:
    settings = hf_folder.read_json(folder, f"{path}/config.json")
    if settings is None:
        raise refuse(str(folder / path / "config.json"), "must contain the module's settings", "no such file")
    return settings


def _mode(folder: Path, path: str) -> Mode:
    settings = _settings(folder, path)
    said = settings.get("pooling_mode")
    on = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    on = [str(name) for name in on] or [
        key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True
    ]
    if len(on) == 1 and _MODES.get(on[0], on[0]) in _MODES.values():
        return _MODES.get(on[0], on[0])  # pyright: ignore[reportReturnType]
    got = ", ".join(on) or "none"
    raise refuse(
        str(folder / path / "config.json"),
        "the pooling must be one of mean, cls and max",
        got,
        "",
        "export it as a module",
    )


def _dense(folder: Path, path: str) -> Dense:
    where, settings = str(folder / path / "config.json"), _settings(folder, path)
    activation = str(settings.get("activation_function", "")).rpartition(".")[2]
    sides = settings.get("in_features"), settings.get("out_features")
    if activation not in _ACTIVATIONS or not all(isinstance(side, int) and side > 0 for side in sides):
        rule = f"must have in_features, out_features and one of the activations {', '.join(_ACTIVATIONS)}"
        raise refuse(where, rule, f"{sides}, {activation or 'none'}")
    weights = hf_folder.inside(folder, f"{path}/{hf_folder.WEIGHTS}")
    shape = safetensors_file.read(weights).tensors.get("linear.weight")
    if shape is None or shape.shape != sides[::-1]:
        raise refuse(str(weights), f"must contain linear.weight of shape {sides[::-1]}", shape and shape.shape)
    return Dense(weights, *sides, bias=bool(settings.get("bias", True)), activation=activation)  # pyright: ignore[reportArgumentType]
