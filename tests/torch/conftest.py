"""This tier needs the `torch` extra; where torch is missing its modules skip themselves on import."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "torch: needs the torch extra (make test-torch)")
