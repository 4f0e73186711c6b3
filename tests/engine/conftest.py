"""The real encoder, packaged once, and an empty project to deploy it from."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_encoder import package_encoder
from workbench import ROOT, Workbench

from model_packaging import Artifact, open_artifact, safe_extract
from model_packaging.artifact.archive import scan, write_archive
from scaletozero.engine.find import find_engine
from scaletozero.sandbox import daemon


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """The engine is there before a test looks at its watch: on a new machine it is built first, for minutes."""
    find_engine()


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return package_encoder(tmp_path_factory)


def repacked(artifact: Artifact, folder: Path, change: Callable[[Path], object] = lambda files: None) -> Artifact:
    """The artifact with its files changed, in an archive of another kind; whole, and with another digest."""
    files, archive = folder / "files", folder / "model.tar.gz"
    safe_extract(artifact.archive, files)
    change(files)
    write_archive(files, archive, level=1)
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest["archive"] |= {"compression": "gzip", "size": archive.stat().st_size, "sha256": sha256}
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    manifest["files"] = [
        {"path": m.path, "size": m.size, "sha256": m.sha256, "role": roles[m.path]} for m in scan(archive)
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return open_artifact(folder)


@pytest.fixture(scope="session")
def other_encoder(encoder: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The same encoder in another archive: another digest, and so another model to every deployment."""
    return repacked(encoder, tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="session")
def broken_encoder(encoder: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """An archive that is whole, with a graph in it that no runtime loads."""
    return repacked(
        encoder, tmp_path_factory.mktemp("broken"), lambda files: (files / "model.onnx").write_bytes(b"no graph")
    )


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    """An empty project; its sandbox is gone afterwards."""
    (tmp_path / "stacks" / "environments").mkdir(parents=True)
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copy(ROOT / "stacks" / "__main__.py", tmp_path / "stacks")
    yield Workbench(tmp_path)
    daemon.stop(tmp_path / ".scaletozero")
