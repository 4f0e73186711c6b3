"""Rows of FOCUS as Parquet: the same values as in CSV, with the types of the specification."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from scaletozero.observability.focus import COLUMNS
from scaletozero.observability.focus_files import CSV, MOMENTS, NUMBERS, PARQUET, PLACES

AMOUNTS = st.decimals(0, 10**12, places=24).map(lambda found: f"{found.normalize():f}")
DAYS = st.dates().map(lambda found: f"{found:%Y-%m-%d}T00:00:00Z".zfill(20))
TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1)
ROWS = st.fixed_dictionaries(
    {
        name: st.none() | (AMOUNTS if name in NUMBERS else DAYS if name in MOMENTS else TEXTS)
        for name in COLUMNS
    }
)  # fmt: skip


def read(content: bytes) -> pyarrow.Table:
    return parquet.read_table(io.BytesIO(content))


@given(st.lists(ROWS, max_size=3))
def test_it_has_what_the_csv_has(rows: list[dict[str, Any]]) -> None:
    found = read(PARQUET.write(rows)).to_pylist()
    expected = list(csv.DictReader(io.StringIO(CSV.write(rows).decode(), newline="")))
    assert len(found) == len(expected)
    for got, row in zip(found, expected, strict=True):
        for name, text in row.items():
            if not text:
                assert got[name] is None
            elif name in NUMBERS:
                assert abs(got[name] - Decimal(text)) <= Decimal(5).scaleb(-PLACES - 1)
            elif name in MOMENTS:
                assert got[name] == datetime.fromisoformat(text)
            else:
                assert got[name] == text


def test_its_columns_have_the_types_of_the_specification() -> None:
    schema = read(PARQUET.write([])).schema
    assert tuple(schema.names) == COLUMNS
    types = {name: str(schema.field(name).type) for name in COLUMNS}
    assert {types[name] for name in NUMBERS} == {"decimal128(38, 18)"}
    assert {types[name] for name in MOMENTS} == {"timestamp[ms, tz=UTC]"}
    assert {types[name] for name in COLUMNS if name not in NUMBERS | MOMENTS} == {"string"}
    assert {
        "BilledCost",
        "ConsumedQuantity",
        "ContractedCost",
        "ContractedUnitPrice",
        "EffectiveCost",
        "ListCost",
        "ListUnitPrice",
        "PricingQuantity",
    } == NUMBERS
    assert len(MOMENTS) == 4


def test_a_moment_is_in_utc() -> None:
    row = dict.fromkeys(COLUMNS) | {"ChargePeriodStart": "2026-11-29T00:00:00Z"}
    (found,) = read(PARQUET.write([row])).to_pylist()
    assert found["ChargePeriodStart"] == datetime(2026, 11, 29, tzinfo=UTC)
