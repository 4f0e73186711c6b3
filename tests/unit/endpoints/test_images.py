"""The registry of one's own images."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model_packaging.findings import FindingsError
from scaletozero import ServingImage
from scaletozero.endpoints.image_build import COPIED, DOCKERFILE, content_tag, context_folder

REGION = "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:111122223333:key/abc"
REGISTRY = f"111122223333.dkr.ecr.{REGION}.amazonaws.com"


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
    assert "push from a machine with Docker" in str(error.value)


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
