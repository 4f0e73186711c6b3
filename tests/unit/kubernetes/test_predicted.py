"""The predicted cold start of a GPU endpoint is shown beside the budget, and changes nothing that follows from it."""

import json
from typing import Any

import pytest
from gpu_declarations import cluster, endpoint, plan
from workbench import ROOT

from model_packaging.validation import parse
from scaletozero.cold_start.predict import Gain
from scaletozero.kubernetes.gains import steps
from scaletozero.kubernetes.manifests.pods import FEW_GRAPHS
from scaletozero.kubernetes.model import Model
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


def gain(found: GpuPlan, setting: str) -> Gain:
    (one,) = (each for each in found.predicted.gains if each.setting.partition(":")[0] == setting)
    return one


FASTER: dict[str, dict[str, Any]] = {
    "serving.compile_cache": {"serving__compile_cache": "shared"},
    "serving.graphs: few": {"serving__graphs": "few"},
    "serving.graphs: none": {"serving__graphs": "none"},
    "nodes.parallel_pull": {"cluster": cluster(pools=[{**POOL, "parallel_pull": True}])},
}


@pytest.mark.parametrize("setting", FASTER)
def test_the_gain_that_is_shown_is_the_one_that_the_setting_has(setting: str) -> None:
    before, after = plan(), plan(**FASTER[setting])
    (shown,) = (each for each in before.predicted.gains if each.setting == setting)
    (declared,) = (each for each in after.predicted.gains if each.setting == setting)
    assert (shown.on, declared.on) == (False, True)
    assert shown.without == before.predicted.phases[shown.phase]
    assert shown.with_ == after.predicted.phases[shown.phase]
    assert (declared.without, declared.with_) == (shown.without, shown.with_)
    assert shown.seconds > 1
    settings = parse(GpuEndpointSettings, endpoint())
    lines = {name: (seconds, why) for name, seconds, why in rows(before, settings)}
    assert lines[setting][0] == -round(shown.seconds)
    assert lines[setting][1].startswith(f"predicted {shown.phase} would be ")
    settings = parse(GpuEndpointSettings, endpoint(**FASTER[setting]))
    assert "without it " in {name: why for name, _, why in rows(after, settings)}[setting]


def test_settings_that_change_nothing_leave_the_objects_as_they_were() -> None:
    pod = plan().object("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert '--model-loader-extra-config={"concurrency":32,"memory_limit":2147483648}' in pod["args"]
    assert not [each for each in pod["args"] if "compilation" in each or "eager" in each]
    behavior = plan().object("ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"] == {"stabilizationWindowSeconds": 0}


def test_graphs_are_arguments_of_vllm() -> None:
    few, none = (
        plan(serving__graphs=graphs).object("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"][-1]
        for graphs in ("few", "none")
    )
    name, _, config = few.partition("=")
    assert (name, json.loads(config)) == ("--compilation-config", {"cudagraph_capture_sizes": list(FEW_GRAPHS)})
    assert none == "--enforce-eager"


def test_as_many_reads_as_fill_the_network_are_for_all_gpus_together() -> None:
    big = Model("llama", "a" * 64, "gpu-vllm", 60_000_000_000, 89, 8192)
    pools = [{"name": "gpu", "types": ["g6e.12xlarge"], "max_gpus": 16, "termination_grace_seconds": 1800}]
    usual, filled = (plan(model=big, cluster=cluster(pools=pools), serving__streams=each) for each in (32, 0))
    assert usual.derived.gpus == 2
    assert (usual.derived.streams, filled.derived.streams) == (32, 66)
    assert gain(usual, "serving.streams").seconds > 1
    assert filled.predicted.phases["weights"] == gain(usual, "serving.streams").with_


def test_a_network_that_is_full_already_shows_no_gain() -> None:
    assert "serving.streams" not in {each.setting.partition(":")[0] for each in plan().predicted.gains}


@pytest.mark.parametrize(("first", "most", "together", "periods"), [(1, 5, None, 1), (1, 16, None, 3), (1, 16, 15, 1)])
def test_periods_until_the_last_replica_is_started(first: int, most: int, together: int | None, periods: int) -> None:
    assert steps(first, most, together) == periods


def test_replicas_that_are_started_together() -> None:
    found = plan(scaling__max=16, scaling__together=16, cluster__gpu_quota={"models": 64})
    behavior = found.object("ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    policy = {"type": "Pods", "value": 16, "periodSeconds": 15}
    assert behavior["scaleUp"] == {"stabilizationWindowSeconds": 0, "policies": [policy]}
    assert gain(found, "scaling.together").seconds == 30


def test_what_is_measured_has_no_predicted_gain() -> None:
    assert plan(cold_start={"pull": 100, "weights": 10, "engine": 50}).predicted.gains == ()


def test_no_deadline_follows_from_a_prediction() -> None:
    planned = plan()
    assert planned.derived.cold.total() == 417
    assert planned.derived.deadlines.startup == 110


def test_the_guides_show_what_a_preview_prints() -> None:
    settings = parse(GpuEndpointSettings, endpoint())
    every = text(plan(), settings).splitlines()
    gains = len(plan().predicted.gains)
    shown = (ROOT / "docs" / "cold-starts.md").read_text(encoding="utf-8")
    assert [" ".join(line.split()) for line in every[-gains:]] == [
        " ".join(line.split()) for line in shown.splitlines() if ", is 402 s" in line or ", is 149 s" in line
    ]
    printed = every[1:7]
    for guide in ("cold-starts.md", "gpu.md"):
        lines = (ROOT / "docs" / guide).read_text(encoding="utf-8").splitlines()
        assert {" ".join(line.split()) for line in printed} <= {" ".join(line.split()) for line in lines}


def test_a_row_without_a_prediction_shows_none() -> None:
    declared = given(node=40)
    settings = parse(GpuEndpointSettings, endpoint(**declared))
    shown = {name: why for name, _, why in rows(plan(**declared), settings)}
    assert shown["node"] == "given"
    assert "; predicted " in shown["engine"]
