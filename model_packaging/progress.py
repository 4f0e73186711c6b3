"""What a stage tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a stage.

    Attributes:
        stage: the stage's name (`inspect`, `optimise`, `quantize`, ...).
        done: steps finished, 0 when the stage begins, `total` when it has ended.
        total: steps of this stage, at least 1.
        note: what was found or is being done, a few words.
    """

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def quiet(_: Progress) -> None:
    """Tells nobody."""
