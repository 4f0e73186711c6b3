"""The record of scaling activities, for DescribeScalingActivities."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scaletozero.sandbox.aws.middleware import AwsError

KEPT = 1000
PAGE = 50
"""Maximum number of activities in one response (API reference, DescribeScalingActivities)."""

_WHAT = {
    "sagemaker:variant:DesiredInstanceCount": "desired instance count",
    "sagemaker:variant:DesiredProvisionedConcurrency": "desired provisioned concurrency",
}


class Activities:
    """Scaling activities, the newest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, deque[dict[str, Any]]] = {}

    def record(
        self,
        region: str,
        target: Any,
        wanted: int,
        *,
        cause: str,
        began: datetime,
        ended: datetime,
        failure: str | None,
    ) -> None:
        """Records a change of a target's capacity.

        Args:
            target: moto's scalable target.
            wanted: the requested capacity.
            failure: why it was not reached; None if it was.
        """
        what = _WHAT.get(target.scalable_dimension, "desired capacity")
        done = f"Successfully set {what} to {wanted}. Change successfully fulfilled by sagemaker."
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "ServiceNamespace": target.service_namespace,
            "ResourceId": target.resource_id,
            "ScalableDimension": target.scalable_dimension,
            "Description": f"Setting {what} to {wanted}.",
            "Cause": cause,
            "StartTime": began.timestamp(),
            "EndTime": ended.timestamp(),
            "StatusCode": "Failed" if failure else "Successful",
            "StatusMessage": f"Failed to set {what} to {wanted}. Reason: {failure}" if failure else done,
        }
        with self._lock:
            self._kept.setdefault(region, deque(maxlen=KEPT)).appendleft(activity)

    def describe(self, region: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The response of DescribeScalingActivities. Raises AwsError for an unknown token."""
        filters = ("ServiceNamespace", "ResourceId", "ScalableDimension")
        wanted = {key: parameters[key] for key in filters if key in parameters}
        with self._lock:
            kept = list(self._kept.get(region, ()))
        found = [each for each in kept if all(each[key] == value for key, value in wanted.items())]
        token = parameters.get("NextToken") or "0"
        if not (token.isascii() and token.isdecimal()):
            raise AwsError("InvalidNextTokenException", "The next token is invalid.")
        start = int(token)
        end = start + max(1, min(PAGE, int(parameters.get("MaxResults") or PAGE)))
        return {"ScalingActivities": found[start:end]} | ({"NextToken": str(end)} if end < len(found) else {})
