"""A real API server takes every object of the examples."""

import asyncio
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import accepted

from scaletozero.kubernetes.api import KubernetesApi

EXAMPLES = Path(__file__).parents[2] / "examples"


def whole(value: Any) -> Any:
    """The value with its whole numbers as such: the recorder's protocol has one kind of number only."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.fixture
def declared(run: Callable[[Callable[[], Any]], Any], make_artifact: Callable[..., Any]) -> Iterator[list[dict]]:
    """The Kubernetes objects that the example for GPUs registers, in their order."""
    artifact = make_artifact(target="gpu-vllm")
    program = runpy.run_path(str(EXAMPLES / "gpu.py"))["main"]
    done = run(lambda: program(str(artifact.path), "{}", "prod", "gpu-nodes").host)
    yield [
        whole(each.inputs)
        for each in done.registered
        if each.typ.startswith("kubernetes:") and "apiVersion" in each.inputs and "Release" not in each.typ
    ]
    asyncio.set_event_loop(None)


def test_the_example_for_gpus(api: KubernetesApi, declared: list[dict[str, Any]]) -> None:
    kinds = {each["kind"] for each in declared}
    assert {"Namespace", "ResourceQuota", "NodePool", "EC2NodeClass", "Deployment", "ScaledObject"} <= kinds
    # A quota admits no pod before a controller has counted.
    accepted(api, [each for each in declared if each["kind"] != "ResourceQuota"])
    accepted(api, [each for each in declared if each["kind"] == "ResourceQuota"])
