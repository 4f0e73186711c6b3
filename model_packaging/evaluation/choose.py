"""Chooses the candidate to ship, by a fixed rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from model_packaging.artifact.manifest import Candidate, Speed
from model_packaging.evaluation.latency import CONFIDENCE, verdict
from model_packaging.findings import FindingsError, refuse
from model_packaging.recipes import UNQUANTIZED
from model_packaging.thresholds import Floor

CHOSEN = "chosen"

TOLERATED = 1.25
"""A latency up to so many times the source's is no reason against a candidate: which of the two is faster for a long
request depends on the CPU (int8 in blocks, all-MiniLM-L6, 256 tokens: 0.87 on one, 1.14 on another), an endpoint's is
not known here, and a smaller artifact saves more at each start."""


def choose(candidates: Sequence[Candidate], floor: Floor) -> tuple[Candidate, ...]:
    """Sets the candidates' outcomes: the first that meets the floor and is not certainly much slower is `chosen`.

    They are in the order of their expected cold start, smallest and fastest first, so the first is the best. Latency
    is not ranked: small differences are noise, and every run could ship another file. The unquantized model is
    never refused for its latency.

    Raises:
        FindingsError: none of them can be shipped.
    """
    judged = []
    found = False
    for each in candidates:
        against = _against(each, floor)
        outcome = against or ("an earlier candidate already meets the floor" if found else CHOSEN)
        found = found or not against
        judged.append(each.model_copy(update={"outcome": outcome}))
    if not found:
        raise _none(judged, floor)
    return tuple(judged)


def slower(speed: Speed) -> str:
    """The reason against a candidate that certainly takes more than `TOLERATED` times as long as its source, or ""."""
    for kind, ratio, bounds in (
        ("a short request", speed.short_ratio, speed.short_interval),
        ("a long request", speed.long_ratio, speed.long_interval),
    ):
        if bounds is not None and bounds[0] > TOLERATED:
            low, high = bounds
            certain = f"{CONFIDENCE:.0%} certain to be between {low:.2f} and {high:.2f}"
            return f"slower than the source: {ratio:.2f} times its latency for {kind}, {certain}"
    return ""


def undecided(speed: Speed) -> bool:
    """Whether it is uncertain, for a short or a long request, that the candidate is faster or slower."""
    return any(
        bounds is not None and verdict(*bounds) == "undecided" for bounds in (speed.short_interval, speed.long_interval)
    )


def too_far_only(each: Candidate, floor: Floor) -> bool:
    """Whether a measured candidate misses the floor but is not certainly much slower: a more precise one may do."""
    return each.speed is not None and not slower(each.speed) and bool(floor.against(each.figures))


def _against(each: Candidate, floor: Floor) -> str:
    if not each.figures or each.speed is None:
        return each.outcome
    return floor.against(each.figures) or ("" if each.recipe == UNQUANTIZED else slower(each.speed))


def _none(judged: list[Candidate], floor: Floor) -> FindingsError:
    unquantized = any(each.recipe == UNQUANTIZED for each in judged)
    others = (
        "find out why even the unquantized graph differs"
        if unquantized
        else "remove `recipes`, so that others are tried"
    )
    return refuse(
        "floor",
        f"at least one candidate must reach {', '.join(f'{each.words} {each.limit}' for each in floor.bounds())}",
        "; ".join(f"{each.recipe}: {each.outcome}" for each in judged),
        "nothing can be shipped",
        f"lower the floor, or {others}",
    )
