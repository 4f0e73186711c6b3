"""What is read from a cluster is what a declaration would have said of it."""

from copy import deepcopy
from typing import Any

import pytest
from gpu_declarations import plan
from held_cluster import ADDON, KARPENTER, KEDA, QUOTA, Held, crd, deployment, service
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.kubernetes.facts.discover import read_cluster, read_kubeconfig
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.cluster import Cluster, Pool
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.prerequisites import PrerequisitesSettings


def read(*objects: dict[str, Any]) -> Cluster:
    return parse(Cluster, read_cluster(Held(*objects), "prod", "eu-central-1"), "cluster")


def test_versions_gates_quotas_and_services() -> None:
    found = read(KEDA, ADDON, KARPENTER, QUOTA, service("models", "gateway"), service("other", "x"), crd("a.b.c"))
    assert (found.version, found.nodes) == ("1.34", "karpenter")
    assert (found.keda, found.http_addon, found.karpenter) == ("2.20.2", "0.15.0", "1.14.1")
    assert found.feature_gates == ("CapacityBuffer=true", "NodeRepair=false")
    assert found.gpu_quota == {"models": 8}
    assert found.services == {"models": ("gateway",)}
    assert found.crds == ("a.b.c",)


def test_an_empty_cluster() -> None:
    found = read()
    assert (found.keda, found.http_addon, found.karpenter, found.nodes) == (None, None, None, "managed")
    assert found.pools == ()


def test_auto_mode_is_told_by_its_node_class() -> None:
    assert read(crd("nodeclasses.eks.amazonaws.com"), crd("nodepools.karpenter.sh")).nodes == "auto-mode"


def test_another_controller_is_not_taken_for_karpenter() -> None:
    assert read(deployment("ingress", "registry.k8s.io/ingress-nginx/controller:v1.13.0")).karpenter is None


@settings(max_examples=100)
@given(
    st.integers(4, 64),
    st.sampled_from([(), ("eu-central-1a",), ("eu-central-1a", "eu-central-1b")]),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 3600),
    st.integers(1, 7200),
    st.sampled_from([[{"key": "nvidia.com/gpu"}], [{"key": "gpu", "value": "llm", "effect": "NoExecute"}]]),
    st.sampled_from([{}, {"snapshot": "snap-0123456789"}, {"parallel_pull": True}]),
)
def test_a_pool_is_read_back_as_it_was_declared(gpus, zones, static, idle, grace, taints, nodes) -> None:
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge", "g6e.xlarge"],
        "max_gpus": static or gpus,
        "zones": zones,
        "static": static,
        "idle_seconds": idle,
        "termination_grace_seconds": grace,
        "taints": taints,
        "nodes": {"role": "r", **nodes},
    }
    planned = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu"))
    crds = [crd("nodepools.karpenter.sh"), crd("ec2nodeclasses.karpenter.k8s.aws")]
    (found,) = read(*crds, KARPENTER, *planned.objects).pools
    assert found == planned.pool


def test_a_pool_without_a_limit_is_not_offered() -> None:
    declared = {"cluster": "c", "region": "eu-central-1", "types": ["g6.xlarge"], "max_gpus": 1, "nodes": {"role": "r"}}
    node_class, pool = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    pool["spec"].pop("limits")
    assert read(crd("nodepools.karpenter.sh"), node_class, pool).pools == ()


def node_pool(name: str, **spec: Any) -> dict[str, Any]:
    declared = {"cluster": "c", "region": "eu-central-1", "types": ["g6.xlarge"], "max_gpus": 4, "nodes": {"role": "r"}}
    _, found = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    found["metadata"]["name"] = name
    found["spec"] |= spec
    return found


@pytest.mark.parametrize(
    "quantity, gpus",
    [("0", 0), (8, 8), ("1k", 1000), ("1Ki", 1024), ("1500m", 1), ("2e1", 20), ("1E", 10**18), ("0.5Mi", 2**19)],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity: str | int, gpus: int) -> None:
    quota = deepcopy(QUOTA)
    quota["spec"]["hard"]["requests.nvidia.com/gpu"] = quantity
    pool = node_pool("gpu", limits={"nvidia.com/gpu": quantity})
    found = read(crd("nodepools.karpenter.sh"), quota, pool)
    assert found.gpu_quota == {"models": gpus}
    assert [each.max_gpus for each in found.pools] == [gpus]


def test_a_quota_without_limits_is_none() -> None:
    assert read({**QUOTA, "spec": {}}).gpu_quota == {}


@pytest.mark.parametrize("paused", [{"limits": {"nvidia.com/gpu": "0"}}, {"limits": {"nodes": "1"}, "replicas": 0}])
def test_a_paused_pool_is_seen_and_not_chosen(paused: dict[str, Any]) -> None:
    objects = crd("nodepools.karpenter.sh"), node_pool("a", **paused), node_pool("b")
    found = read(*objects)
    assert [(each.name, each.max_gpus) for each in found.pools] == [("b", 4), ("a", 0)]
    assert plan(cluster__pools=found.model_dump()["pools"]).findings == ()
    (refused,) = plan(cluster__pools=found.model_dump()["pools"], placement__pool="a").findings
    assert "its limit is 0 GPUs" in refused.rule
    assert refused.fix == "raise the pool's limit to 1"


def test_an_endpoint_in_a_namespace_that_may_have_no_gpu_is_refused() -> None:
    (found,) = plan(cluster__gpu_quota={"models": 0}).findings
    assert found.rule == "must fit the namespace's quota of 0 GPUs"
    assert found.fix == "raise the quota to 1"


def test_a_pool_s_name_may_have_dots_and_its_nodes_no_grace() -> None:
    pool = node_pool("gpu.large")
    pool["spec"]["template"]["spec"]["terminationGracePeriod"] = "0s"
    (found,) = read(crd("nodepools.karpenter.sh"), pool).pools
    assert (found.name, found.termination_grace_seconds) == ("gpu.large", 0)
    (refused,) = plan(cluster__pools=[found.model_dump()], placement__pool="gpu.large").findings
    assert refused.path == "overrides.grace_seconds"
    placed = plan(cluster__pools=[{**found.model_dump(), "termination_grace_seconds": None}])
    assert placed.findings == ()


@pytest.mark.parametrize("name", ["gpu..large", ".gpu", "GPU", "a" * 254])
def test_a_pool_s_name_that_no_object_can_have(name: str) -> None:
    with pytest.raises(FindingsError) as error:
        plan(cluster__pools=[{"name": name, "types": ["g6.xlarge"], "max_gpus": 4}])
    assert error.value.findings[0].path == "llm.cluster.pools.0.name"


def test_durations_of_every_unit() -> None:
    declared = {"cluster": "c", "region": "eu-central-1", "types": ["g6.xlarge"], "max_gpus": 1, "nodes": {"role": "r"}}
    _, pool = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    pool["spec"]["template"]["spec"]["terminationGracePeriod"] = "1h30m15s"
    pool["spec"]["disruption"]["consolidateAfter"] = "Never"
    (found,) = read(crd("nodepools.karpenter.sh"), pool).pools
    assert isinstance(found, Pool)
    assert (found.termination_grace_seconds, found.idle_seconds) == (5415, 300)


def test_prerequisites_are_read_back() -> None:
    declared = {
        "cluster": {"name": "prod", "region": "eu-central-1"},
        "namespaces": [{"name": "models", "gpu_quota": 6}],
    }
    planned = plan_prerequisites(parse(PrerequisitesSettings, declared, "p"))
    assert read(*planned.objects, plan().object("Service")).gpu_quota == {"models": 6}


@pytest.mark.parametrize("kubeconfig", [None, "", "/nowhere/config"])
def test_no_kubeconfig_and_no_cluster(kubeconfig: str | None) -> None:
    with pytest.raises(FindingsError) as error:
        read_kubeconfig(kubeconfig, "prod", "eu-central-1")
    (found,) = error.value.findings
    assert found.path == "KUBECONFIG"
    assert "`cluster`" in found.fix


def test_a_kubeconfig_that_is_none_or_leads_nowhere(tmp_path) -> None:
    path = tmp_path / "config"
    path.write_text("nonsense")
    with pytest.raises(FindingsError):
        read_kubeconfig(str(path), "prod", "eu-central-1")
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: t}}]\n"
    )
    with pytest.raises(FindingsError) as error:
        read_kubeconfig(str(path), "prod", "eu-central-1")
    assert "responds" in error.value.findings[0].rule
