"""How `bench` shows the starts of an endpoint on a cluster: as a table, for programs, and judged by the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, say, table
from scaletozero.cold_start.gate import LEAST_STARTS, TOTAL, Slower, by_phase, interval, slower
from scaletozero.cold_start.remembered import PhaseSeconds, Start, percentile

if TYPE_CHECKING:
    from scaletozero.kubernetes.starts import Unmeasured


def _place(start: Start) -> tuple[str, str]:
    return start.region, start.instance_type


def served(start: Start) -> tuple[str, ...]:
    return start.region, start.instance_type, start.image, start.artifact


@dataclass(frozen=True)
class Held:
    """The comparison with the remembered starts.

    Attributes:
        margin: the share by which a phase may be slower.
        before, now: how many starts were compared.
        slower: the phases that are slower.
    """

    margin: float
    before: int
    now: int
    slower: tuple[Slower, ...]


def held_to(endpoint: str, known: Sequence[Start], found: Sequence[Start], margin: float) -> Held:
    """Compares new starts with the last ones that were remembered on the same instance type.

    Another image or artifact is what the gate is there to judge; another instance type is no regression of either.

    Raises:
        FindingsError: there are too few starts to compare.
    """
    now = [each for each in found if _place(each) == _place(found[-1])]
    new = {each.id for each in now}
    others = [each for each in known if each.id not in new and _place(each) == _place(found[-1])]
    before = [each for each in others if served(each) == served(others[-1])]
    for what, starts in (("remembered", before), ("new", now)):
        if len(starts) < LEAST_STARTS:
            raise refuse(
                endpoint,
                f"must have {LEAST_STARTS} {what} starts on {found[-1].instance_type} to be compared",
                f"{len(starts)}",
                "a difference could not be told from chance, and nothing was remembered",
                "run `scaletozero bench` without --gate while its replicas start, and try again",
            )
    return Held(margin, len(before), len(now), tuple(slower(by_phase(before), by_phase(now), margin)))


def judge(endpoint: str, held: Held) -> None:
    """Says what the comparison found.

    Raises:
        Exit: a phase is slower.
    """
    compared = f"{held.now} starts against {held.before} remembered, margin {held.margin * 100:g} %"
    for each in held.slower:
        say(
            f"error: {each.phase} is slower: p95 {each.now:.0f} s, before {each.before:.0f} s "
            f"(+{each.percent:.0f} %, p = {each.chance:.3f}; {compared})"
        )
    if held.slower:
        say(f"{endpoint}: the starts are not remembered. To accept them, run this again without --gate.")
        raise typer.Exit(FAILED)
    say(f"no phase is slower: {compared}")


def _percentiles(starts: Sequence[Start]) -> dict[str, dict[str, Any]]:
    return {phase: shares_of(values) for phase, values in by_phase(starts).items()}


SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}


def shares_of(values: Sequence[float]) -> dict[str, Any]:
    """How many values there are, and their percentiles, each with its interval."""
    found: dict[str, Any] = {"n": len(values)}
    for name, share in SHARES.items():
        ends = interval(values, share)
        found |= {name: percentile(values, share), f"{name}_interval": [ends.low, ends.high]}
    return found


def report(
    endpoint: str,
    found: Sequence[Start],
    others: Sequence[Unmeasured],
    alike: Sequence[Start],
    held: Held | None,
) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "starts": [each.model_dump(mode="json") for each in found],
        "not_measured": {each.pod: each.why for each in others},
        "remembered": _percentiles(alike),
        **({"gate": {**asdict(held), "held": not held.slower}} if held else {}),
    }


def show(found: Sequence[Start], others: Sequence[Unmeasured], alike: Sequence[Start]) -> None:
    for each in others:
        say(f"not measured: {each.pod}: {each.why}")
    if not found:
        return
    seen = by_phase([*found, *alike])
    columns = [each for each in (*PhaseSeconds.model_fields, TOTAL) if each in seen or each != "poll"]
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.instance_type, *_cells(by_phase([each]), columns)) for each in found]
    shares = _percentiles(alike)
    for name in SHARES:
        cells = (_with_interval(shares[phase], name) if phase in shares else "-" for phase in columns)
        rows.append((f"{name} of {len(alike)}", found[-1].instance_type, *cells))
    table(("start", "instance", *columns), rows)
    say("in brackets: the interval that holds the true percentile with 95 %; `?`: more starts are needed")
    if any(each.seconds.pull is None for each in found):
        say("pull is measured only where the node did not have the image, and for an hour after it was pulled")


def _cells(phases: Mapping[str, Sequence[float]], columns: Sequence[str]) -> list[str]:
    return [f"{phases[each][0]:.0f} s" if each in phases else "-" for each in columns]


def _with_interval(shares: Mapping[str, Any], name: str) -> str:
    low, high = ("?" if end is None else f"{end:.0f}" for end in shares[f"{name}_interval"])
    return f"{shares[name]:.0f} s ({low} to {high})"


def told(new: Iterable[Start]) -> None:
    """Says a line of each new start."""
    for each in new:
        phases = by_phase([each])
        shown = ", ".join(f"{phase} {values[0]:.0f} s" for phase, values in phases.items())
        say(f"{each.at:%H:%M:%S} {each.instance_type}: {shown}")
