"""An environment's dashboard for Grafana."""

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_environment import environment, kubernetes
from small_checkpoint import small_checkpoint

from model_packaging.findings import FindingsError
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return small_checkpoint(tmp_path / "artifact")


def read(artifact: Path, **changes: Any) -> Environment:
    return read_environment(environment(artifact, **changes), artifact.parent)


def test_it_shows_the_endpoints_on_the_cluster(run, artifact: Path) -> None:
    found = read(artifact, kubernetes=kubernetes(grafana=True))
    done = run(lambda: declare_environment(found, artifact.parent))
    config_map = done.one(":ConfigMap")
    assert config_map["metadata"]["namespace"] == "models"
    ((name, text),) = config_map["data"].items()
    assert name == "acme-dev-dashboard.json"
    shown = json.loads(text)
    assert shown["title"] == "acme, dev"
    cost = next(each for each in shown["panels"] if each["title"] == "Cost")
    # One g6.xlarge an hour in eu-central-1, by the table of the GPU types.
    assert float(cost["targets"][0]["expr"].partition(" ")[0]) > 0


def test_without_the_setting_there_is_none(run, artifact: Path) -> None:
    found = read(artifact)
    assert run(lambda: declare_environment(found, artifact.parent)).of(":ConfigMap") == []


def test_without_an_endpoint_on_the_cluster_it_is_refused(artifact: Path) -> None:
    with pytest.raises(FindingsError) as caught:
        read(artifact, kubernetes=kubernetes(grafana=True), endpoints={})
    assert [each.path for each in caught.value.findings] == ["environment.kubernetes.grafana"]
