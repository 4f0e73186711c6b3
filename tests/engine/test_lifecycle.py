"""The whole life of an environment on the real engine: made, unchanged, changed, drifted, broken, repaired, gone."""

import json

from workbench import Workbench, endpoint

from model_packaging import Artifact

RESOURCES = 18  # the stack, its provider, two components and their fourteen resources


def order(said: str, *steps: str) -> bool:
    """Whether lines with these beginnings were said in this order."""
    lines = [" ".join(line.split()) for line in said.splitlines()]
    places = [next((i for i, line in enumerate(lines) if line.startswith(step)), None) for step in steps]
    assert None not in places, (steps, said)
    return places == sorted(places)


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

    assert "destroy" not in workbench.done("down")
    assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
