"""The metrics that AWS emits for an endpoint, put into the embedded CloudWatch.

Names, units and dimensions: SageMaker developer guide, monitoring of serverless and of asynchronous endpoints.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.aws.runtime.deployment import Deployment

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

Key = tuple[str, str, str | None, str]
"""Region, endpoint, variant (None for a metric of the endpoint as a whole), metric."""


class Metrics:
    """Collects values and writes them once a second, so that no request waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, list[float]] = defaultdict(list)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="metrics")
        self._thread.start()

    def record(self, deployment: Deployment, values: Mapping[str, float]) -> None:
        """Records the values of one request, in the metrics' units."""
        self._add(deployment, deployment.variant, values)

    def record_endpoint(self, deployment: Deployment, values: Mapping[str, float]) -> None:
        """Records values of the endpoint as a whole, which have no variant among their dimensions."""
        self._add(deployment, None, values)

    def _add(self, deployment: Deployment, variant: str | None, values: Mapping[str, float]) -> None:
        with self._lock:
            for name, value in values.items():
                self._values[deployment.region, deployment.endpoint, variant, name].append(value)

    def flush(self) -> None:
        with self._lock:
            taken, self._values = self._values, defaultdict(list)
        now = utcnow()  # moto compares without a time zone
        for (region, endpoint, variant, name), values in taken.items():
            backend = cloudwatch_backends[ACCOUNT][region]
            data = [_datum(name, value, endpoint, variant, now) for value in values]
            backend.put_metric_data(_NAMESPACES.get(name, NAMESPACE), data)

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            self.flush()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self.flush()


def _datum(name: str, value: float, endpoint: str, variant: str | None, now: datetime) -> dict[str, Any]:
    named = {"EndpointName": endpoint} | ({"VariantName": variant} if variant else {})
    dimensions = [{"Name": key, "Value": value} for key, value in named.items()]
    return {
        "MetricName": name,
        "Value": value,
        "Unit": _UNITS.get(name, "Count"),
        "Timestamp": now,
        "Dimensions": dimensions,
    }
