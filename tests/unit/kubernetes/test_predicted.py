"""The predicted cold start of a GPU endpoint is shown beside the budget, and changes nothing that follows from it."""

from typing import Any

import pytest
from gpu_declarations import cluster, endpoint, plan
from workbench import ROOT

from model_packaging.validation import parse
from scaletozero.kubernetes.plan import GpuPlan
from scaletozero.kubernetes.table import rows, text
from scaletozero.settings.gpu import GpuEndpointSettings

POOL = {"name": "gpu", "types": ["g6.xlarge", "g6e.xlarge"], "max_gpus": 8, "termination_grace_seconds": 1800}
PHASES = {"node", "pull", "weights", "engine"}


def given(**seconds: int) -> dict[str, Any]:
    return {"cold_start": seconds}


def of_pool(**changes: Any) -> GpuPlan:
    return plan(cluster=cluster(pools=[{**POOL, **changes}]))


def test_every_phase_that_nobody_measured_is_predicted() -> None:
    found = plan().predicted
    assert set(found.phases) == PHASES
    assert found.total
    assert found.total.low < found.total.expected < found.total.high
    assert not found.missing


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_a_phase_that_was_given_has_no_prediction(phase: str) -> None:
    found = plan(**given(**{phase: 33})).predicted
    assert set(found.phases) == PHASES - {phase}
    assert found.total


def test_what_was_given_is_added_as_it_is() -> None:
    found = plan(cold_start={"node": 40, "pull": 100, "weights": 10, "engine": 50}).predicted
    assert found.phases == {}
    assert found.total
    assert (found.total.low, found.total.expected, found.total.high) == (205, 205, 205)


def test_a_node_that_is_always_there_and_an_image_on_its_disk_take_no_time() -> None:
    assert "node" not in of_pool(static=2).predicted.phases
    assert "pull" not in of_pool(cached_image=True).predicted.phases


def test_another_engine_is_not_predicted() -> None:
    found = plan(serving={"engine": "container", "ready_path": "/health"}).predicted
    assert set(found.phases) == {"node", "pull"}
    assert found.total is None
    assert set(found.missing) == {"weights", "engine"}


def test_without_a_type_that_holds_the_model_its_weights_are_not_predicted() -> None:
    found = plan(cluster=cluster(pools=[])).predicted
    assert "weights" in found.missing
    assert found.total is None


def test_what_shortens_the_engines_start_shortens_its_prediction() -> None:
    plain = plan().predicted.phases["engine"].expected
    cached = plan(serving__compile_cache="shared").predicted.phases["engine"].expected
    eager = plan(serving__arguments=["--enforce-eager"]).predicted.phases["engine"].expected
    assert eager < cached < plain


def test_no_deadline_follows_from_a_prediction() -> None:
    planned = plan()
    assert planned.derived.cold.total() == 417
    assert planned.derived.deadlines.startup == 110


def test_the_guides_show_what_a_preview_prints() -> None:
    settings = parse(GpuEndpointSettings, endpoint())
    printed = text(plan(), settings).splitlines()[1:7]
    for guide in ("cold-starts.md", "gpu.md"):
        lines = (ROOT / "docs" / guide).read_text(encoding="utf-8").splitlines()
        assert {" ".join(line.split()) for line in printed} <= {" ".join(line.split()) for line in lines}


def test_a_row_without_a_prediction_shows_none() -> None:
    declared = given(node=40)
    settings = parse(GpuEndpointSettings, endpoint(**declared))
    shown = {name: why for name, _, why in rows(plan(**declared), settings)}
    assert shown["node"] == "given"
    assert "; predicted " in shown["engine"]
