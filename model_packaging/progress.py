"""What a stage reports about its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a stage.

    Attributes:
        stage: the stage's name (`inspect`, `optimise`, `quantize`, ...).
        done: steps finished: 0 when the stage begins, `total` when it has ended.
        total: steps of this stage, at least 1.
        note: a few words on what was found or is being done.
    """

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def quiet(_: Progress) -> None:
    """Reports nothing."""
