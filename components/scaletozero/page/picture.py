"""An environment's dashboard on CloudWatch as a picture: the body that it gets, with one reading in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from scaletozero.observability.cloudwatch_dashboard import COLUMNS, dashboard_bodies
from scaletozero.observability.panels import Limit
from scaletozero.observability.picture import Chart, Line, Words, picture
from scaletozero.page.content import Content


def drawn(title: str, contents: Sequence[Content], snapshot: Mapping[str, Any]) -> str:
    """The SVG of an environment's dashboards, one below the other where there are several.

    Args:
        title: their heading.
        contents: the environment's endpoints. Those without panels on CloudWatch are left out.
        snapshot: the reading of them, as `Snapshots.take` made it.
    """
    shown = [each.section for each in contents if each.section.panels]
    read = iter([panel for each in snapshot["endpoints"] for panel in each["panels"]])
    charts, words, below = [], [], 0
    for body in dashboard_bodies(title, shown, str(snapshot["region"])):
        widgets = body["widgets"]
        words += [
            Words(each["properties"]["markdown"], each["y"] + below) for each in widgets if each["type"] == "text"
        ]
        charts += _charts(widgets, read, below, datetime.fromisoformat(snapshot["until"]))
        below += max(each["y"] + each["height"] for each in widgets)
    return picture(charts, words, COLUMNS)


def _charts(
    widgets: Sequence[Mapping[str, Any]], read: Iterator[Mapping[str, Any]], below: int, until: datetime
) -> Iterator[Chart]:
    """The charts of a body. Its widgets are in the order of the panels that were read."""
    for widget in (each for each in widgets if each["type"] == "metric"):
        chart, panel = widget["properties"], next(read)
        lines = (each["label"] for row in chart["metrics"] if (each := row[-1]).get("visible", True))
        horizontal = chart.get("annotations", {}).get("horizontal", ())
        yield Chart(
            chart["title"],
            chart["yAxis"]["left"]["label"],
            chart["period"],
            tuple(
                Line(label, tuple(zip(map(datetime.fromisoformat, each["at"]), each["values"], strict=True)))
                for label, each in zip(lines, panel["series"], strict=True)
            ),
            tuple(Limit(each["label"], each["value"]) for each in horizontal),
            widget["x"],
            widget["y"] + below,
            widget["width"],
            widget["height"],
            datetime.fromisoformat(panel["from"]),
            until,
            panel["error"] or "",
        )
