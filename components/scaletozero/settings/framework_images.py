"""The framework images of AWS, by name and version. Pure: the network is not used.

They are in the tables of the `sagemaker-core` package, if it is installed (the extra `sagemaker`), or else in
`framework_images.json` beside this file, which was made from those tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from model_packaging.findings import FindingsError, refuse
from model_packaging.validation import Settings, Text, nearest, reject
from scaletozero.partitions import registry_host

DISTRIBUTION = "sagemaker-core"
FRAMEWORKS = ("djl-lmi", "huggingface-tei", "huggingface-tei-cpu", "llama-cpp", "pytorch", "sglang", "vllm")
"""The frameworks that an endpoint can name."""

Processor = Literal["cpu", "gpu"]

_OWN = Path(__file__).with_suffix(".json")
_EXAMPLE = 'write it in quotes, such as `version: "0.30"`'


def _framework(value: str) -> str:
    if value not in FRAMEWORKS:
        guess = nearest(value, FRAMEWORKS)
        fix = f"write `{guess}`" if guess else "write one of them, or the complete address of an image"
        reject(f"must be one of {', '.join(FRAMEWORKS)}", "no image could be found", fix)
    return value


def _version(value: object) -> object:
    if not isinstance(value, str):
        reject("must be a string", "YAML reads 0.30 as the number 0.3, which is another version", _EXAMPLE)
    if not re.fullmatch(r"\d+(\.\d+)*", value):
        reject("must be a version or the beginning of one, such as 0.30", "no image could be found", _EXAMPLE)
    return value


class FrameworkImage(Settings):
    """An image of AWS, by framework and version. A preview shows its complete address.

    Attributes:
        framework: `djl-lmi`, `huggingface-tei`, `huggingface-tei-cpu`, `llama-cpp`, `pytorch`, `sglang` or `vllm`.
        version: the version, or its beginning: `0.30` selects the newest known version of 0.30.
    """

    framework: Annotated[Text, AfterValidator(_framework)]
    version: Annotated[Text, BeforeValidator(_version)]


def address(image: FrameworkImage, region: str, processor: Processor) -> str:
    """The complete address of the image for a Region and a processor.

    Raises:
        FindingsError: there is no such version, or none for the processor or in the Region.
    """
    return framework_image(image.framework, image.version, region, gpu=processor == "gpu")


def framework_image(
    framework: str, version: str, region: str, *, gpu: bool | None = None, python: str | None = None
) -> str:
    """The address of an AWS framework image for inference, with its exact tag.

    Args:
        framework: its name in the tables, such as `pytorch` or `vllm`.
        version: the version or its beginning, such as `2.6.0` or `2.6`, of which the newest is selected.
        region: the Region that it is pulled in, which determines the registry's account.
        gpu: whether it is for GPUs. Default: the CPU, if the framework has an image for it.
        python: such as `py312`, if a version has several. Default: the newest.

    Raises:
        FindingsError: there is no such framework, version, processor, Python or Region.
    """
    content = _content(framework)
    versions: Mapping[str, Any] = content["versions"]
    if not (matching := [each for each in versions if each == version or each.startswith(f"{version}.")]):
        raise _no_version(framework, version, versions)
    whole = max(matching, key=_numbers)
    entry = versions[whole]
    if "registries" not in entry:
        raise refuse(
            "framework",
            "must have one image for each version",
            f"{framework}, which has one for each of {', '.join(sorted(entry)[:5])}",
            fix="set the endpoint's image to the address in AWS's list, with its digest",
        )
    processors = _processors(content, entry)
    processor = ("cpu" if "cpu" in processors else "gpu") if gpu is None else ("gpu" if gpu else "cpu")
    if processor not in processors:
        raise _no_processor(framework, processor, processors)
    if region not in entry["registries"]:
        raise _no_registry(framework, whole, region, versions)
    tag = [entry.get("tag_prefix", whole)]
    if (entry.get("processors") or content.get("processors")) and entry.get("processor_in_tag", True):
        tag.append(processor)
    if pythons := entry.get("py_versions"):
        if python is not None and python not in pythons:
            guess = max(pythons, key=_numbers)
            raise refuse("python", f"must be one of {', '.join(pythons)}", python, "", f"write `{guess}`")
        tag.append(python or max(pythons, key=_numbers))
    if more := entry.get("container_version", {}).get(processor):
        tag.append(more)
    return f"{registry_host(entry['registries'][region], region)}/{entry['repository']}:{'-'.join(tag)}"


def registries() -> frozenset[str]:
    """The accounts of AWS with the images of `FRAMEWORKS`."""
    return frozenset(
        account
        for framework in FRAMEWORKS
        for entry in _content(framework)["versions"].values()
        for account in entry["registries"].values()
    )


def _content(framework: str) -> Mapping[str, Any]:
    folder = _folder()
    own = _own(_OWN)
    installed = {path.stem: path for path in folder.glob("*.json")} if folder else {}
    found = _read(installed[framework]) if framework in installed else own.get(framework, {})
    if "versions" not in found:
        known = sorted({*installed, *own})
        guess = nearest(framework, known)
        fix = f"write `{guess}`" if guess else ""
        if not fix and folder is None:
            fix = "install `scaletozero[sagemaker]`, whose tables have more of them"
        more = ", ..." if len(known) > 12 else ""
        raise refuse("framework", f"must be one of {', '.join(known[:12])}{more}", framework, "", fix)
    return found


def _folder() -> Path | None:
    try:
        # Read as files, because importing the package would load pandas and more.
        found = Path(str(metadata.distribution(DISTRIBUTION).locate_file("sagemaker/core/image_uri_config")))
    except metadata.PackageNotFoundError:
        return None
    return found if found.is_dir() else None


@cache
def _read(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content.get("inference", content)


@cache
def _own(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    for framework in content["frameworks"].values():
        for entry in framework["versions"].values():
            entry["registries"] = content["registries"][entry["registries"]]
    return content["frameworks"]


def _processors(content: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    # The images of DJL name no processor and use CUDA.
    stated = entry.get("processors") or content.get("processors")
    return stated or (["gpu"] if re.search(r"-cu\d", entry.get("tag_prefix", "")) else ["cpu", "gpu"])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _newest(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=_numbers, reverse=True)


def _no_version(framework: str, version: str, versions: Mapping[str, Any]) -> FindingsError:
    known = _newest(versions)
    below = [each for each in known if _numbers(each) <= _numbers(version)]
    near = below[0] if below else known[-1]
    return refuse(
        "version",
        f"must be a known version of {framework}: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}",
        version,
        "no image could be found",
        f"write `{near}`, or the complete address of the image; a newer `scaletozero[sagemaker]` knows newer versions",
    )


def _no_processor(framework: str, processor: str, processors: list[str]) -> FindingsError:
    other = f"{framework}-cpu" if processor == "cpu" else framework.removesuffix("-cpu")
    if other != framework and other in FRAMEWORKS:
        fix = f"write `{other}`"
    elif processor == "cpu":
        fix = "write `llama-cpp`, `pytorch` or `huggingface-tei-cpu`, or `kind: asynchronous` with a GPU instance"
    else:
        fix = "choose an instance type without a GPU"
    return refuse(
        "framework", f"must have an image for the {processor.upper()}", f"{framework}, for {processors[0]}", "", fix
    )


def _no_registry(framework: str, version: str, region: str, versions: Mapping[str, Any]) -> FindingsError:
    there = _newest(each for each, entry in versions.items() if region in entry.get("registries", ()))
    fix = "copy the image to a repository of your own there, and write its address"
    return refuse(
        "region",
        f"must have a registry of AWS with {framework} {version}",
        region,
        "SageMaker pulls from its own Region only",
        f"write `{there[0]}`, the newest version there, or {fix}" if there else fix,
    )
