"""Application Auto Scaling of SageMaker variants: the dimension and the tags that moto lacks, and the scaling.

Provisioned concurrency follows its utilisation; instances of an asynchronous endpoint follow its backlog.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from scaletozero.partitions import iam_arn, service_principal
from scaletozero.sandbox.aws.endpoints import Endpoints
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError, Call, Handler
from scaletozero.sandbox.aws.moto_scaling import applicationautoscaling_backends
from scaletozero.sandbox.aws.scaling.activities import Activities
from scaletozero.sandbox.aws.scaling.backlog import BacklogScaling, pause
from scaletozero.sandbox.aws.scaling.cron import fires

log = logging.getLogger(__name__)

PROVISIONED = "sagemaker:variant:DesiredProvisionedConcurrency"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
EVERY_SECONDS = 1.0
WINDOW_SECONDS = 60
_PREFIX = "AnyScaleFrontendService."

Key = tuple[str, str, str]
"""Region, resource id, dimension of a scalable target."""


@dataclass
class _Seen:
    busy: deque[int] = field(default_factory=lambda: deque(maxlen=int(WINDOW_SECONDS / EVERY_SECONDS)))
    moved: datetime | None = None


class Scaling:
    """The operations, and the thread that scales."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._activities = Activities()
        self._tags: dict[str, dict[str, str]] = {}
        self._seen: dict[Key, _Seen] = defaultdict(_Seen)
        self._backlogs: dict[Key, BacklogScaling] = defaultdict(BacklogScaling)
        self._began: dict[tuple[str, str, str, str], datetime] = {}
        self._last = datetime.now(UTC)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scaling")
        self._thread.start()

    @property
    def handlers(self) -> dict[str, Handler]:
        return {
            f"{_PREFIX}RegisterScalableTarget": self.register,
            f"{_PREFIX}PutScheduledAction": self.put_action,
            f"{_PREFIX}PutScalingPolicy": self.needs_target,
            f"{_PREFIX}DescribeScalingActivities": self.activities,
            f"{_PREFIX}TagResource": self.tag,
            f"{_PREFIX}UntagResource": self.untag,
            f"{_PREFIX}ListTagsForResource": self.tags,
        }

    def register(self, call: Call) -> dict[str, Any] | None:
        """Only an existing variant can be scaled, and only what it has: provisioned concurrency or instances."""
        parameters = call.parameters
        if parameters.get("ServiceNamespace") == "sagemaker" and "/variant/" in parameters.get("ResourceId", ""):
            self._require_variant(call)
        known = self._target(call)
        least = parameters.get("MinCapacity", known.min_capacity if known else None)
        most = parameters.get("MaxCapacity", known.max_capacity if known else None)
        if least is None or most is None or least > most:
            raise _invalid(f"Maximum capacity cannot be less than minimum capacity: {least}, {most}")
        backend: Any = applicationautoscaling_backends[ACCOUNT][call.region]
        target = backend.register_scalable_target(
            parameters["ServiceNamespace"],
            parameters["ResourceId"],
            parameters["ScalableDimension"],
            least,
            most,
            parameters.get("RoleARN") or _service_role(call.region),
            parameters.get("SuspendedState"),
        )
        if parameters.get("Tags"):
            self._tags.setdefault(target.arn, {}).update(parameters["Tags"])
        return {"ScalableTargetARN": target.arn}

    def put_action(self, call: Call) -> None:
        self.needs_target(call)
        now = datetime.now(UTC)
        try:
            fires(call.parameters["Schedule"], call.parameters.get("Timezone") or "UTC", now, now, now)
        except ValueError as error:
            raise _invalid(f"Schedule {error}") from error

    def needs_target(self, call: Call) -> None:
        if self._target(call) is None:
            wanted = {key: call.parameters.get(key) for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
            raise AwsError("ObjectNotFoundException", f"No scalable target registered for {wanted}")

    def activities(self, call: Call) -> dict[str, Any]:
        return self._activities.describe(call.region, call.parameters)

    def tag(self, call: Call) -> dict[str, Any]:
        self._tags.setdefault(call.parameters["ResourceARN"], {}).update(call.parameters["Tags"])
        return {}

    def untag(self, call: Call) -> dict[str, Any]:
        for key in call.parameters["TagKeys"]:
            self._tags.get(call.parameters["ResourceARN"], {}).pop(key, None)
        return {}

    def tags(self, call: Call) -> dict[str, Any]:
        return {"Tags": self._tags.get(call.parameters["ResourceARN"], {})}

    def stop(self) -> None:
        """Stops scaling before it returns."""
        self._stopped.set()
        self._thread.join()

    def _target(self, call: Call) -> Any:
        targets: Any = applicationautoscaling_backends[ACCOUNT][call.region].targets
        return targets.get(call.parameters.get("ScalableDimension"), {}).get(call.parameters.get("ResourceId"))

    def _require_variant(self, call: Call) -> None:
        _, endpoint, _, variant = call.parameters["ResourceId"].split("/")
        found = sagemaker_backends[ACCOUNT][call.region].endpoints.get(endpoint)
        variants = {item["VariantName"]: item for item in found.production_variants} if found else {}
        if variant not in variants:
            raise _invalid(f"Could not find variant {variant} of endpoint {endpoint}.")
        warm = (variants[variant].get("CurrentServerlessConfig") or {}).get("ProvisionedConcurrency")
        if call.parameters["ScalableDimension"] == PROVISIONED and not warm:
            raise _invalid(f"Variant {variant} of endpoint {endpoint} has no provisioned concurrency to scale.")
        if call.parameters["ScalableDimension"] == INSTANCES and "CurrentServerlessConfig" in variants[variant]:
            raise _invalid(f"Variant {variant} of endpoint {endpoint} is serverless: it has no instances to scale.")

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            try:
                self.step(datetime.now(UTC))
            except Exception:
                log.exception("scaling")

    def step(self, now: datetime) -> None:
        """Takes all scaling actions that became due since the last step."""
        after, self._last = self._last, now
        for region, backend in list(applicationautoscaling_backends[ACCOUNT].items()):
            for action in list(backend.scheduled_actions):
                self._act(region, backend, action, after, now)
            for dimension, targets in list(backend.targets.items()):
                for target in list(targets.values()):
                    if target.service_namespace == "sagemaker":
                        self._scale(region, backend, dimension, target, now)

    def _act(self, region: str, backend: Any, action: Any, after: datetime, now: datetime) -> None:
        key = (region, action.resource_id, action.scalable_dimension, action.scheduled_action_name)
        since = self._began.setdefault(key, now)
        target = backend.targets.get(action.scalable_dimension, {}).get(action.resource_id)
        if target is None or (target.suspended_state or {}).get("ScheduledScalingSuspended"):
            return
        if not fires(action.schedule, action.timezone or "UTC", after, now, since):
            return
        if not _within(action, now):
            return
        capacity = action.scalable_target_action or {}
        target.update(capacity.get("MinCapacity"), capacity.get("MaxCapacity"), None)
        log.info("%s: %s sets capacity to %s", action.resource_id, action.scheduled_action_name, capacity)

    def _scale(self, region: str, backend: Any, dimension: str, target: Any, now: datetime) -> None:
        suspended = target.suspended_state or {}
        if suspended.get("DynamicScalingInSuspended") and suspended.get("DynamicScalingOutSuspended"):
            return
        _, endpoint, _, _ = target.resource_id.split("/")
        pool = self._endpoints.pool(region, endpoint)
        # A target can outlive what it scales: a configuration may have no provisioned concurrency any more.
        if pool is None or not pool.deployment.scalable:
            return
        key, current = (region, target.resource_id, dimension), pool.deployment.provisioned
        if backlog := self._endpoints.backlog(region, endpoint):
            seen = self._backlogs[key]
            seen.see(pool, backlog, now)
            if not self._endpoints.scales(region, endpoint):  # a step that failed would have to wait for its cooldown
                return
            asked = seen.asked(region, endpoint, _policies(backend, target), now)
            asked = current if asked is None else asked
        else:
            seen = self._seen[key]
            seen.busy.append(pool.busy)
            asked = max(self._tracked(backend, target, seen, current, now), default=current)
        wanted = min(max(asked, target.min_capacity), target.max_capacity)
        if wanted != current:
            bound = f"{'minimum' if wanted > asked else 'maximum'} capacity was set to {wanted}"
            cause = bound if wanted != asked else "a scaling policy asked for it"
            began = datetime.now(UTC)
            failure = self._endpoints.set_capacity(region, endpoint, wanted)
            ended = datetime.now(UTC)
            self._activities.record(region, target, wanted, cause=cause, began=began, ended=ended, failure=failure)
            seen.moved = now

    def _tracked(self, backend: Any, target: Any, seen: _Seen, current: int, now: datetime) -> Iterator[int]:
        """The capacity that each target-tracking policy requests, while its cooldown allows it."""
        for policy in _policies(backend, target):
            tracking = policy.target_tracking_scaling_policy_configuration
            if not tracking:
                continue
            if not seen.busy.maxlen or len(seen.busy) < seen.busy.maxlen:
                continue
            asked = max(1, math.ceil(sum(seen.busy) / len(seen.busy) / float(tracking["TargetValue"])))
            if asked < current and tracking.get("DisableScaleIn"):
                continue
            which = "ScaleInCooldown" if asked < current else "ScaleOutCooldown"
            yield current if seen.moved and now - seen.moved < pause(tracking, which) else asked


def _policies(backend: Any, target: Any) -> list[Any]:
    """The policies of a target."""
    return [
        policy
        for policy in list(backend.policies.values())
        if (policy.resource_id, policy.scalable_dimension) == (target.resource_id, target.scalable_dimension)
    ]


def _within(action: Any, now: datetime) -> bool:
    """Whether a moment is between the action's start and end."""
    return (not action.start_time or _time(action.start_time) <= now) and (
        not action.end_time or now <= _time(action.end_time)
    )


def _time(value: Any) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _service_role(region: str) -> str:
    name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    path = f"aws-service-role/{service_principal('sagemaker.application-autoscaling')}"
    return iam_arn(region, ACCOUNT, f"role/{path}/{name}")
