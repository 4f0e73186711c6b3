"""An environment goes on where it began, and never to a cluster that nobody named."""

import json
from pathlib import Path

import pytest
from gpu_environment import environment
from held_cluster import ARN

from model_packaging.findings import Finding, FindingsError
from scaletozero.cli.targets import FOLDER, hold_to_cluster, remember
from scaletozero.environment.project import Project
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment

CLUSTERS = {"there": (ARN, "https://127.0.0.1:1"), "elsewhere": ("kind-kind", "https://127.0.0.1:2")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, "scaletozero", tmp_path, tmp_path)


@pytest.fixture
def settings() -> Environment:
    return read_environment(environment("a"), None)


def name_cluster(monkeypatch: pytest.MonkeyPatch, folder: Path, current: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": of, "user": "u"}} for name, (of, _) in CLUSTERS.items()],
        "clusters": [{"name": of, "cluster": {"server": url}} for of, url in CLUSTERS.values()],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(path))


def refusal(project: Project, settings: Environment, *, sandboxed: bool = True) -> Finding:
    with pytest.raises(FindingsError) as error:
        hold_to_cluster(project, settings, "dev", sandboxed=sandboxed)
    (found,) = error.value.findings
    assert found.path == "KUBECONFIG"
    return found


def test_an_environment_without_a_cluster_needs_none(project: Project, settings: Environment) -> None:
    bare = settings.model_copy(update={"kubernetes": None})
    assert hold_to_cluster(project, bare, "dev", sandboxed=False) is None


def test_no_cluster_is_guessed(project: Project, settings: Environment) -> None:
    assert refusal(project, settings, sandboxed=False).got == "nothing"
    assert hold_to_cluster(project, settings, "dev", sandboxed=True) == FOLDER


def test_where_it_began_it_goes_on(
    project: Project, settings: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(project, "dev", hold_to_cluster(project, settings, "dev", sandboxed=True))
    name_cluster(monkeypatch, tmp_path, "there")
    assert (refusal(project, settings).got, hold_to_cluster(project, settings, "other", sandboxed=True)) == (
        "https://127.0.0.1:1",
        "https://127.0.0.1:1",
    )
    remember(project, "dev", "https://127.0.0.1:1")
    assert hold_to_cluster(project, settings, "dev", sandboxed=True) == "https://127.0.0.1:1"
    name_cluster(monkeypatch, tmp_path, "elsewhere")
    assert "https://127.0.0.1:1" in refusal(project, settings).rule
    # Also when its last endpoint on Kubernetes has just been removed, with the whole block.
    assert "https://127.0.0.1:1" in refusal(project, settings.model_copy(update={"kubernetes": None})).rule
    remember(project, "dev", None)
    assert hold_to_cluster(project, settings, "dev", sandboxed=True) == "https://127.0.0.1:2"


def test_the_cluster_is_the_one_that_was_declared(
    project: Project, settings: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_cluster(monkeypatch, tmp_path, "there")
    assert settings.kubernetes
    other = settings.kubernetes.cluster.model_copy(update={"name": "dev"})
    declared = settings.model_copy(update={"kubernetes": settings.kubernetes.model_copy(update={"cluster": other})})
    assert refusal(project, declared, sandboxed=False).got == ARN
