"""Forced starts of an asynchronous endpoint in simulated time: known phases, known costs, and what goes wrong."""

from decimal import Decimal
from typing import Any

import pytest
from forced_service import Asynchronous, served
from hypothesis import given, settings
from hypothesis import strategies as st

from scaletozero.observability.forced_wakes import (
    ALARM_SECONDS,
    LOG_SECONDS,
    Forced,
    RequestWaker,
    refused_wakes,
    wakes_plan,
)
from scaletozero.settings.pools import WAKE_COOLDOWN_SECONDS

NAMES: tuple[str, ...] = ("queue", "alarm", "instance", "container", "model", "answer")
PHASES: dict[str, float] = dict(zip(NAMES, (100.0, 5.0, 240.0, 50.0, 20.0, 2.0), strict=True))
PLAN = wakes_plan(Decimal(3), 20, 300)


def wake(service: Asynchronous, starts: int = 1, most: str | None = None, made: Forced | None = None) -> Forced:
    made = made or Forced()
    waker = RequestWaker(service, served, PLAN, lambda line: None, 0, service.monotonic, service.sleep)
    waker.run(starts, Decimal(most) if most else None, made, lambda start: None)
    return made


@given(st.lists(st.tuples(*[st.integers(1, 90).map(float)] * len(NAMES)), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_known_phases_are_measured_and_paid_for(known: list[tuple[float, ...]]) -> None:
    phases: list[dict[str, float]] = [dict(zip(NAMES, each, strict=True)) for each in known]
    service = Asynchronous(phases=phases)
    made = wake(service, len(phases))
    assert (made.stopped, made.failed, made.others) == ("", False, [])
    assert [each.seconds.model_dump(exclude_none=True) for each in made.starts] == phases
    # From above, and never above what was announced.
    true = Decimal(str(service.instance_seconds())) * PLAN.usd_per_hour / 3600
    assert true <= made.usd <= PLAN.bound(len(phases))


def test_a_late_log_is_waited_for_and_a_lost_one_is_part_of_the_phase_before_it() -> None:
    (start,) = wake(Asynchronous(phases=[PHASES], log_delay=LOG_SECONDS / 2)).starts
    assert start.seconds.model == 20
    (start,) = wake(Asynchronous(phases=[PHASES], log_delay=1e6)).starts
    assert (start.seconds.model, start.seconds.container) == (None, 72)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fails": "Reason: InsufficientInstanceCapacity"}, "InsufficientInstanceCapacity"),
        ({"fails": "Reason: ResourceLimitExceeded, the account's limit is 0 instances"}, "ResourceLimitExceeded"),
        ({"failures": ("", "the image does not exist")}, "no instance: the image does not exist"),
        ({"deaf": True}, "no instance was asked for in"),
        ({"dead": True}, "its container does not start"),
        ({"model_error": "no such input"}, "the request failed: no such input"),
    ],
)
def test_a_wake_that_fails_is_no_start(changes: dict[str, Any], said: str) -> None:
    made = wake(Asynchronous(phases=[PHASES] * 3, **changes), 3)
    assert made.failed
    assert said in made.stopped
    assert made.starts == []
    assert made.usd <= PLAN.bound(3)


def test_the_next_wake_waits_for_the_cooldown_of_the_policy() -> None:
    service, made = Asynchronous(phases=[dict.fromkeys(NAMES, 1.0)] * 2, idle=5), Forced()
    waker = RequestWaker(service, served, PLAN, lambda line: None, monotonic=service.monotonic, sleep=service.sleep)
    waker.run(2, None, made, lambda start: None)
    # The first instance was asked for after two seconds.
    assert service.asked == [0, 2 + WAKE_COOLDOWN_SECONDS]


def test_a_failure_of_an_earlier_change_is_not_this_wakes() -> None:
    made = wake(Asynchronous(phases=[PHASES], failures=("an old one", "an old one")))
    assert (made.stopped, len(made.starts)) == ("", 1)


def test_one_that_callers_keep_awake_is_not_measured() -> None:
    service = Asynchronous(callers=True)
    made = wake(service)
    assert "callers or a window keep it awake" in made.stopped
    assert (service.asked, made.failed) == ([], False)


@pytest.mark.parametrize("most", ["1.2", "2.5"])
def test_it_ends_before_it_costs_more(most: str) -> None:
    service = Asynchronous(phases=[PHASES] * 9)
    made = wake(service, 9, most)
    assert f"may cost {Decimal(most):.2f}" in made.stopped
    assert 0 < len(made.starts) < 9
    assert made.usd <= Decimal(most)


def test_broken_off_what_was_measured_stays_and_the_rest_is_counted() -> None:
    service, made = Asynchronous(phases=[PHASES] * 2), Forced()

    def stop() -> None:
        raise KeyboardInterrupt

    # In the middle of the second wake: 417 s, 20 s of idle time, and 300 s until its instance starts.
    service.at_second[417 + 20 + 310] = stop
    with pytest.raises(KeyboardInterrupt):
        wake(service, 2, made=made)
    assert len(made.starts) == 1
    # The instance is still paid for until scaling has removed it.
    assert made.usd > PLAN.usd(PLAN.after_seconds)


TARGET = {"MinCapacity": 0, "MaxCapacity": 2, "SuspendedState": {"DynamicScalingOutSuspended": False}}


@pytest.mark.parametrize(
    ("status", "target", "said"),
    [
        ("InService", {**TARGET, "MinCapacity": 1}, "it never sleeps now"),
        ("InService", None, "no scaling: it never sleeps"),
        ("InService", {**TARGET, "SuspendedState": {"DynamicScalingOutSuspended": True}}, "scaling is suspended"),
        ("InService", {**TARGET, "MaxCapacity": 0}, "scaling is suspended"),
        ("Failed", TARGET, "must be in service"),
    ],
)
def test_one_that_cannot_be_woken_is_refused(status: str, target: dict[str, Any] | None, said: str) -> None:
    assert said in str(refused_wakes("reports", status, target))


def test_one_that_sleeps_is_not_refused() -> None:
    assert refused_wakes("reports", "InService", TARGET) is None


def test_the_bound_has_the_time_until_scaling_has_removed_the_instance() -> None:
    assert PLAN.after_seconds == 20 + 900
    assert PLAN.bound(2) > 2 * PLAN.usd(ALARM_SECONDS + PLAN.after_seconds)
