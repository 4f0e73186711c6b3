"""What a dashboard shows of an endpoint: panels of series, in no dashboard's own format. Pure.

Each kind of endpoint names its panels once; `cloudwatch_dashboard` writes them for CloudWatch, and `metric_queries`
asks it for what they show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from scaletozero.observability.plan import Alarm
from scaletozero.settings.alarms import Alarms

SERVICE = "AWS/SageMaker"
"""The namespace of what SageMaker measures of requests."""

INSTANCES = "/aws/sagemaker/Endpoints"
"""The namespace of what SageMaker measures inside of containers and instances."""


@dataclass(frozen=True)
class Measure:
    """One metric with its statistic.

    Attributes:
        metric: its name.
        statistic: how each period's data is summarised: `Sum`, `Maximum`, `p99`, ...
        by_variant: whether the metric belongs to the variant instead of the whole endpoint.
        namespace: the namespace of the metric.
    """

    metric: str
    statistic: str
    by_variant: bool = True
    namespace: str = SERVICE

    def of(self, dimensions: Mapping[str, str]) -> dict[str, str]:
        """The dimensions that the metric has, of an endpoint's."""
        return {key: value for key, value in dimensions.items() if self.by_variant or key != "VariantName"}


@dataclass(frozen=True)
class Series:
    """One line of a panel.

    Attributes:
        label: what the legend calls it.
        measures: metrics, by the names that `expression` gives them.
        expression: what is computed from the metrics; empty for a single metric as it is.
    """

    label: str
    measures: Mapping[str, Measure]
    expression: str = ""

    def renamed(self, ids: Mapping[str, str]) -> str:
        """The expression with other names of its metrics: in CloudWatch they are unique beyond a series."""
        pattern = "|".join(rf"\b{re.escape(name)}\b" for name in ids)
        return re.sub(pattern, lambda found: ids[found.group()], self.expression)


@dataclass(frozen=True)
class Limit:
    """A horizontal line: the threshold of an alarm, in the panel's unit."""

    label: str
    value: float


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: what it shows.
        unit: of its vertical axis.
        series: its lines.
        limits: the thresholds that are drawn into it.
        seconds: the length of a period.
    """

    title: str
    unit: str
    series: tuple[Series, ...]
    limits: tuple[Limit, ...] = ()
    seconds: int = 60


@dataclass(frozen=True)
class Watched:
    """What the panels of an endpoint depend on.

    Attributes:
        alarms: the thresholds of its alarms; None where it has none.
        provisioned: whether it has provisioned concurrency.
        usd_per_second: what a second of one container's work costs; None where there is no price, or no memory is
            given.
    """

    alarms: Alarms | None = None
    provisioned: bool = False
    usd_per_second: Decimal | None = None


def percentiles(metric: str, per_unit: float) -> tuple[Series, ...]:
    """The median, the 95th and the 99th percentile of a metric.

    Args:
        metric: its name.
        per_unit: how many of the metric's own units are one of the panel's.
    """
    return tuple(_scaled(name, metric, name, per_unit) for name in ("p50", "p95", "p99"))


def mean_and_most(metric: str, per_unit: float) -> tuple[Series, ...]:
    """The mean and the maximum of a metric whose percentiles are not published; the arguments of `percentiles`."""
    return _scaled("mean", metric, "Average", per_unit), _scaled("longest", metric, "Maximum", per_unit)


def _scaled(label: str, metric: str, statistic: str, per_unit: float) -> Series:
    return Series(label, {"value": Measure(metric, statistic)}, f"value / {per_unit:.0f}")


def limits(alarms: Iterable[Alarm], name: str, factor: float = 1) -> tuple[Limit, ...]:
    """The threshold of the alarm of that name, where there is one, in a panel's unit."""
    return tuple(Limit(f"alarm: {each.name}", each.threshold * factor) for each in alarms if each.name == name)


@dataclass(frozen=True)
class Section:
    """One endpoint on a dashboard.

    Attributes:
        title: its heading.
        dimensions: what its metrics are found by: `EndpointName` and `VariantName`.
        panels: what is shown of it.
        about: text below its heading, as Markdown.
    """

    title: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    about: str = ""
