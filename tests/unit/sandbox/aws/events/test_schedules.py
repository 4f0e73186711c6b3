"""EventBridge Scheduler in the embedded AWS: what is due calls its function, under its role, by the sandbox's clock."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sandbox_world import REGION, World

from scaletozero.sandbox.aws.events.schedules import Schedules
from scaletozero.sandbox.aws.iam.roles import Roles

ROLE, FUNCTION = "arn:aws:iam::123456789012:role/caller", f"arn:aws:lambda:{REGION}:123456789012:function:warm"


class By:
    """A clock that a test moves, and what was called."""

    def __init__(self) -> None:
        self.time = datetime(2030, 3, 29, 7, 59, 30, tzinfo=UTC)
        self.called: list[Any] = []
        clock: Any = self
        self.schedules = Schedules(clock, Roles(), bus=clock, asynchronous=clock)

    def now(self) -> datetime:
        return self.time

    def submit(self, region: str, function: str, event: Any) -> None:
        assert (region, function) == (REGION, FUNCTION)
        self.called.append(event)

    def passes(self, seconds: float, step: float = 30) -> list[Any]:
        """Lets time pass in steps. Returns what was called meanwhile."""
        before, end = len(self.called), self.time + timedelta(seconds=seconds)
        while self.time < end:
            self.time = min(self.time + timedelta(seconds=step), end)
            self.schedules.step()
        return self.called[before:]


Declare = Callable[..., None]


@pytest.fixture
def by() -> By:
    return By()


@pytest.fixture
def declare(world: World) -> Declare:
    """Makes a schedule that calls a function in a role that may do so."""
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "scheduler.amazonaws.com"}}
    world.client("iam").create_role(
        RoleName="caller", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [who]})
    )
    world.allow("caller", "lambda:InvokeFunction")

    def make(expression: str, name: str = "warm", **more: Any) -> None:
        target = {"Arn": FUNCTION, "RoleArn": ROLE, "Input": json.dumps({"calls": 3}), **more.pop("target", {})}
        world.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={key: value for key, value in target.items() if value is not None},
            **more,
        )

    return make


def test_a_cron_fires_once_at_its_minute_with_its_input(by: By, declare: Declare) -> None:
    declare("cron(0 8 * * ? *)")
    assert by.passes(29) == []
    assert by.passes(1) == [{"calls": 3}]
    assert by.passes(24 * 3600 - 1, step=600) == []
    assert by.passes(1) == [{"calls": 3}]


def test_it_follows_its_time_zone_over_the_change_of_clocks(by: By, declare: Declare) -> None:
    declare("cron(0 9 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")  # 8:00 UTC in winter
    assert len(by.passes(60)) == 1
    by.time = datetime(2030, 4, 1, 6, 59, 30, tzinfo=UTC)  # summer began on the 31st of March
    by.schedules.step()
    by.called.clear()
    assert len(by.passes(60)) == 1  # 7:00 UTC
    assert by.passes(2 * 3600, step=60) == []


def test_a_rate_counts_from_when_it_was_declared(by: By, declare: Declare) -> None:
    declare("rate(5 minutes)")
    by.schedules.step()
    assert by.passes(299) == []
    assert len(by.passes(2)) == 1
    assert len(by.passes(900)) == 3


def test_once_is_once(by: By, declare: Declare) -> None:
    declare("at(2030-03-29T08:01:00)")
    assert len(by.passes(3600)) == 1


def test_a_clock_that_jumps_ahead_fires_what_it_passed_once(by: By, declare: Declare) -> None:
    declare("cron(0/10 * * * ? *)")
    assert len(by.passes(3600, step=3600)) == 1


def test_without_an_input_the_function_gets_what_the_service_sends(by: By, declare: Declare) -> None:
    declare("cron(0 8 * * ? *)", target={"Input": None})
    (sent,) = by.passes(60)
    assert (sent["source"], sent["detail-type"]) == ("aws.scheduler", "Scheduled Event")
    assert sent["resources"] == [f"arn:aws:scheduler:{REGION}:123456789012:schedule/default/warm"]
    assert sent["time"] == "2030-03-29T08:00:00Z"


@pytest.mark.parametrize(
    "more",
    [
        {"State": "DISABLED"},
        {"StartDate": datetime(2030, 3, 30, tzinfo=UTC)},
        {"EndDate": datetime(2030, 3, 29, 7, tzinfo=UTC)},
    ],
    ids=["disabled", "not yet", "no more"],
)
def test_outside_of_its_time_it_is_silent(by: By, declare: Declare, more: dict[str, Any]) -> None:
    declare("rate(1 minutes)", **more)
    assert by.passes(600) == []


def test_one_in_its_time_fires(by: By, declare: Declare) -> None:
    ends = datetime(2030, 3, 29, 8, 10, tzinfo=UTC)
    declare("rate(1 minutes)", StartDate=datetime(2030, 3, 29, 8, 5, tzinfo=UTC), EndDate=ends)
    assert len(by.passes(3600)) == 5


@pytest.mark.parametrize("missing", ["permission", "trust", "role"])
def test_a_role_that_may_not_call_it_is_said_and_the_others_fire(
    by: By, declare: Declare, world: World, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    declare("cron(0 8 * * ? *)", target={"Input": '"mine"'})
    iam = world.client("iam")
    other = iam.get_role(RoleName="caller")["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="wrong", AssumeRolePolicyDocument=json.dumps(other))
    if missing == "trust":
        world.allow("wrong", "lambda:InvokeFunction")
        who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        iam.update_assume_role_policy(
            RoleName="wrong", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [who]})
        )
    wrong = {"RoleArn": ROLE.replace("caller", "nobody" if missing == "role" else "wrong"), "Input": '"theirs"'}
    declare("cron(0 8 * * ? *)", "another", target=wrong)
    with caplog.at_level(logging.WARNING):
        assert by.passes(60) == ["mine"]
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "schedule/default/another does not call" in said


def test_the_time_that_the_input_is_no_json_is_said(by: By, declare: Declare, caplog: pytest.LogCaptureFixture) -> None:
    declare("cron(0 8 * * ? *)", target={"Input": "{"})
    with caplog.at_level(logging.WARNING):
        assert by.passes(60) == []
    assert "does not call" in caplog.text


def test_a_group_that_is_deleted_takes_its_schedules_along(by: By, declare: Declare, world: World) -> None:
    scheduler = world.client("scheduler")
    scheduler.create_schedule_group(Name="mine")
    declare("rate(1 minutes)", GroupName="mine")
    by.schedules.step()
    assert len(by.passes(61)) == 1
    scheduler.delete_schedule_group(Name="mine")
    assert by.passes(600) == []
    with pytest.raises(ClientError, match="ResourceNotFound"):
        scheduler.get_schedule(Name="warm", GroupName="mine")
