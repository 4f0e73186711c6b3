"""Measured starts of endpoints on SageMaker: used in place of defaults, shown, stale, and after what was written."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest

from model_packaging.findings import FindingsError
from scaletozero.cold_start.remembered import Start
from scaletozero.endpoints.asynchronous import WAKE_SECONDS
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.scaling.timeline import lead_minutes
from scaletozero.spending.prices import prices

REGION = "us-east-1"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/serving:1.2.3"
WINDOW = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "UTC", "min": 1}
SECONDS = {"queue": 70, "alarm": 5, "instance": 300, "container": 60.5, "model": 20, "answer": 2}


def starts(artifact: Any, /, **changes: Any) -> tuple[Start, ...]:
    about = {"region": REGION, "instance_type": "ml.g5.xlarge", "image": IMAGE, "artifact": artifact.digest}
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    return tuple(
        Start.model_validate(
            {**about, "id": f"request-{n}", "at": at + timedelta(minutes=n), "seconds": SECONDS, **changes}
        )
        for n in range(3)
    )


def read(artifact: Any, known: tuple[Start, ...], **changes: Any) -> Environment:
    queue = {"kind": "asynchronous", "artifact": str(artifact.path), "image": IMAGE, "instance_type": "ml.g5.xlarge"}
    cpu = {"artifact": str(artifact.path), "image": IMAGE, "memory_mb": 2048}
    endpoints = {"queue": {**queue, **changes}, "cpu": cpu}
    return read_environment(
        {"region": REGION, "endpoints": endpoints}, Path("/"), starts={"queue": known, "cpu": known}
    )


def declared(environment: Environment, run: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str], list[str]]:
    said, warned = list[str](), list[str]()
    monkeypatch.setattr(pulumi, "info", lambda text, *_: said.append(text))
    monkeypatch.setattr(pulumi, "warn", lambda text, *_: warned.append(text))
    return run(lambda: declare_environment(environment, Path("/"))), said, warned


def lead(done: Any) -> int:
    """Minutes by which the first scheduled action comes before its window."""
    expressions = [
        each.inputs["schedule"]
        for each in done.registered
        if each.typ == "aws:appautoscaling/scheduledAction:ScheduledAction"
    ]
    times = [re.findall(r"cron\((\d+) (\d+) ", each)[0] for each in expressions]
    return min(8 * 60 - int(hour) * 60 - int(minute) for minute, hour in times if int(hour) < 8)


def test_schedules_and_advice_follow_from_them(make_artifact: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make_artifact()
    environment = read(artifact, starts(artifact), schedule=[WINDOW])
    queue = environment.endpoints["queue"]
    # A schedule asks for an instance at once: without the queue and its alarm.
    assert queue.cold_start_seconds == 381
    fleet = kind_of(queue).as_fleet(queue, environment.opened["queue"], REGION, prices())
    assert fleet
    assert fleet.fleet.start_seconds == 381
    done, said, warned = declared(environment, run, monkeypatch)
    assert lead(done) == lead_minutes(381) < lead_minutes(WAKE_SECONDS)
    assert "cold start, measured, p95 of 3, 2026-11-28: queue 70 s" in said[0]
    # The same starts are none of the serverless endpoint's.
    assert "another one of the instance type in the last of 3" in warned[0]


def test_a_schedule_of_a_serverless_endpoint_follows_from_them(
    make_artifact: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = make_artifact()
    seconds = {"setup": 61.5, "imports": 2, "overhead": 40, "answer": 30}
    known = starts(artifact, instance_type="serverless-2048", seconds=seconds)
    cpu = {"artifact": str(artifact.path), "image": IMAGE, "memory_mb": 2048, "schedule": [{**WINDOW, "min": 3}]}
    cpu["scaling"] = {"min": 1, "max": 4}

    def read_cpu(known: tuple[Start, ...], **changes: Any) -> Environment:
        block = {"region": REGION, "endpoints": {"cpu": {**cpu, **changes}}}
        return read_environment(block, Path("/"), starts={"cpu": known})

    environment = read_cpu(known)
    # The container's start, without the call that met it.
    assert environment.endpoints["cpu"].cold_start_seconds == 64
    done, said, warned = declared(environment, run, monkeypatch)
    assert (lead(done), warned) == (lead_minutes(64), [])
    assert "setup 61.5 s" in said[0]
    assert read_cpu(known, cold_start_seconds=5).endpoints["cpu"].cold_start_seconds == 5
    without, _, _ = declared(read_cpu(()), run, monkeypatch)
    assert lead(without) == lead_minutes(artifact.manifest.cold_start.total_ms / 1000) < lead_minutes(64)


def test_what_is_written_by_hand_comes_first(make_artifact: Any) -> None:
    artifact = make_artifact()
    assert read(artifact, starts(artifact), cold_start_seconds=120).endpoints["queue"].cold_start_seconds == 120


def test_without_starts_it_is_the_default(make_artifact: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = read(make_artifact(), (), schedule=[WINDOW])
    assert environment.endpoints["queue"].cold_start_seconds is None
    done, said, warned = declared(environment, run, monkeypatch)
    assert (lead(done), [each for each in said if "cold start" in each], warned) == (lead_minutes(WAKE_SECONDS), [], [])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image": IMAGE.replace("1.2.3", "1.2.4")}, "the image"),
        ({"artifact": "b" * 64}, "the artifact"),
        ({"instance_type": "ml.g6.xlarge"}, "the instance type"),
        ({"region": "eu-west-1"}, "the Region"),
    ],
)
def test_starts_of_something_else_are_stale(
    make_artifact: Any, run: Any, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], named: str
) -> None:
    artifact = make_artifact()
    environment = read(artifact, starts(artifact, **changes))
    assert environment.endpoints["queue"].cold_start_seconds is None
    _, _, warned = declared(environment, run, monkeypatch)
    (found,) = [each for each in warned if each.startswith("endpoints.queue")]
    assert named in found
    assert "run `scaletozero bench` again" in found


@pytest.mark.parametrize("seconds", [0, 7201, -5])
def test_a_start_that_is_none_is_refused(make_artifact: Any, seconds: int) -> None:
    with pytest.raises(FindingsError, match="cold_start_seconds: must be from 1 to 7200 seconds"):
        read(make_artifact(), (), cold_start_seconds=seconds)
