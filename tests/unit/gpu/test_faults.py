"""Every fault that can be declared, one at a time: found before anything exists, with the number that mends it."""

import re
from dataclasses import replace
from typing import Any

import pytest
from gpu_declarations import CRDS, FALLBACK, MODEL, PROMETHEUS, QUERY, WINDOWS, cluster, endpoint, plan

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.kubernetes.checks_cluster import version_findings
from scaletozero.kubernetes.checks_objects import same_nodes
from scaletozero.kubernetes.plan import plan_gpu_endpoint
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import GpuEndpointSettings

POOL = {"name": "gpu", "types": ["g6.xlarge", "g6e.xlarge"], "max_gpus": 8, "termination_grace_seconds": 1800}
OWN_METRIC = {"kind": "prometheus", "query": "avg(vllm:num_requests_running)", "threshold": 4}
UTILISATION = {"kind": "prometheus", "query": "avg(DCGM_FI_DEV_GPU_UTIL)", "threshold": 80}
HTTP = {"kind": "http"}
ELSEWHERE = {**FALLBACK, "region": "us-east-1"}


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


THIRTEEN: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "1 nothing that exists at zero pods wakes it",
        {"scaling__triggers": [OWN_METRIC], "cluster__prometheus": PROMETHEUS},
        "scaling.triggers",
        "add `{kind: http}`",
    ),
    ("2 cooldown below the cold start", {"scaling__idle_seconds": 416}, "scaling.idle_seconds", "write 420"),
    ("3 held for less than the cold start", {"on_cold__after_seconds": 416}, "on_cold.after_seconds", "write 420"),
    (
        "3 something outside gives up before",
        {"cluster__route": [{"name": "the load balancer", "timeout_seconds": 60}]},
        "cluster.route.0.timeout_seconds",
        "raise the load balancer's timeout to 460",
    ),
    (
        "4 startup below weights and engine",
        {"overrides__startup_seconds": 71},
        "overrides.startup_seconds",
        "write 110",
    ),
    ("4 rollout below the start", {"overrides__rollout_seconds": 449}, "overrides.rollout_seconds", "write 450"),
    ("4 Pulumi below the rollout", {"overrides__deploy_seconds": 449}, "overrides.deploy_seconds", "write 570"),
    (
        "5 a window's lead below the cold start",
        {"scaling__lead_seconds": 416, "scaling__max": 2, "schedule": WINDOWS[:1]},
        "scaling.lead_seconds",
        "write 420",
    ),
    (
        "5 windows overlap",
        {
            "scaling__max": 2,
            "schedule": [WINDOWS[0], {**WINDOWS[0], "days": ["fri-sat"], "start": "17:59", "end": "20:00"}],
        },
        "schedule.1",
        "shorten one of them",
    ),
    (
        "5 a window in a time zone that is none",
        {"scaling__max": 2, "schedule": [{**WINDOWS[0], "timezone": "Europe/Berln"}]},
        "schedule.0.timezone",
        "write `Europe/Berlin`",
    ),
    ("5 a window above max", {"schedule": WINDOWS[:1]}, "schedule.0.min", "write 1 or less, or raise `scaling.max`"),
    ("6 more than the pool's limit", {"scaling__max": 9, "cluster__gpu_quota": {}}, "scaling.max", "write `max: 8`"),
    (
        "6 the buffer does not fit",
        {"scaling__max": 6, "scaling__buffer": 3},
        "scaling.max",
        "write `max: 5`, or raise the pool's limit to 9",
    ),
    (
        "6 more than the quota",
        {"scaling__max": 5, "cluster__gpu_quota": {"models": 4}},
        "scaling.max",
        "write `max: 4`, or raise the quota to 5",
    ),
    ("8 no replicas without metrics", {"scaling__without_metrics": 0}, "scaling.without_metrics", "write 1"),
    (
        "9 a budget that blocks every drain",
        {"placement__min_available": 1},
        "placement.min_available",
        "leave it out: one pod at a time may go",
    ),
    (
        "9 a budget that blocks every drain of several",
        {"placement__min_available": 2, "scaling__min": 2, "scaling__max": 3},
        "placement.min_available",
        "write 1, or leave it out",
    ),
    (
        "10 a fallback outside the residency",
        {"on_cold__action": "fallback", "on_cold__service": ELSEWHERE},
        "on_cold.service.region",
        "take a fallback in eu-central-1",
    ),
    (
        "10 an image from elsewhere",
        {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/vllm:1"},
        "image",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/vllm:1",
    ),
    (
        "10 a zone of another region",
        {"cluster__pools": [{**POOL, "zones": ["us-east-1a"]}]},
        "cluster.pools.0.zones",
        "eu-central-1a",
    ),
    ("10 a cluster outside the residency", {"residency": ["eu-west-1"]}, "cluster.region", ""),
    (
        "10 metrics outside the residency",
        {"cluster__prometheus": {**PROMETHEUS, "amp_region": "us-east-1"}},
        "cluster.prometheus.amp_region",
        "",
    ),
    (
        "11 a GPU's utilisation as a metric",
        {"scaling__triggers": [HTTP, UTILISATION], "cluster__prometheus": PROMETHEUS},
        "scaling.triggers.1.query",
        "sum(vllm:num_requests_waiting)",
    ),
    (
        "12 a longer grace than the node's",
        {"cluster__pools": [{**POOL, "termination_grace_seconds": 300}]},
        "overrides.grace_seconds",
        "raise the pool's `termination_grace_seconds` to 330, or write `serving.request_seconds: 270`",
    ),
    ("12 a shorter grace than the drain", {"overrides__grace_seconds": 315}, "overrides.grace_seconds", "write 330"),
    (
        "13 a picker that lets go too early",
        {"cluster__endpoint_picker_ttl_seconds": 60},
        "cluster.endpoint_picker_ttl_seconds",
        "set the picker's request TTL to 420 s",
    ),
]


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


BAD_INPUT: list[tuple[str, dict[str, Any], str, str]] = [
    ("an unknown type", {"gpu__types": ["g6.xlarg"]}, "gpu.types.0", "write `g6.xlarge`"),
    (
        "a type that is not offered there",
        {"gpu__types": ["p5.4xlarge"], "cluster__pools": [{**POOL, "types": ["p5.4xlarge"]}]},
        "gpu.types.0",
        "fitting there: g6.xlarge",
    ),
    ("a type that the pool does not buy", {"gpu__types": ["g6.xlarge", "g6.4xlarge"]}, "gpu.types.1", "g6e.xlarge"),
    (
        "a fallback that is no service",
        {"on_cold__action": "fallback", "on_cold__service": {**FALLBACK, "name": "gatway"}},
        "on_cold.service.name",
        "gateway",
    ),
    ("a fallback without a service", {"on_cold__action": "fallback"}, "on_cold.service", "service: {name"),
    ("a service that is no fallback", {"on_cold__service": FALLBACK}, "on_cold.service", "remove it"),
    ("a hold that is none", {"on_cold__action": "reject", "on_cold__after_seconds": 3}, "on_cold.after_seconds", ""),
    (
        "a toleration that matches nothing",
        {"placement__tolerations": [{"key": "gpu", "value": "yes"}]},
        "placement.tolerations.0",
        "remove it",
    ),
    (
        "a container without a readiness path",
        {"serving": {"engine": "container"}},
        "serving.ready_path",
        "/health",
    ),
    ("min above max", {"scaling__min": 3}, "scaling.min", "write 1, or raise `max` to 3"),
    ("wake above max", {"scaling__wake": 3}, "scaling.wake", "write 1, or raise `max` to 3"),
    ("wake where nothing sleeps", {"scaling__min": 1, "scaling__wake": 1}, "scaling.wake", "remove it"),
    (
        "a window that can come once only",
        {"schedule": [{**{k: v for k, v in WINDOWS[0].items() if k != "days"}, "on": "2027-01-04", "min": 1}]},
        "schedule.0.on",
        "days",
    ),
    ("a namespace that is no label", {"namespace": "My_Models"}, "namespace", "write `my-models`"),
    ("an image without a registry", {"image": "vllm:1"}, "image", "<registry>"),
    ("an image that moves", {"image": "public.ecr.aws/vllm/vllm:latest"}, "image", "public.ecr.aws/vllm/vllm@sha256"),
    ("a port that only root opens", {"serving__port": 80}, "serving.port", "write 8000"),
    ("the whole internet", {"cluster__s3_cidrs": ["0.0.0.0/0"]}, "cluster.s3_cidrs.0", "S3 endpoint"),
    ("a network that is none", {"cluster__s3_cidrs": ["10.0.0.1/16"]}, "cluster.s3_cidrs.0", "network's own address"),
    ("no way to S3", {"cluster__s3_cidrs": []}, "cluster.s3_cidrs", "S3 prefix list"),
    ("no bucket", {"bucket": None}, "bucket", "bucket"),
    ("no pool", {"cluster__pools": []}, "cluster.pools", "GpuNodePool"),
    ("a pool that is not there", {"placement__pool": "gpus"}, "placement.pool", "gpu"),
    ("two pools of one name", {"cluster__pools": [POOL, POOL]}, "cluster.pools", ""),
    ("more memory than a node has", {"overrides__memory_gib": 16}, "overrides.memory_gib", "write 12"),
    ("more shared memory than half", {"overrides__shm_gib": 7}, "overrides.shm_gib", "write 6"),
    ("more cores than a node has", {"overrides__cpu": 5}, "overrides.cpu", "write 3"),
    (
        "on_cold without an interceptor",
        {"on_cold__action": "hold", "scaling__triggers": [QUERY], "scaling__min": 1, "cluster__prometheus": PROMETHEUS},
        "on_cold",
        "kind: http",
    ),
    (
        "a query with nobody to ask",
        {"scaling__triggers": [HTTP, QUERY]},
        "scaling.triggers.1.query",
        "cluster.prometheus",
    ),
    ("two interceptors", {"scaling__triggers": [HTTP, HTTP]}, "scaling.triggers", ""),
    ("a cluster without KEDA", {"cluster__keda": None}, "cluster.keda", "install it"),
    ("a cluster with an old KEDA", {"cluster__keda": "2.16.9"}, "cluster.keda", "upgrade it"),
    ("a cluster without the HTTP add-on", {"cluster__http_addon": None}, "cluster.http_addon", "install it"),
    ("a cluster with an old HTTP add-on", {"cluster__http_addon": "0.13.0"}, "cluster.http_addon", "upgrade it"),
    ("an old cluster", {"cluster__version": "1.29"}, "cluster.version", "upgrade"),
    (
        "a buffer on a cluster without",
        {"scaling__buffer": 1, "scaling__buffer_by": "buffer", "cluster__karpenter": "1.13.9"},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a buffer with the gate off",
        {"scaling__buffer": 1, "scaling__buffer_by": "buffer", "cluster__feature_gates": []},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a static pool that is none",
        {"scaling__buffer": 1, "scaling__buffer_by": "static"},
        "scaling.buffer_by",
        "static: 1",
    ),
    (
        "a group that is none",
        {"scaling__buffer": 1, "scaling__buffer_by": "managed"},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a group that keeps nothing warm",
        {"scaling__buffer": 1, "cluster__nodes": "managed"},
        "scaling.buffer_by",
        "warm: 1",
    ),
    ("a host twice", {"hosts": ["a.example.com", "a.example.com"]}, "hosts.1", "remove one"),
    ("its own host", {"hosts": ["llm.models"]}, "hosts", "remove it"),
    ("a type twice", {"gpu__types": ["g6.xlarge", "g6.xlarge"]}, "gpu.types.1", "remove one"),
    (
        "a zone twice",
        {"cluster__pools": [{**POOL, "zones": ["eu-central-1a"] * 2}]},
        "cluster.pools.0.zones.1",
        "remove one",
    ),
    ("an unknown setting", {"scaling__maximum": 3}, "scaling.maximum", "write `max`"),
]


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
    assert "`gpu.count: 2` or more" in found.fix
    assert "g6e.xlarge" in found.fix


def test_a_gpu_that_is_too_old_for_the_weights() -> None:
    pool = {**POOL, "types": ["g5.xlarge"]}
    found = only(gpu__types=["g5.xlarge"], cluster__pools=[pool])
    assert (found.path, found.got) == ("gpu.types.0", "g5.xlarge (A10G, 8.6)")


def test_more_gpus_than_one_node_has() -> None:
    assert only(gpu__count=2, gpu__types=["g6.xlarge"]).fix == "write 1, or take another type"


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
