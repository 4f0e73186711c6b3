"""An environment with an endpoint on Kubernetes, driven by the command line, on a real API server."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Place, eventually
from gpu_environment import environment
from platform_team import OPERATORS, operator, prepare
from small_checkpoint import small_checkpoint
from workbench import ROOT, Workbench

from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox import daemon

KINDS = {
    ("autoscaling.x-k8s.io/v1beta1", "CapacityBuffer"),
    ("apps/v1", "Deployment"),
    ("http.keda.sh/v1beta1", "InterceptorRoute"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
}


@pytest.fixture
def workbench(tmp_path: Path, controlled: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """An empty project, whose cluster is the tests'."""
    (tmp_path / "stacks" / "environments").mkdir(parents=True)
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copy(ROOT / "stacks" / "__main__.py", tmp_path / "stacks")
    monkeypatch.setenv("KUBECONFIG", str(controlled.kubeconfig))
    yield Workbench(tmp_path)
    daemon.stop(tmp_path / ".scaletozero")


Declare = Callable[..., None]


@pytest.fixture
def declare(workbench: Workbench, tmp_path: Path) -> Declare:
    """Writes an environment with one endpoint, of whose cluster only what cannot be seen is written."""

    def write(namespace: str, weights: bytes = b"w" * 1000, **changes: Any) -> None:
        artifact = small_checkpoint(tmp_path / "qwen", weights)
        block = {"namespace": namespace, "cluster": {"name": "prod", "s3_cidrs": ["10.0.0.0/16"]}}
        placed = {"llm__placement": {"pool": namespace}, **changes}
        workbench.declare(**environment(artifact, kubernetes=block, **placed))

    return write


@pytest.fixture
def prepared(controlled: Place, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace and a pool of that name, on a cluster that has everything. All of it gone afterwards."""
    api, namespace = controlled.api, "e-" + request.node.name[5:].replace("_", "-")[:40].strip("-")
    made = prepare(api, namespace)
    quota = next(each for each in made if each["kind"] == "ResourceQuota")
    if controlled.own:
        eventually(lambda: ((api.get(quota) or {}).get("status") or {}).get("hard"))
    yield namespace
    for each in reversed(made):
        api.delete(each)


def there(api: KubernetesApi, namespace: str, name: str = "llm") -> dict[str, dict[str, Any]]:
    """The endpoint's objects on the cluster."""
    found: dict[str, dict[str, Any]] = {}
    for version, kind in KINDS:
        for each in api.list(version, kind, namespace):
            if each["metadata"]["name"].startswith(name):
                found[kind] = {**each, "apiVersion": version, "kind": kind}
    return found


def refused(workbench: Workbench, *arguments: str) -> str:
    result = workbench.run(*arguments)
    assert result.returncode == 2, result.stderr
    assert not (workbench.root / ".scaletozero" / "backend").exists()
    assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
    return result.stderr


def test_a_cluster_without_what_is_needed(
    workbench: Workbench, declare: Declare, controlled: Place, prepared: str
) -> None:
    declare(prepared)
    keda, addon, _ = OPERATORS
    controlled.api.delete(keda)
    controlled.api.apply(operator("keda-add-ons-http-interceptor", "ghcr.io/kedacore/http-add-on-interceptor:0.13.0"))
    said = refused(workbench, "up")
    assert "environment.kubernetes.cluster.keda: must be KEDA 2.17 or later, got not installed" in said
    assert "environment.kubernetes.cluster.http_addon: must be KEDA's HTTP add-on 0.14 or later, got 0.13.0" in said
    controlled.api.apply(operator("keda-operator", "ghcr.io/kedacore/keda:2.16.1"), force=True)
    controlled.api.apply(addon, force=True)
    said = refused(workbench, "preview")
    assert "environment.kubernetes.cluster.keda: must be KEDA 2.17 or later, got 2.16.1" in said

    controlled.api.apply(keda, force=True)
    declare("not-there", llm__placement={"pool": prepared})
    said = refused(workbench, "up")
    assert "environment.kubernetes.namespace: must exist in the cluster prod, got not-there" in said
    assert there(controlled.api, prepared) == {}


def test_an_environments_whole_life_on_a_cluster(
    workbench: Workbench, declare: Declare, controlled: Place, prepared: str
) -> None:
    api = controlled.api
    declare(prepared, llm__scaling={"max": 2, "buffer": 1})
    said = workbench.done("preview")
    assert "warm nodes by buffer: Karpenter keeps the capacity ready itself" in said
    assert there(api, prepared) == {}

    workbench.done("up")
    objects = there(api, prepared)
    assert set(objects) == {kind for _, kind in KINDS}
    for kind, each in objects.items():
        ours = [entry for entry in each["metadata"]["managedFields"] if "pulumi" in entry["manager"]]
        assert [entry["operation"] for entry in ours] == ["Apply"], kind
    versions = {kind: each["metadata"].get("generation") for kind, each in objects.items()}
    assert "nothing changes" in workbench.done("up")
    assert {kind: each["metadata"].get("generation") for kind, each in there(api, prepared).items()} == versions

    # Nowhere else, while it is here: its objects would be left behind.
    elsewhere = workbench.run("down", KUBECONFIG="")
    assert elsewhere.returncode == 2
    assert "KUBECONFIG: must lead to where local is, https://127.0.0.1" in elsewhere.stderr

    # Replicas are whoever scales them: the next run leaves them.
    deployment = objects["Deployment"]
    api.patch(deployment, {"spec": {"replicas": 2}}, subresource="scale")
    assert "nothing changes" in workbench.done("up")
    assert there(api, prepared)["Deployment"]["spec"]["replicas"] == 2
    status = json.loads(workbench.run("status", "--json").stdout)
    assert status["cluster"] == {"llm": {"status": "waking", "replicas": 2, "ready": 0}}
    api.patch(deployment, {"spec": {"replicas": 0}}, subresource="scale")
    assert "asleep" in workbench.run("status").stdout

    # A new model, while somebody else owns the replicas.
    declare(prepared, weights=b"v" * 1000, llm__scaling={"max": 2, "buffer": 1})
    workbench.done("up")
    after = there(api, prepared)["Deployment"]
    assert (
        after["spec"]["template"]["spec"]["containers"][0]["args"][0]
        != (deployment["spec"]["template"]["spec"]["containers"][0]["args"][0])
    )
    assert after["spec"]["replicas"] == 0

    workbench.done("down")
    assert there(api, prepared) == {}


def test_closed_it_stays_until_it_is_opened(
    workbench: Workbench, declare: Declare, controlled: Place, prepared: str
) -> None:
    api, annotation = controlled.api, "autoscaling.keda.sh/paused-replicas"

    def annotations() -> dict[str, str]:
        return there(api, prepared)["ScaledObject"]["metadata"].get("annotations") or {}

    declare(prepared, llm__scaling={"max": 2})
    workbench.done("up")
    assert annotation not in annotations()
    assert "KEDA holds it at no replica" in workbench.done("close", "llm")
    assert annotations()[annotation] == "0"
    assert "was closed" in workbench.done("close", "llm")
    assert "llm" in workbench.run("status").stdout
    assert json.loads(workbench.run("status", "--json").stdout)["cluster"]["llm"]["status"] == "closed"
    # Neither an `up` that changes nothing, nor one that changes the very object, opens it.
    assert "nothing changes" in workbench.done("up")
    declare(prepared, llm__scaling={"max": 3})
    workbench.done("up")
    assert there(api, prepared)["ScaledObject"]["spec"]["maxReplicaCount"] == 3
    assert annotations()[annotation] == "0"
    assert "KEDA scales it again" in workbench.done("reopen", "llm")
    assert annotation not in annotations()
    assert "nothing was changed" in workbench.done("reopen", "llm")
    assert "nothing changes" in workbench.done("up")
    elsewhere = workbench.run("close", "llm", KUBECONFIG="")
    assert elsewhere.returncode == 2
    assert "KUBECONFIG: must name a cluster's kubeconfig file" in elsewhere.stderr
    workbench.done("down")


def test_the_command_reads_a_real_cluster(workbench: Workbench, prepared: str) -> None:
    result = workbench.run("cluster", "--name", "prod", "--region", "eu-central-1", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["version"], found["keda"], found["http_addon"]) == ("1.34", "2.20.2", "0.15.0")
    assert (found["karpenter"], found["feature_gates"]) == ("1.14.1", ["CapacityBuffer=true"])
    assert {"scaledobjects.keda.sh", "capacitybuffers.autoscaling.x-k8s.io"} <= set(found["crds"])
    assert next(each for each in found["pools"] if each["name"] == prepared)["max_gpus"] == 8
    assert found["gpu_quota"][prepared] == 8
    assert prepared in found["namespaces"]
