"""Makes pages of the site from files of the repository to which the guides link."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = "files"
"""The folder of these pages in the site."""

_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".ts": "typescript", ".go": "go"}


def with_pages(markdown: str, page: str, docs: Path) -> tuple[str, dict[str, Path]]:
    """Replaces the links of a page to files outside `docs` with links to their pages. Returns it with those pages.

    Args:
        markdown: the page's text.
        page: its path below `docs`.
        docs: the folder of the documentation.

    Returns:
        The text; and the path of each such page, below `docs`, -> the file that it shows. A link to a file that is not
        there is left as it is, for mkdocs to refuse.
    """
    folder = PurePosixPath(page).parent
    found: dict[str, Path] = {}

    def point(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        if "://" in match[2] or target.startswith(("docs/", "../")) or not (docs.parent / target).is_file():
            return match[0]
        path = f"{FOLDER}/{target}" + ("" if target.endswith(".md") else ".md")
        found[path] = docs.parent / target
        return match[1] + posixpath.relpath(path, folder) + match[3]

    return _LINK.sub(point, markdown), found


def page_of(path: Path) -> str:
    """A file of the repository as a page: Markdown unchanged, everything else as code."""
    text = path.read_text()
    if path.suffix == ".md":
        return text
    fence = "````" if "```" in text else "```"
    title = path.relative_to(ROOT).as_posix()
    return f"# {title}\n\n{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text}{fence}\n"
