"""A project's own price, for regions of which the distribution has no row."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from scaletozero.spending.prices import VARIABLE


@contextmanager
def own_price(service: str, sku: str, region: str, unit: str, amount: str) -> Iterator[None]:
    """Inside, the table has this row."""
    row = {"service": service, "sku": sku, "region": region, "unit": unit, "amount": amount}
    row |= {"source": "an invented one, for a test", "date": "2026-11-01", "confidence": "published"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prices.json")
        file.write_text(json.dumps({"schema": 2, "currency": "USD", "rows": [row]}), encoding="utf-8")
        with patch.dict(os.environ, {VARIABLE: str(file)}):
            yield
