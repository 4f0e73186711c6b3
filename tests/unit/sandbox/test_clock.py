"""The sandbox's clock: faster where asked, and never back."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from scaletozero.sandbox.clock import Clock


def test_it_runs_faster_from_where_it_began() -> None:
    began = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    clock = Clock(60, began)
    assert clock.at(began + timedelta(seconds=2)) == datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
    assert clock.at(began - timedelta(seconds=1)) == began - timedelta(minutes=1)
    assert clock.wait(120) == 2


class SetBack(datetime):
    """This machine's clock after somebody has set it back by an hour."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=1)


def test_it_does_not_follow_a_clock_that_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(60)
    before, real = clock.now(), clock.real()
    monkeypatch.setattr("scaletozero.sandbox.clock.datetime", SetBack)
    assert clock.now() >= before
    assert clock.real() >= real
