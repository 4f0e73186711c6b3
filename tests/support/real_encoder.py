"""The real sentence encoder, packaged as `make up` does."""

import fcntl

import pytest
from workbench import ROOT

from model_packaging import Artifact, PackageSpec, package
from scaletozero.cli.packaging import read_spec


def package_encoder(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Packages it by one of the workers; at once if that has been done."""
    with (tmp_path_factory.getbasetemp().parent / "encoder.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return package(PackageSpec.of(**read_spec(ROOT / "models" / "paraphrase-minilm.yaml")))
