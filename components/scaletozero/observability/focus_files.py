"""Files with rows of FOCUS: CSV for people and spreadsheets, Parquet with typed columns for engines that query them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from model_packaging.extras import needs
from scaletozero.observability.focus import COLUMNS, as_csv

DIGITS, PLACES = 38, 18
"""Of a number: the most digits that Parquet's readers have in common, and those after the point."""

NUMBERS = frozenset({each for each in COLUMNS if each.endswith(("Cost", "Quantity", "UnitPrice"))})
MOMENTS = frozenset({each for each in COLUMNS if each.endswith(("PeriodStart", "PeriodEnd"))})
"""FOCUS's columns of the type decimal and date/time; all others are text (specification 1.3)."""

_PLACE, _CONTEXT = Decimal(1).scaleb(-PLACES), Context(prec=DIGITS, rounding=ROUND_HALF_EVEN)


def as_parquet(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The rows as a Parquet file; null is null.

    Numbers are exact decimals with 18 digits after the point, to which what has more of them is rounded. Moments are in
    milliseconds, in UTC.

    Raises:
        NotInstalledError: the extra `parquet` is not installed.
    """
    with needs("parquet"):
        import pyarrow
        from pyarrow import parquet

    kinds = {
        **dict.fromkeys(COLUMNS, pyarrow.string()),
        **dict.fromkeys(NUMBERS, pyarrow.decimal128(DIGITS, PLACES)),
        **dict.fromkeys(MOMENTS, pyarrow.timestamp("ms", tz="UTC")),
    }
    values = [{name: _value(name, row[name]) for name in COLUMNS} for row in rows]
    content = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(values, schema=pyarrow.schema(kinds.items())), content)
    return content.getvalue()


def _value(name: str, text: str | None) -> Any:
    if text is None:
        return None
    if name in NUMBERS:
        return Decimal(text).quantize(_PLACE, context=_CONTEXT)
    if name in MOMENTS:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return text


def require_parquet() -> None:
    """Raises NotInstalledError unless the extra `parquet` is installed."""
    with needs("parquet"):
        import pyarrow.parquet  # noqa: F401 - before anything is read


@dataclass(frozen=True)
class Written:
    """A format of a file with rows.

    Attributes:
        suffix: of the file's name, without the dot.
        content_type: for HTTP.
        write: makes its content.
    """

    suffix: str
    content_type: str
    write: Callable[[Iterable[Mapping[str, Any]]], bytes]


CSV = Written("csv", "text/csv; charset=utf-8", lambda rows: as_csv(rows).encode())
PARQUET = Written("parquet", "application/vnd.apache.parquet", as_parquet)
