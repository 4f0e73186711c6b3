"""Without a cluster the unmodified engine renders Kubernetes objects to a folder, through the sandbox's plugin."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml
from kubernetes_stacks import KubernetesStack, changed, refusal


def program(settings: dict[str, Any]) -> None:
    space = kubernetes.core.v1.Namespace("space", metadata={"name": "models"})
    inside = space.metadata["name"]
    spec: Any = {"selector": {"app": "llm"}, "ports": [{"port": 80, **settings.get("port", {})}]}
    kubernetes.core.v1.Service("llm", metadata={"namespace": inside, "name": "llm"}, spec=spec)
    kubernetes.apiextensions.CustomResource(
        "scaler", api_version="keda.sh/v1alpha1", kind="ScaledObject", metadata={"namespace": inside, "name": "llm"},
        spec={"scaleTargetRef": {"name": "llm"}, "triggers": []},
    )  # fmt: skip
    kubernetes.helm.v3.Release(
        "keda", chart="keda", version=settings.get("keda", "2.20.2"), namespace="keda", name="keda"
    )


@pytest.fixture
def stack(tmp_path: Path) -> KubernetesStack:
    return KubernetesStack(tmp_path, {"SCALETOZERO_MANIFESTS": str(tmp_path / "manifests")}, program)


def rendered(stack: KubernetesStack) -> dict[tuple[str, str], dict[str, Any]]:
    found = [yaml.safe_load(path.read_text()) for path in (stack.folder / "manifests").rglob("*.yaml")]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_a_folders_whole_life(stack: KubernetesStack) -> None:
    assert changed(stack.stack.preview()) == {"create": 5}
    assert rendered(stack) == {}
    said: list[str] = []
    assert changed(stack.up(on_output=said.append)) == {"create": 5}
    assert "recorded, not installed" in "".join(said)
    found = rendered(stack)
    assert {*found} == {("Namespace", "models"), ("Service", "llm"), ("ScaledObject", "llm"), ("Release", "keda")}
    assert found["Service", "llm"]["spec"]["ports"] == [{"port": 80}]
    assert found["Release", "keda"]["spec"]["version"] == "2.20.2"
    assert changed(stack.up(refresh=True)) == {}

    stack.settings.update(port={"targetPort": 8000}, keda="2.20.3")
    assert changed(stack.up()) == {"update": 2}
    found = rendered(stack)
    assert found["Service", "llm"]["spec"]["ports"] == [{"port": 80, "targetPort": 8000}]
    assert found["Release", "keda"]["spec"]["version"] == "2.20.3"

    stack.stack.destroy()
    assert rendered(stack) == {}


def test_a_field_that_there_is_not_is_refused(stack: KubernetesStack) -> None:
    stack.settings["port"] = {"targetPorts": 8000}
    for act in (stack.stack.preview, stack.up):
        assert "'targetPorts' was unexpected" in refusal(act)
    assert ("Service", "llm") not in rendered(stack)


def test_neither_a_cluster_nor_a_folder(tmp_path: Path) -> None:
    stack = KubernetesStack(tmp_path, {}, program)
    assert "no cluster and no folder: set KUBECONFIG" in refusal(stack.stack.preview)


def strict(settings: dict[str, Any]) -> None:
    provider = kubernetes.Provider("cluster", **settings)
    kubernetes.core.v1.Namespace("space", opts=pulumi.ResourceOptions(provider=provider))


def test_a_provider_that_would_not_apply_on_the_servers_side(tmp_path: Path) -> None:
    place = {"SCALETOZERO_MANIFESTS": str(tmp_path / "manifests")}
    stack = KubernetesStack(tmp_path, place, strict, {"enable_server_side_apply": False})
    assert "must not be false: the sandbox's provider uses server-side apply only" in refusal(stack.stack.preview)


def test_a_kubeconfig_that_can_not_be_read(tmp_path: Path) -> None:
    stack = KubernetesStack(tmp_path, {"KUBECONFIG": str(tmp_path / "nothing")}, program)
    assert "the kubeconfig cannot be used" in refusal(stack.stack.preview)
