"""The replay against closed forms, against itself, and against what a reader would expect of each rule."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.scaling.advice import Plan, advise, busy_window, cheapest, events
from scaletozero.scaling.cost import CALL_MINUTES, rates, warm_cost
from scaletozero.scaling.plot import svg
from scaletozero.scaling.simulation import Endpoint, Floor, WarmCalls, replay
from scaletozero.scaling.trace import Trace, read_trace
from scaletozero.settings.schedules import Window

MONDAY = 1_767_571_200.0
"""2026-01-05T00:00:00Z."""


def poisson(rate: float, work: float, calls: int, seed: int, begin: float = 0.0) -> Trace:
    generator, now = random.Random(seed), begin
    starts, durations = [], []
    for _ in range(calls):
        now += generator.expovariate(rate)
        starts.append(now)
        durations.append(generator.expovariate(1 / work))
    return Trace(starts, durations)


def erlang(servers: int, load: float) -> tuple[float, float]:
    """Erlang's B (all busy, the call is lost) and C (all busy, the call waits)."""
    lost = 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    return lost, lost / (1 - load / servers * (1 - lost))


@pytest.mark.parametrize("servers, load", [(10, 6.0), (4, 2.0), (1, 0.5)])
def test_waiting_without_cold_starts_is_m_m_c(servers: int, load: float) -> None:
    trace = poisson(load, 1.0, 400_000, seed=7)
    found = replay(trace, Endpoint(servers, 0.0, math.inf, waits=True), [Floor(0, servers)])
    _, waits = erlang(servers, load)
    assert len(found.delays) / found.calls == pytest.approx(waits, rel=0.02)
    assert sum(delay for _, delay in found.delays) / found.calls == pytest.approx(waits / (servers - load), rel=0.02)
    assert (found.refused, found.cold_starts) == (0, 0)


@pytest.mark.parametrize("servers, load", [(10, 8.0), (3, 2.0)])
def test_refusing_without_cold_starts_is_erlang_b(servers: int, load: float) -> None:
    trace = poisson(load, 1.0, 400_000, seed=7)
    found = replay(trace, Endpoint(servers, 0.0, math.inf), [Floor(0, servers)])
    assert found.refused / found.calls == pytest.approx(erlang(servers, load)[0], rel=0.02)


def test_the_first_call_is_cold_and_one_within_the_idle_time_is_not() -> None:
    trace = Trace([0.0, 5.0, 20.9, 40.0], [1.0] * 4)
    found = replay(trace, Endpoint(5, 2.0, 15.0))
    # Free again at 3 s; used at 5 and free at 6; at 20.9 it is idle for 14.9 s; from 21.9 to 40 it is too long.
    assert found.cold_starts == 2
    assert found.delays == [(1.0, 2.0), (1.0, 2.0)]
    assert found.busy_on_demand == pytest.approx(8.0)


def test_calls_at_the_same_time_need_as_many_containers() -> None:
    trace = Trace([0.0] * 5, [1.0] * 5)
    assert replay(trace, Endpoint(5, 2.0, 15.0)).cold_starts == 5
    two_warm = replay(trace, Endpoint(5, 2.0, 15.0), [Floor(0.0, 2)])
    assert two_warm.cold_starts == 3
    assert (two_warm.busy_provisioned, two_warm.busy_on_demand) == (2.0, 9.0)
    few = replay(trace, Endpoint(2, 2.0, 15.0))
    assert (few.cold_starts, few.refused) == (2, 3)


def test_the_floor_never_goes_and_follows_its_changes() -> None:
    trace = Trace([0.0, 100.0, 200.0, 300.0], [1.0] * 4)
    floors = [Floor(0.0, 1), Floor(150.0, 0), Floor(250.0, 1)]
    found = replay(trace, Endpoint(5, 2.0, 10.0), floors)
    assert found.cold_starts == 1  # at 200 only
    assert found.provisioned_seconds == pytest.approx(150 + 51)
    assert found.busy_provisioned == pytest.approx(3.0)


def test_calls_that_only_warm_are_paid_and_are_no_calls() -> None:
    trace = Trace([0.0, 60.0, 120.0], [1.0] * 3)
    warm = [WarmCalls(50.0, 2, 0.5), WarmCalls(110.0, 2, 0.5)]
    cold = replay(trace, Endpoint(5, 2.0, 20.0))
    kept = replay(trace, Endpoint(5, 2.0, 20.0), warm)
    assert (cold.cold_starts, kept.cold_starts) == (3, 1)
    assert kept.calls == 3
    assert kept.warm_call_seconds == pytest.approx(2 * 2.5 + 2 * 2.5)


traces = st.lists(
    st.tuples(st.floats(0, 300, allow_nan=False), st.floats(0, 30, allow_nan=False)), min_size=1, max_size=60
).map(lambda rows: Trace(sorted(at for at, _ in rows), [work for _, work in rows]))


@given(traces, st.integers(1, 8), st.floats(0, 10), st.floats(0.1, 100), st.integers(0, 8), st.booleans())
def test_nothing_is_lost_and_every_second_is_accounted_for(
    trace: Trace, maximum: int, cold: float, idle: float, floor: int, waits: bool
) -> None:
    endpoint = Endpoint(maximum, cold, idle, waits)
    found = replay(trace, endpoint, [Floor(trace.starts[0], min(floor, maximum))])
    assert sum(found.concurrency.values()) == found.calls == len(trace.starts)
    assert found.refused == 0 or not waits
    assert found.cold_starts <= found.calls - found.refused
    if not found.refused:
        work = math.fsum(trace.durations) + found.cold_starts * cold
        assert found.busy_on_demand + found.busy_provisioned == pytest.approx(work)
    assert found == replay(trace, endpoint, [Floor(trace.starts[0], min(floor, maximum))])


@given(traces, st.floats(0, 10), st.floats(0.1, 100))
def test_as_many_warm_as_there_may_be_meet_no_cold_start(trace: Trace, cold: float, idle: float) -> None:
    assert replay(trace, Endpoint(6, cold, idle), [Floor(trace.starts[0], 6)]).cold_starts == 0


@given(traces, st.floats(0.01, 10), st.floats(0.5, 1.0))
def test_a_percentile_is_that_of_all_latencies_one_by_one(trace: Trace, cold: float, share: float) -> None:
    found = replay(trace, Endpoint(100, cold, 5.0))
    latencies = sorted(trace.durations)
    for work, delay in found.delays:
        latencies.remove(work)
        latencies.append(work + delay)
    latencies.sort()
    rank = max(1, -(-int(share * 1_000_000) * len(latencies) // 1_000_000))
    assert found.percentile(share, sorted(trace.durations)) == latencies[rank - 1]


def test_advice_is_the_cheapest_that_keeps_the_objective() -> None:
    """Calls in office hours that last 0.1 s, and a cold start of 5 s that spoils more than one in a hundred of them."""
    generator, now, starts = random.Random(5), MONDAY, []
    while len(starts) < 30_000:
        hour = now % 86_400 / 3600
        now += generator.expovariate(0.5 if 9 <= hour < 17 else 0.001)
        starts.append(now)
    trace = Trace(starts, [0.1] * len(starts))
    common: Any = {"objective_seconds": 0.2, "call_seconds": 0.1}
    outcomes = advise(trace, Endpoint(10, 5.0, 3.0), rates("us-east-1", 2048), **common)
    assert [each.usd_per_month for each in outcomes] == sorted(each.usd_per_month for each in outcomes)
    best = cheapest(outcomes)
    assert best
    assert best.meets
    assert best.p99_seconds <= 0.2
    nothing = next(each for each in outcomes if each.plan.name == "min 0")
    assert not nothing.meets
    assert nothing.cold_share > 0.01
    assert all(each.usd_per_month >= best.usd_per_month for each in outcomes if each.meets)
    again = advise(trace, Endpoint(10, 5.0, 3.0), rates("us-east-1", 2048), **common)
    assert outcomes == again


def test_an_objective_that_the_model_itself_misses_is_kept_by_nothing() -> None:
    trace = poisson(1.0, 2.0, 2_000, seed=1, begin=MONDAY)
    outcomes = advise(trace, Endpoint(50, 1.0, 60.0), rates("us-east-1", 2048), objective_seconds=0.001)
    assert cheapest(outcomes) is None


def test_refusals_count_against_the_objective() -> None:
    trace = Trace([MONDAY] * 100, [0.1] * 100)
    (only,) = [
        each
        for each in advise(trace, Endpoint(50, 0.0, 60.0), rates("us-east-1", 2048), objective_seconds=1.0)
        if each.plan.name == "min 0"
    ]
    assert (only.refused_share, only.meets) == (0.5, False)


def test_what_is_declared_is_among_what_is_weighed() -> None:
    trace = poisson(1.0, 0.1, 500, seed=1, begin=MONDAY)
    own = Plan("as declared", 7)
    outcomes = advise(trace, Endpoint(9, 1.0, 60.0), rates("us-east-1", 2048), objective_seconds=9, declared=[own])
    assert "as declared" in [each.plan.name for each in outcomes]


def test_the_cost_of_a_floor_is_its_price_by_the_hour() -> None:
    day = Trace([MONDAY, MONDAY + 86_399.9], [0.1, 0.1])
    outcomes = advise(
        day, Endpoint(9, 0.0, 60.0), rates("us-east-1", 4096), objective_seconds=1, declared=[Plan("own", 3)]
    )
    own = next(each for each in outcomes if each.plan.name == "own")
    # 4 GB x 0.000005 USD/GB-s x 3600 s x 730 h, the published arithmetic of a unit of provisioned concurrency
    assert own.usd_per_month == pytest.approx(3 * 52.56, rel=1e-3)


def test_the_window_that_is_proposed_is_where_the_calls_are() -> None:
    starts = [MONDAY + day * 86_400 + 8 * 3600 + second for day in range(5) for second in range(0, 7200, 10)]
    trace = Trace(starts, [0.1] * len(starts))
    window = busy_window(trace, "Europe/Berlin", 3)
    assert window
    assert (window.start, window.end, window.overnight) == (9 * 60, 11 * 60, False)
    night = Trace([at + 15 * 3600 for at in starts], trace.durations)
    window = busy_window(night, "UTC", 3)
    assert window
    assert (window.start, window.end, window.overnight) == (23 * 60, 60, True)
    assert busy_window(Trace([MONDAY + hour * 3600 for hour in range(24)], [0.1] * 24), "UTC", 3) is None


def test_a_plan_s_windows_open_early_and_close_in_time() -> None:
    office = parse(Window, {"days": ["mon"], "start": "09:00", "end": "10:00", "timezone": "UTC", "min": 4}, "w")
    trace = Trace([MONDAY, MONDAY + 86_400], [1.0, 1.0])
    found = list(events(Plan("x", 1, (office,)), trace, 10, 0.1))
    nine = MONDAY + 9 * 3600
    assert found == [Floor(MONDAY, 1), Floor(nine - 600, 4), Floor(nine + 3600, 1)]
    by_calls = list(events(Plan("x", 0, (office,), by_calls=True), trace, 10, 0.1))
    assert [each.at for each in by_calls] == [nine - 600 + step * CALL_MINUTES * 60 for step in range(14)]


def test_what_warming_by_calls_costs_beside_provisioned_concurrency() -> None:
    every_hour = parse(Window, {"start": "00:00", "end": "24:00", "timezone": "UTC", "min": 1}, "w")
    cost = warm_cost([every_hour], base=0, lead=0, region="us-east-1", memory_mb=4096, call_seconds=0.2)
    assert cost.provisioned == pytest.approx(52.56)
    # 8760 calls of 0.2 s of 4 GB, and as many of a function of 256 MB
    assert cost.calls == pytest.approx(8760 * (0.2 * 4 * 0.00002 + 0.2 * 0.25 * 0.00001667 + 0.0000002))
    with pytest.raises(FindingsError, match="must have a row for eu-west-3"):
        warm_cost([every_hour], base=0, lead=0, region="eu-west-3", memory_mb=4096, call_seconds=0.2)


def test_the_plot_is_an_image_of_every_plan() -> None:
    trace = poisson(1.0, 0.1, 500, seed=1, begin=MONDAY)
    outcomes = advise(trace, Endpoint(9, 1.0, 60.0), rates("us-east-1", 2048), objective_seconds=0.2)
    risky = [replace(each, plan=replace(each.plan, name="<min> & more")) for each in outcomes]
    image = ElementTree.fromstring(svg(risky, objective_seconds=0.2, title="sentences"))
    assert len(image.findall(".//{*}circle")) == len(outcomes)
    assert "<min> & more" in {text.text for text in image.findall(".//{*}text")}


def read(path: Path, text: str) -> Trace:
    path.write_text(text)
    return read_trace(path, mean_seconds=0.5, seed=3)


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,duration\n10,0.5\n11.5,0.25\n",
        "duration_ms,id,timestamp\n500,a,10\n250,b,11.5\n\n",
        "timestamp,duration\n11.5,0.25\n10,0.5\n",
        "timestamp,duration\n1970-01-01T00:00:10Z,0.5\n1970-01-01T01:00:11.5+01:00,0.25\n",
        '{"timestamp": 10, "duration": 0.5}\n{"timestamp": "1970-01-01T00:00:11.5", "duration_ms": 250}\n',
    ],
)
def test_the_forms_a_trace_can_have(tmp_path: Path, text: str) -> None:
    assert read(tmp_path / "trace", text) == Trace([10.0, 11.5], [0.5, 0.25])


def test_durations_that_are_missing_are_drawn_with_the_seed(tmp_path: Path) -> None:
    text = "timestamp\n" + "\n".join(map(str, range(20_000)))
    one, two = read(tmp_path / "trace", text), read(tmp_path / "trace", text)
    assert one.drawn
    assert one == two
    assert sum(one.durations) / len(one.durations) == pytest.approx(0.5, rel=0.05)
    other = read_trace(tmp_path / "trace", mean_seconds=0.5, seed=4)
    assert other.durations != one.durations


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "must name a column `timestamp`"),
        ("timestamp,duration\n", "must contain at least one arrival"),
        ("when,duration\n1,2\n", "must name a column `timestamp`"),
        ("timestamp,duration\n1,-1\n", ":2: must have a time"),
        ("timestamp,duration\n1,x\n2,1\n", ":2: must have a time"),
        ("timestamp,duration\nyesterday,1\n", ":2: must have a time"),
        ("timestamp,duration\nnan,1\n", ":2: must have a time"),
        ("timestamp,duration\n1,inf\n", ":2: must have a time"),
        ("timestamp,duration\n1\n", ":2: must have a time"),
        ('{"timestamp": 1, "duration": 1}\n{"timestamp": 2}\n', "must have a duration in every row, or in none"),
        ('{"timestamp": 1, "duration": 1}\nx\n', ":2: must be one JSON object a line"),
        ('{"duration": 1}\n', ":1: must have a time"),
    ],
)
def test_traces_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FindingsError) as error:
        read(tmp_path / "trace", text)
    assert said in str(error.value)


def test_a_trace_that_is_wrong_everywhere_is_not_told_line_by_line(tmp_path: Path) -> None:
    with pytest.raises(FindingsError) as error:
        read(tmp_path / "trace", "timestamp,duration\n" + "x,y\n" * 1000)
    assert len(error.value.findings) == 5


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trace"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FindingsError, match="must be a readable text file"):
        read_trace(path, mean_seconds=1.0, seed=0)


@given(st.lists(st.tuples(st.floats(1e9, 1.03e9), st.floats(0, 100)), min_size=1, max_size=30))
@settings(max_examples=50)
def test_a_trace_survives_both_of_its_forms(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    folder = tmp_path_factory.mktemp("trace")
    as_csv = read(folder / "a.csv", "timestamp,duration\n" + "".join(f"{at!r},{work!r}\n" for at, work in rows))
    lines = "".join(json.dumps({"timestamp": at, "duration": work}) + "\n" for at, work in rows)
    assert as_csv == read(folder / "a.jsonl", lines)
    assert sorted(as_csv.starts) == as_csv.starts
    assert sorted(as_csv.durations) == sorted(work for _, work in rows)
