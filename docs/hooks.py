"""The hooks of mkdocs: the generated pages, and the order of all pages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from generator.repository import FOLDER, page_of, with_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

with warnings.catch_warnings():
    # mkdocs shows warnings of pulumi_aws about its own resources when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from generator.pages import reference_pages, title_of

GUIDES = (
    "environments.md",
    "serverless.md",
    "async.md",
    "gpu.md",
    "cluster.md",
    "cold-starts.md",
    "warm-pools.md",
    "dashboards.md",
    "spending.md",
    "ci.md",
    "gateway.md",
    "customers.md",
    "migrate.md",
    "residency.md",
    "residency-auditors.md",
    "residency-leaks.md",
    "packaging.md",
    "sandbox.md",
    "languages.md",
)
"""The order of the guides; those that are not listed follow, by their names."""

_REFERENCE: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lays out the navigation by folder, so that a new page needs no entry anywhere."""
    docs = Path(config.docs_dir)
    _REFERENCE.clear()
    _REFERENCE.update({f"reference/{path}": text for path, text in reference_pages().items()})
    guides = sorted(
        (path.name for path in docs.glob("*.md") if path.name != "index.md"),
        key=lambda name: (GUIDES.index(name) if name in GUIDES else len(GUIDES), name),
    )
    config.nav = [
        {"Quick start": "index.md"},
        {"Guides": guides},
        {"Reference": ["reference/index.md", *_groups()]},
        {"Runbooks": _folder(docs, "runbooks")},
        {"Benchmarks": _folder(docs, "benchmarks")},
        {"Decisions": _folder(docs, "adr")},
    ]
    return config


def _groups() -> list[dict[str, list[dict[str, str]]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    for path, text in _REFERENCE.items():
        if path.count("/") == 2:
            groups.setdefault(path.split("/")[1].capitalize(), []).append({title_of(text): path})
    return [{title: pages} for title, pages in groups.items()]


def _folder(docs: Path, name: str) -> list[str]:
    return sorted(path.relative_to(docs).as_posix() for path in (docs / name).rglob("*.md"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages, and those of the repository's files that a page links to."""
    for path, text in _REFERENCE.items():
        files.append(File.generated(config, path, content=text))
    waiting = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while waiting:
        page, text = waiting.pop()
        for path, source in with_pages(text, page, Path(config.docs_dir))[1].items():
            if path not in files.src_uris:
                shown = page_of(source)
                files.append(File.generated(config, path, content=shown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Points links to the repository's files at their pages."""
    if page.file.src_uri.startswith(f"{FOLDER}/"):
        return markdown
    return with_pages(markdown, page.file.src_uri, Path(config.docs_dir))[0]
