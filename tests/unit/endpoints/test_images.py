"""Where images come from: the registry of one's own, and AWS's framework images out of tables on disk."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero import ServingImage
from scaletozero.endpoints.image_build import COPIED, DOCKERFILE, content_tag, context_folder
from scaletozero.endpoints.images import DISTRIBUTION, framework_image
from scaletozero.endpoints.model import AWS_REGISTRIES
from scaletozero.settings.serverless import ServerlessEndpointSettings

REGION = "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:111122223333:key/abc"
REGISTRY = f"111122223333.dkr.ecr.{REGION}.amazonaws.com"
REGISTRIES = {REGION: "763104351884", "cn-north-1": "727897471807"}
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


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "arguments, image",
    [
        (("pytorch", "2.6.0", REGION), "pytorch-inference:2.6.0-cpu-py312"),
        (("pytorch", "2.6", REGION), "pytorch-inference:2.6.0-cpu-py312"),
        (("djl-lmi", "0.28.0", REGION), "djl-inference:0.28.0-lmi10.0.0-cu124"),
    ],
)
def test_an_image_of_a_framework_has_its_exact_tag(arguments: tuple[str, str, str], image: str) -> None:
    found = framework_image(*arguments)
    assert found == f"763104351884.dkr.ecr.{REGION}.amazonaws.com/{image}"
    given = {"artifact": "a", "image": found, "region": REGION, "bucket": "b"}
    assert parse(ServerlessEndpointSettings, given, "x").image == found
    assert found.split(".")[0] in AWS_REGISTRIES


@pytest.mark.usefixtures("tables")
def test_images_for_gpus_other_pythons_and_other_partitions() -> None:
    gpu = framework_image("vllm", "0.30.0", REGION, gpu=True)
    assert gpu.endswith("/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker")
    assert framework_image("pytorch", "2.5.1", REGION, python="py311").endswith(":2.5.1-cpu-py311")
    china = framework_image("pytorch", "2.6.0", "cn-north-1")
    assert china.startswith("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/")


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "arguments, more, said",
    [
        (("pytorc", "2.6.0", REGION), {}, "write `pytorch`"),
        (("pytorch", "2.6.9", REGION), {}, "version: must be one of 2.6.0"),
        (("pytorch", "2.6.0", "eu-west-3"), {}, "region: must be one of"),
        (("vllm", "0.30.0", REGION), {}, "processor: must be one of gpu, got cpu"),
        (("pytorch", "2.5.1", REGION), {}, "python: must be chosen: py310, py311"),
        (("pytorch", "2.5.1", REGION), {"python": "py39"}, "python: must be one of py310, py311"),
        (("huggingface", "5.5.3", REGION), {}, "must have one image for each version"),
    ],
)
def test_images_that_do_not_exist(arguments: tuple[str, str, str], more: Any, said: str) -> None:
    with pytest.raises(FindingsError) as error:
        framework_image(*arguments, **more)
    assert said in str(error.value)


def test_without_the_tables_it_is_told_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaletozero.endpoints.images.DISTRIBUTION", "sagemaker-core-that-nobody-has")
    with pytest.raises(FindingsError, match="pip install --no-deps"):
        framework_image("pytorch", "2.6.0", REGION)


@pytest.mark.parametrize(
    "key, encrypted",
    [(None, {"encryptionType": "AES256"}), (KEY, {"encryptionType": "KMS", "kmsKey": KEY})],
)
def test_a_registry_is_closed_and_keeps_what_has_a_tag(run, key: str | None, encrypted: dict[str, str]) -> None:
    given: Any = {"region": REGION, "keep_untagged_days": 7, **({"kms_key_arn": key} if key else {})}
    done = run(lambda: ServingImage("serving", given).arn)
    assert done.types() == ["aws:ecr/lifecyclePolicy:LifecyclePolicy", "aws:ecr/repository:Repository"]
    assert done.one(":Repository") == {
        "region": REGION,
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [encrypted],
        "tags": {"managed-by": "scaletozero", "stack": "acme/dev"},
    }
    (rule,) = json.loads(done.one(":LifecyclePolicy")["policy"])["rules"]
    assert rule["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 7,
    }


def docker_that(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A `docker` on PATH that does what a script says."""
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_an_image_is_built_as_sagemaker_takes_it(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker_that(monkeypatch, tmp_path, "echo 29.0.0")
    made: list[ServingImage] = []
    done = run(lambda: made.append(ServingImage("serving", {"region": REGION, "build": True})))
    (image,) = (args for args in done.registered if args.typ == "docker-build:index:Image")
    location = context_folder()
    assert not Path(location).is_absolute()
    assert image.name == "serving-image"
    assert image.inputs == {
        "context": {"location": location},
        "dockerfile": {"location": f"{location}/serving/Dockerfile"},
        "platforms": ["linux/amd64"],
        "exports": [{"registry": {"ociMediaTypes": False}}],
        "push": False,
        "buildOnPreview": False,
        "tags": [f"{REGISTRY}/serving:{content_tag(location)}"],
    }
    assert done.calls == []
    assert made[0].image is not None


def test_nothing_is_built_unless_asked_for(run) -> None:
    made: list[ServingImage] = []
    run(lambda: made.append(ServingImage("serving", {"region": REGION})))
    assert made[0].image is None


@pytest.mark.parametrize("script", ["echo Cannot connect to the Docker daemon >&2; exit 1", None])
def test_without_docker_nothing_is_declared(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None
) -> None:
    if script is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        docker_that(monkeypatch, tmp_path, script)
    declared: list[Any] = []
    with pytest.raises(FindingsError, match=r"serving\.build: needs a Docker engine") as error:
        declared += run(lambda: ServingImage("serving", {"region": REGION, "build": True})).registered
    assert declared == []
    assert "push from a machine that has it" in str(error.value)


def test_a_tag_follows_what_is_copied_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "model_packaging"
    (folder / "serving").mkdir(parents=True)
    for name in ("__init__.py", "serving/Dockerfile", "serving/server.py", "serving/requirements.txt", "other.py"):
        (folder / name).write_text(name)
    first = content_tag(str(folder))
    assert re.fullmatch(r"sha-[0-9a-f]{24}", first)
    (folder / "other.py").write_text("changed")
    (folder / "serving" / "server.cpython-311.pyc").write_text("bytecode")
    assert content_tag(str(folder)) == first
    seen = {first}
    for name in ("__init__.py", "serving/Dockerfile", "serving/server.py", "serving/requirements.txt"):
        (folder / name).write_text("changed")
        seen.add(content_tag(str(folder)))
    (folder / "serving" / "server.py").chmod(0o755)
    seen.add(content_tag(str(folder)))
    assert len(seen) == 6


def test_the_dockerfile_copies_what_its_context_lets_through() -> None:
    folder = Path(context_folder())
    copied = re.findall(r"^COPY (\S+)", (folder / DOCKERFILE).read_text(encoding="utf-8"), re.MULTILINE)
    ignore = (folder / f"{DOCKERFILE}.dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(copied) == sorted(COPIED) == sorted(line[1:] for line in ignore if line.startswith("!"))
    assert "*" in ignore


@pytest.mark.parametrize(
    "name, change",
    [
        ("Serving", {}),
        ("serving", {"keep_untagged_days": 0}),
        ("serving", {"keep_untagged_days": 3651}),
        ("serving", {"kms_key_arn": KEY.replace(REGION, "us-east-1")}),
        ("serving", {"keep": 3}),
    ],
)
def test_registries_that_ecr_would_refuse(run, name: str, change: dict[str, Any]) -> None:
    given: Any = {"region": REGION, **change}
    with pytest.raises(FindingsError):
        run(lambda: ServingImage(name, given))
