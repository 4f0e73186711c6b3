"""Exactly what the components on Kubernetes declare, as an update and as a preview."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from gpu_declarations import MODEL, WINDOWS, cluster, endpoint, plan, warm
from gpu_faults import BAD_INPUT, THIRTEEN
from schemas import problems
from small_checkpoint import CONFIG, small_checkpoint

from model_packaging.findings import FindingsError
from scaletozero.args.cluster import NodeProvider, TaintEffect, WarmBackend
from scaletozero.args.gpu_endpoint import ColdAction, Engine, TriggerKind
from scaletozero.args.node_pools import CapacityType, PoolProvider, WarmState
from scaletozero.cluster.node_pools import GpuNodeGroup, GpuNodePool
from scaletozero.cluster.prerequisites import ClusterPrerequisites
from scaletozero.cluster.warm_pool import GpuWarmPool
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.kubernetes import packaged
from scaletozero.kubernetes.model import Model, kv_bytes_per_token, read_model


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return small_checkpoint(tmp_path / "artifact")


def on_cluster() -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(providers=[kubernetes.Provider("k8s", kubeconfig="{}")])


def declared(done: Any) -> list[str]:
    return sorted(f"{each.typ} {each.name}" for each in done.registered if each.typ.startswith(("aws:", "kubernetes:")))


def args(artifact: Path, **changes: Any) -> Any:
    return endpoint(artifact=str(artifact), **changes)


def test_an_endpoint_is_these_resources_and_no_other(run, artifact: Path) -> None:
    done = run(lambda: GpuEndpoint("llm", args(artifact), on_cluster()).host)
    assert declared(done) == [
        "aws:eks/podIdentityAssociation:PodIdentityAssociation llm-model-identity",
        "aws:iam/role:Role llm-model-role",
        "aws:iam/rolePolicy:RolePolicy llm-model-permissions",
        "aws:s3/bucketObjectv2:BucketObjectv2 llm-model-config.json",
        "aws:s3/bucketObjectv2:BucketObjectv2 llm-model-model.safetensors",
        "kubernetes:apps/v1:Deployment llm",
        "kubernetes:core/v1:Service llm-service",
        "kubernetes:core/v1:ServiceAccount llm-service-account",
        "kubernetes:http.keda.sh/v1beta1:InterceptorRoute llm-scaling-interceptor-route",
        "kubernetes:keda.sh/v1alpha1:ScaledObject llm-scaling",
        "kubernetes:monitoring.coreos.com/v1:PodMonitor llm-monitoring",
        "kubernetes:monitoring.coreos.com/v1:PrometheusRule llm-monitoring-prometheus-rule",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy llm-network-policy",
        "kubernetes:policy/v1:PodDisruptionBudget llm-pod-disruption-budget",
    ]
    association = done.one(":PodIdentityAssociation")
    assert (association["clusterName"], association["namespace"], association["serviceAccount"]) == (
        "prod",
        "models",
        "llm",
    )
    digest = read_model(artifact)[0].digest
    assert {each.inputs["key"] for each in done.of(":BucketObjectv2")} == {
        f"models/prod/models/llm/{digest}/{name}" for name in ("config.json", "model.safetensors")
    }
    assert all(each.inputs["region"] == "eu-central-1" for each in done.registered if each.typ.startswith("aws:s3"))
    read, _ = json.loads(done.one(":RolePolicy")["policy"])["Statement"]
    assert read["Resource"] == "arn:aws:s3:::acme-models/models/prod/models/llm/*"


def test_objects_are_declared_as_they_were_planned(run, artifact: Path) -> None:
    model, _ = read_model(artifact)
    done = run(lambda: GpuEndpoint("llm", args(artifact), on_cluster()).host)
    for planned in plan("llm", model, artifact=str(artifact)).objects:
        assert done.one(f":{planned['kind']}") == planned


def test_a_bucket_of_another_resource_reaches_the_pods(run, artifact: Path) -> None:
    def program() -> Any:
        bucket = pulumi.Output.from_input("made-later")
        return GpuEndpoint("llm", args(artifact, bucket=None) | {"bucket": bucket}, on_cluster()).host

    done = run(program)
    container = done.one(":Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][0].startswith("s3://made-later/models/prod/models/llm/")


def test_enums_are_taken_as_the_words_they_stand_for(run, artifact: Path) -> None:
    given = args(artifact)
    given["serving"] = {"engine": Engine.VLLM, "port": 8000.0}
    given["scaling"] = {"triggers": [{"kind": TriggerKind.HTTP, "concurrency": 4.0}], "max": 2.0, "buffer": 1.0}
    given["scaling"]["buffer_by"] = WarmBackend.AUTO
    given["on_cold"] = {"action": ColdAction.REJECT}
    given["cluster"]["nodes"] = NodeProvider.KARPENTER
    given["cluster"]["pools"][0]["taints"] = [{"key": "nvidia.com/gpu", "effect": TaintEffect.NO_SCHEDULE}]
    done = run(lambda: GpuEndpoint("llm", given, on_cluster()).host)
    assert done.one(":ScaledObject")["spec"]["maxReplicaCount"] == 2
    assert done.one(":CapacityBuffer")["spec"]["replicas"] == 1


def test_a_buffer_is_a_warm_pool_of_the_endpoint_s_own(run, artifact: Path) -> None:
    given = args(artifact, scaling__buffer=1, cluster__feature_gates=[])
    done = run(lambda: GpuEndpoint("llm", given, on_cluster()).host)
    names = [each for each in declared(done) if "llm-warm" in each]
    assert names == [
        "kubernetes:apps/v1:Deployment llm-warm",
        "kubernetes:scheduling.k8s.io/v1:PriorityClass llm-warm-priority-class",
    ]


def test_every_finding_stands_below_the_component_s_name(run, artifact: Path) -> None:
    given = args(artifact, scaling__idle_seconds=1, cluster__keda=None)
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuEndpoint("llm", given, on_cluster()).host)
    assert [each.path for each in error.value.findings] == ["llm.cluster.keda", "llm.scaling.idle_seconds"]


@pytest.mark.parametrize(
    "changes, path", [each[1:3] for each in THIRTEEN + BAD_INPUT], ids=[each[0] for each in THIRTEEN + BAD_INPUT]
)
def test_each_seeded_fault_is_caught_before_anything_is_declared(
    run, mocks, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], path: str
) -> None:
    monkeypatch.setattr(packaged, "read_model", lambda _: (MODEL, {}))
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuEndpoint("llm", endpoint(**changes), on_cluster()).host)  # pyright: ignore[reportArgumentType]
    assert {each.path for each in error.value.findings} == {f"llm.{path}"}
    assert {each.typ for each in mocks.registered} <= {"pulumi:pulumi:Stack", "pulumi:providers:kubernetes"}


def test_a_component_without_a_cluster_is_refused(run, artifact: Path) -> None:
    with pytest.raises(FindingsError, match="must have a Kubernetes provider"):
        run(lambda: GpuEndpoint("llm", args(artifact)).host)


def test_an_artifact_that_is_not_there(run, tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="the artifact must exist"):
        run(lambda: GpuEndpoint("llm", args(tmp_path / "none"), on_cluster()).host)


def test_an_artifact_that_was_changed(run, artifact: Path) -> None:
    (artifact / "model" / "model.safetensors").write_bytes(b"x" * 1000)
    with pytest.raises(FindingsError, match=r"model\.safetensors.*other bytes"):
        run(lambda: GpuEndpoint("llm", args(artifact), on_cluster()).host)


def test_an_artifact_for_the_cpu_is_told_where_it_belongs(run, make_artifact) -> None:
    packaged = make_artifact()
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuEndpoint("llm", args(packaged.path), on_cluster()).host)
    (found,) = error.value.findings
    assert (found.path, found.got) == ("llm.artifact", "cpu-serverless")


def test_a_manifest_that_is_none(run, artifact: Path) -> None:
    (artifact / "manifest.json").write_text("[]")
    with pytest.raises(FindingsError):
        run(lambda: GpuEndpoint("llm", args(artifact), on_cluster()).host)


def test_what_a_plan_knows_of_a_model(artifact: Path) -> None:
    model, files = read_model(artifact)
    assert (model.name, model.weights_bytes, model.capability, model.max_length) == ("qwen", 1000, 89, 32768)
    assert files == {name: artifact / "model" / name for name in ("config.json", "model.safetensors")}
    assert model.digest == json.loads((artifact / "manifest.json").read_text())["sha256"]


@pytest.mark.parametrize(
    "config, expected",
    [
        (CONFIG, 2 * 28 * 4 * 128 * 2),
        ({"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768}, 2 * 12 * 12 * 64 * 2),
        (
            {"num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256},
            2 * 2 * 2 * 256 * 2,
        ),
        ({}, None),
        ({"num_hidden_layers": 2, "num_attention_heads": 8}, None),
    ],
)
def test_the_attention_cache_of_a_token(config: dict[str, int], expected: int | None) -> None:
    assert kv_bytes_per_token(config) == expected


def test_memory_is_weights_cache_and_a_tenth() -> None:
    model = Model("m", "a" * 64, "gpu-vllm", 10 * 2**20, kv_bytes_per_token=1024, max_length=10 * 1024)
    assert model.gpu_memory_mib() == 22
    assert model.gpu_memory_mib(20 * 1024) == 33


def pool(**changes: Any) -> Any:
    return {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge"],
        "max_gpus": 4,
        "nodes": {"role": "gpu-nodes"},
        **changes,
    }


def test_a_pool_is_a_node_class_and_a_node_pool(run) -> None:
    given = pool(nodes={"role": pulumi.Output.from_input("made-later")}, capacity=[CapacityType.SPOT])
    done = run(lambda: GpuNodePool("gpu", given, on_cluster()).usd_per_hour)
    assert declared(done) == [
        "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass gpu-ec2-node-class",
        "kubernetes:karpenter.sh/v1:NodePool gpu",
    ]
    assert done.one(":EC2NodeClass")["spec"]["role"] == "made-later"


def test_a_pool_of_auto_mode(run) -> None:
    done = run(lambda: GpuNodePool("gpu", pool(provider=PoolProvider.AUTO_MODE), on_cluster()).usd_per_hour)
    assert done.one(":NodeClass")["spec"]["role"] == "gpu-nodes"


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"types": ["p5.4xlarge"]}, "gpu.types.0"),
        ({"types": ["g6e.12xlarge"], "max_gpus": 3}, "gpu.types.0"),
        ({"types": ["g6.xlarg"]}, "gpu.types.0"),
        ({"zones": ["us-east-1a"]}, "gpu.zones"),
        ({"static": 5}, "gpu.static"),
        ({"capacity": ["reserved"]}, "gpu.nodes.reservations"),
        ({"nodes": {"role": "r", "reservations": ["cr-0123"]}}, "gpu.nodes.reservations"),
        ({"nodes": {"role": "r", "snapshot": "vol-1"}}, "gpu.nodes.snapshot"),
        ({"provider": "auto-mode", "nodes": {"role": "r", "parallel_pull": True}}, "gpu.nodes.parallel_pull"),
        (
            {"nodes": {"role": "r", "parallel_pull": True, "image": "bottlerocket@v1.43.9"}},
            "gpu.nodes.parallel_pull",
        ),
        (
            {"nodes": {"role": "r", "parallel_pull": True, "snapshot": "snap-0123456789"}},
            "gpu.nodes.parallel_pull",
        ),
        ({"provider": "auto-mode", "nodes": {"role": "r", "snapshot": "snap-0123456789"}}, "gpu.nodes.snapshot"),
        ({"quiet_hours": [{"start": "25:00", "hours": 2}]}, "gpu.quiet_hours.0.start"),
        ({"quiet_hours": [{"start": "24:00", "hours": 2}]}, "gpu.quiet_hours.0.start"),
        *(
            ({"quiet_hours": [{"start": "07:00", "hours": 2, "days": days}]}, "gpu.quiet_hours.0.days")
            for days in ("6-0", "5-1", "1-2-3", "0-7", "mon-", "1,mon", "weekdays", "mon, tue", ",")
        ),
        ({"quiet_hours": [{"start": "07:00", "hours": 2}] * 49}, "gpu.quiet_hours"),
        ({"max_gpus": 0}, "gpu.max_gpus"),
        ({"max_gpu": 4}, "gpu.max_gpu"),
        ({"nodes": {"role": "r", "kms_key": f"arn:aws:kms:us-east-1:{'1' * 12}:key/k"}}, "gpu.nodes.kms_key"),
    ],
)
def test_pools_that_are_wrong(run, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuNodePool("gpu", pool(**changes), on_cluster()).usd_per_hour)
    assert [each.path for each in error.value.findings] == [path]


@pytest.mark.parametrize("name", ["GpuPool", "g" * 64])
def test_a_pool_s_name_is_one_that_a_node_pool_can_have(run, name: str) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuNodePool(name, pool(), on_cluster()).usd_per_hour)
    assert [each.path for each in error.value.findings] == [f"{name}.name"]


def group(**changes: Any) -> Any:
    return {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge"],
        "max_gpus": 4,
        "role_arn": "arn:aws:iam::111122223333:role/nodes",
        "subnets": ["subnet-1"],
        **changes,
    }


def test_a_node_group_comes_from_none_and_keeps_stopped_nodes_ready(run) -> None:
    given = group(warm={"nodes": 2, "state": WarmState.STOPPED}, taints=[{"key": "gpu", "value": "yes"}])
    done = run(lambda: GpuNodeGroup("gpu", given).pool_name)
    inputs = done.one(":NodeGroup")
    assert inputs["scalingConfig"] == {"minSize": 0, "desiredSize": 0, "maxSize": 4}
    assert inputs["warmPoolConfig"] == {
        "minSize": 2,
        "maxGroupPreparedCapacity": 4,
        "poolState": "STOPPED",
        "reuseOnScaleIn": False,
    }
    assert inputs["taints"] == [{"key": "gpu", "value": "yes", "effect": "NO_SCHEDULE"}]
    assert (inputs["region"], inputs["nodeGroupName"], inputs["amiType"]) == (
        "eu-central-1",
        "gpu",
        "BOTTLEROCKET_x86_64_NVIDIA",
    )


SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


@pytest.mark.parametrize(
    "late",
    [lambda: pulumi.Output.from_input(SUBNETS), lambda: [pulumi.Output.from_input(each) for each in SUBNETS]],
    ids=["whole", "parts"],
)
def test_the_subnets_of_a_node_group_may_come_from_other_resources(run, late: Callable[[], Any]) -> None:
    done = run(lambda: GpuNodeGroup("gpu", group(subnets=late())).pool_name)
    assert done.one(":NodeGroup")["subnetIds"] == SUBNETS


@pytest.mark.parametrize("late", [[], ["subnet-1", "subnet-1"], "subnet-1", None, {"a": "subnet-1"}])
def test_subnets_of_a_node_group_that_turn_out_wrong_are_refused(run, late: Any) -> None:
    with pytest.raises(Exception, match=r"gpu\.subnets"):
        run(lambda: GpuNodeGroup("gpu", group(subnets=pulumi.Output.from_input(late))).group.id)


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"warm": {"nodes": 5}}, "gpu.warm.nodes"),
        ({"types": ["g6.xlarge", "g6e.12xlarge"]}, "gpu.types"),
        ({"types": ["p5.48xlarge"], "max_gpus": 8}, "gpu.types.0"),
        ({"subnets": []}, "gpu.subnets"),
        ({"taints": [{"key": "k" * 64}]}, "gpu.taints.0.key"),
        ({"taints": [{"key": "k", "value": "v" * 64}]}, "gpu.taints.0.value"),
        ({"taints": [{"key": f"k{index}"} for index in range(51)]}, "gpu.taints"),
    ],
)
def test_node_groups_that_are_wrong(run, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuNodeGroup("gpu", group(**changes)).pool_name)
    assert [each.path for each in error.value.findings] == [path]


def test_a_node_group_whose_name_is_too_long(run) -> None:
    with pytest.raises(FindingsError, match="at most 63 characters"):
        run(lambda: GpuNodeGroup("g" * 64, group()).pool_name)


@pytest.mark.parametrize("schedule, ignored", [([], []), (WINDOWS[:1], ["spec.replicas"])])
def test_a_placeholder_has_the_time_to_pull_any_image(run, schedule: Any, ignored: list[str]) -> None:
    """The provider's own ten minutes are too few for 40 GB."""
    given = warm(replicas=1, backend="placeholder", schedule=schedule)
    declared = run(lambda: GpuWarmPool("spare", given, on_cluster()).reason).request(":Deployment")
    assert (declared.customTimeouts.create, declared.customTimeouts.update) == ("3430s", "3430s")
    assert [*declared.ignoreChanges] == ignored


def test_a_warm_pool_by_the_clock(run) -> None:
    done = run(lambda: GpuWarmPool("spare", warm(schedule=WINDOWS[:1]), on_cluster()).reason)
    assert declared(done) == [
        "kubernetes:apps/v1:Deployment spare",
        "kubernetes:keda.sh/v1alpha1:ScaledObject spare-scaled-object",
        "kubernetes:scheduling.k8s.io/v1:PriorityClass spare-priority-class",
    ]


def test_a_warm_pool_that_the_cluster_cannot_have(run) -> None:
    given = warm(replicas=1, backend="buffer", cluster=cluster(karpenter=None))
    with pytest.raises(FindingsError) as error:
        run(lambda: GpuWarmPool("spare", given, on_cluster()).reason)
    assert [each.path for each in error.value.findings] == ["spare.backend"]


def prerequisites(**changes: Any) -> Any:
    return {"cluster": cluster(), "namespaces": [{"name": "models", "gpu_quota": 8}], **changes}


def test_prerequisites_are_namespaces_and_two_charts(run) -> None:
    two = [{"name": "models", "gpu_quota": 8}, {"name": "search", "gpu_quota": 2}]
    done = run(lambda: ClusterPrerequisites("platform", prerequisites(namespaces=two), on_cluster()).interceptor)
    assert declared(done) == [
        "kubernetes:core/v1:Namespace platform-models-namespace",
        "kubernetes:core/v1:Namespace platform-search-namespace",
        "kubernetes:core/v1:ResourceQuota platform-models-resource-quota",
        "kubernetes:core/v1:ResourceQuota platform-search-resource-quota",
        "kubernetes:helm.sh/v3:Release platform-http-add-on",
        "kubernetes:helm.sh/v3:Release platform-keda",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy platform-models-network-policy",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy platform-search-network-policy",
    ]
    keda = next(each.inputs for each in done.of(":Release") if each.name == "platform-keda")
    assert (keda["chart"], keda["version"], keda["namespace"]) == ("keda", "2.20.2", "keda")


def test_a_namespace_may_be_named_like_an_object_of_another(run) -> None:
    two = [{"name": "gpus", "gpu_quota": 8}, {"name": "models", "gpu_quota": 2}]
    done = run(lambda: ClusterPrerequisites("platform", prerequisites(namespaces=two), on_cluster()).interceptor)
    found = [each.name for each in done.of(":ResourceQuota")]
    assert sorted(found) == ["platform-gpus-resource-quota", "platform-models-resource-quota"]


def test_pods_are_held_to_a_residency_by_policies_of_each_namespace(run) -> None:
    two = [{"name": "a", "gpu_quota": 1}, {"name": "b-bindings", "gpu_quota": 1}]
    args = prerequisites(namespaces=two, residency=["eu-central-1"])
    done = run(lambda: ClusterPrerequisites("platform", args, on_cluster()).interceptor)
    policies = [each for each in declared(done) if ":ValidatingAdmissionPolicy " in each]
    assert sorted(each.partition(" ")[2] for each in policies) == [
        "platform-a-validating-admission-policy",
        "platform-a-validating-admission-policy-bindings",
        "platform-b-bindings-validating-admission-policy",
        "platform-b-bindings-validating-admission-policy-bindings",
    ]


def test_a_mirror_has_no_repository_but_an_address(run) -> None:
    chart = {"repository": "oci://mirror.example.com/charts"}
    done = run(lambda: ClusterPrerequisites("platform", prerequisites(keda=chart), on_cluster()).interceptor)
    keda = next(each.inputs for each in done.of(":Release") if each.name == "platform-keda")
    assert keda["chart"] == "oci://mirror.example.com/charts/keda"
    assert "repositoryOpts" not in keda


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"cluster": cluster(keda="2.21.0")}, "platform.keda.version"),
        ({"cluster": cluster(http_addon="0.16.0")}, "platform.http_addon.version"),
        ({"keda": {"version": "2.16.0"}, "cluster": cluster(keda=None)}, "platform.keda.version"),
        ({"http_addon": {"version": "0.13.0"}, "cluster": cluster(http_addon=None)}, "platform.http_addon.version"),
        ({"cluster": cluster(version="1.29")}, "platform.cluster.version"),
        ({"cluster": cluster(nodes="auto-mode"), "device_plugin": {"install": True}}, "platform.device_plugin"),
        ({"namespaces": []}, "platform.namespaces"),
        ({"namespaces": [{"name": "a", "gpu_quota": 1}] * 2}, "platform.namespaces"),
        ({"namespaces": [{"name": "A", "gpu_quota": 1}]}, "platform.namespaces.0.name"),
        ({"keda": {"repository": "ftp://example.com"}}, "platform.keda.repository"),
    ],
)
def test_prerequisites_that_are_wrong(run, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: ClusterPrerequisites("platform", prerequisites(**changes), on_cluster()).interceptor)
    assert [each.path for each in error.value.findings] == [path]


def test_the_example_declares_the_platform_s_part_and_an_endpoint_on_it(run, artifact: Path) -> None:
    path = Path(__file__).parents[3] / "examples" / "gpu.py"
    program = runpy.run_path(str(path))["main"]
    done = run(lambda: program(str(artifact), "{}", "prod", "gpu-nodes").host)
    kinds = {each.typ.rpartition(":")[2] for each in done.registered}
    assert {"NodePool", "EC2NodeClass", "Namespace", "Release", "Deployment", "ScaledObject"} <= kinds
    (cron,) = (each for each in done.one(":ScaledObject")["spec"]["triggers"] if each["type"] == "cron")
    assert cron["metadata"]["desiredReplicas"] == "1"
    found = [
        problem
        for each in done.registered
        if "Release" not in each.typ and each.typ.startswith("kubernetes:")
        for problem in problems(each.inputs)
    ]
    assert found == []
