"""One cluster for all, with the custom resources' definitions."""

from collections.abc import Iterator

import pytest
from clusters import Place, given_or_own

from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox.cluster.controllers import start_controller_manager
from scaletozero.sandbox.cluster.programs import CONTROL_PLANE, find_programs


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    with given_or_own() as found:
        yield found


@pytest.fixture(scope="session")
def api(place: Place) -> KubernetesApi:
    return place.api


@pytest.fixture(scope="session")
def controlled(place: Place) -> Place:
    """The cluster, with the controllers that give a Deployment its pods and take deleted namespaces away."""
    if place.own:
        start_controller_manager(place.own, find_programs(CONTROL_PLANE))
    return place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Controllers start last: nothing acts meanwhile on the objects of those who ask the API server alone."""
    items.sort(key=lambda item: "controlled" in getattr(item, "fixturenames", ()))
