"""Every fault that can be declared, one at a time: found before anything exists, with the number that mends it."""

import re
from dataclasses import replace
from typing import Any

import pytest
from gpu_declarations import CRDS, MODEL, PROMETHEUS, WINDOWS, cluster, endpoint, plan
from gpu_faults import BAD_INPUT, GATE, POOL, STATIC, THIRTEEN

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.kubernetes.checks.cluster import version_findings
from scaletozero.kubernetes.checks.objects import same_nodes
from scaletozero.kubernetes.plan import plan_gpu_endpoint
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import GpuEndpointSettings


def findings(model=MODEL, name: str = "llm", /, **changes: Any) -> list[Finding]:
    try:
        settings = parse(GpuEndpointSettings, endpoint(**changes))
    except FindingsError as error:
        return list(error.findings)
    return list(plan_gpu_endpoint(name, settings, model).findings)


def only(model=MODEL, name: str = "llm", /, **changes: Any) -> Finding:
    found = findings(model, name, **changes)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_what_is_right_has_no_finding() -> None:
    assert findings() == []


@pytest.mark.parametrize("changes, path, fix", [each[1:] for each in THIRTEEN], ids=[each[0] for each in THIRTEEN])
def test_each_of_the_thirteen(changes: dict[str, Any], path: str, fix: str) -> None:
    found = only(**changes)
    assert found.path == path
    assert fix in found.fix
    assert found.consequence


def test_a_pool_of_warm_nodes_that_are_not_the_endpoint_s() -> None:
    planned = plan(scaling__buffer=1, scaling__buffer_by="placeholder")
    assert planned.warm
    workload, warm = planned.object("Deployment"), planned.warm.objects[1]
    assert same_nodes(workload, warm) == []
    for field in ("nodeSelector", "tolerations", "affinity"):
        changed = plan(scaling__buffer=1, scaling__buffer_by="placeholder")
        assert changed.warm
        other = changed.warm.objects[1]
        other["spec"]["template"]["spec"].pop(field)
        (found,) = same_nodes(workload, other)
        assert field in found.rule


def test_a_cap_below_the_worst_hour_is_told_how_many_replicas_fit() -> None:
    found = only(scaling__max=4, scaling__cap_usd_per_hour=3.5, gpu__types=["g6.xlarge"])
    assert found.path == "scaling.cap_usd_per_hour"
    assert found.fix == "write `scaling.max: 3`, or raise the cap to 4.03"
    assert findings(scaling__max=3, scaling__cap_usd_per_hour=3.5, gpu__types=["g6.xlarge"]) == []


@pytest.mark.parametrize(
    "written, least",
    [
        ({"scaling__idle_seconds": 1}, "scaling.idle_seconds"),
        ({"on_cold__after_seconds": 1}, "on_cold.after_seconds"),
        ({"overrides__startup_seconds": 1}, "overrides.startup_seconds"),
        ({"scaling__max": 2, "schedule": WINDOWS[:1], "scaling__lead_seconds": 1}, "scaling.lead_seconds"),
    ],
)
def test_the_computed_fix_mends_it(written: dict[str, Any], least: str) -> None:
    found = next(each for each in findings(**written) if each.path == least)
    match = re.search(r"\d+", found.fix)
    assert match
    mended = written | {least.replace(".", "__"): int(match[0])}
    assert [each for each in findings(**mended) if each.path == least] == []


@pytest.mark.parametrize("changes, path, fix", [each[1:] for each in BAD_INPUT], ids=[each[0] for each in BAD_INPUT])
def test_each_bad_input(changes: dict[str, Any], path: str, fix: str) -> None:
    found = only(**changes)
    assert found.path == path
    assert fix in found.fix


@pytest.mark.parametrize("crd", CRDS[:1] + CRDS[2:])
def test_a_cluster_without_a_custom_resource_that_is_needed(crd: str) -> None:
    changes: dict[str, Any] = {"cluster__crds": [each for each in CRDS if each != crd]}
    if crd.startswith("capacitybuffers"):
        changes |= {"scaling__buffer": 1, "scaling__buffer_by": "buffer"}
        assert crd in only(**changes).got
    else:
        assert crd in only(**changes).rule


def test_signed_metrics_need_the_custom_resource_that_signs() -> None:
    amp = {**PROMETHEUS, "amp_region": "eu-central-1"}
    crds = [each for each in CRDS if not each.startswith("triggerauth")]
    assert "triggerauthentications" in only(cluster__prometheus=amp, cluster__crds=crds).rule


def test_without_monitoring_nothing_of_it_is_needed() -> None:
    crds = [each for each in CRDS if "monitoring" not in each]
    assert "overrides.monitoring: false" in findings(cluster__crds=crds)[0].fix
    assert findings(cluster__crds=crds, overrides__monitoring=False) == []


@pytest.mark.parametrize("name", ["LLM", "l_m", "-llm", "llm-", "a" * 64, "", "l m", "1.2"])
def test_a_name_that_is_no_dns_label(name: str) -> None:
    assert only(MODEL, name).path == "name"


def test_a_name_that_leaves_no_room_for_the_names_made_from_it() -> None:
    assert findings(MODEL, "a" * 58) == []
    assert only(MODEL, "a" * 59).path == "name"


def test_an_artifact_for_the_cpu() -> None:
    found = only(replace(MODEL, target="cpu-serverless"))
    assert (found.path, found.got) == ("artifact", "cpu-serverless")
    assert "gpu-vllm" in found.fix


def test_a_model_that_no_type_of_the_pool_holds_is_told_which_would() -> None:
    found = only(replace(MODEL, weights_bytes=400 * 10**9))
    assert found.path == "gpu.types"
    assert "MiB" in found.rule


def test_a_model_that_is_too_large_for_the_types_that_were_written() -> None:
    found = only(replace(MODEL, weights_bytes=30 * 10**9), gpu__types=["g6.xlarge"], gpu__count=1)
    assert found.path == "gpu.types.0"
    assert found.fix == "lower `serving.max_length`; fitting there: g6e.xlarge, g6e.12xlarge"


def test_the_count_that_is_named_holds_the_model_and_is_on_one_node() -> None:
    large = replace(MODEL, weights_bytes=100 * 10**9)
    pool = {**POOL, "types": ["g6e.12xlarge"], "max_gpus": 16}
    wanted = {"gpu__types": ["g6e.12xlarge"], "cluster__pools": [pool]}
    assert "write `gpu.count: 4`" in only(large, gpu__count=2, **wanted).fix
    assert findings(large, gpu__count=4, **wanted) == []
    # One that was not written is chosen, and nobody is told to write another.
    small = only(replace(MODEL, weights_bytes=30 * 10**9), gpu__types=["g6.xlarge"])
    assert (small.path, small.got) == ("gpu.types.0", "22888 MiB (1 x L4)")


def test_the_first_pool_that_holds_the_model_is_taken() -> None:
    pools = [{**POOL, "types": ["g6.xlarge"]}, {**POOL, "name": "big", "types": ["g6e.12xlarge"]}]
    large = plan(model=replace(MODEL, weights_bytes=60 * 10**9), cluster__pools=pools).derived
    assert large.pool
    assert (large.pool.name, large.gpus) == ("big", 2)
    small = plan(cluster__pools=pools).derived
    assert small.pool
    assert small.pool.name == "gpu"


def test_a_rollout_stays_within_the_cap() -> None:
    wanted = {"scaling__max": 2, "gpu__types": ["g6.xlarge"]}
    assert plan(**wanted).derived.surge
    within = plan(scaling__cap_usd_per_hour=2.02, **wanted)
    assert not within.derived.surge
    assert any("pool, quota and cap" in note for note in within.notes)
    assert plan(scaling__cap_usd_per_hour=3.03, **wanted).derived.surge


def test_a_fixed_number_of_nodes_that_are_all_taken_has_no_room_for_a_rollouts_replica() -> None:
    assert not plan(scaling__max=2, cluster__pools=[STATIC], **GATE).derived.surge
    assert plan(scaling__max=1, cluster__pools=[STATIC], **GATE).derived.surge


def test_a_gpu_that_is_too_old_for_the_weights() -> None:
    pool = {**POOL, "types": ["g5.xlarge"]}
    found = only(gpu__types=["g5.xlarge"], cluster__pools=[pool])
    assert (found.path, found.got) == ("gpu.types.0", "g5.xlarge (A10G, 8.6)")


def test_more_gpus_than_one_node_has() -> None:
    assert only(gpu__count=2, gpu__types=["g6.xlarge"]).fix == "write 1, or use another type"


def test_a_node_is_bought_whole() -> None:
    pool = {**POOL, "types": ["g6e.12xlarge"], "max_gpus": 4}
    changes = {"gpu__types": ["g6e.12xlarge"], "gpu__count": 2, "cluster__pools": [pool], "overrides__memory_gib": 64}
    assert findings(scaling__max=2, **changes) == []
    assert only(scaling__max=3, **changes).fix == "write `max: 2`, or raise the pool's limit to 8"


def test_placeholders_count_against_the_quota_and_a_buffer_does_not() -> None:
    changes = {"scaling__max": 3, "scaling__buffer": 2, "cluster__gpu_quota": {"models": 4}}
    assert findings(**changes) == []
    found = only(**changes, cluster__feature_gates=[])
    assert found.fix == "write `max: 2`, or raise the quota to 5"


def test_everything_is_said_at_once() -> None:
    found = findings(scaling__idle_seconds=1, overrides__startup_seconds=1, cluster__keda=None)
    assert [each.path for each in found] == ["cluster.keda", "scaling.idle_seconds", "overrides.startup_seconds"]


def test_a_window_that_never_closes() -> None:
    always = {"days": ["mon-sun"], "start": "00:00", "end": "24:00", "timezone": "UTC", "min": 2}
    found = only(scaling__max=2, scaling__lead_seconds=1440 * 60 * 6, schedule=[always])
    assert found.path == "schedule"


def test_versions_are_compared_as_numbers() -> None:
    facts = parse(Cluster, cluster(keda="v2.100.0", http_addon="0.15.0-rc.1", version="1.34.2-eks-abc"))
    assert list(version_findings(facts)) == []
