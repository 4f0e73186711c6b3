"""What the page shows of an environment: its endpoints with the panels of their dashboards, and their caps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from model_packaging.validation import parse
from scaletozero.endpoints.dashboard_sections import section, watched
from scaletozero.endpoints.kind import without_none
from scaletozero.endpoints.kinds import KINDS
from scaletozero.environment.settings import Environment
from scaletozero.environment.usage import metering_of
from scaletozero.observability.metric_queries import Asked, ask
from scaletozero.observability.panels import Section
from scaletozero.observability.usage import Metering
from scaletozero.settings.dashboards import DashboardEndpoint


@dataclass(frozen=True)
class Content:
    """One endpoint on the page.

    Attributes:
        name: its name in the environment.
        kind: its kind.
        at: its name at the service.
        region: where its metrics are.
        section: its panels.
        asked: the queries of each panel.
        metering: what to read of what it used, or why nothing can be.
        cap: the most that a month of it may cost, in USD.
        elsewhere: why it has no panels; empty if it has.
    """

    name: str
    kind: str
    at: str
    region: str
    section: Section
    asked: tuple[Asked, ...]
    metering: Metering | str
    cap: Decimal | None
    elsewhere: str = ""


def contents(settings: Environment, deployed: Mapping[str, Mapping[str, Any]]) -> list[Content]:
    """What the page shows.

    Args:
        settings: the environment, of which alarms, scaling and caps are shown.
        deployed: name -> what the stack's state has of an endpoint, with its region.
    """
    return [_content(index, name, settings, about) for index, (name, about) in enumerate(deployed.items())]


def _content(index: int, name: str, settings: Environment, about: Mapping[str, Any]) -> Content:
    kind, region = KINDS[about["kind"]], about["region"]
    declared = settings.endpoints.get(name)
    shown = None
    if declared is not None and declared.kind == kind.name:
        shown = kind.on_dashboard(name, declared, about.get("memory_mb"))
        if shown is not None:
            shown |= without_none({"cap_usd_per_month": settings.month_cap(name)})
    elif not kind.on_cluster:  # declared by a program of its own, so that its alarms are not known here
        shown = {"title": name, "kind": kind.name, **without_none({"memory_mb": about.get("memory_mb")})}
    if shown is None:
        found, elsewhere = Section(name), "Its metrics are in its cluster's Prometheus, which Grafana shows."
    else:
        endpoint = parse(DashboardEndpoint, {**shown, "endpoint_name": about["name"]}, name)
        found, elsewhere = section(endpoint, watched(endpoint, region), about["name"]), ""
    asked = tuple(ask(each, found.dimensions, f"e{index}p{at}") for at, each in enumerate(found.panels))
    cap = settings.spending.endpoints.get(name) if settings.spending else None
    return Content(name, kind.name, about["name"], region, found, asked, metering_of(about), cap, elsewhere)
