"""Which candidate is shipped: a rule, not a taste. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from model_packaging.artifact.manifest import Candidate
from model_packaging.findings import FindingsError, refuse
from model_packaging.thresholds import Floor

CHOSEN = "chosen"


def choose(candidates: Sequence[Candidate], floor: Floor) -> tuple[Candidate, ...]:
    """The candidates with their outcomes: the first that meets the floor and is not slower than the source is `chosen`.

    They come in the order of their expected cold start, smallest and fastest first, so the first is the best; latency
    is
    noise within a few percent, and a rule that ranked by it would ship another file on every run.

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


def _against(each: Candidate, floor: Floor) -> str:
    if not each.figures or each.speed is None:
        return each.outcome
    if against := floor.against(each.figures):
        return against
    if each.recipe != "fp32":
        slower = max(each.speed.short_ratio, each.speed.long_ratio)
        if slower > 1:
            return f"{slower:.2f} times the source's latency"
    return ""


def _none(judged: list[Candidate], floor: Floor) -> FindingsError:
    others = "" if any(each.recipe == "fp32" for each in judged) else ", or leave recipes out, so that others are tried"
    return refuse(
        "floor",
        f"some candidate must reach {', '.join(f'{each.words} {each.limit}' for each in floor.bounds())}",
        "; ".join(f"{each.recipe}: {each.outcome}" for each in judged),
        "nothing can be shipped",
        f"lower the floor{others or ', or look at why even the unquantized graph differs'}",
    )
