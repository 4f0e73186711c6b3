"""AWS's own framework images, by name and version, from the tables of the `sagemaker-core` package. No network."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from model_packaging.findings import refuse
from model_packaging.validation import nearest
from scaletozero.partitions import registry_host

DISTRIBUTION = "sagemaker-core"


def framework_image(framework: str, version: str, region: str, *, gpu: bool = False, python: str | None = None) -> str:
    """The address of an AWS framework image for inference, with its exact tag.

    Args:
        framework: as the tables name it, such as `pytorch` or `vllm`.
        version: whole or shortened, such as `2.6.0` or `2.6`.
        region: where it is pulled; the account of the registry depends on it.
        gpu: the image for GPUs instead of the one for CPUs.
        python: such as `py312`, where a version has several.

    Raises:
        FindingsError: the package is not there, or there is no such framework, version, processor or region.
    """
    tables = _tables()
    known = sorted(path.stem for path in tables.glob("*.json"))
    if framework not in known:
        raise _unknown("framework", framework, known)
    content = json.loads((tables / f"{framework}.json").read_text(encoding="utf-8"))
    content = content.get("inference", content)
    versions: dict[str, Any] = content.get("versions", {})
    whole = content.get("version_aliases", {}).get(version, version)
    if whole not in versions:
        raise _unknown("version", version, sorted(versions, reverse=True))
    entry = versions[whole]
    if "registries" not in entry:
        raise refuse(
            "framework",
            "must have one image for each version",
            f"{framework}, which has one for each of {', '.join(sorted(entry)[:5])}",
            fix="take the image's address from AWS's list, and give it to the endpoint with its digest",
        )
    if region not in entry["registries"]:
        raise _unknown("region", region, sorted(entry["registries"]))
    tag = [entry.get("tag_prefix", whole)]
    processors = entry.get("processors", content.get("processors"))
    processor = "gpu" if gpu else "cpu"
    if processors is not None:
        if processor not in processors:
            raise _unknown("processor", processor, processors)
        tag.append(processor)
    if pythons := entry.get("py_versions"):
        if python is None and len(pythons) > 1:
            raise refuse("python", f"must be chosen: {', '.join(pythons)}", "nothing", fix=f"write `{pythons[-1]}`")
        if python is not None and python not in pythons:
            raise _unknown("python", python, pythons)
        tag.append(python or pythons[0])
    if more := entry.get("container_version", {}).get(processor):
        tag.append(more)
    return f"{registry_host(entry['registries'][region], region)}/{entry['repository']}:{'-'.join(tag)}"


def _tables() -> Path:
    try:
        # Found as files: importing the package would load pandas and more.
        return Path(str(metadata.distribution(DISTRIBUTION).locate_file("sagemaker/core/image_uri_config")))
    except metadata.PackageNotFoundError:
        fix = f"pip install --no-deps {DISTRIBUTION}"
        raise refuse("framework_image", f"needs the tables of {DISTRIBUTION}", "none", fix=fix) from None


def _unknown(what: str, got: str, known: list[str]):
    guess = nearest(got, known)
    fix = f"write `{guess}`" if guess else ""
    return refuse(what, f"must be one of {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}", got, "", fix)
