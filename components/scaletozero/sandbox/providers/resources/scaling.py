"""Application Auto Scaling: scalable targets, their policies and scheduled actions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Naming, Read, ResourceType, State, Step, Tagging

_GONE = ("ObjectNotFoundException", "No scal", "No scheduled")

_TARGET = {
    "ServiceNamespace": "serviceNamespace",
    "ResourceId": "resourceId",
    "ScalableDimension": "scalableDimension",
}
_TARGET_PROPS = frozenset(_TARGET.values())

SAGEMAKER_DIMENSIONS = ("sagemaker:variant:DesiredInstanceCount", "sagemaker:variant:DesiredProvisionedConcurrency")


def _first(key: str) -> Any:
    return lambda response, _state: (response[key] or [None])[0]


def _sagemaker_resource(state: State) -> Iterator[Failure]:
    namespace, resource, dimension = (state.get(key) for key in ("serviceNamespace", "resourceId", "scalableDimension"))
    if known(namespace) and known(dimension) and not str(dimension).startswith(f"{namespace}:"):
        yield Failure("scalableDimension", f"must be one of {namespace}, got {dimension!r}")
    of_a_variant = re.fullmatch(r"endpoint/[^/]+/variant/[^/]+", str(resource))
    if dimension in SAGEMAKER_DIMENSIONS and known(resource) and not of_a_variant:
        yield Failure("resourceId", f"must be endpoint/NAME/variant/NAME, got {resource!r}")


def _capacities(low: str, high: str, at: str = "") -> Any:
    def check(state: State) -> Iterator[Failure]:
        values = state.get(at) if at else state
        least, most = (values.get(low), values.get(high)) if isinstance(values, dict) else (None, None)
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Failure(f"{at}.{low}" if at else low, f"must be at most {high} ({most}), got {least}")
        for name, value in ((low, least), (high, most)):
            if isinstance(value, int) and value < 0:
                yield Failure(f"{at}.{name}" if at else name, f"must be at least 0, got {value}")

    return check


def _provisioned_floor(state: State) -> Iterator[Failure]:
    """Provisioned concurrency cannot be 0: a variant without any cannot be scaled (ServerlessUpdateConfig, 1-200)."""
    if state.get("scalableDimension") == SAGEMAKER_DIMENSIONS[1]:
        for prop in ("minCapacity", "maxCapacity"):
            value = state.get(prop)
            if isinstance(value, int) and not 1 <= value <= 200:
                yield Failure(prop, f"must be between 1 and 200 for provisioned concurrency, got {value}")


def _policy_matches(state: State) -> Iterator[Failure]:
    kind = state.get("policyType") or "StepScaling"
    wanted = {
        "StepScaling": "stepScalingPolicyConfiguration",
        "TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
    }
    for name, prop in wanted.items():
        given = state.get(prop) is not None
        if given != (kind == name) and kind in wanted:
            yield Failure(prop, f"must {'not ' if given else ''}be given with policyType {kind}")
    tracking = state.get("targetTrackingScalingPolicyConfiguration")
    if isinstance(tracking, dict):
        path = "targetTrackingScalingPolicyConfiguration"
        metrics = [
            key for key in ("predefinedMetricSpecification", "customizedMetricSpecification") if tracking.get(key)
        ]
        if len(metrics) != 1:
            yield Failure(path, "must have exactly one of predefinedMetricSpecification, customizedMetricSpecification")


def _schedule(state: State) -> Iterator[Failure]:
    schedule = state.get("schedule")
    if known(schedule) and not re.fullmatch(r"(at|rate|cron)\(.+\)", str(schedule)):
        yield Failure("schedule", f"must be at(...), rate(...) or cron(...), got {schedule!r}")
    action = state.get("scalableTargetAction")
    if isinstance(action, dict) and action.get("minCapacity") is None and action.get("maxCapacity") is None:
        yield Failure("scalableTargetAction", "must have minCapacity or maxCapacity")


def _with_alarms(response: Any, state: State) -> Any:
    # moto ignores PolicyNames and returns every policy of the target.
    found = next((each for each in response["ScalingPolicies"] if each["PolicyName"] == state["name"]), None)
    return found and found | {"AlarmArns": [alarm["AlarmARN"] for alarm in found.get("Alarms", [])]}


_put_policy = Step(
    "put_scaling_policy",
    {
        "PolicyName": "name",
        **_TARGET,
        "PolicyType": "policyType",
        "StepScalingPolicyConfiguration": "stepScalingPolicyConfiguration",
        "TargetTrackingScalingPolicyConfiguration": "targetTrackingScalingPolicyConfiguration",
    },
    on=("policyType", "stepScalingPolicyConfiguration", "targetTrackingScalingPolicyConfiguration"),
)

_put_action = Step(
    "put_scheduled_action",
    {
        "ScheduledActionName": "name",
        **_TARGET,
        "Schedule": "schedule",
        "Timezone": "timezone",
        "StartTime": "startTime",
        "EndTime": "endTime",
        "ScalableTargetAction": "scalableTargetAction",
    },
    on=("schedule", "timezone", "startTime", "endTime", "scalableTargetAction"),
)

ROWS = (
    ResourceType(
        kind="aws:appautoscaling/target:Target",
        service="application-autoscaling",
        id=lambda s: s["resourceId"],
        from_id=lambda i: dict(zip(("serviceNamespace", "resourceId", "scalableDimension"), _split(i), strict=False)),
        gone=_GONE,
        create=(
            Step(
                "register_scalable_target",
                {
                    **_TARGET,
                    "MinCapacity": "minCapacity",
                    "MaxCapacity": "maxCapacity",
                    "RoleARN": "roleArn",
                    "SuspendedState": "suspendedState",
                },
            ),
        ),
        update=(
            Step(
                "register_scalable_target",
                {
                    **_TARGET,
                    "MinCapacity": "minCapacity",
                    "MaxCapacity": "maxCapacity",
                    "SuspendedState": "suspendedState",
                },
                on=("minCapacity", "maxCapacity", "suspendedState"),
            ),
        ),
        reads=(
            Read(
                "describe_scalable_targets",
                {
                    "ServiceNamespace": "serviceNamespace",
                    "ResourceIds": lambda s: [s["resourceId"]],
                    "ScalableDimension": "scalableDimension",
                },
                {
                    "arn": "ScalableTargetARN",
                    "minCapacity": "MinCapacity",
                    "maxCapacity": "MaxCapacity",
                    "roleArn": "RoleARN",
                    "suspendedState": "SuspendedState",
                },
                pick=_first("ScalableTargets"),
            ),
        ),
        delete=(Step("deregister_scalable_target", _TARGET),),
        replaces=_TARGET_PROPS | {"roleArn"},
        required=("minCapacity", "maxCapacity"),
        computed=frozenset({"roleArn", "suspendedState"}),
        rules=(_sagemaker_resource, _capacities("minCapacity", "maxCapacity"), _provisioned_floor),
        tagging=Tagging(
            "tag_resource",
            "untag_resource",
            "list_tags_for_resource",
            "Tags",
            {"ResourceARN": "arn"},
            style="map",
        ),
    ),
    ResourceType(
        kind="aws:appautoscaling/policy:Policy",
        service="application-autoscaling",
        naming=Naming(limit=255),
        id=lambda s: s["name"],
        gone=_GONE,
        create=(_put_policy,),
        update=(_put_policy,),
        reads=(
            Read(
                "describe_scaling_policies",
                {"PolicyNames": lambda s: [s["name"]], **_TARGET},
                {
                    "arn": "PolicyARN",
                    "alarmArns": "AlarmArns",
                    "policyType": "PolicyType",
                    "stepScalingPolicyConfiguration": "StepScalingPolicyConfiguration",
                    "targetTrackingScalingPolicyConfiguration": "TargetTrackingScalingPolicyConfiguration",
                },
                pick=_with_alarms,
            ),
        ),
        delete=(Step("delete_scaling_policy", {"PolicyName": "name", **_TARGET}),),
        replaces=_TARGET_PROPS | {"name"},
        defaults={"policyType": "StepScaling"},
        rules=(_sagemaker_resource, _policy_matches),
        refused={"predictiveScalingPolicyConfiguration": "SageMaker has no predictive scaling"},
    ),
    ResourceType(
        kind="aws:appautoscaling/scheduledAction:ScheduledAction",
        service="application-autoscaling",
        naming=Naming(limit=255),
        id=lambda s: f"{s['name']}-{s['serviceNamespace']}-{s['resourceId']}",
        gone=_GONE,
        create=(_put_action,),
        update=(_put_action,),
        reads=(
            Read(
                "describe_scheduled_actions",
                {"ScheduledActionNames": lambda s: [s["name"]], **_TARGET},
                {
                    "arn": "ScheduledActionARN",
                    "schedule": "Schedule",
                    "timezone": "Timezone",
                    "scalableTargetAction": "ScalableTargetAction",
                },
                pick=_first("ScheduledActions"),
            ),
        ),
        delete=(Step("delete_scheduled_action", {"ScheduledActionName": "name", **_TARGET}),),
        replaces=_TARGET_PROPS | {"name"},
        required=("schedule", "scalableTargetAction"),
        defaults={"timezone": "UTC"},
        rules=(_sagemaker_resource, _schedule, _capacities("minCapacity", "maxCapacity", "scalableTargetAction")),
    ),
)


def _split(id_: str) -> list[str]:
    """Splits an import id: `sagemaker/endpoint/NAME/variant/NAME/sagemaker:variant:...`."""
    namespace, _, rest = id_.partition("/")
    resource, _, dimension = rest.rpartition("/")
    return [namespace, resource, dimension]
