"""The benchmark's report: a figure beyond its bound is called missed, and a busy machine is said to be one."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.artifact.manifest import Candidate, Manifest, Quality, Speed
from model_packaging.benchmark.bench import Figures
from model_packaging.evaluation.measure import Start

PATH = Path(__file__).resolve().parents[4] / "benchmarks" / "artifacts_report.py"


@pytest.fixture(scope="module")
def reporting() -> ModuleType:
    found = importlib.util.spec_from_file_location("artifacts_report", PATH)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:  # dataclasses look their module up while it is made
        patch.setitem(__import__("sys").modules, "artifacts_report", module)
        found.loader.exec_module(module)
    return module


def figures(label: str, total: float) -> Figures:
    return Figures(label, 10, (Start({"unpack": total / 2, "session": total / 2}, total, total),) * 3)


@pytest.fixture
def measured(reporting: ModuleType, make_artifact: Any) -> Any:
    """One model as it was measured: slower or faster, the same archive or not."""
    manifest: Manifest = make_artifact("m").manifest

    def make(slower: float = 0.5, start: float = 40, identical: bool = True) -> Any:
        near = Quality(n=9, cosine_mean=0.999, cosine_min=0.998, cosine_p1=0.998, spearman=1, top1=1, top5=1)
        speed = Speed(
            short_ms=1,
            long_ms=1,
            source_short_ms=1,
            source_long_ms=1,
            short_ratio=0.4,
            long_ratio=slower,
            long_tokens=9,
        )
        chosen = Candidate(
            recipe="int8",
            size=1,
            size_ratio=0.25,
            quality=near,
            speed=speed,
            load_ms=1,
            peak_rss_mb=1,
            outcome="chosen",
        )
        said = manifest.model_copy(update={"candidates": (chosen,)})
        both = figures("fp32, gzip -9", 100), figures("scaletozero", start)
        return reporting.Measured("any", said, 5.0, identical, both, {})

    return make


def said(reporting: ModuleType, model: Any, load: float = 0.1) -> str:
    return reporting.report(reporting.Run((model,), None, None, {"model_packaging": 10.0}, 150.0, load))


def test_everything_that_holds(reporting: ModuleType, measured: Any) -> None:
    text = said(reporting, measured())
    assert "6 of 6 targets are met. Missed: none." in text
    assert "MISSED" not in text
    assert "Provisional" not in text
    assert "| any | int8 | 0.250 | 0.9990 | 0.9980 | 0.40 | 0.50 | 1.00 | 0.40 | 0.40 | yes | 5 |" in text


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"slower": 1.01}, "any: latency / fp32, the worse of short and long"),
        ({"start": 101}, "any: whole cold start / baseline"),
        ({"identical": False}, "any: the same archive from a second process, 1 for yes"),
    ],
)
def test_what_does_not_hold_is_named(reporting: ModuleType, measured: Any, change: dict[str, Any], name: str) -> None:
    text = said(reporting, measured(**change))
    assert f"5 of 6 targets are met. Missed: {name}." in text
    assert text.count("| MISSED |") == 1


def test_a_busy_machine_is_said_to_be_one(reporting: ModuleType, measured: Any) -> None:
    assert "**Provisional: the machine was busy (load average 4.2)" in said(reporting, measured(), load=4.2)


@given(st.floats(0, 10), st.floats(0, 10), st.booleans())
def test_a_bound_holds_where_the_figure_keeps_it(
    reporting: ModuleType, value: float, bound: float, at_most: bool
) -> None:
    target = reporting.Target("x", value, at_most, bound)
    assert target.met == (min(value, bound) == (value if at_most else bound))
    assert target.row().endswith("| met |" if target.met else "| MISSED |")
