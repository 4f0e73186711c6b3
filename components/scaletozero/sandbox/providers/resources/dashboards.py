"""CloudWatch dashboards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Read, ResourceType, State, Step

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")

_TYPES = frozenset({"metric", "text", "log", "alarm", "explorer", "chart"})

_MOST_WIDGETS = 500


def _named(state: State) -> Iterator[Failure]:
    name = state.get("dashboardName")
    if known(name) and isinstance(name, str) and not _NAME.fullmatch(name):
        yield Failure("dashboardName", f"must have 1 to 255 letters, digits, hyphens and underscores, got {name!r}")


def _body(state: State) -> Iterator[Failure]:
    """What PutDashboard refuses, and moto takes."""
    text = state.get("dashboardBody")
    if not known(text) or not isinstance(text, str):
        return
    try:
        body = json.loads(text)
    except ValueError:
        yield Failure("dashboardBody", "must be JSON")
        return
    widgets = body.get("widgets") if isinstance(body, dict) else None
    if not isinstance(widgets, list):
        yield Failure("dashboardBody", "must be an object with a list of `widgets`")
        return
    if len(widgets) > _MOST_WIDGETS:
        yield Failure("dashboardBody", f"may have at most {_MOST_WIDGETS} widgets, got {len(widgets)}")
    for index, widget in enumerate(widgets):
        yield from (Failure(f"dashboardBody.widgets[{index}]", reason) for reason in _wrong(widget))


def _wrong(widget: Any) -> Iterator[str]:
    if not isinstance(widget, dict) or widget.get("type") not in _TYPES:
        yield f"must have a type, one of {', '.join(sorted(_TYPES))}"
        return
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield "must have properties"
        return
    if widget["type"] == "metric":
        if not properties.get("region"):
            yield "must have the region of its metrics"
        if not properties.get("metrics") and not properties.get("annotations"):
            yield "must have metrics or annotations"
    if widget["type"] == "text" and not properties.get("markdown"):
        yield "must have markdown"


_put = Step(
    "put_dashboard", {"DashboardName": "dashboardName", "DashboardBody": "dashboardBody"}, on=("dashboardBody",)
)

ROWS = (
    ResourceType(
        kind="aws:cloudwatch/dashboard:Dashboard",
        service="cloudwatch",
        id=lambda s: s["dashboardName"],
        from_id=lambda i: {"dashboardName": i},
        create=(_put,),
        update=(_put,),
        reads=(
            Read(
                "get_dashboard",
                {"DashboardName": "@id"},
                {"dashboardName": "DashboardName", "dashboardBody": "DashboardBody", "dashboardArn": "DashboardArn"},
            ),
        ),
        delete=(Step("delete_dashboards", {"DashboardNames": lambda s: [s["@id"]]}, gone=("ResourceNotFound",)),),
        gone=("ResourceNotFound", "DashboardNotFoundError"),
        replaces=frozenset({"dashboardName"}),
        required=("dashboardBody",),
        json=frozenset({"dashboardBody"}),
        rules=(_named, _body),
    ),
)
