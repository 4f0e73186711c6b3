"""The real encoder, which the programs in other languages deploy."""

import pytest
from real_encoder import package_encoder

from model_packaging import Artifact


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return package_encoder(tmp_path_factory)
