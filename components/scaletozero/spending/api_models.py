"""Token prices of models behind an API, from the library genai-prices: offline, and dated by its release."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import metadata
from statistics import median_low
from typing import Any

from model_packaging.extras import needs
from model_packaging.findings import refuse
from model_packaging.validation import nearest
from scaletozero.spending.token_rates import Rate, Rates, TokenPrice, TokenTariff

EXTRA = "prices"
"""The extra of this distribution that brings the library."""

OUTLIER = 1000
"""How many times the median of its provider's models a price may be. The dearest of the library are at 480 times; one
that was entered for another number of tokens is at a thousand or a million times."""

FEWEST = 3
"""Prices of a provider from which on they have a median that says something."""


def token_price(reference: str, at: datetime | None = None) -> TokenPrice:
    """The price of a model's tokens.

    Args:
        reference: `provider/model`, such as `anthropic/claude-haiku-4-5`.
        at: the moment of the price, for one that changes with time. Default: now.

    Raises:
        FindingsError: the library is not installed, or knows no such model, or no price of it by tokens.
    """
    price = _price(*_find(reference), at)
    if price is None:
        raise refuse("model", "must have a price by tokens", reference, "it could not be compared")
    return price


def known_price(reference: str) -> TokenPrice | None:
    """The price of a model's tokens now; None if the library knows no such model, or no price of it by tokens.

    Args:
        reference: `provider/model`.

    Raises:
        NotInstalledError: the library is not installed.
    """
    provider, model = _look_up(reference)
    return None if model is None else _price(provider, model, None)


@functools.cache  # the library reads each price when it is asked for
def prices_of(provider_id: str) -> tuple[TokenPrice, ...]:
    """The prices of all models of one of the library's providers; none if it is not known."""
    provider, _ = _look_up(provider_id)
    models = () if provider is None else provider.models
    return tuple(price for model in models if (price := _price(provider, model, None)) is not None)


def far_off(price: TokenPrice, near: Iterable[TokenPrice]) -> Decimal | None:
    """The median that a price is too far above to be right; None if it is not. Pure.

    Args:
        price: it.
        near: those of its provider's models.
    """
    near = tuple(near)
    for kind in ("input_usd", "output_usd"):
        amounts = sorted(amount for each in near if (amount := getattr(each, kind)) > 0)
        if len(amounts) >= FEWEST and getattr(price, kind) > OUTLIER * median_low(amounts):
            return median_low(amounts)
    return None


def _price(provider: Any, model: Any, at: datetime | None) -> TokenPrice | None:
    prices = model.get_prices(at or datetime.now(UTC))
    amounts = [_base(getattr(prices, name, None)) for name in ("input_mtok", "output_mtok")]
    if amounts[0] is None and amounts[1] is None:
        return None
    spent_in, spent_out = (each or Decimal(0) for each in amounts)
    return TokenPrice(provider.id, model.id, spent_in, spent_out, _source())


def token_tariff(reference: str) -> TokenTariff:
    """What a model's tokens cost, taken out of the library, which is not asked again.

    Args:
        reference: `provider/model`.

    Raises:
        FindingsError: as `token_price`; or the price cannot be right.
    """
    price, (provider, model) = token_price(reference), _find(reference)
    if (median := far_off(price, prices_of(provider.id))) is not None:
        got = f"{reference}, whose price is {max(price.input_usd, price.output_usd):f} USD for a million tokens"
        rule = f"must cost at most {OUTLIER:,} times the median of its provider's models, {median:f} USD"
        then = "a request would be held and charged at what is most likely a mistake of the price list"
        raise refuse("model", rule, got, then, "install another release of genai-prices")
    dated = isinstance(model.prices, list)
    found = [(each.constraint, each.prices) for each in model.prices] if dated else [(None, model.prices)]
    return TokenTariff(price, [_rates(constraint, prices, provider, model) for constraint, prices in found])


def _rates(constraint: Any, prices: Any, provider: Any, model: Any) -> Rates:
    """A price of the library as figures. What it has of other things than tokens of text is in no request."""
    from genai_prices import Usage

    nothing = Usage(input_tokens=0, output_tokens=0)
    only = replace(model, prices=prices)
    hours = None if not hasattr(constraint, "start_time") else (_utc(constraint.start_time), _utc(constraint.end_time))
    return Rates(
        only.calc_price(nothing, provider).total_price,
        _rate(prices.input_mtok),
        _rate(prices.output_mtok),
        _rate(prices.cache_read_mtok),
        _rate(prices.cache_write_mtok),
        getattr(constraint, "start_date", None),
        hours,
    )


def _rate(price: Any) -> Rate | None:
    base = _base(price)
    return base if base is None else Rate(base, tuple((each.start, each.price) for each in getattr(price, "tiers", ())))


def _utc(moment: time) -> time:
    """A time of day in UTC; one without a time zone is."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()


def _find(reference: str) -> tuple[Any, Any]:
    """The provider and the model of a reference, as the library has them."""
    provider, model = _look_up(reference)
    provider_id, _, model_id = reference.partition("/")
    if provider is None or not model_id:
        guess = nearest(provider_id, [each.id for each in _snapshot().providers])
        fix = f"write `{guess}/{model_id or '<model>'}`" if guess else "write one such as `anthropic/claude-haiku-4-5`"
        raise refuse("model", "must be `provider/model`, as genai-prices names it", reference, "nothing is known", fix)
    if model is None:
        guess = nearest(model_id, [each.id for each in provider.models])
        fix = f"write `{provider_id}/{guess}`" if guess else "see https://github.com/pydantic/genai-prices"
        raise refuse("model", f"must be a model of {provider_id} that genai-prices knows", reference, "", fix)
    return provider, model


def _look_up(reference: str) -> tuple[Any, Any]:
    """The provider and the model of a reference; None for what the library does not know."""
    providers = _snapshot().providers
    provider_id, _, model_id = reference.partition("/")
    provider = next((each for each in providers if each.id == provider_id), None)
    if provider is None or not model_id:
        return provider, None
    return provider, provider.find_model(model_id, all_providers=providers)


def _snapshot() -> Any:
    with needs(EXTRA):
        from genai_prices import data_snapshot  # a second of import, where an API model is asked for
    return data_snapshot.get_snapshot()


def _source() -> str:
    return f"genai-prices {metadata.version('genai-prices')}"


def _base(price: object) -> Decimal | None:
    base = getattr(price, "base", price)
    return base if isinstance(base, Decimal) else None
