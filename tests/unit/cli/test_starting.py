"""`scaletozero bench --starts` of an endpoint on SageMaker: bounds, and what is left when it ends early."""

import json
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from forced_service import Asynchronous, served

from model_packaging.findings import FindingsError
from scaletozero.cli import starting
from scaletozero.cli.forced_starts import BROKEN_OFF, Asked, require_affordable
from scaletozero.cli.started_services import SKEW_SECONDS, aws_clock
from scaletozero.observability.forced_calls import CallPlan
from scaletozero.observability.forced_wakes import RequestWaker, wakes_plan

PHASES = {"queue": 60.0, "alarm": 5.0, "instance": 100.0, "container": 20.0, "model": 10.0, "answer": 2.0}
PLAN = wakes_plan(Decimal(3), 20, 300)


def made(service: Asynchronous, path: Path | None, starts: int = 2) -> Any:
    waker = RequestWaker(service, served, PLAN, lambda line: None, 0, service.monotonic, service.sleep)
    return starting._made("reports", waker.run, PLAN, Asked(starts, None, True), path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off_what_was_measured_is_kept_and_it_is_said_when_it_sleeps(
    tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    service = Asynchronous(phases=[PHASES] * 2)
    service.at_second[300] = lambda: signal.raise_signal(number)
    found = made(service, tmp_path / "dev.cold-starts.json")
    assert (found.stopped, found.failed, len(found.starts)) == (BROKEN_OFF, False, 1)
    assert len(json.loads((tmp_path / "dev.cold-starts.json").read_text())["endpoints"]["reports"]) == 1
    assert "its scaling removes an instance in at most 920 s" in capsys.readouterr().err


def test_an_account_that_refuses_ends_it(tmp_path: Path) -> None:
    service = Asynchronous(phases=[PHASES] * 2)

    def refuse() -> None:
        error = {"Code": "AccessDeniedException", "Message": "not allowed to perform sagemaker:DescribeEndpoint"}
        raise ClientError({"Error": error}, "DescribeEndpoint")

    service.at_second[300] = refuse
    found = made(service, None)
    assert found.failed
    assert "not allowed to perform sagemaker:DescribeEndpoint" in found.stopped
    assert len(found.starts) == 1


@pytest.mark.parametrize("plan", [PLAN, CallPlan(Decimal("0.00004"))])
def test_a_bound_below_one_start_is_refused(plan: Any) -> None:
    with pytest.raises(FindingsError, match="--max-cost: must be at least what one start should cost"):
        require_affordable(plan.expected(1), Asked(20, 0.0, True), starting.WORDS)
    require_affordable(plan.expected(1), Asked(20, 5.0, True), starting.WORDS)
    require_affordable(plan.expected(1), Asked(20, None, True), starting.WORDS)


class Described:
    """SageMaker's clients, of which a response says what time it is there."""

    def __init__(self, ahead: float | None) -> None:
        self._ahead = ahead

    def __call__(self, _service: str) -> Any:
        return self

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        at = datetime.now(UTC)
        headers = {} if self._ahead is None else {"date": format_datetime(at + timedelta(seconds=self._ahead), True)}
        return {"ResponseMetadata": {"HTTPHeaders": headers}}


@pytest.mark.parametrize(
    ("ahead", "corrected"), [(None, 0), (0, 0), (1.5, 0), (-1, 0), (300, 300), (-300, -300), (7200, 7200)]
)
def test_a_clock_that_differs_from_awss_is_corrected(ahead: float | None, corrected: float) -> None:
    clock: Any = aws_clock(Described(ahead), "reports")  # pyright: ignore[reportArgumentType]
    # To the second, which is the resolution of the date of a response.
    assert abs((clock() - datetime.now(UTC)).total_seconds() - corrected) < SKEW_SECONDS
