"""The reference pages: their addresses in the site, and their Markdown."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, get_type_hints

from pydantic import BaseModel

from generator.commands import command_pages
from generator.docstrings import summary
from generator.fields import block_of
from generator.markdown import block_sections, slug, table
from model_packaging.artifact.folder_manifest import FolderManifest
from model_packaging.artifact.manifest import Manifest
from model_packaging.serving.registry import TASKS, load
from model_packaging.spec import FolderSpec, PackageSpec
from model_packaging.validation import Settings
from scaletozero.endpoints.kinds import KINDS
from scaletozero.environment.settings import Environment
from scaletozero.plugin import COMPONENTS, schema

_CASES = """In YAML, TypeScript, Go, C# and Java the names are written in camel case: `memoryMb` for `memory_mb`
([programs in other languages](../../languages.md)).
"""


def reference_pages() -> dict[str, str]:
    """Address below `reference/` -> Markdown, for every generated page."""
    pages = {
        **_below("components", component_pages()),
        **_below("environment", environment_pages()),
        **_below("commands", command_pages()),
        **_below("packaging", packaging_pages()),
    }
    return {**pages, "index.md": _index(pages)}


def _below(folder: str, pages: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in pages.items()}


def _index(pages: dict[str, str]) -> str:
    lines = ["# Reference\n", "These pages are generated from the code, each time that the site is built.\n"]
    for folder in ("components", "environment", "commands", "packaging"):
        lines.append(f"## {folder.capitalize()}\n")
        inside = {path: text for path, text in pages.items() if path.startswith(f"{folder}/")}
        lines += [f"- [{title_of(text)}]({path})" for path, text in inside.items()]
        lines.append("")
    return "\n".join(lines)


def title_of(page: str) -> str:
    """The title of a page."""
    return page.partition("\n")[0].removeprefix("# ").partition(" {")[0]


def settings_of(component: type) -> tuple[type[BaseModel], ...]:
    """The settings with which a component validates its arguments; several if an argument selects one."""
    module = vars(sys.modules[component.__module__])
    words = dict.fromkeys(re.findall(r"\w+", inspect.getsource(component)))
    found = [each for word in words if isinstance(each := module.get(word), type) and issubclass(each, Settings)]
    if not found:
        raise LookupError(f"{component.__name__} does not validate its arguments with settings")
    return tuple(found)


def args_of(component: type) -> type:
    """The TypedDict of a component's arguments."""
    return get_type_hints(component.__init__)["args"]


def component_pages() -> dict[str, str]:
    """The page of each component."""
    resources = {token.rpartition(":")[2]: each for token, each in schema()["resources"].items()}
    return {f"{slug(each.__name__)}.md": _component(each, resources[each.__name__]) for each in COMPONENTS}


def _component(component: type, resource: dict[str, Any]) -> str:
    name, models = component.__name__, settings_of(component)
    parts = [f"# {name}\n", f"{summary(component)}\n", f"`from scaletozero import {name}`\n"]
    parts.append(f"Type: `scaletozero:index:{name}`. {_CASES}")
    for model in models:
        title = "Arguments" if len(models) == 1 else f"Arguments: {block_of(model).description.rstrip('.')}"
        text = block_sections(model, args_of(component), {})
        heading, said = f"## {name} {{ #{slug(name)} }}", block_of(model, args_of(component)).description
        parts.append(text.replace(f"{heading}\n\n{said}\n", f"## {title} {{ #{slug(title)} }}\n", 1))
    outputs = resource.get("properties", {})
    parts.append("## Outputs\n")
    rows = ((f"`{_snake(key)}`", _schema_type(each), each.get("description", "")) for key, each in outputs.items())
    parts.append(table(("Output", "Type", "Meaning"), rows))
    return _unique_anchors("\n".join(parts))


def _unique_anchors(text: str) -> str:
    """Gives a second section of the same name its own anchor, for components with several kinds of arguments."""
    seen: set[str] = set()
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("#") and line.endswith("}"):
            anchor = line.rpartition("#")[2].rstrip(" }")
            if anchor in seen:
                line = line.rpartition(" {")[0]
            seen.add(anchor)
        lines.append(line)
    return "\n".join(lines)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _schema_type(described: dict[str, Any]) -> str:
    if "items" in described:
        return f"list of {_schema_type(described['items'])}"
    return described.get("type") or described.get("$ref", "").rpartition("/")[2].rpartition(":")[2]


def environment_pages() -> dict[str, str]:
    """The page of the environment, and of each block in it."""
    top = block_of(Environment)
    places: dict[type[BaseModel], str] = {}
    titles: dict[str, tuple[str, type[BaseModel]]] = {}
    for field in top.fields:
        for model in field.type.blocks:
            kind = next((name for name, each in KINDS.items() if each.settings is model), None)
            page = f"{field.name}-{kind}.md" if kind else f"{field.name}.md"
            places[model] = page
            titles[page] = (f"{field.name}: kind: {kind}" if kind else field.name, model)
    whole = block_sections(Environment, None, places, level=1)
    where = "It is in `scaletozero:environment` in `stacks/environments/Pulumi.<name>.yaml`.\n"
    pages = {"environment.md": whole.replace(f"# {top.title} {{ #environment }}\n", f"# environment\n\n{where}", 1)}
    for page, (title, model) in titles.items():
        text = block_sections(model, None, {}, level=1)
        first = text.partition("\n")[0]
        pages[page] = text.replace(first, f"# {title}", 1)
    return pages


def packaging_pages() -> dict[str, str]:
    """The pages of packaging specs and of manifests."""
    described = {
        "model-file.md": ("Model file of a CPU endpoint", PackageSpec, "Written by you, for `scaletozero package`."),
        "folder-file.md": ("Model file of a folder", FolderSpec, "Written by you, for `scaletozero package`."),
        "manifest.md": ("Manifest of an archive", Manifest, "`manifest.json`, written beside `model.tar.gz`."),
        "folder-manifest.md": ("Manifest of a folder", FolderManifest, "`manifest.json`, written beside `model/`."),
    }
    pages: dict[str, str] = {}
    for page, (title, model, where) in described.items():
        text = block_sections(model, None, {}, level=1)
        pages[page] = text.replace(text.partition("\n")[0], f"# {title}\n\n{where}", 1)
    floors = "\n".join(
        block_sections(each, None, {}) for each in dict.fromkeys(load(kind.thresholds) for kind in TASKS.values())
    )
    pages["model-file.md"] += f"\n{floors}"
    return pages
