"""A project's own price, for regions of which the distribution has no row."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

from scaletozero.spending.prices import VARIABLE


@contextmanager
def own_prices(*prices: tuple[str, str, str, str, str]) -> Iterator[None]:
    """Inside, the table has these rows: service, sku, region, unit and amount of each."""
    about = {"source": "an invented one, for a test", "date": "2026-11-01", "confidence": "published"}
    rows = [dict(zip(("service", "sku", "region", "unit", "amount"), each, strict=True)) | about for each in prices]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prices.json")
        file.write_text(json.dumps({"schema": 2, "currency": "USD", "rows": rows}), encoding="utf-8")
        with patch.dict(os.environ, {VARIABLE: str(file)}):
            yield


def own_price(service: str, sku: str, region: str, unit: str, amount: str) -> AbstractContextManager[None]:
    """Inside, the table has this row."""
    return own_prices((service, sku, region, unit, amount))


def serverless_prices(region: str) -> AbstractContextManager[None]:
    """Inside, requests to serverless endpoints have a price in a Region that has none."""
    of = "sagemaker.serverless"
    return own_prices((of, "gb-second", region, "GB-s", "0.00002"), (of, "data-gb", region, "GB", "0.016"))
