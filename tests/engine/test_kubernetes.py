"""An environment with an endpoint on Kubernetes, driven by the command line, where there is no cluster."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from gpu_environment import environment
from schemas import problems
from small_checkpoint import small_checkpoint
from workbench import ROOT, Workbench

KINDS = {
    *("CapacityBuffer", "Deployment", "InterceptorRoute", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor"),
    *("PrometheusRule", "ScaledObject", "Service", "ServiceAccount"),
}


def rendered(workbench: Workbench) -> dict[str, dict[str, Any]]:
    folder = workbench.root / ".scaletozero" / "manifests" / "local"
    found = [yaml.safe_load(path.read_text()) for path in folder.rglob("*.yaml")]
    return {each["kind"]: each for each in found}


@pytest.mark.long
def test_an_environments_whole_life_without_a_cluster(workbench: Workbench, tmp_path: Path) -> None:
    artifact = small_checkpoint(tmp_path / "qwen")
    workbench.declare(**environment(artifact, llm__scaling={"max": 2, "buffer": 1}))
    said = workbench.done("preview")
    assert "cold start" in said
    assert "warm nodes by buffer: Karpenter keeps the capacity ready itself" in said
    assert rendered(workbench) == {}

    said = workbench.done("up")
    assert "rendered to" in said
    objects = rendered(workbench)
    assert set(objects) == KINDS
    assert [problem for each in objects.values() for problem in problems(each)] == []
    assert "nothing changes" in workbench.done("up")

    status = json.loads(workbench.run("status", "--json").stdout)
    assert status["cluster"] == {"llm": {"status": "rendered"}}
    assert status["endpoints"]["llm"]["host"] == "llm.models"
    assert "rendered" in workbench.run("status").stdout
    asked = workbench.run("invoke", "llm", "{}")
    assert asked.returncode == 2
    assert "curl -H 'Host: llm.models' http://keda-add-ons-http-interceptor-proxy.keda:8080/" in asked.stderr

    # Another model is another prefix, which the pods of a new template load.
    before = objects["Deployment"]["spec"]["template"]
    small_checkpoint(artifact, weights=b"v" * 1000)
    workbench.done("up")
    after = rendered(workbench)["Deployment"]["spec"]["template"]
    assert before["spec"]["containers"][0]["args"][0] != after["spec"]["containers"][0]["args"][0]

    workbench.done("down")
    assert rendered(workbench) == {}


@pytest.mark.long
def test_the_environment_of_this_project_previews_with_no_account_and_no_cluster(workbench: Workbench) -> None:
    shutil.copy(ROOT / "stacks" / "environments" / "Pulumi.gpu-eu.yaml", workbench.root / "stacks" / "environments")
    small_checkpoint(workbench.root / "artifacts" / "minilm-vllm")
    assert "31 to create" in workbench.done("preview", "-e", "gpu-eu", "--sandbox")
    assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
