"""How `bench` shows the starts of an endpoint on a cluster: as a table, for programs, and judged by the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, say, table
from scaletozero.cold_start.gate import LEAST_STARTS, TOTAL, Slower, by_phase, inside_load, interval, slower, total_of
from scaletozero.cold_start.remembered import PhaseSeconds, Start, percentile
from scaletozero.cold_start.shape import Bin, histogram, median_and_tail

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
            f"error: {each.phase} is slower: p95 {_number(each.now)} s, before {_number(each.before)} s "
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
        "starts": [each.model_dump(mode="json", exclude_none=True) for each in found],
        "not_measured": {each.pod: each.why for each in others},
        "remembered": _percentiles(alike),
        "means": [asdict(each) for each in median_and_tail(alike)] if alike else [],
        "histogram": [asdict(each) for each in histogram(list(map(total_of, alike)))],
        **({"gate": {**asdict(held), "held": not held.slower}} if held else {}),
    }


ON_CLUSTER = ("node", "pull", "load")
"""Phases that are shown of every start on a cluster: that one had none of them says that its node was there."""

BAR = 40
"""Characters of the longest bar of a histogram."""


def show(found: Sequence[Start], others: Sequence[Unmeasured], alike: Sequence[Start]) -> None:
    for each in others:
        say(f"not measured: {each.pod}: {each.why}")
    if not found:
        return
    seen = by_phase([*found, *alike])
    on_cluster = found[-1].seconds.answer is None
    always = (*ON_CLUSTER, TOTAL) if on_cluster else (TOTAL,)
    columns = [each for each in (*PhaseSeconds.model_fields, TOTAL) if each in seen or each in always]
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.instance_type, *_cells(by_phase([each]), columns)) for each in found]
    shares, place = _percentiles(alike), found[-1].instance_type
    for name in SHARES:
        cells = (_with_interval(shares[phase], name) if phase in shares else "-" for phase in columns)
        rows.append((f"{name} of {len(alike)}", place, *cells))
    for each in median_and_tail(alike) if alike else ():
        phases = {**{phase: [value] for phase, value in each.phases.items()}, TOTAL: [sum(each.phases.values())]}
        rows.append((f"{each.name}, mean of {each.count}", place, *_cells(phases, columns)))
    table(("start", "instance", *columns), rows)
    say("in brackets: the interval that holds the true percentile with 95 %; `?`: more starts are needed")
    if on_cluster and any(each.seconds.pull is None for each in found):
        say("pull is measured only where the node did not have the image, and for an hour after it was pulled")
    _show_engine(shares)
    for each in bars(histogram(list(map(total_of, alike)))):
        say(each)


def _show_engine(shares: Mapping[str, Mapping[str, Any]]) -> None:
    inside = {phase: each for phase, each in shares.items() if phase.startswith(inside_load(""))}
    rows = [(phase, each["n"], *(_with_interval(each, name) for name in SHARES)) for phase, each in inside.items()]
    if rows:
        table(("logged by the engine", "starts", *SHARES), rows)


def bars(bins: Sequence[Bin]) -> list[str]:
    """A histogram of totals, a line for each bar."""
    most = max((each.count for each in bins), default=0)
    spans = [span_of(each) for each in bins]
    width = max(map(len, spans), default=0)
    return [
        f"{span:>{width}}  {'#' * round(BAR * each.count / most)} {each.count}".rstrip()
        for span, each in zip(spans, bins, strict=True)
    ]


def span_of(each: Bin) -> str:
    """The seconds of a bar."""
    return f"{each.low:g} to {each.high:g} s"


def picture(endpoint: str, alike: Sequence[Start]) -> str:
    """The starts as SVG: the phases of the usual and of the slow ones, and how their totals are spread.

    Args:
        endpoint: the endpoint's name.
        alike: at least one start, of one image, artifact, instance type and Region.
    """
    from model_packaging.benchmark.plot import count_bars, phase_bars, whole_svg

    totals = list(map(total_of, alike))
    rows = {f"{each.name}, mean of {each.count}": each.phases for each in median_and_tail(alike)}
    spread = [(span_of(each), each.count) for each in histogram(totals)]
    title = f"Cold starts of {endpoint} on {alike[-1].instance_type}: {len(alike)}"
    said = ", ".join(f"{name} {_number(percentile(totals, share))} s" for name, share in SHARES.items())
    return whole_svg([phase_bars(rows, "s"), count_bars(spread, f"starts by their total: {said}")], title)


def _cells(phases: Mapping[str, Sequence[float]], columns: Sequence[str]) -> list[str]:
    return [f"{_number(phases[each][0])} s" if each in phases else "-" for each in columns]


def _with_interval(shares: Mapping[str, Any], name: str) -> str:
    low, high = ("?" if end is None else _number(end) for end in shares[f"{name}_interval"])
    return f"{_number(shares[name])} s ({low} to {high})"


def _number(seconds: float) -> str:
    """Whole seconds, as a cluster has them; of less than ten, hundredths if there are any."""
    return f"{seconds:.0f}" if seconds >= 10 or seconds == round(seconds) else f"{seconds:.2f}"


def told(new: Iterable[Start]) -> None:
    """Says a line of each new start."""
    for each in new:
        phases = by_phase([each])
        shown = ", ".join(f"{phase} {_number(values[0])} s" for phase, values in phases.items())
        say(f"{each.at:%H:%M:%S} {each.instance_type}: {shown}")
