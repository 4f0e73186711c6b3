"""CloudWatch's dashboards: panels as the bodies that PutDashboard takes, and the rules on them. Pure.

The rules are those of the API's page "Dashboard Body Structure and Syntax", of its quotas, and of metric math. They
are held here because PutDashboard is only called after everything else exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_packaging.findings import Finding, FindingsError
from scaletozero.observability.panels import Measure, Panel, Section

WIDGETS = 500
"""Widgets of one dashboard (CloudWatch service quotas)."""

METRICS = 2500
"""Metrics of one dashboard, over all of its widgets (CloudWatch service quotas)."""

METRICS_OF_A_WIDGET = 500
"""Metrics of one widget (CloudWatch service quotas)."""

COLUMNS = 24
"""The width of a dashboard's grid."""

WIDTH, HEIGHT = 8, 6
"""Of a panel: three in a row."""

HEADING = 2
"""The height of a section's heading."""

_STATISTIC = r"SampleCount|Average|Sum|Minimum|Maximum|IQM|(?:p|tm|tc|ts|wm)\d{1,2}(?:\.\d{1,10})?|p100"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Options(_Strict):
    """What is said of a metric, or an expression, as the last element of its row."""

    id: Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]{0,254}$")] | None = None
    expression: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    label: str | None = None
    stat: Annotated[str, Field(pattern=rf"^(?:{_STATISTIC})$")] | None = None
    period: Annotated[int, Field(ge=60, multiple_of=60)] | None = None
    visible: bool | None = None
    region: str | None = None


class Axis(_Strict):
    """One side's vertical axis."""

    label: str | None = None
    min: float | None = None
    max: float | None = None
    showUnits: bool | None = None  # noqa: N815 - CloudWatch's spelling, as all below


class Axes(_Strict):
    """The vertical axes."""

    left: Axis | None = None
    right: Axis | None = None


class Line(_Strict):
    """A horizontal line."""

    label: str
    value: float


class Annotations(_Strict):
    """What is drawn beside the metrics."""

    horizontal: tuple[Line, ...] = ()


class MetricProperties(_Strict):
    """A chart of metrics."""

    title: str
    region: Annotated[str, Field(min_length=1)]
    view: Literal["timeSeries", "singleValue", "bar", "pie", "gauge", "table"] = "timeSeries"
    stacked: bool = False
    period: Annotated[int, Field(ge=60, multiple_of=60)]
    stat: Annotated[str, Field(pattern=rf"^(?:{_STATISTIC})$")] | None = None
    metrics: Annotated[list[list[Any]], Field(min_length=1, max_length=METRICS_OF_A_WIDGET)]
    yAxis: Axes | None = None  # noqa: N815
    annotations: Annotations | None = None

    @model_validator(mode="after")
    def _rows(self) -> MetricProperties:
        ids: list[str] = []
        expressions: list[str] = []
        for index, row in enumerate(self.metrics):
            names = [each for each in row if isinstance(each, str)]
            options = Options.model_validate(row[-1]) if row and isinstance(row[-1], Mapping) else Options()
            if len(names) + isinstance(row[-1] if row else None, Mapping) != len(row):
                raise ValueError(f"metrics.{index}: must be strings, with options as the last element")
            if options.expression is not None:
                expressions.append(options.expression)
            if bool(names) == (options.expression is not None):
                raise ValueError(f"metrics.{index}: must be either a metric or an expression")
            if names and (len(names) < 2 or len(names) % 2):
                raise ValueError(f"metrics.{index}: must be a namespace, a metric, and dimensions with a value each")
            ids += [options.id] if options.id else []
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise ValueError(f"an id must be unique in its widget: {', '.join(sorted(twice))}")
        for expression in expressions:
            # In metric math, functions and keywords are in capitals, and ids begin with a small letter.
            used = set(re.findall(r"\b[a-z]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)))
            if unknown := used - set(ids):
                raise ValueError(f"{expression}: unknown ids: {', '.join(sorted(unknown))}")
        return self


class TextProperties(_Strict):
    """Text."""

    markdown: Annotated[str, Field(min_length=1)]


class _Placed(_Strict):
    x: Annotated[int, Field(ge=0, lt=COLUMNS)]
    y: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1, le=COLUMNS)]
    height: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _inside(self) -> _Placed:
        if self.x + self.width > COLUMNS:
            raise ValueError(f"x + width must be at most {COLUMNS}")
        return self


class MetricWidget(_Placed):
    """A chart on the grid."""

    type: Literal["metric"] = "metric"
    properties: MetricProperties


class TextWidget(_Placed):
    """Text on the grid."""

    type: Literal["text"] = "text"
    properties: TextProperties


class Body(_Strict):
    """A dashboard's body."""

    start: Annotated[str, Field(pattern=r"^-P(?:\d{1,3}[DWM]|T\d{1,3}[HM])$")] | None = None
    periodOverride: Literal["auto", "inherit"] | None = None  # noqa: N815
    widgets: Annotated[
        list[Annotated[MetricWidget | TextWidget, Field(discriminator="type")]], Field(min_length=1, max_length=WIDGETS)
    ]

    @model_validator(mode="after")
    def _metrics(self) -> Body:
        count = sum(len(each.properties.metrics) for each in self.widgets if isinstance(each, MetricWidget))
        if count > METRICS:
            raise ValueError(f"may have at most {METRICS} metrics, has {count}")
        return self


def check_body(body: Mapping[str, Any], name: str) -> None:
    """Holds a dashboard's body to CloudWatch's rules.

    Args:
        body: the body.
        name: the dashboard's name, the root of every finding's path.

    Raises:
        FindingsError: CloudWatch would refuse it.
    """
    try:
        Body.model_validate(body)
    except ValidationError as error:
        raise FindingsError(
            Finding(
                ".".join([name, *map(str, each["loc"])]),
                f"must be what CloudWatch takes: {each['msg']}",
                "a body that is not",
                "CloudWatch would refuse the dashboard",
            )
            for each in error.errors(include_url=False, include_input=False)
        ) from None


def dashboard_bodies(title: str, sections: Iterable[Section], region: str) -> list[dict[str, Any]]:
    """The panels of endpoints as the bodies of as many dashboards as CloudWatch's limits require, in order.

    Args:
        title: the heading of each.
        sections: the endpoints. One endpoint stays on one dashboard.
        region: of the metrics, for every widget: a dashboard itself belongs to no region.
    """
    pages: list[list[Section]] = [[]]
    for section in sections:
        if pages[-1] and not _fits([*pages[-1], section]):
            pages.append([])
        pages[-1].append(section)
    return [
        {
            "start": "-PT12H",
            # Each panel keeps its own period, whatever time is shown: an hour's count is one of an hour.
            "periodOverride": "inherit",
            "widgets": list(_widgets(_heading(title, number, len(pages)), page, region)),
        }
        for number, page in enumerate(pages, 1)
    ]


def _heading(title: str, number: int, count: int) -> str:
    return f"# {title}" + (f" ({number} of {count})" if count > 1 else "")


def _fits(sections: Sequence[Section]) -> bool:
    widgets = 1 + sum(1 + len(each.panels) for each in sections)
    metrics = sum(len(list(_rows(panel, {}))) for each in sections for panel in each.panels)
    return widgets <= WIDGETS and metrics <= METRICS


def _widgets(heading: str, sections: Iterable[Section], region: str) -> Iterator[dict[str, Any]]:
    yield _text(heading, 0)
    y = HEADING
    for section in sections:
        yield _text(f"## {section.title}" + (f"\n{section.about}" if section.about else ""), y)
        y += HEADING
        for index, panel in enumerate(section.panels):
            row, column = divmod(index, COLUMNS // WIDTH)
            yield {
                "type": "metric",
                "x": column * WIDTH,
                "y": y + row * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": _chart(panel, section.dimensions, region),
            }
        y += -(-len(section.panels) // (COLUMNS // WIDTH)) * HEIGHT


def _text(markdown: str, y: int) -> dict[str, Any]:
    return {
        "type": "text",
        "x": 0,
        "y": y,
        "width": COLUMNS,
        "height": HEADING,
        "properties": {"markdown": markdown},
    }


def _chart(panel: Panel, dimensions: Mapping[str, str], region: str) -> dict[str, Any]:
    chart: dict[str, Any] = {
        "title": panel.title,
        "region": region,
        "view": "timeSeries",
        "stacked": False,
        "period": panel.seconds,
        "metrics": list(_rows(panel, dimensions)),
        "yAxis": {"left": {"label": panel.unit, "min": 0, "showUnits": False}},
    }
    if panel.limits:
        chart["annotations"] = {"horizontal": [{"label": each.label, "value": each.value} for each in panel.limits]}
    return chart


def _rows(panel: Panel, dimensions: Mapping[str, str]) -> Iterator[list[Any]]:
    for index, series in enumerate(panel.series):
        # The same name may stand in each of a panel's series, and an id has to be unique.
        ids = {name: f"{name}{index}" for name in series.measures}
        if series.expression:
            yield [{"expression": series.renamed(ids), "label": series.label, "id": f"series{index}"}]
        for name, measure in series.measures.items():
            shown: dict[str, Any] = {"visible": False} if series.expression else {"label": series.label}
            yield [*_metric(measure, dimensions), {"id": ids[name], "stat": measure.statistic, **shown}]


def _metric(measure: Measure, dimensions: Mapping[str, str]) -> list[str]:
    return [measure.namespace, measure.metric, *(part for pair in measure.of(dimensions).items() for part in pair)]
