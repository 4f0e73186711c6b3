"""The check of an environment opens each artifact and makes each plan; the program that declares it takes them over."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from gpu_declarations import cluster

from model_packaging import Artifact
from model_packaging.artifact import reader
from scaletozero import ServerlessEndpoint
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.kubernetes import packaged

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read and planned, in order."""
    done: list[str] = []

    def counting(module: Any, name: str) -> None:
        function = getattr(module, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapped)

    counting(reader, "scan")
    counting(packaged, "read_model")
    counting(packaged, "plan_gpu_endpoint")
    return done


def test_an_artifact_is_read_once(make_artifact: Any, counted: list[str], run: Any) -> None:
    path = str(make_artifact().path)
    counted.clear()
    endpoints = {
        "cpu": {"artifact": path, "image": IMAGE},
        "queue": {"kind": "asynchronous", "artifact": path, "image": IMAGE, "instance_type": "ml.g5.xlarge"},
    }
    environment = read_environment({"region": "eu-central-1", "endpoints": endpoints}, Path("/"))
    assert counted == ["scan", "scan"]
    run(lambda: declare_environment(environment, Path("/")))
    assert counted == ["scan", "scan"]


def test_a_plan_is_made_once(make_artifact: Any, counted: list[str], run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    serving = {"engine": "container", "ready_path": "/health"}
    gpu = {"kind": "gpu", "artifact": str(make_artifact().path), "image": IMAGE, "serving": serving}
    block = {"cluster": cluster(), "namespace": "models"}
    counted.clear()
    data = {"region": "eu-central-1", "sandbox": {}, "kubernetes": block, "endpoints": {"gpu": gpu}}
    environment = read_environment(data, Path("/"))
    once = ["read_model", "scan", "plan_gpu_endpoint"]
    assert counted == once
    run(lambda: declare_environment(environment, Path("/")))
    assert counted == once


def test_an_environment_that_was_not_examined_is_read_when_it_is_declared(
    make_artifact: Any, counted: list[str], run: Any
) -> None:
    data = {"region": "eu-central-1", "endpoints": {"cpu": {"artifact": str(make_artifact().path), "image": IMAGE}}}
    counted.clear()
    environment = read_environment(data, None)
    assert counted == []
    run(lambda: declare_environment(environment, Path("/")))
    assert counted == ["scan"]


def test_an_own_program_may_pass_an_open_artifact(make_artifact: Any, run: Any) -> None:
    artifact: Artifact = make_artifact()
    args: Any = {"artifact": artifact, "bucket": "models", "image": IMAGE, "region": "eu-central-1"}

    def program() -> pulumi.Output[str]:
        return ServerlessEndpoint("it", args).artifact_digest

    assert artifact.digest in run(program).one(":BucketObjectv2")["key"]
