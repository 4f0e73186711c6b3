"""The metrics that AWS emits for an endpoint and for a function, put into the embedded CloudWatch.

Names, units and dimensions: SageMaker developer guide, monitoring of serverless and of asynchronous endpoints;
Lambda developer guide, types of metrics.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.aws.runtime.deployment import Deployment
from scaletozero.sandbox.clock import Clock

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
FLUSH_SECONDS = 1.0

_NAMESPACES = {"CPUUtilization": INSTANCES}
"""The namespaces of metrics that are of instances instead of requests."""

_UNITS = {
    "ServerlessConcurrentExecutionsUtilization": "Percent",
    "CPUUtilization": "Percent",
    "ApproximateAgeOfOldestRequest": "Seconds",
    "TotalProcessingTime": "Milliseconds",
    "Duration": "Milliseconds",
    **dict.fromkeys(
        (
            "ModelLatency",
            "OverheadLatency",
            "ModelSetupTime",
            "RequestDownloadLatency",
            "ResponseUploadLatency",
            "TimeInBacklog",
        ),
        "Microseconds",
    ),
}
"""The units of metrics that are not counts."""

FUNCTIONS = "AWS/Lambda"

Key = tuple[str, str, tuple[tuple[str, str], ...], str]
"""Region, namespace, dimensions, metric."""


class Metrics:
    """Collects values and writes them once a second, so that no request waits for it.

    Args:
        clock: values are reported with this machine's time, of this clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[Key, list[float]] = defaultdict(list)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="metrics")
        self._thread.start()

    def record(self, deployment: Deployment, values: Mapping[str, float]) -> None:
        """Records the values of one request, in the metrics' units."""
        self._add_endpoint(deployment, {"VariantName": deployment.variant}, values)

    def record_endpoint(self, deployment: Deployment, values: Mapping[str, float]) -> None:
        """Records values of the endpoint as a whole, which have no variant among their dimensions."""
        self._add_endpoint(deployment, {}, values)

    def record_function(self, region: str, name: str, values: Mapping[str, float]) -> None:
        """Records values of a Lambda function."""
        for metric, value in values.items():
            self._add((region, FUNCTIONS, (("FunctionName", name),), metric), value)

    def _add_endpoint(self, deployment: Deployment, more: Mapping[str, str], values: Mapping[str, float]) -> None:
        named = tuple({"EndpointName": deployment.endpoint, **more}.items())
        for name, value in values.items():
            self._add((deployment.region, _NAMESPACES.get(name, NAMESPACE), named, name), value)

    def _add(self, key: Key, value: float) -> None:
        with self._lock:
            self._values[key].append(value)

    def flush(self) -> None:
        """Writes what was recorded."""
        with self._lock:
            taken, self._values = self._values, defaultdict(list)
        now = self._clock.real().replace(tzinfo=None)  # moto compares without a time zone
        for (region, namespace, dimensions, name), values in taken.items():
            backend = cloudwatch_backends[ACCOUNT][region]
            backend.put_metric_data(namespace, [_datum(name, value, dimensions, now) for value in values])

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            self.flush()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self.flush()


def _datum(name: str, value: float, dimensions: tuple[tuple[str, str], ...], now: datetime) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Value": value,
        "Unit": _UNITS.get(name, "Count"),
        "Timestamp": now,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
    }
