"""One cluster for all the live tests; a namespace and a pool of its own for each."""

from collections.abc import Iterator

import pytest
from live import Live, live_cluster


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with live_cluster() as found:
        yield found


@pytest.fixture
def place(live: Live, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a namespace, and of a pool for the test to make, both gone afterwards."""
    name = "l-" + request.node.name[5:].split("[")[0].replace("_", "-")[:30].strip("-")
    yield name
    live.clear(name, name)
