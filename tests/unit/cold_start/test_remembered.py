"""Measured starts are kept in a file, and count only for what they were measured of."""

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_declarations import MODEL, endpoint, plan
from hypothesis import given
from hypothesis import strategies as st
from measured_starts import SERVED, start
from workbench import ROOT

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.cold_start.remembered import (
    MOST_STARTS,
    PhaseSeconds,
    Start,
    add_starts,
    file_of,
    percentile,
    read_starts,
    recall,
)
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.kubernetes.table import rows, text
from scaletozero.settings.gpu import GpuEndpointSettings


def planned(*starts: Start, **changes: Any) -> GpuPlan:
    return plan_gpu_endpoint("llm", parse(GpuEndpointSettings, endpoint(**changes)), MODEL, starts)


def test_measured_phases_replace_the_defaults() -> None:
    found = planned(start()).derived
    assert [(each.name, each.seconds) for each in found.cold.phases] == [
        ("node", 50),
        ("pull", 200),
        ("weights", 0),
        ("engine", 130),
        ("poll", 5),
    ]
    assert found.deadlines.startup == 200
    assert found.stale is None


def test_without_starts_everything_is_as_before() -> None:
    assert planned().derived == plan().derived
    assert planned().objects == plan().objects


def test_the_preview_shows_them_as_measured() -> None:
    settings = parse(GpuEndpointSettings, endpoint())
    shown = {name: why for name, _, why in rows(planned(start(), start(1)), settings)}
    assert shown["node"] == "measured, p95 of 2, 2026-11-28"
    assert shown["engine"] == "measured, p95 of 2, 2026-11-28, with the weights"
    assert shown["weights"] == "in the engine's"


def test_a_phase_that_was_not_measured_keeps_its_default_and_its_prediction() -> None:
    found = planned(start(seconds={"load": 130}))
    assert found.derived.cold.node.seconds == 90
    assert set(found.predicted.phases) == {"node", "pull"}


@pytest.mark.parametrize(
    ("by_hand", "weights", "engine"),
    [
        ({"engine": 100}, 30, 100),
        ({"weights": 20}, 20, 110),
        ({"weights": 7, "engine": 8}, 7, 8),
        ({"weights": 900}, 900, 0),
    ],
)
def test_what_is_written_by_hand_comes_first(by_hand: dict[str, int], weights: int, engine: int) -> None:
    found = planned(start(), cold_start=by_hand).derived.cold
    assert (found.weights.seconds, found.engine.seconds) == (weights, engine)
    assert (
        planned(start(), cold_start={"node": 3}).derived.cold.node == planned(cold_start={"node": 3}).derived.cold.node
    )


def test_a_node_that_is_always_there_takes_no_time_whatever_was_measured() -> None:
    pool = {"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 8, "static": 8, "cached_image": True}
    found = planned(start(), cluster__pools=[{**pool, "termination_grace_seconds": 1800}]).derived.cold
    assert (found.node.seconds, found.pull.seconds) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"image": "public.ecr.aws/vllm/vllm:v0.10.0"}, "the image"),
        ({"artifact": "b" * 64}, "the artifact"),
        ({"instance_type": "p5.48xlarge"}, "the instance type"),
        ({"region": "eu-west-1"}, "the Region"),
    ],
)
def test_starts_of_something_else_are_stale(changed: dict[str, Any], named: str) -> None:
    found = planned(start(**changed))
    stale = found.derived.stale
    assert isinstance(stale, Finding)
    assert named in stale.got
    assert found.derived.cold == plan().derived.cold
    assert str(stale) in found.notes
    assert str(stale) in text(found, parse(GpuEndpointSettings, endpoint()))


def test_starts_of_something_else_do_not_hide_those_of_what_is_served() -> None:
    found = recall([start(0, image="ghcr.io/a/b:1", seconds={"node": 900}), start(1)], SERVED)
    assert found.stale is None
    assert found.seconds == {"node": 50, "pull": 200, "load": 130}


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60))
def test_a_phase_covers_95_of_100_starts(times: list[int]) -> None:
    found = recall([start(i, seconds={"load": each}) for i, each in enumerate(times)], SERVED)
    within = sum(each <= found.seconds["load"] for each in times)
    assert within >= 0.95 * len(times)
    assert found.seconds["load"] in times


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.95, 19), (1.0, 20), (0.01, 1)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(list(range(20, 0, -1)), share) == expected


def test_no_file_is_no_starts(tmp_path: Path) -> None:
    assert read_starts(file_of(tmp_path, "dev")) == {}


def test_starts_are_added_once_and_the_oldest_are_dropped(tmp_path: Path) -> None:
    path = file_of(tmp_path, "dev")
    assert path.name == "dev.cold-starts.json"
    assert add_starts(path, "llm", [start(1), start(0)]) == 2
    assert add_starts(path, "llm", [start(1, seconds={"load": 7})]) == 2
    assert [each.seconds.load for each in read_starts(path)["llm"]] == [130, 7]
    assert add_starts(path, "other", [start(5)]) == 1
    assert add_starts(path, "llm", [start(i) for i in range(10, 10 + MOST_STARTS)]) == MOST_STARTS
    assert read_starts(path)["llm"][0].id == "uid-10"
    assert len(read_starts(path)["other"]) == 1
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@given(st.lists(st.floats(0, 86_400), min_size=1, max_size=3))
def test_what_is_written_is_read_again(seconds: list[float]) -> None:
    found = start(seconds=dict(zip(PhaseSeconds.model_fields, seconds, strict=False)))
    assert parse(Start, json.loads(json.dumps(found.model_dump(mode="json", exclude_none=True)))) == found


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        "{",
        '{"version": 2}',
        '{"version": 1, "unknown": 1}',
        '{"endpoints": {"llm": [{}]}}',
        '{"endpoints": {"llm": 7}}',
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, written: str) -> None:
    path = file_of(tmp_path, "dev")
    path.write_text(written)
    with pytest.raises(FindingsError):
        read_starts(path)
    with pytest.raises(FindingsError):
        add_starts(path, "llm", [start()])
    assert path.read_text() == written


@pytest.mark.parametrize(
    "changed",
    [
        {"seconds": {"node": -1}},
        {"seconds": {"node": float("nan")}},
        {"seconds": {"node": 1e9}},
        {"seconds": {"weights": 1}},
        {"at": "2026-11-28T12:00:00"},
        {"at": "yesterday"},
        {"artifact": "abc"},
        {"image_digest": "sha256:1"},
        {"id": ""},
    ],
)
def test_a_start_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(FindingsError):
        start(**changed)


def test_a_folder_that_cannot_be_written_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(FindingsError) as error:
        add_starts(file_of(tmp_path / "missing", "dev"), "llm", [start()])
    assert "must be a file that can be written" in str(error.value)


def test_the_guide_shows_what_a_preview_prints_of_measured_starts() -> None:
    settings = parse(GpuEndpointSettings, endpoint())
    printed = text(planned(start(), start(1)), settings).splitlines()[1:6]
    guide = (ROOT / "docs" / "cold-starts.md").read_text(encoding="utf-8")
    assert "\n".join(printed) in guide
