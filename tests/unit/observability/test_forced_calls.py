"""Forced starts of a serverless endpoint in simulated time: known phases, known costs, and what goes wrong."""

from decimal import Decimal
from typing import Any

import pytest
from forced_service import Serverless, served
from hypothesis import given, settings
from hypothesis import strategies as st

from scaletozero.observability.forced_calls import IDLE_SECONDS, Caller, CallPlan, refused_calls
from scaletozero.observability.forced_wakes import Forced

PHASES = {"setup": 2.0, "imports": 0.3, "load": 0.25, "overhead": 0.05, "answer": 0.1}
PLAN = CallPlan(Decimal("0.00004"))


def call(service: Serverless, starts: int = 1, most: str | None = None) -> Forced:
    made = Forced()
    caller = Caller(service, served, PLAN, lambda line: None, service.monotonic, service.sleep)
    caller.run(starts, Decimal(most) if most else None, made, lambda start: None)
    return made


@given(
    st.lists(st.fixed_dictionaries({each: st.floats(0.01, 20) for each in PHASES}), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_known_phases_are_measured_and_paid_for(phases: list[dict[str, float]], counted: bool) -> None:
    service = Serverless(phases=phases, counted=counted)
    made = call(service, len(phases))
    assert (made.stopped, made.failed, made.others) == ("", False, [])
    for start, known in zip(made.starts, phases, strict=True):
        assert start.seconds.model_dump(exclude_none=True) == pytest.approx(known, abs=1e-4)
    worked = sum(end - began for began, end, _ in service.calls)
    assert made.usd == pytest.approx(PLAN.usd(worked))
    assert made.usd <= PLAN.bound(len(phases))


def test_the_wait_becomes_longer_while_a_container_is_still_there() -> None:
    service = Serverless(phases=[PHASES] * 2, idle=2 * IDLE_SECONDS)
    made = call(service, 2)
    assert len(made.starts) == 2
    assert [cold for _, _, cold in service.calls] == [True, False, True]


def test_one_that_never_sleeps_is_given_up() -> None:
    service = Serverless(phases=[PHASES] * 2, idle=1e9)
    made = call(service, 2)
    assert "it does not sleep: a container was still there after 3600 s" in made.stopped
    assert (len(made.starts), made.failed) == (1, False)


def test_a_call_among_others_is_not_measured() -> None:
    made = call(Serverless(phases=[PHASES] * 9, others=2))
    assert made.starts == []
    assert {each.why for each in made.others} == {"others called at the same time"}
    assert "callers keep it awake" in made.stopped


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fails": "ThrottlingException: Rate exceeded"}, "the call failed: ThrottlingException"),
        ({"fails": "ModelError: the container ended"}, "the container ended"),
        ({"metric_delay": 1e9}, "CloudWatch has no metrics of a call"),
    ],
)
def test_a_start_that_fails_is_no_start(changes: dict[str, Any], said: str) -> None:
    made = call(Serverless(phases=[PHASES] * 3, **changes), 3)
    assert made.failed
    assert said in made.stopped
    assert made.starts == []


def test_it_ends_before_it_costs_more() -> None:
    made = call(Serverless(phases=[{**PHASES, "setup": 100.0}] * 9), 9, "0.02")
    assert "may cost 0.0200" in made.stopped
    assert 0 < len(made.starts) < 9
    assert made.usd <= Decimal("0.02")


@pytest.mark.parametrize(
    ("status", "provisioned", "said"),
    [("InService", 2, "provisioned concurrency of 2: it never sleeps now"), ("Failed", 0, "must be in service")],
)
def test_one_that_cannot_be_started_is_refused(status: str, provisioned: int, said: str) -> None:
    assert said in str(refused_calls("vectors", status, provisioned))
    assert refused_calls("vectors", "InService", 0) is None
