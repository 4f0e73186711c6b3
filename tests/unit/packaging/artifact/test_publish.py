"""Which keys an artifact takes, in both of its forms, and the command that publishes it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from model_packaging.artifact.folder_manifest import FolderArtifact
from model_packaging.artifact.publish import plan, publish_artifact
from model_packaging.artifact.reader import Artifact
from model_packaging.artifact.s3_upload import Destination
from model_packaging.findings import FindingsError
from model_packaging.pipeline.folder import package_folder
from model_packaging.progress import quiet
from model_packaging.spec import FolderSpec
from scaletozero.cli import app
from scaletozero.cli.publishing import destination


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.fixture
def checkpoint(llama: Callable[..., Path], tmp_path: Path) -> FolderArtifact:
    return package_folder(FolderSpec.of(name="llama", source=llama(), out=tmp_path / "out", target="gpu-vllm"), quiet)


def keys(client: Any) -> list[str]:
    return [found["Key"] for found in client.list_objects_v2(Bucket="models").get("Contents", ())]


def test_an_archive(s3: Any, make_artifact: Callable[..., Artifact]) -> None:
    artifact = make_artifact("sentences")
    published = publish_artifact(plan(artifact.path), Destination("models", ["eu-central-1"]), s3)
    assert published.uri == f"s3://models/models/sentences/{artifact.digest}/model.tar.gz"
    [evidence, archive] = keys(s3)
    assert archive == published.uri.removeprefix("s3://models/")
    assert evidence.endswith("/manifest.json")
    assert plan(artifact.archive) == plan(artifact.path)


def test_an_archive_with_a_folder_called_model_beside_it(make_artifact: Callable[..., Artifact]) -> None:
    artifact = make_artifact("sentences")
    (artifact.path / "model").mkdir()
    assert plan(artifact.path).main == "model.tar.gz"


def test_a_folder(s3: Any, checkpoint: FolderArtifact) -> None:
    planned = plan(checkpoint.path)
    published = publish_artifact(planned, Destination("models", ["eu-central-1"]), s3)
    root = f"models/llama/{checkpoint.digest}/"
    assert published.uri == f"s3://models/{root}model/"
    assert [key.removeprefix(root) for key in keys(s3) if "/model/" in key] == [
        "model/LICENSE",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ]
    assert planned.size == sum(each.size for each in published.objects)
    assert sum("/evidence/" in key for key in keys(s3)) == 2


def test_evidence_that_differs_lies_beside_the_first(s3: Any, checkpoint: FolderArtifact) -> None:
    to = Destination("models", ["eu-central-1"])
    publish_artifact(plan(checkpoint.path), to, s3)
    path = checkpoint.path / "sbom.cdx.json"
    path.write_text(path.read_text() + "\n")
    again = publish_artifact(plan(checkpoint.path), to, s3)
    assert [each.uri.rpartition("/")[2] for each in again.objects if each.sent] == ["sbom.cdx.json"]


def test_an_artifact_that_was_harmed_is_not_published(s3: Any, checkpoint: FolderArtifact) -> None:
    (checkpoint.folder / "config.json").write_text("{}")
    with pytest.raises(FindingsError, match="must be what the manifest lists"):
        plan(checkpoint.path)


def test_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="the artifact must exist"):
        plan(tmp_path / "none")


class TestCommand:
    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, ["publish", *arguments])

    def test_it_publishes(self, s3: Any, checkpoint: FolderArtifact) -> None:
        asked = (str(checkpoint.path), "--bucket", "models", "--region", "eu-central-1", "--json")
        first, second = self.run(*asked), self.run(*asked)
        assert first.exit_code == second.exit_code == 0
        said = json.loads(first.stdout)
        assert said["digest"] == checkpoint.digest
        assert all(each["sent"] for each in said["objects"])
        assert not any(each["sent"] for each in json.loads(second.stdout)["objects"])

    def test_a_bucket_in_another_region(self, s3: Any, checkpoint: FolderArtifact) -> None:
        done = self.run(str(checkpoint.path), "--bucket", "models", "--region", "eu-west-1")
        assert done.exit_code == 2
        assert "must be in one of eu-west-1, got eu-central-1" in done.stderr
        assert keys(s3) == []

    def test_a_profile_that_does_not_exist(self, checkpoint: FolderArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nope")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        done = self.run(str(checkpoint.path), "--bucket", "models", "--region", "eu-central-1")
        assert done.exit_code == 2
        assert "bucket models: the AWS settings of this machine must be valid" in done.stderr
        assert "nope" in done.stderr

    def test_it_has_to_know_where(self, checkpoint: FolderArtifact) -> None:
        done = self.run(str(checkpoint.path), "--bucket", "models")
        assert done.exit_code == 2
        assert "give --environment or --region" in done.stderr


def test_the_environment_says_where_and_with_which_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: scaletozero\nruntime: python\n")
    key = "arn:aws:kms:eu-central-1:444455556666:key/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"
    settings = {"region": "eu-central-1", "endpoints": {}, "artifacts": {"kms_key_arn": key}}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps({"config": {"scaletozero:environment": settings}}))
    monkeypatch.chdir(tmp_path)
    assert destination("models", "prod", [], None) == Destination("models", ["eu-central-1"], key)
    assert destination("models", "prod", ["eu-west-1"], "alias/mine") == Destination(
        "models", ["eu-west-1"], "alias/mine"
    )
    with pytest.raises(FindingsError, match="environment: must be one of prod"):
        destination("models", "staging", [], None)
