"""An endpoint whose image is named by framework and version declares the whole address, and says it."""

import json
from typing import Any

import pulumi
import pytest
from endpoint_declarations import REGION, args

from model_packaging.findings import FindingsError
from scaletozero import AsyncEndpoint, ServerlessEndpoint
from scaletozero.endpoints.kinds import KINDS
from scaletozero.plugin import Plugin

VLLM = {"framework": "vllm", "version": "0.30"}
VLLM_ADDRESS = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker"
TEI = {"framework": "huggingface-tei-cpu", "version": "1.8"}
TEI_ADDRESS = f"492215442770.dkr.ecr.{REGION}.amazonaws.com/tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04"


@pytest.fixture(autouse=True)
def without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaletozero.settings.framework_images.DISTRIBUTION", "sagemaker-core-that-nobody-has")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(pulumi, "info", lambda line, *_: lines.append(line))
    return lines


def image_of(done: Any) -> str:
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    image = done.one(":Model")["primaryContainer"]["image"]
    repository = image.partition("/")[2].partition(":")[0]
    assert statements["PullImage"]["Resource"].endswith(f"{image[:12]}:repository/{repository}")
    return image


@pytest.mark.parametrize("later", [False, True])
def test_an_asynchronous_endpoint_on_a_framework_image(run, packaged, said: list[str], later: bool) -> None:
    def program() -> Any:
        image = pulumi.Output.from_input(VLLM) if later else VLLM
        return AsyncEndpoint("chat", args(packaged, instance_type="ml.g5.xlarge", image=image)).endpoint_arn

    assert image_of(run(program)) == VLLM_ADDRESS
    assert said == [f"chat.image: vllm 0.30 is {VLLM_ADDRESS}"]


def test_a_serverless_endpoint_on_an_image_from_an_account_of_its_framework(run, packaged, said: list[str]) -> None:
    done = run(lambda: ServerlessEndpoint("embed", args(packaged, image=TEI)).endpoint_arn)
    assert image_of(done) == TEI_ADDRESS
    assert said == [f"embed.image: huggingface-tei-cpu 1.8 is {TEI_ADDRESS}"]


def test_an_image_for_gpus_is_refused_before_anything_is_declared(run, packaged) -> None:
    declared: list[Any] = []
    with pytest.raises(FindingsError, match=r"chat\.image\.framework: must have an image for the CPU"):
        declared += run(lambda: ServerlessEndpoint("chat", args(packaged, image=VLLM))).registered
    assert declared == []


@pytest.mark.parametrize(
    "kind, more, image, address",
    [
        ("asynchronous", {"instance_type": "ml.g5.xlarge"}, VLLM, VLLM_ADDRESS),
        ("serverless", {}, TEI, TEI_ADDRESS),
    ],
)
def test_the_residency_judges_the_whole_address(kind: str, more: Any, image: Any, address: str) -> None:
    settings = KINDS[kind].settings.model_validate({"artifact": "a", "image": image, **more})
    (model,) = KINDS[kind].declared_resources("it", settings, REGION)
    assert model.properties["primaryContainer"] == {"image": address}


def test_a_plugins_caller_is_told_the_property(packaged) -> None:
    inputs: Any = {"artifact": str(packaged.path), "bucket": "b", "region": REGION, "image": {**VLLM, "version": "9"}}
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        Plugin().construct("it", "scaletozero:index:AsyncEndpoint", {**inputs, "instanceType": "ml.g5.xlarge"})
    assert raised.value.errors
    assert [each["property_path"] for each in raised.value.errors] == ["image.version"]
