"""One reading of an environment as JSON: what the page shows, and what `dashboard --json` prints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from model_packaging.findings import FindingsError
from scaletozero.endpoints.reopen import Closable, state
from scaletozero.environment.settings import Environment
from scaletozero.environment.usage import add_provisioned
from scaletozero.observability.metric_queries import Asked
from scaletozero.observability.usage import Metering, Used, by_month, charges_of, first_day, total, used
from scaletozero.page.content import Content, contents
from scaletozero.page.reading import CALLS, UNREADABLE, Read, begin, read_panels, read_usage
from scaletozero.spending.money import number


@dataclass(frozen=True)
class Pace:
    """How often what is read, in seconds.

    Attributes:
        panels: the panels. CloudWatch has a point a minute, and bills each metric that it is asked for.
        month: what the month has cost so far, and whether guards closed endpoints.
        deployed: which endpoints are deployed.
    """

    panels: float
    month: float
    deployed: float


ON_ACCOUNT = Pace(60, 300, 300)
IN_SANDBOX = Pace(2, 10, 10)


@dataclass(frozen=True)
class Source:
    """Where an environment is read.

    Attributes:
        settings: the environment.
        endpoints: the deployed endpoints, each with its region.
        client: makes a boto3 client of a service in a region with a configuration.
        guards: an endpoint's name at the service -> how its spending guard closes it.
        project: the project's name.
    """

    settings: Environment
    endpoints: Mapping[str, Mapping[str, Any]]
    client: Callable[[str, str, Any], Any]
    guards: Mapping[str, Closable] = field(default_factory=dict)
    project: str = ""


@dataclass
class _Known:
    """What was read last, and when on the monotonic clock."""

    source: Source
    contents: list[Content]
    at: float
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, region: str) -> Callable[[], Any]:
        """Makes the client of CloudWatch in a region, once."""

        def made() -> Any:
            return self.of("cloudwatch", region)

        return made

    def of(self, service: str, region: str) -> Any:
        """The client of a service in a region, made once."""
        if (service, region) not in self.clients:
            self.clients[service, region] = self.source.client(service, region, CALLS)
        return self.clients[service, region]

    def guard(self, content: Content) -> dict[str, Any] | None:
        """Whether an endpoint's spending guard closed it, or why that could not be read; None where it has none."""
        if (found := self.source.guards.get(content.at)) is None:
            return None
        try:
            return {"state": state(found, lambda service: self.of(service, content.region)), "error": None}
        except UNREADABLE as error:
            return {"state": None, "error": f"Whether the guard closed it could not be read: {error}"}


class Snapshots:
    """Reads an environment on demand, and not more often than its pace however many pages are open."""

    def __init__(self, name: str, find: Callable[[], Source], source: Source, *, minutes: int) -> None:
        """Args:
        name: the environment's name.
        find: finds what is deployed, again.
        source: what was found when the command began.
        minutes: the time that the panels show.
        """
        self._name, self._find, self._minutes = name, find, minutes
        self._lock = threading.Lock()
        self._known = _Known(source, contents(source.settings, source.endpoints), time.monotonic())
        self._last: tuple[float, dict[str, Any]] | None = None
        self._month: tuple[float, dict[str, Any]] | None = None
        self.pace = IN_SANDBOX if source.settings.sandbox else ON_ACCOUNT

    @property
    def metrics(self) -> int:
        """How many metrics CloudWatch is asked for each time."""
        return sum(each.metrics for one in self._known.contents for each in one.asked)

    @property
    def contents(self) -> Sequence[Content]:
        """What was read last."""
        return self._known.contents

    @property
    def title(self) -> str:
        """The heading of the environment's dashboard."""
        return f"{self._known.source.project}, {self._name}"

    def take(self) -> dict[str, Any]:
        """The environment as it is now, or was a moment ago."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last[0] >= self.pace.panels * 0.9:
                self._last = time.monotonic(), self._read()
            return self._last[1]

    def _read(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        # At the end of a minute, so that every period is a whole one, and the one that runs is in it.
        until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        since = until - timedelta(minutes=self._minutes)
        found = {
            "environment": self._name,
            "region": self._known.source.settings.region,
            "sandbox": self._known.source.settings.sandbox is not None,
            "read_at": now.isoformat(timespec="seconds"),
            "seconds_between": self.pace.panels,
            "from": since.isoformat(),
            "until": until.isoformat(),
        }
        try:
            self._refresh()
        except FindingsError as error:
            return {**found, "error": str(error.findings[0]), "spending": None, "endpoints": []}
        read = Read()
        for region in dict.fromkeys(each.region for each in self._known.contents):
            asked = [each for one in self._known.contents if one.region == region for each in one.asked]
            part = read_panels(self._known.client(region), asked, since, until)
            read.lines |= part.lines
            read.reasons |= part.reasons
        month = self._spending(now)
        return {
            **found,
            "error": None,
            "spending": month["all"],
            "endpoints": [
                {
                    **_endpoint(each, read, since),
                    "spending": month["endpoints"][each.name],
                    "guard": month["guards"][each.name],
                }
                for each in self._known.contents
            ],
        }

    def _refresh(self) -> None:
        if time.monotonic() - self._known.at < self.pace.deployed:
            return
        source = self._find()
        self._known = _Known(source, contents(source.settings, source.endpoints), time.monotonic())

    def _spending(self, now: datetime) -> dict[str, Any]:
        if self._month is None or time.monotonic() - self._month[0] >= self.pace.month:
            self._month = time.monotonic(), self._read_month(now)
        known = {each.name for each in self._known.contents}
        if known - set(self._month[1]["endpoints"]):
            self._month = time.monotonic(), self._read_month(now)
        return self._month[1]

    def _read_month(self, now: datetime) -> dict[str, Any]:
        first, found, shown = first_day(None, now), dict[str, Used](), dict[str, dict[str, Any]]()
        for each in self._known.contents:
            error, sums = None, {}
            if isinstance(each.metering, Metering):
                read = read_usage(self._known.client(each.region), each.at, each.metering, first, now)
                error, sums = (read, {}) if isinstance(read, str) else (None, read)
                if error is None:
                    error = self._count(each, used(each.metering, sums), found, first, now)
            else:
                error = each.metering
            shown[each.name] = _money([found[each.name]] if each.name in found else None, each.cap, now, error)
        spending = self._known.source.settings.spending
        missing = [name for name, each in shown.items() if each["error"]]
        error = f"Without {', '.join(missing)}, which could not be read." if missing else None
        cap = spending.cap_usd_per_month if spending else None
        guards = {each.name: self._known.guard(each) for each in self._known.contents}
        return {"all": _money(list(found.values()) or None, cap, now, error), "endpoints": shown, "guards": guards}

    def _count(
        self, content: Content, by_metrics: Used, found: dict[str, Used], first: date, now: datetime
    ) -> str | None:
        """Adds what an endpoint used, with its provisioned concurrency; returns why that could not be read."""
        source = self._known.source
        declared, about = source.settings.endpoints.get(content.name), source.endpoints[content.name]

        def client(service: str) -> Any:
            return self._known.of(service, content.region)

        try:
            found[content.name] = add_provisioned(client, content.at, declared, by_metrics, about, first, now)
        except FindingsError as error:
            return str(error.findings[0])
        except UNREADABLE as error:
            return f"Its provisioned concurrency could not be read: {error}"
        return None


def _money(found: Sequence[Used] | None, cap: Any, now: datetime, error: str | None) -> dict[str, Any]:
    charges = None if found is None else charges_of(found)
    spent = None if charges is None else total(charges)
    return {
        "spent_usd": number(spent),
        "cap_usd": number(cap),
        "left_usd": number(None if spent is None or cap is None else cap - spent),
        "usd_per_month_at_this_rate": number(None if charges is None else by_month(charges, now)),
        "error": error,
    }


def _endpoint(content: Content, read: Read, since: datetime) -> dict[str, Any]:
    return {
        "name": content.name,
        "kind": content.kind,
        "at": content.at,
        "about": content.section.about,
        "elsewhere": content.elsewhere or None,
        "panels": [_panel(each, read, since) for each in content.asked],
    }


def _panel(asked: Asked, read: Read, since: datetime) -> dict[str, Any]:
    panel = asked.panel
    reasons = list(dict.fromkeys(read.reasons[line] for line in asked.lines if line in read.reasons))
    return {
        "title": panel.title,
        "unit": panel.unit,
        "seconds": panel.seconds,
        "from": begin(since, panel.seconds).isoformat(),
        "limits": [{"label": each.label, "value": each.value} for each in panel.limits],
        "series": [
            {
                "label": series.label,
                "at": [at.astimezone(UTC).isoformat() for at, _ in read.lines.get(line, ())],
                "values": [value for _, value in read.lines.get(line, ())],
            }
            for series, line in zip(panel.series, asked.lines, strict=True)
        ],
        "error": " ".join(reasons) or None,
    }


def errors(snapshot: Mapping[str, Any]) -> Iterator[str]:
    """What could not be read, each reason once."""
    found = [snapshot["error"]] if snapshot["error"] else []
    found += [panel["error"] for each in snapshot["endpoints"] for panel in each["panels"] if panel["error"]]
    found += [each["guard"]["error"] for each in snapshot["endpoints"] if each["guard"] and each["guard"]["error"]]
    yield from dict.fromkeys(found)
