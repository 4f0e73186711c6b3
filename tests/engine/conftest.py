"""The real encoder, packaged once, and an empty project to deploy it from."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from workbench import ROOT, Workbench

from model_packaging import Artifact, PackageSpec, open_artifact, package, safe_extract
from model_packaging.archive import write_archive
from scaletozero.cli.packaging import read_spec
from scaletozero.sandbox import daemon


@pytest.fixture(scope="session")
def encoder() -> Artifact:
    """The real sentence encoder, packaged as `make up` does; at once if that has run."""
    return package(PackageSpec.of(**read_spec(ROOT / "models" / "paraphrase-minilm.yaml")))


@pytest.fixture(scope="session")
def other_encoder(encoder: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The same encoder in another archive: another digest, and so another model to every deployment."""
    folder, files = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("files") / "files"
    safe_extract(encoder.archive, files)
    archive = folder / "model.tar.gz"
    write_archive(files, archive, level=1)
    manifest = json.loads((encoder.path / "manifest.json").read_text())
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest["archive"] |= {"compression": "gzip", "size": archive.stat().st_size, "sha256": sha256}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return open_artifact(folder)


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    """An empty project; its sandbox is gone afterwards."""
    (tmp_path / "stacks" / "environments").mkdir(parents=True)
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copy(ROOT / "stacks" / "__main__.py", tmp_path / "stacks")
    yield Workbench(tmp_path)
    daemon.stop(tmp_path / ".scaletozero")
