"""Calls from metrics by minute: as many as arrived, when they arrived, and as long as they took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from scaletozero.scaling.recorded import MOST_CALLS, Counted, arrivals, trace_of

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=60)


def points(values: list[float]) -> list[tuple[float, float]]:
    return [(1_000_020.0 + 60 * index, value) for index, value in enumerate(values)]


@given(COUNTS, st.data())
def test_arrivals_are_found_from_what_ended_and_what_waits(arrived: list[int], data: st.DataObject) -> None:
    """In each minute some of those that wait end; the last ones by the end."""
    done: list[float] = []
    waiting: list[float] = []
    queue = 0
    for index, count in enumerate(arrived):
        queue += count
        ended = queue if index == len(arrived) - 1 else data.draw(st.integers(0, queue))
        queue -= ended
        done.append(ended)
        waiting.append(queue)
    found = arrivals(Counted(points(done), (), points(waiting)))
    assert found == {at: round(count) for at, count in points(list(map(float, arrived))) if count}


def test_a_rate_is_carried_over_to_whole_calls() -> None:
    """Prometheus extrapolates an increase, so that it is no whole number."""
    found = arrivals(Counted(points([1.5, 1.5, 0.2, 2.8]), ()))
    assert list(found.values()) == [1, 2, 3]
    assert sum(found.values()) == 6


@given(COUNTS.filter(any))
def test_calls_are_in_their_minute_and_take_its_mean(counts: list[int]) -> None:
    seconds = [0.1 + index for index in range(len(counts))]
    trace = trace_of(Counted(points(list(map(float, counts))), points(seconds)), "x", mean_seconds=None, seed=1)
    assert trace.starts == sorted(trace.starts)
    assert len(trace.starts) == sum(counts)
    for start, duration in zip(trace.starts, trace.durations, strict=True):
        assert duration == pytest.approx(seconds[int((start - 1_000_020) // 60)])
    again = trace_of(Counted(points(list(map(float, counts))), points(seconds)), "x", mean_seconds=None, seed=1)
    assert again == trace


def test_a_minute_without_a_duration_takes_the_mean_of_the_others() -> None:
    trace = trace_of(Counted(points([1, 1]), points([0.5])), "x", mean_seconds=9, seed=0)
    assert trace.durations == [0.5, 0.5]
    assert trace_of(Counted(points([1]), ()), "x", mean_seconds=9, seed=0).durations == [9]


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (Counted((), ()), "must have counted at least one call"),
        (Counted(points([0, 0]), ()), "must have counted at least one call"),
        (Counted(points([MOST_CALLS + 1]), points([1])), "may have counted at most 10,000,000 calls"),
        (Counted(points([5]), ()), "must say how long a call takes"),
    ],
)
def test_what_cannot_be_replayed_is_refused(counted: Counted, said: str) -> None:
    with pytest.raises(FindingsError, match=said):
        trace_of(counted, "CloudWatch", mean_seconds=None, seed=0)
