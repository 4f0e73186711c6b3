"""The project's own table of framework images says what sagemaker-core's says."""

import json
from pathlib import Path
from typing import Any

import pytest
from framework_image_table import KEPT

from scaletozero.settings import framework_images
from scaletozero.settings.framework_images import FRAMEWORKS, framework_image

OWN = json.loads(Path(framework_images.__file__).with_suffix(".json").read_text())


def installed(framework: str) -> Any:
    folder = framework_images._folder()
    assert folder, "the extra `sagemaker` is not installed"
    content = json.loads((folder / f"{framework}.json").read_text())
    return content.get("inference", content)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_entry_is_sagemaker_cores(framework: str) -> None:
    mine, theirs = OWN["frameworks"][framework], installed(framework)
    assert mine.get("processors") == theirs.get("processors")
    for version, entry in mine["versions"].items():
        there = theirs["versions"][version]
        assert {key: entry.get(key) for key in KEPT} == {key: there.get(key) for key in KEPT}
        assert OWN["registries"][entry["registries"]] == there["registries"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_both_resolve_to_the_same_addresses(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, entry in OWN["frameworks"][framework]["versions"].items():
        for region in OWN["registries"][entry["registries"]]:
            found = framework_image(framework, version, region)
            with monkeypatch.context() as patch:
                patch.setattr(framework_images, "DISTRIBUTION", "sagemaker-core-that-nobody-has")
                assert framework_image(framework, version, region) == found
