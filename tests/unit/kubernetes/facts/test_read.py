"""What is known of a cluster: what it says itself, and what was written of it and is not so."""

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_declarations import CRDS
from gpu_environment import environment, kubernetes
from held_cluster import ADDON, ARN, KARPENTER, KEDA, QUOTA, Held, crd, service
from small_checkpoint import small_checkpoint
from typer.testing import CliRunner

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.cli import app
from scaletozero.environment import read
from scaletozero.kubernetes import api as api_module
from scaletozero.kubernetes.facts.discover import eks_name, read_cluster, read_kubeconfig
from scaletozero.kubernetes.facts.read import differences, facts, together
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.kubernetes import Kubernetes

SPACE = {"kind": "Namespace", "metadata": {"name": "models"}}
POOL = {
    "cluster": "prod",
    "region": "eu-central-1",
    "types": ["g6.xlarge"],
    "max_gpus": 4,
    "nodes": {"role": "nodes"},
}
POOLS = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, POOL, "gpu")).objects
EVERYTHING = (
    *(KEDA, ADDON, KARPENTER, QUOTA, SPACE, service("models", "gateway"), *POOLS),
    *(crd(name) for name in (*CRDS, "nodepools.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws")),
)


def live(*objects: dict[str, Any]) -> dict[str, Any]:
    return read_cluster(Held(*(objects or EVERYTHING)), "prod", "eu-central-1", ["models"])


def block(facts: str | None = None, **cluster: Any) -> Kubernetes:
    of = {"name": "prod", "region": "eu-central-1", **cluster}
    return parse(Kubernetes, {"namespace": "models", "cluster": of, "facts": facts}, "kubernetes")


def known(*objects: dict[str, Any], **cluster: Any) -> Cluster:
    def read(kubeconfig: str, name: str, region: str, **more: Any) -> dict[str, Any]:
        assert (kubeconfig, name, region) == ("config", "prod", "eu-central-1")
        assert more == {"context": None, "namespaces": ["models"]}
        return live(*objects)

    return facts(block(**cluster), Path(), "config", rendered=False, read=read)


def test_a_cluster_says_itself_what_it_has() -> None:
    found = known(s3_cidrs=["10.0.0.0/16"])
    assert (found.keda, found.http_addon, found.karpenter) == ("2.20.2", "0.15.0", "1.14.1")
    assert (found.namespaces, found.gpu_quota, found.services) == (("models",), {"models": 8}, {"models": ("gateway",)})
    assert [(each.name, each.max_gpus) for each in found.pools] == [("gpu", 4)]
    # What cannot be seen from inside is what was written.
    assert found.s3_cidrs == ("10.0.0.0/16",)


def test_what_is_written_as_it_is_changes_nothing() -> None:
    said = {key: value for key, value in live().items() if key not in ("name", "region")}
    assert known(**said) == known()
    assert known(keda="2.20", version="1.34") == known()


def test_a_pool_that_cannot_be_seen_is_taken_as_written() -> None:
    group = {"name": "group", "types": ["g6e.xlarge"], "max_gpus": 2}
    own = {"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 2, "cached_image": True}
    found = known(pools=[group, own])
    assert {each.name: each.max_gpus for each in found.pools} == {"gpu": 2, "group": 2}
    assert next(each for each in found.pools if each.name == "gpu").cached_image


@pytest.mark.parametrize(
    "written, path",
    [
        ({"keda": "2.19.0"}, "cluster.keda"),
        ({"http_addon": "0.14"}, "cluster.http_addon"),
        ({"karpenter": "1.15"}, "cluster.karpenter"),
        ({"version": "1.33"}, "cluster.version"),
        ({"nodes": "auto-mode"}, "cluster.nodes"),
        ({"crds": ["a.b.c"]}, "cluster.crds"),
        ({"feature_gates": ["StaticCapacity=true"]}, "cluster.feature_gates"),
        ({"namespaces": ["other"]}, "cluster.namespaces"),
        ({"services": {"models": ["gatway"]}}, "cluster.services.models"),
        ({"gpu_quota": {"models": 9}}, "cluster.gpu_quota.models"),
        ({"gpu_quota": {"others": 9}}, "cluster.gpu_quota.others"),
        ({"pools": [{"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 5}]}, "cluster.pools.0.max_gpus"),
        ({"pools": [{"name": "gpu", "types": ["g6e.xlarge"], "max_gpus": 4}]}, "cluster.pools.0.types"),
    ],
)
def test_what_is_written_and_is_not_so(written: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as error:
        known(**written)
    (found,) = error.value.findings
    assert found.path == f"kubernetes.{path}"
    assert found.fix


def test_what_the_cluster_lacks() -> None:
    (found,) = differences({"keda": "2.20.2"}, live(SPACE))
    assert (found.rule, found.got) == ("must be installed", "2.20.2, which is not installed")


def test_together_is_never_less_than_what_the_cluster_says() -> None:
    assert together({"name": "x"}, live()) == live()


@pytest.mark.parametrize(
    "cluster, expected",
    [
        (ARN, ("prod", "eu-central-1")),
        ("arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/a_b-c", ("a_b-c", "us-gov-west-1")),
        ("prod.eu-west-1.eksctl.io", ("prod", "eu-west-1")),
        ("kind-kind", None),
        ("", None),
    ],
)
def test_names_of_eks(cluster: str, expected: tuple[str, str] | None) -> None:
    assert eks_name(cluster) == expected


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig that calls its cluster as EKS does; asked, the cluster says what EVERYTHING is."""
    path = tmp_path / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": name, "context": {"cluster": cluster, "user": "u"}} for name, cluster in
                     {"c": ARN, "own": "kind-kind"}.items()],
        "clusters": [{"name": name, "cluster": {"server": "http://127.0.0.1:1"}} for name in (ARN, "kind-kind")],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }  # fmt: skip
    path.write_text(json.dumps(content))
    held = Held(*EVERYTHING)
    monkeypatch.setattr(api_module.KubernetesApi, "version", lambda self: held.version())
    monkeypatch.setattr(api_module.KubernetesApi, "list", lambda self, version, kind: held.list(version, kind))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def refusal(kubeconfig: Path, *names: str, **more: Any) -> Finding:
    with pytest.raises(FindingsError) as error:
        read_kubeconfig(str(kubeconfig), *names, **more)
    (found,) = error.value.findings
    return found


def test_a_kubeconfig_of_another_cluster_is_refused(kubeconfig: Path) -> None:
    assert read_kubeconfig(str(kubeconfig))["name"] == "prod"
    assert read_kubeconfig(str(kubeconfig), "prod", "eu-central-1") == live()
    for names in (("dev", "eu-central-1"), ("prod", "eu-west-1")):
        found = refusal(kubeconfig, *names)
        assert (found.path, found.got) == ("KUBECONFIG", ARN)
    assert "--name" in refusal(kubeconfig, context="own").fix
    assert read_kubeconfig(str(kubeconfig), "mine", "eu-central-1", context="own")["name"] == "mine"
    assert "context" in refusal(kubeconfig, context="other").got


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["cluster", *arguments])


def test_the_command_writes_facts_that_an_environment_takes(kubeconfig: Path, tmp_path: Path) -> None:
    result = run("--json", "--namespace", "models")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == live()
    (tmp_path / "prod.json").write_text(result.stdout)
    found = facts(block("prod.json"), tmp_path, None, rendered=True)
    assert found == parse(Cluster, live())


def test_the_command_says_what_there_is_and_what_is_missing(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run()
    assert result.exit_code == 0, result.stderr
    for said in ("1.34", "2.20.2", "capacitybuffers.autoscaling.x-k8s.io", "g6.xlarge", "buffer: Karpenter", "gateway"):
        assert said in result.stdout
    assert "prod: ready for GPU endpoints." in result.stderr

    held = Held(SPACE)
    monkeypatch.setattr(api_module.KubernetesApi, "list", lambda self, version, kind: held.list(version, kind))
    result = run()
    assert result.exit_code == 0
    assert "cluster.keda: must be KEDA 2.17 or later, got not installed" in result.stderr
    assert "prod: not yet ready for GPU endpoints." in result.stderr


def test_the_command_without_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    result = run("--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "KUBECONFIG: must name a cluster's kubeconfig file" in result.stderr


def test_an_environment_is_checked_against_its_cluster(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = small_checkpoint(tmp_path / "artifact")
    bare = {"namespace": "models", "cluster": {"name": "prod", "s3_cidrs": ["10.0.0.0/16"]}}
    found = read.read_environment(environment(artifact, kubernetes=bare, sandbox=None), tmp_path)
    assert found.kubernetes
    assert found.kubernetes.cluster.keda == "2.20.2"

    with pytest.raises(FindingsError) as error:
        read.read_environment(environment(artifact, kubernetes=kubernetes(), sandbox=None), tmp_path)
    assert {each.path for each in error.value.findings} == {"environment.kubernetes.cluster.pools.0.max_gpus",
                                                            "environment.kubernetes.cluster.pools.0.types"}  # fmt: skip
    bare["cluster"]["name"] = "dev"  # type: ignore[index]
    with pytest.raises(FindingsError) as error:
        read.read_environment(environment(artifact, kubernetes=bare, sandbox=None), tmp_path)
    assert [each.path for each in error.value.findings] == ["KUBECONFIG"]
