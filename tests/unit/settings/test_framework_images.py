"""AWS's framework images by name and version: out of the tables of sagemaker-core, and out of the project's own."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import LATER, parse
from scaletozero.environment.settings import Environment
from scaletozero.settings.asynchronous import AsyncEndpointSettings
from scaletozero.settings.framework_images import (
    DISTRIBUTION,
    FRAMEWORKS,
    FrameworkImage,
    framework_image,
    registries,
)
from scaletozero.settings.serverless import ServerlessEndpointSettings

REGION = "eu-central-1"
SERVERLESS = {"artifact": "a", "region": REGION, "bucket": "b"}
ASYNCHRONOUS = {**SERVERLESS, "instance_type": "ml.g5.xlarge"}
REGISTRIES = {REGION: "763104351884", "cn-north-1": "727897471807"}
LLAMA = {
    "processor_in_tag": False,
    "processors": ["cpu", "gpu"],
    "registries": REGISTRIES,
    "repository": "llama-cpp",
}
TABLES: dict[str, Any] = {
    "pytorch": {
        "inference": {
            "processors": ["cpu", "gpu"],
            "version_aliases": {"2.6": "2.6.0"},
            "versions": {
                "2.6.0": {"py_versions": ["py312"], "registries": REGISTRIES, "repository": "pytorch-inference"},
                "2.5.1": {
                    "py_versions": ["py310", "py311"],
                    "registries": REGISTRIES,
                    "repository": "pytorch-inference",
                },
            },
        }
    },
    "vllm": {
        "inference": {
            "processors": ["gpu"],
            "versions": {
                "0.30.0": {
                    "container_version": {"gpu": "cu130-ubuntu24.04-sagemaker"},
                    "py_versions": ["py312"],
                    "registries": REGISTRIES,
                    "repository": "vllm",
                    "tag_prefix": "0.30.0",
                }
            },
        }
    },
    "llama-cpp": {
        "versions": {
            "1": {"container_version": {"cpu": "cpu-v1", "gpu": "cuda-v1"}, "tag_prefix": "server", **LLAMA},
            "1.0.9": {
                "container_version": {"cpu": "cpu-v1.0.9", "gpu": "cuda-v1.0.9"},
                "tag_prefix": "server",
                **LLAMA,
            },
            "1.0.10": {"container_version": {"cpu": "cpu-v1.0.10"}, "tag_prefix": "server", **LLAMA},
        }
    },
    "djl-lmi": {
        "versions": {
            "0.28.0": {
                "registries": REGISTRIES,
                "repository": "djl-inference",
                "tag_prefix": "0.28.0-lmi10.0.0-cu124",
            }
        }
    },
    "huggingface": {"inference": {"processors": ["cpu"], "versions": {"5.5.3": {"pytorch2.6.0": {}}}}},
}


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables in the package's own form, where its distribution would have put them."""
    folder = tmp_path / "sagemaker" / "core" / "image_uri_config"
    folder.mkdir(parents=True)
    for name, table in TABLES.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    info = tmp_path / "sagemaker_core-2.27.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 2.27.0\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without sagemaker-core."""
    monkeypatch.setattr("scaletozero.settings.framework_images.DISTRIBUTION", "sagemaker-core-that-nobody-has")


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "arguments, image",
    [
        (("pytorch", "2.6.0", REGION), "pytorch-inference:2.6.0-cpu-py312"),
        (("pytorch", "2.6", REGION), "pytorch-inference:2.6.0-cpu-py312"),
        (("pytorch", "2", REGION), "pytorch-inference:2.6.0-cpu-py312"),
        (("pytorch", "2.5", REGION), "pytorch-inference:2.5.1-cpu-py311"),
        (("djl-lmi", "0.28.0", REGION), "djl-inference:0.28.0-lmi10.0.0-cu124"),
        (("llama-cpp", "1", REGION), "llama-cpp:server-cpu-v1.0.10"),
    ],
)
def test_an_image_of_a_framework_has_its_exact_tag(arguments: tuple[str, str, str], image: str) -> None:
    found = framework_image(*arguments)
    assert found == f"763104351884.dkr.ecr.{REGION}.amazonaws.com/{image}"
    assert parse(ServerlessEndpointSettings, {**SERVERLESS, "image": found}, "x").image == found


@pytest.mark.usefixtures("tables")
def test_images_for_gpus_other_pythons_and_other_partitions() -> None:
    gpu = framework_image("vllm", "0.30.0", REGION, gpu=True)
    assert gpu.endswith("/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker")
    assert framework_image("vllm", "0.30.0", REGION) == gpu
    assert framework_image("pytorch", "2.5.1", REGION, python="py310").endswith(":2.5.1-cpu-py310")
    china = framework_image("pytorch", "2.6.0", "cn-north-1")
    assert china.startswith("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/")


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "arguments, more, said",
    [
        (("pytorc", "2.6.0", REGION), {}, "write `pytorch`"),
        (("pytorch", "2.6.9", REGION), {}, "version: must be a known version of pytorch: 2.6.0, 2.5.1"),
        (("pytorch", "2.6.9", REGION), {}, "write `2.6.0`"),
        (("pytorch", "1.9", REGION), {}, "write `2.5.1`"),
        (("pytorch", "latest", REGION), {}, "version: must be a known version"),
        (("pytorch", "2.6.0", "eu-west-3"), {}, "region: must have a registry of AWS with pytorch 2.6.0"),
        (("vllm", "0.30.0", REGION), {"gpu": False}, "framework: must have an image for the CPU, got vllm, for gpu"),
        (("djl-lmi", "0.28", REGION), {"gpu": False}, "framework: must have an image for the CPU"),
        (("pytorch", "2.5.1", REGION), {"python": "py39"}, "python: must be one of py310, py311"),
        (("huggingface", "5.5.3", REGION), {}, "must have one image for each version"),
    ],
)
def test_images_that_do_not_exist(arguments: tuple[str, str, str], more: Any, said: str) -> None:
    with pytest.raises(FindingsError) as error:
        framework_image(*arguments, **more)
    assert said in str(error.value)


@pytest.mark.usefixtures("tables")
def test_a_framework_that_the_installed_tables_lack_is_in_the_projects_own() -> None:
    assert framework_image("sglang", "0.5.20", "us-east-1").endswith(
        "/sglang:0.5.20-gpu-py312-cu130-ubuntu24.04-sagemaker"
    )


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "framework, version, region, gpu, image",
    [
        ("vllm", "0.30", "eu-central-1", True,
         "763104351884.dkr.ecr.eu-central-1.amazonaws.com/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker"),
        ("vllm", "0.28", "us-gov-west-1", True,
         "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com/vllm:0.28.0-gpu-py312-cu130-ubuntu24.04-sagemaker"),
        ("djl-lmi", "0.36", "eusc-de-east-1", True,
         "204133271717.dkr.ecr.eusc-de-east-1.amazonaws.eu/djl-inference:0.36.0-lmi27.0.0-cu130"),
        ("huggingface-tei", "1.8", "cn-northwest-1", True,
         "451049120500.dkr.ecr.cn-northwest-1.amazonaws.com.cn/tei:2.0.1-tei1.8.2-gpu-py310-cu122-ubuntu22.04"),
        ("huggingface-tei-cpu", "1.8.2", "eu-west-1", False,
         "141502667606.dkr.ecr.eu-west-1.amazonaws.com/tei-cpu:2.0.1-tei1.8.2-cpu-py310-ubuntu22.04"),
        ("llama-cpp", "1", "cn-north-1", False,
         "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/llama-cpp:server-sagemaker-cpu-v1.0.1"),
        ("llama-cpp", "1.0.0", "us-east-1", True,
         "763104351884.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cuda-v1.0.0"),
        ("pytorch", "2.6", "us-gov-east-1", False,
         "446045086412.dkr.ecr.us-gov-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"),
        ("sglang", "0", "us-east-1", True,
         "763104351884.dkr.ecr.us-east-1.amazonaws.com/sglang:0.5.20-gpu-py312-cu130-ubuntu24.04-sagemaker"),
    ],
)  # fmt: skip
def test_addresses_out_of_the_projects_own_table(
    framework: str, version: str, region: str, gpu: bool, image: str
) -> None:
    assert framework_image(framework, version, region, gpu=gpu) == image
    assert image.partition(".")[0] in registries()


@pytest.mark.usefixtures("own")
def test_without_the_tables_it_is_said_where_more_frameworks_are() -> None:
    with pytest.raises(FindingsError, match=r"install `scaletozero\[sagemaker\]`"):
        framework_image("xgboost", "1.7", REGION)


def test_the_projects_own_table_is_small_dated_and_whole() -> None:
    path = Path(framework_image.__code__.co_filename).with_suffix(".json")
    assert path.stat().st_size < 60_000
    content = json.loads(path.read_text())
    assert content["source"].startswith(f"{DISTRIBUTION} ")
    assert len(content["date"]) == 10
    assert sorted(content["frameworks"]) == sorted(FRAMEWORKS)


def found_in(model: Any, given: Any) -> list[tuple[str, str]]:
    with pytest.raises(FindingsError) as error:
        parse(model, given, "x")
    return [(each.path, str(each)) for each in error.value.findings]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "model, change, path, said",
    [
        (AsyncEndpointSettings, {"framework": "vlm"}, "x.image.framework", "write `vllm`"),
        (AsyncEndpointSettings, {"framework": "xgboost"}, "x.image.framework", "or the complete address of an image"),
        (AsyncEndpointSettings, {"framework": None}, "x.image.framework", "must be a string"),
        (AsyncEndpointSettings, {"version": 0.3}, "x.image.version", 'such as `version: "0.30"`'),
        (AsyncEndpointSettings, {"version": LATER}, "x.image.version", "must be a string"),
        (AsyncEndpointSettings, {"version": ""}, "x.image.version", "must be a version or the beginning of one"),
        (AsyncEndpointSettings, {"version": "latest"}, "x.image.version", "must be a version or the beginning of one"),
        (AsyncEndpointSettings, {"version": "0.31"}, "x.image.version", "write `0.30.0`"),
        (AsyncEndpointSettings, {"version": "0.3"}, "x.image.version", "must be a known version of vllm"),
        (AsyncEndpointSettings, {"verson": "0.30"}, "x.image.verson", "write `version`"),
        (ServerlessEndpointSettings, {}, "x.image.framework", "must have an image for the CPU"),
        (ServerlessEndpointSettings, {"framework": "huggingface-tei", "version": "1.8"}, "x.image.framework",
         "write `huggingface-tei-cpu`"),
        (AsyncEndpointSettings, {"framework": "huggingface-tei-cpu", "version": "1.8"}, "x.image.framework",
         "write `huggingface-tei`"),
    ],
)  # fmt: skip
def test_each_bad_image_by_name_is_found(model: Any, change: dict[str, Any], path: str, said: str) -> None:
    image = {"framework": "vllm", "version": "0.30", **change}
    base = ASYNCHRONOUS if model is AsyncEndpointSettings else SERVERLESS
    found = found_in(model, {**base, "image": image})
    assert [each for each, _ in found] == [path]
    assert said in found[0][1]


@pytest.mark.usefixtures("own")
def test_a_region_without_a_registry_is_told_what_is_there() -> None:
    image = {"framework": "vllm", "version": "0.30"}
    ((path, said),) = found_in(AsyncEndpointSettings, {**ASYNCHRONOUS, "region": "us-gov-west-1", "image": image})
    assert path == "x.image"
    assert "must have a registry of AWS with vllm 0.30.0, got us-gov-west-1" in said
    assert "write `0.28.0`, the newest version there" in said


@pytest.mark.parametrize("image", [3, [], True, {}, None])
def test_what_is_neither_an_address_nor_a_framework(image: Any) -> None:
    assert all(
        path.startswith("x.image") for path, _ in found_in(AsyncEndpointSettings, {**ASYNCHRONOUS, "image": image})
    )


@pytest.mark.usefixtures("own")
def test_the_processor_is_the_instances() -> None:
    image = {"framework": "pytorch", "version": "2.6"}
    for instance, processor in (("ml.g5.xlarge", "gpu"), ("ml.p4d.24xlarge", "gpu"), ("ml.c6i.large", "cpu")):
        settings = parse(AsyncEndpointSettings, {**ASYNCHRONOUS, "instance_type": instance, "image": image}, "x")
        assert settings.processor == processor
        assert settings.image == FrameworkImage(framework="pytorch", version="2.6")


@pytest.mark.usefixtures("own")
def test_in_an_environment_it_is_checked_for_the_environments_region() -> None:
    endpoint = {"kind": "asynchronous", "artifact": "a", "instance_type": "ml.g5.xlarge"}
    image = {"framework": "vllm", "version": "0.30"}
    given = {"region": REGION, "endpoints": {"chat": {**endpoint, "image": image}}}
    (settings,) = parse(Environment, given, "x").endpoints.values()
    assert settings.model_dump(exclude_unset=True)["image"] == image
    ((path, _),) = found_in(Environment, {**given, "region": "us-gov-west-1"})
    assert path == "x.endpoints.chat.image"


@given(st.text() | st.from_regex(r"\d+(\.\d+)*", fullmatch=True), st.sampled_from(FRAMEWORKS))
def test_any_version_has_an_address_or_a_finding(version: str, framework: str) -> None:
    try:
        found = framework_image(framework, version, REGION)
    except FindingsError as error:
        assert [each.path for each in error.findings] == ["version"]
    else:
        assert found.count(":") == 1
