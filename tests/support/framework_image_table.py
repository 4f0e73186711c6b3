"""Makes `framework_images.json` from the tables of the installed sagemaker-core (`make .venv-extras/.ready`):

.venv-extras/bin/python tests/support/framework_image_table.py > components/scaletozero/settings/framework_images.json
"""

import json
import re
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from scaletozero.settings.framework_images import DISTRIBUTION, FRAMEWORKS

NEWEST = 5
KEPT = ("repository", "tag_prefix", "processors", "processor_in_tag", "py_versions", "container_version")


def made(folder: Path, version: str, today: date) -> dict[str, Any]:
    """The table: the newest versions of each framework, and every map of Regions to accounts once."""
    registries: list[dict[str, str]] = []
    frameworks: dict[str, Any] = {}
    for name in FRAMEWORKS:
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        content = content.get("inference", content)
        newest = sorted(content["versions"], key=lambda each: tuple(map(int, re.findall(r"\d+", each))))[-NEWEST:]
        versions = {}
        for each in reversed(newest):
            entry = content["versions"][each]
            if entry["registries"] not in registries:
                registries.append(entry["registries"])
            of = str(registries.index(entry["registries"]))
            versions[each] = {**{key: entry[key] for key in KEPT if key in entry}, "registries": of}
        stated = {"processors": content["processors"]} if "processors" in content else {}
        frameworks[name] = {**stated, "versions": versions}
    return {
        "source": f"sagemaker-core {version}, sagemaker/core/image_uri_config",
        "date": today.isoformat(),
        "registries": {str(index): dict(sorted(each.items())) for index, each in enumerate(registries)},
        "frameworks": frameworks,
    }


if __name__ == "__main__":
    found = metadata.distribution(DISTRIBUTION)
    folder = Path(str(found.locate_file("sagemaker/core/image_uri_config")))
    print(json.dumps(made(folder, found.version, date.today()), indent=1))
