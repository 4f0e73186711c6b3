"""The metrics that AWS emits for a serverless endpoint, put into the embedded CloudWatch.

Names, units and dimensions: SageMaker developer guide, monitoring of serverless endpoints.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow

from scaletozero.sandbox.aws.deployment import Deployment
from scaletozero.sandbox.aws.layer import ACCOUNT

NAMESPACE = "AWS/SageMaker"
FLUSH_SECONDS = 1.0

_MICROSECONDS = ("ModelLatency", "OverheadLatency", "ModelSetupTime")
_COUNTS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")

Key = tuple[str, str, str, str]
"""Region, endpoint, variant, metric."""


class Metrics:
    """Collects values and hands them over once a second, so that no request waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, list[float]] = defaultdict(list)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="metrics")
        self._thread.start()

    def record(self, deployment: Deployment, values: Mapping[str, float]) -> None:
        """One request's values: counts, microseconds, percent."""
        with self._lock:
            for name, value in values.items():
                self._values[deployment.region, deployment.endpoint, deployment.variant, name].append(value)

    def flush(self) -> None:
        with self._lock:
            taken, self._values = self._values, defaultdict(list)
        now = utcnow()  # moto compares without a time zone
        for (region, endpoint, variant, name), values in taken.items():
            backend = cloudwatch_backends[ACCOUNT][region]
            data = [_datum(name, value, endpoint, variant, now) for value in values]
            backend.put_metric_data(NAMESPACE, data)

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            self.flush()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self.flush()


def _datum(name: str, value: float, endpoint: str, variant: str, now: datetime) -> dict[str, Any]:
    unit = "Microseconds" if name in _MICROSECONDS else "Count" if name in _COUNTS else "Percent"
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    return {"MetricName": name, "Value": value, "Unit": unit, "Timestamp": now, "Dimensions": dimensions}
