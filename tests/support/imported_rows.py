"""What the reports of imports are held to."""

from collections.abc import Iterator
from typing import Any

from scaletozero.environment.importing.report import Imported, Row


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of a document's leaves, found in another way than by the importer."""
    if isinstance(value, dict | list) and value:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(each, f"{path}.{key}" if path else str(key))
    elif path:
        yield path


def row(imported: Imported, field: str) -> Row:
    """The one row of a field."""
    (found,) = [each for each in imported.rows if each.field == field]
    return found
