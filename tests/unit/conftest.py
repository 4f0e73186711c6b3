"""An artifact that every test here can serve."""

import pytest

from model_packaging.artifact.reader import Artifact


@pytest.fixture
def packaged(make_artifact) -> Artifact:
    return make_artifact(recommended_mb=2048)
