"""Application Auto Scaling: when schedules fire, what a target takes, and that processes follow it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.scaling.cron import fires

RESOURCE = "endpoint/a/variant/main"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(expression: str, zone: str, start: str, end: str) -> list[str]:
    """The minutes, in UTC, at which it fires."""
    now, found = utc(start), []
    while now < utc(end):
        then = now + timedelta(minutes=1)
        if fires(expression, zone, now, then, utc(start)):
            found.append(then.strftime("%dT%H:%M"))
        now = then
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "start", "end", "expected"),
    [
        ("cron(0 8 ? * MON-FRI *)", "Europe/Berlin", "2026-11-20T00:00", "2026-11-24T00:00", ["20T07:00", "23T07:00"]),
        ("cron(30 7,9 * * ? *)", "UTC", "2026-01-01T00:00", "2026-01-02T00:00", ["01T07:30", "01T09:30"]),
        ("cron(0/30 12 1 1 ? 2026)", "UTC", "2026-01-01T00:00", "2026-01-02T00:00", ["01T12:00", "01T12:30"]),
        ("cron(0 0 ? * SUN *)", "UTC", "2026-01-03T00:00", "2026-01-05T00:00", ["04T00:00"]),
        ("at(2026-01-01T12:00:00)", "Europe/Berlin", "2026-01-01T00:00", "2026-01-02T00:00", ["01T11:00"]),
        ("rate(6 hours)", "UTC", "2026-01-01T00:00", "2026-01-01T23:00", ["01T06:00", "01T12:00", "01T18:00"]),
        # clocks go forward: 02:30 does not exist; back: it is there twice and counts once
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T12:00", []),
        ("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T12:00", ["25T00:30"]),
    ],
)
def test_when_a_schedule_fires(expression: str, zone: str, start: str, end: str, expected: list[str]) -> None:
    assert fired(expression, zone, start, end) == expected


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 90))
def test_every_day_means_once_a_day(minute: int, hour: int, minutes_between_looks: int) -> None:
    now, count = utc("2026-01-01T00:00") - timedelta(minutes=1), 0
    end = now + timedelta(days=2)
    while now < end:
        then = min(now + timedelta(minutes=minutes_between_looks), end)
        count += fires(f"cron({minute} {hour} * * ? *)", "UTC", now, then, now)
        now = then
    assert count == 2


@pytest.mark.parametrize(
    ("expression", "zone", "reason"),
    [
        ("every day", "UTC", "must be at"),
        ("cron(0 8 * * ?)", "UTC", "must have six fields"),
        ("cron(60 8 * * ? *)", "UTC", "minutes must be between 0 and 59, got 60"),
        ("cron(0 8 ? * FUN *)", "UTC", "day of week must be"),
        ("cron(0 8 L * ? *)", "UTC", "day of month must be"),
        ("cron(0 8 1-x * ? *)", "UTC", "day of month must be"),
        ("rate(0 minutes)", "UTC", "must be rate"),
        ("rate(5 weeks)", "UTC", "must be rate"),
        ("at(tomorrow)", "UTC", "Invalid isoformat"),
        ("rate(5 minutes)", "Mars/Olympus", "must be an IANA time zone"),
    ],
)
def test_what_is_no_schedule(expression: str, zone: str, reason: str) -> None:
    now = utc("2026-01-01T00:00")
    with pytest.raises(ValueError, match=reason):
        fires(expression, zone, now, now, now)


def test_only_what_is_there_and_provisioned_can_be_scaled(world: Any) -> None:
    scale = {**TARGET, "MinCapacity": 1, "MaxCapacity": 2}
    message = world.refused("application-autoscaling", "register_scalable_target", **scale)
    assert message == "Could not find variant main of endpoint a."
    world.endpoint("a")
    message = world.refused("application-autoscaling", "register_scalable_target", **scale)
    assert "has no provisioned concurrency" in message
    instances = scale | {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    assert "is serverless" in world.refused("application-autoscaling", "register_scalable_target", **instances)


def test_a_targets_bounds_and_what_belongs_to_it(world: Any) -> None:
    world.endpoint("a", warm=1)
    client = world.client("application-autoscaling")
    over = {**TARGET, "MinCapacity": 3, "MaxCapacity": 2}
    assert "Maximum capacity" in world.refused("application-autoscaling", "register_scalable_target", **over)
    action = {"ScheduledActionName": "n", "Schedule": "rate(1 minute)", "ScalableTargetAction": {"MinCapacity": 1}}
    with pytest.raises(client.exceptions.ObjectNotFoundException):
        client.put_scheduled_action(**TARGET, **action)
    client.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=3, Tags={"a": "1"})
    client.register_scalable_target(**TARGET, MaxCapacity=2)
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    assert client.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"] == {"a": "1"}
    wrong = action | {"Schedule": "cron(99 * * * ? *)"}
    assert "minutes must be" in world.refused("application-autoscaling", "put_scheduled_action", **TARGET, **wrong)


def test_the_floor_is_kept_warm_and_follows_a_schedule(world: Any) -> None:
    world.endpoint("a", warm=1)
    client = world.client("application-autoscaling")
    client.register_scalable_target(**TARGET, MinCapacity=2, MaxCapacity=4)
    world.wait_for(lambda: len(world.about("a")["instances"]) == 2)
    scaling = world.servers._scaling
    scaling.stop()
    soon = datetime.now(UTC) + timedelta(hours=1)
    client.put_scheduled_action(
        **TARGET,
        ScheduledActionName="more",
        Schedule=f"at({soon.replace(microsecond=0, tzinfo=None).isoformat()})",
        ScalableTargetAction={"MinCapacity": 3, "MaxCapacity": 4},
    )
    scaling.step(soon - timedelta(seconds=2))
    assert len(world.about("a")["instances"]) == 2
    scaling.step(soon)
    world.wait_for(lambda: len(world.about("a")["instances"]) == 3)
    variant = world.settled("a")["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 3


def test_what_was_scaled_is_described_the_newest_first(world: Any) -> None:
    world.endpoint("a", warm=1)
    scaling = world.client("application-autoscaling")
    assert scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"] == []
    for least in (2, 1):
        scaling.register_scalable_target(**TARGET, MinCapacity=least, MaxCapacity=least)
        world.wait_for(lambda least=least: world.about("a")["min"] == least)

    def described(**which: Any) -> list[dict[str, Any]]:
        return scaling.describe_scaling_activities(ServiceNamespace="sagemaker", **which)["ScalingActivities"]

    found = world.wait_for(lambda: described() if len(described()) == 2 else None)
    assert [each["Description"] for each in found] == [
        "Setting desired provisioned concurrency to 1.",
        "Setting desired provisioned concurrency to 2.",
    ]
    assert [each["Cause"] for each in found] == ["maximum capacity was set to 1", "minimum capacity was set to 2"]
    assert {each["StatusCode"] for each in found} == {"Successful"}
    assert all(each["StartTime"] <= each["EndTime"] for each in found)
    assert described(ResourceId=RESOURCE, ScalableDimension=TARGET["ScalableDimension"]) == found
    assert described(ResourceId="endpoint/b/variant/main") == []
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 1}
    )
    assert [page["ScalingActivities"] for page in pages] == [[each] for each in found]


def test_a_target_that_outlives_what_it_scales_does_nothing(world: Any) -> None:
    world.endpoint("a", warm=1)
    world.client("application-autoscaling").register_scalable_target(**TARGET, MinCapacity=2, MaxCapacity=4)
    world.wait_for(lambda: len(world.about("a")["instances"]) == 2)
    world.config("without", "a")
    world.client("sagemaker").update_endpoint(EndpointName="a", EndpointConfigName="without")
    world.settled("a")
    scaling = world.servers._scaling
    scaling.stop()
    for _ in range(3):
        scaling.step(datetime.now(UTC))
    variant = world.settled("a")["ProductionVariants"][0]
    assert "ProvisionedConcurrency" not in variant["CurrentServerlessConfig"]


def test_target_tracking_follows_the_load(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of three requests at a time, at a target of a half, asks for six; quiet, it goes back to the floor."""
    world.endpoint("a", warm=1, maximum=8)
    client = world.client("application-autoscaling")
    client.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=5)
    client.put_scaling_policy(
        **TARGET,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.5,
            "ScaleInCooldown": 90,
            "ScaleOutCooldown": 0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"
            },
        },
    )
    scaling = world.servers._scaling
    scaling.stop()
    pool = world.servers._runtime.pool("eu-central-1", "a")
    now = datetime.now(UTC)

    def minute(busy: int) -> int:
        nonlocal now
        monkeypatch.setattr(type(pool), "busy", busy)
        for _ in range(60):
            now += timedelta(seconds=1)
            scaling.step(now)
        return world.about("a")["min"]

    assert minute(3) == 5
    assert minute(0) == 5
    assert minute(0) == 1
