"""Panels as queries of CloudWatch's GetMetricData, and its results as their lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from scaletozero.observability.panels import Panel

MOST_QUERIES = 500
"""Queries of one call of GetMetricData (API reference)."""

Points: TypeAlias = tuple[tuple[datetime, float], ...]
"""The begin of each period that has data, and its value, in order."""


@dataclass(frozen=True)
class Asked:
    """The queries of one panel.

    Attributes:
        panel: the panel.
        queries: `MetricDataQueries`, whose ids are unique in all that is asked for at once.
        lines: the id of each of the panel's series.
    """

    panel: Panel
    queries: tuple[Mapping[str, Any], ...]
    lines: tuple[str, ...]

    @property
    def metrics(self) -> int:
        """How many metrics it asks for, which is what CloudWatch bills."""
        return sum("MetricStat" in each for each in self.queries)


def ask(panel: Panel, dimensions: Mapping[str, str], prefix: str) -> Asked:
    """The queries of a panel.

    Args:
        panel: the panel.
        dimensions: what its metrics are found by.
        prefix: the beginning of each id, a lower-case letter first.
    """
    queries: list[Mapping[str, Any]] = []
    lines: list[str] = []
    for index, series in enumerate(panel.series):
        ids = {name: f"{prefix}_{name}{index}" for name in series.measures}
        for name, measure in series.measures.items():
            named = [{"Name": key, "Value": value} for key, value in measure.of(dimensions).items()]
            metric = {"Namespace": measure.namespace, "MetricName": measure.metric, "Dimensions": named}
            about = {"Metric": metric, "Period": panel.seconds, "Stat": measure.statistic}
            queries.append({"Id": ids[name], "MetricStat": about, "ReturnData": not series.expression})
        if series.expression:
            lines.append(f"{prefix}_line{index}")
            queries.append({"Id": lines[-1], "Expression": series.renamed(ids), "Period": panel.seconds})
        else:
            lines += ids.values()
    return Asked(panel, tuple(queries), tuple(lines))


def batches(asked: Iterable[Asked], most: int = MOST_QUERIES) -> Iterator[tuple[Asked, ...]]:
    """Panels in as few calls as their number of queries allows; an expression stays with its metrics."""
    batch: list[Asked] = []
    for each in asked:
        if batch and sum(len(one.queries) for one in batch) + len(each.queries) > most:
            yield tuple(batch)
            batch = []
        batch.append(each)
    if batch:
        yield tuple(batch)


def points(results: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Id -> its line, from `MetricDataResults` in one page or several."""
    found: dict[str, dict[datetime, float]] = {}
    for each in results:
        found.setdefault(each["Id"], {}).update(zip(each["Timestamps"], each["Values"], strict=True))
    return {name: tuple(sorted(line.items())) for name, line in found.items()}
