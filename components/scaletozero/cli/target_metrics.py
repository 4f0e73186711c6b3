"""An endpoint's metrics in CloudWatch, a value a minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from scaletozero.cli.querying import Target
from scaletozero.settings.names import VARIANT

KEPT_SECONDS = 15 * 86_400
"""For so long CloudWatch keeps values of a minute (its user guide, metrics concepts)."""


class TargetMetrics:
    """Reads the metrics of a deployed endpoint.

    Args:
        target: the endpoint.
        since, until: the time that is read.
        clients: makes a client of a service. Default: the target's.
    """

    def __init__(
        self, target: Target, since: datetime, until: datetime, clients: Callable[[str], Any] | None = None
    ) -> None:
        self._target, self._client = target, (clients or target.client)("cloudwatch")
        self._since, self._until = since.replace(second=0, microsecond=0), until

    def of_variant(self, metric: str, statistic: str) -> list[tuple[datetime, float]]:
        """A metric of its variant: the begin of each minute that has a value, and the value."""
        return self._points(metric, statistic, {"EndpointName": self._target.name, "VariantName": VARIANT})

    def of_endpoint(self, metric: str, statistic: str) -> list[tuple[datetime, float]]:
        """A metric of the endpoint as a whole."""
        return self._points(metric, statistic, {"EndpointName": self._target.name})

    def _points(self, metric: str, statistic: str, dimensions: Mapping[str, str]) -> list[tuple[datetime, float]]:
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        about = {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": named}
        query = {"Id": "q", "MetricStat": {"Metric": about, "Period": 60, "Stat": statistic}}
        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query], StartTime=self._since, EndTime=self._until, ScanBy="TimestampAscending"
        )
        results = [each for page in pages for each in page["MetricDataResults"]]
        return sorted(
            (at.astimezone(UTC), value)
            for each in results
            for at, value in zip(each["Timestamps"], each["Values"], strict=True)
        )
