"""One cluster for all the live tests, also where several processes run them; each has a namespace and a pool.

Most of their time they wait for the cluster, so that several at once take little longer than one.
"""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from live import Live, live_cluster
from schemas import CRD_DIR

SHARED = pytest.StashKey[dict[str, Any]]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """The process that hands out the tests holds the cluster for those that run them."""
    if not CRD_DIR.is_dir():
        return  # each test is skipped, and says why
    if SHARED not in node.config.stash:
        cluster = ExitStack()
        node.config.stash[SHARED] = cluster.enter_context(live_cluster())
        node.config.add_cleanup(cluster.close)
    node.workerinput["live"] = node.config.stash[SHARED]


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    if shared := getattr(request.config, "workerinput", {}).get("live"):
        yield Live.at(shared)
        return
    with live_cluster() as address:
        yield Live.at(address)


@pytest.fixture
def place(live: Live, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a namespace, and of a pool for the test to make, both gone afterwards."""
    words = request.node.originalname.removeprefix("test_").replace("_", "-")
    name = f"l-{words[:30].strip('-')}-{zlib.crc32(request.node.name.encode()):08x}"
    yield name
    live.clear(name, name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begins first, so that the others run beside it."""
    items.sort(key=lambda item: "test_fleet" not in item.nodeid)
