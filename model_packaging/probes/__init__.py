"""Texts to measure an encoder with, split so that what chose a recipe never scores it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from model_packaging.findings import refuse

LEAST_TEXTS = 40


@dataclass(frozen=True)
class Probe:
    """`selecting` picks the recipe's details, `scoring` decides whether it is good enough; `sha256` is over both,
    hex.
    """

    selecting: tuple[str, ...]
    scoring: tuple[str, ...]
    sha256: str


def builtin_pairs() -> tuple[tuple[str, str], ...]:
    """The sentences of this package: pairs that mean the same."""
    text = files("model_packaging.probes").joinpath("sentences.tsv").read_text(encoding="utf-8")
    first_second = [line.split("\t") for line in text.splitlines()]
    return tuple((first, second) for first, second in first_second)


def load_probe(path: Path | None) -> Probe:
    """The texts in `path`, one a line, or this package's own; alternating between the two sets, pairs kept together.

    Raises:
        FindingsError: the file is missing, not UTF-8, or has fewer than 40 different texts.
    """
    if path is None:
        groups = builtin_pairs()
    else:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise refuse(str(path), "the probe must be a UTF-8 text file", str(error), "", "one text a line") from error
        groups = tuple((line,) for line in dict.fromkeys(each.strip() for each in lines) if line)
        if len(groups) < LEAST_TEXTS:
            raise refuse(
                str(path),
                f"the probe must have at least {LEAST_TEXTS} different texts, one a line",
                str(len(groups)),
                "quality measured on fewer says little",
                "add texts like the ones the endpoint will get",
            )
    digest = hashlib.sha256("\n".join(text for group in groups for text in group).encode())
    selecting = tuple(text for group in groups[0::2] for text in group)
    scoring = tuple(text for group in groups[1::2] for text in group)
    return Probe(selecting, scoring, digest.hexdigest())
