"""What a program in another language is told of a mistake: the property, by its name there."""

from typing import Any

import pulumi
import pytest
from pulumi.provider.server import ComponentInitError

from model_packaging.findings import Finding
from scaletozero.plugin import Plugin, properties_error, schema


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    return schema()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("it.memory_mb", "memoryMb"),
        ("it.scaling.max", "scaling.max"),
        ("it.schedule.1.min", "schedule[1].min"),
        ("it.alarms.error_percent", "alarms.errorPercent"),
        ("it.alarms.notify.0", "alarms.notify[0]"),
        ("it.tags.cost_center", "tags.cost_center"),
        ("it.surprising_key", "surprisingKey"),
        ("a folder/manifest.json", ""),
    ],
)
def test_a_path_is_one_of_the_schema(package: dict[str, Any], path: str, wanted: str) -> None:
    found = properties_error(Finding(path, "must hold"), "it", "scaletozero:index:ServerlessEndpoint", package)
    assert found == {"property_path": wanted, "reason": f"{path}: must hold"}


def test_every_mistake_of_a_component_is_an_error_of_its_property() -> None:
    inputs: Any = {"region": "eu-central-1", "keepOldVersionsDays": 0, "keepAnswersDays": 0}
    with pytest.raises(pulumi.InputPropertiesError, match="it cannot be declared: 2 invalid properties") as raised:
        Plugin().construct("it", "scaletozero:index:ArtifactStore", inputs)
    assert raised.value.errors
    assert [each["property_path"] for each in raised.value.errors] == ["keepOldVersionsDays", "keepAnswersDays"]
    assert raised.value.errors[0]["reason"].startswith("it.keep_old_versions_days: must be from 1 to 3650 days, got 0")


def test_a_fault_of_the_component_itself_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin()

    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setitem(plugin._components, "ArtifactStore", broken)
    with pytest.raises(ComponentInitError):
        plugin.construct("it", "scaletozero:index:ArtifactStore", {"region": "eu-central-1"})
