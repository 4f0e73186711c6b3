"""What all kinds of endpoints have in common in `bench --starts`: what is asked for, and how it is concluded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, failed, say
from scaletozero.cli.watching import Findings, Output, conclude
from scaletozero.cold_start.remembered import Start

if TYPE_CHECKING:
    from scaletozero.kubernetes.starts import Unmeasured

BROKEN_OFF = "broken off"


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        starts: how many starts.
        most_usd: the most that they may cost, in USD; None without a bound.
        yes: whether no confirmation is needed.
    """

    starts: int
    most_usd: float | None
    yes: bool

    @property
    def bound(self) -> Decimal | None:
        """`most_usd` to count with."""
        return None if self.most_usd is None else Decimal(str(self.most_usd))


@dataclass(frozen=True)
class Words:
    """How starts of a kind of endpoint are told.

    Attributes:
        start, started: what one is called, and what was done.
        usd: writes an amount.
        digits: of an amount for programs.
        then: what follows from them, for the last line.
    """

    start: str
    started: str
    usd: Callable[[Decimal], str]
    digits: int
    then: str


class Made(Protocol):
    """What came of the starts."""

    usd: Decimal
    stopped: str
    failed: bool

    @property
    def starts(self) -> Sequence[Start]: ...

    @property
    def others(self) -> Sequence[Unmeasured]: ...


def require_affordable(least: Decimal, asked: Asked, words: Words) -> None:
    """Refuses a bound for which not one start could be made.

    Args:
        least: what one start should cost, in USD.
        asked: with the bound.
        words: how they are told.
    """
    if asked.bound is not None and asked.bound < least:
        usd = words.usd(least)
        rule, given = f"must be at least what one start should cost, {usd} USD", f"{asked.most_usd:g}"
        raise refuse("--max-cost", rule, given, f"nothing was {words.started}", f"write `--max-cost {usd}`")


def finish(endpoint: str, path: Path, made: Made, asked: Asked, bound: Decimal, words: Words, output: Output) -> None:
    """Says what the starts cost, and compares, remembers and shows them.

    Args:
        endpoint, path, output: see `conclude`.
        made: what came of them.
        asked: what was asked for.
        bound: what they could cost at most, in USD.
        words: how they are told.

    Raises:
        Exit: as of `conclude`, or a start failed, or they were broken off.
    """
    more: dict[str, Any] = {
        "asked_starts": asked.starts,
        "usd_at_most": round(float(made.usd), words.digits),
        "usd_bound": round(float(bound), words.digits),
        **({"stopped": made.stopped} if made.stopped else {}),
    }
    say(f"cost: at most {words.usd(made.usd)} USD until it sleeps; the bound was {words.usd(bound)}")
    if made.stopped:
        say(f"stopped after {len(made.starts)} measured starts: {made.stopped}")
    conclude(endpoint, path, Findings(made.starts, made.others, more, words.then), output)
    if made.failed:
        raise failed(f"a {words.start} of {endpoint} failed: {made.stopped}")
    if made.stopped == BROKEN_OFF:
        raise typer.Exit(FAILED)
