"""The whole life of an environment on the real engine: made, unchanged, changed, drifted, broken, repaired, gone."""

import json
import os
import re
import signal

import pytest
from workbench import NOTHING, Workbench, endpoint

from model_packaging import Artifact
from scaletozero.sandbox import daemon

RESOURCES = 18  # the stack, its provider, two components and their fourteen resources


def order(said: str, *steps: str) -> bool:
    """Whether lines with these beginnings were said in this order."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    places = [next((i for i, line in enumerate(lines) if line.startswith(step)), None) for step in steps]
    found = [place for place in places if place is not None]
    assert len(found) == len(steps), (steps, said)
    return found == sorted(found)


def invoke(workbench: Workbench, *texts: str) -> list[list[float]]:
    result = workbench.run("invoke", "sentences", json.dumps({"inputs": list(texts)}))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["embeddings"]


def test_from_nothing_to_nothing(workbench: Workbench, encoder: Artifact, other_encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    said = workbench.done("preview")
    assert f"{RESOURCES} to create, 0 unchanged" in said

    said = workbench.done("up")
    assert f"{RESOURCES} created, 0 unchanged" in said
    first = invoke(workbench, "hello")

    assert f"nothing changes, {RESOURCES} resources" in workbench.done("up")
    assert f"nothing to change, {RESOURCES} unchanged" in workbench.done("preview")

    # A changed model: the new one is complete before the endpoint moves to it, and the old one goes after that.
    workbench.declare(endpoints={"sentences": endpoint(other_encoder)})
    shown = workbench.run("preview", "--format", "markdown").stdout
    assert f"**1 to update, 3 to replace**, {RESOURCES - 4} unchanged." in shown
    assert "| update | `sentences` | `aws:sagemaker:Endpoint` | `endpointConfigName` |" in shown
    for name, kind in (("model", "Model"), ("configuration", "EndpointConfiguration")):
        assert f"| replace | `sentences-{name}` | `aws:sagemaker:{kind}` |" in shown
    assert re.search(r"\| worst an hour \| (`\$[\d.]+`) \| \1 \| none \|", shown)
    said = workbench.done("up")
    assert order(
        said,
        "++ aws:sagemaker:Model sentences-model created replacement",
        "++ aws:sagemaker:EndpointConfiguration sentences-configuration creating replacement",
        "++ aws:sagemaker:EndpointConfiguration sentences-configuration created replacement",
        "~ aws:sagemaker:Endpoint sentences updating",
        "~ aws:sagemaker:Endpoint sentences updated",
        "-- aws:sagemaker:EndpointConfiguration sentences-configuration deleting original",
        "-- aws:sagemaker:Model sentences-model deleting original",
    )
    assert (workbench.left()["models"], workbench.left()["configurations"]) == (1, 1)
    assert invoke(workbench, "hello") == first

    # `down` stops the embedded AWS too; so first only what the engine does of it, to see what that leaves.
    workbench.stack().destroy()
    assert workbench.left() == NOTHING
    assert "everything is deleted" in workbench.done("down")
    assert daemon.running(workbench.root / ".scaletozero") is None
    assert json.loads(workbench.run("status", "--json").stdout)["sandbox"] is None


def test_changed_settings_move_the_endpoint_and_drift_is_repaired(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    workbench.declare(endpoints={"sentences": endpoint(encoder, memory_mb=3072, scaling={"max": 3})})
    assert "1 replaced, 1 updated" in workbench.done("up")
    sagemaker = workbench.aws("sagemaker")
    name = sagemaker.list_endpoints()["Endpoints"][0]["EndpointName"]
    current = sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentServerlessConfig"]
    assert (current["MemorySizeInMB"], current["MaxConcurrency"]) == (3072, 3)

    # Somebody opens the bucket and takes the log group away behind the engine's back.
    bucket = workbench.aws("s3").list_buckets()["Buckets"][0]["Name"]
    workbench.aws("s3").delete_public_access_block(Bucket=bucket)
    workbench.aws("logs").delete_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
    assert "2 created" in workbench.done("up")
    block = workbench.aws("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert workbench.left()["log groups"] == 1


def test_a_failure_half_way_leaves_the_old_endpoint_serving_and_the_next_up_recovers(
    workbench: Workbench, encoder: Artifact, other_encoder: Artifact, broken_encoder: Artifact
) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    answer = invoke(workbench, "hello")
    (name,) = json.loads(workbench.run("status", "--json").stdout)["live"]["endpoints"]

    workbench.declare(endpoints={"sentences": endpoint(broken_encoder)})
    result = workbench.run("up")
    assert result.returncode == 1
    assert "up failed" in result.stderr
    assert "sentences: must serve its new configuration" in result.stderr
    assert "SageMaker returned to" in result.stderr
    assert "Traceback" not in result.stderr
    # Nothing of the old one is gone and its role may still read it, so that it can still start.
    for instance in json.loads(workbench.run("status", "--json").stdout)["live"]["endpoints"][name]["instances"]:
        os.kill(instance["pid"], signal.SIGKILL)
    assert invoke(workbench, "hello") == answer
    assert workbench.left()["models"] == 2
    assert workbench.run("up").returncode == 1

    workbench.declare(endpoints={"sentences": endpoint(other_encoder)})
    workbench.done("up")
    assert invoke(workbench, "hello") == answer
    assert (workbench.left()["models"], workbench.left()["configurations"]) == (1, 1)
    assert "nothing changes" in workbench.done("up")


@pytest.mark.long
def test_a_first_up_that_fails_is_continued_by_the_next(
    workbench: Workbench, encoder: Artifact, broken_encoder: Artifact
) -> None:
    workbench.declare(endpoints={"sentences": endpoint(broken_encoder)})
    assert workbench.run("up").returncode == 1
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    assert len(invoke(workbench, "hello")[0]) == 384
    assert workbench.left()["endpoints"] == 1
