"""A tariff as plain figures says what the library says: for tiers, hours, days from when on, and tokens of a cache."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot

from model_packaging.findings import FindingsError
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.token_rates import TokenCount, TokenTariff

COUNTS = (TokenCount(1000, 77), TokenCount(300_000, 5, 100, 50), TokenCount(9, 3, 9), TokenCount(1_500_001, 8, 0, 7))
MOMENTS = [datetime(*each, tzinfo=UTC) for each in ((2026, 11, 29, 3), (2026, 11, 29, 17, 30), (2024, 1, 1, 0))]


def _models() -> list[tuple[Any, Any]]:
    """Those whose price changes with time, some of those with tiers or a price of each request, and some others."""
    found = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
    dated = [each for each in found if isinstance(each[1].prices, list)]
    tiered = [each for each in found if "tiers" in repr(each[1].prices)]
    asked = [each for each in found if "requests" in repr(each[1].prices)]
    return [*dated, *tiered[::7], *asked[::3], *found[::60]]


def test_it_says_what_the_library_says_and_so_does_what_was_kept_of_it() -> None:
    compared = 0
    for provider, model in _models():
        try:
            made = token_tariff(f"{provider.id}/{model.id}")
        except FindingsError:
            continue  # it has no price by tokens
        tariff = TokenTariff.of(json.loads(json.dumps(made.kept())))
        assert (tariff.price, tariff.rates) == (made.price, made.rates)
        for at in MOMENTS:
            for count in COUNTS:
                usage = Usage(
                    input_tokens=count.input,
                    output_tokens=count.output,
                    cache_read_tokens=count.cached or None,
                    cache_write_tokens=count.written or None,
                )
                said = model.calc_price(usage, provider, genai_request_timestamp=at).total_price
                assert tariff.usd(count, at) == said, (provider.id, model.id, at, count)
                compared += 1
    assert compared > 1000


def test_a_price_of_the_night_counts_in_the_night() -> None:
    kept = {
        "provider": "p",
        "model": "m",
        "usd": ["4", "0"],
        "source": "here",
        "rates": [
            {"request": "0", "input": ["4"]},
            {"request": "0", "input": ["1"], "hours": ["22:00:00", "06:00:00"]},
        ],
    }
    tariff = TokenTariff.of(kept)
    costs = [tariff.usd(TokenCount(1_000_000, 0), datetime(2026, 1, 1, hour, tzinfo=UTC)) for hour in (5, 6, 21, 22)]
    assert costs == [1, 4, 4, 1]


def test_a_request_may_have_a_price_and_tokens_of_a_cache_may_have_none_of_their_own() -> None:
    kept = {
        "provider": "p",
        "model": "m",
        "usd": ["2", "0"],
        "source": "here",
        "rates": [{"request": "0.01", "input": ["2", [100, "3"]]}],
    }
    tariff = TokenTariff.of(kept)
    assert tariff.usd(TokenCount(100, 5, 50, 50)) == Decimal("0.0102")
    assert tariff.usd(TokenCount(101, 5)) == Decimal("0.010303")
    with pytest.raises(ValueError, match="more tokens were cached"):
        tariff.usd(TokenCount(1, 0, 2))
