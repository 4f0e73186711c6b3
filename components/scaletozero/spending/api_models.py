"""Token prices of models behind an API, from the library genai-prices: offline, and dated by its release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata
from typing import Any

from model_packaging.extras import needs
from model_packaging.findings import refuse
from model_packaging.validation import nearest

EXTRA = "prices"
"""The extra of this distribution that brings the library."""


@dataclass(frozen=True)
class TokenPrice:
    """What a provider takes for tokens.

    Attributes:
        provider, model: as the library names them.
        input_usd, output_usd: USD for a million tokens of each, at the base of a price that has tiers.
        source: the library and its release.
    """

    provider: str
    model: str
    input_usd: Decimal
    output_usd: Decimal
    source: str

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"


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


def _price(provider: Any, model: Any, at: datetime | None) -> TokenPrice | None:
    prices = model.get_prices(at or datetime.now(UTC))
    amounts = [_base(getattr(prices, name, None)) for name in ("input_mtok", "output_mtok")]
    if amounts[0] is None and amounts[1] is None:
        return None
    spent_in, spent_out = (each or Decimal(0) for each in amounts)
    return TokenPrice(provider.id, model.id, spent_in, spent_out, _source())


@dataclass(frozen=True)
class TokenCount:
    """The tokens of one request, as its provider counted them.

    Attributes:
        input, output: all of each.
        cached: tokens of the input that were read from a cache.
        written: tokens of the input that were written to one.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0


class TokenTariff:
    """What a model's tokens cost, with the tiers of its price, and its prices for cached tokens.

    Args:
        reference: `provider/model`.

    Raises:
        FindingsError: as `token_price`.
    """

    def __init__(self, reference: str) -> None:
        self.price = token_price(reference)
        self._provider, self._model = _find(reference)

    def usd(self, count: TokenCount, at: datetime | None = None) -> Decimal:
        """What tokens cost.

        Raises:
            ValueError: the counts contradict each other, such as more cached tokens than tokens.
        """
        if min(count.input, count.output, count.cached, count.written) < 0:
            raise ValueError("a count of tokens is negative")
        if count.cached + count.written > count.input:
            raise ValueError("more tokens were cached than there are")
        from genai_prices import Usage

        usage = Usage(
            input_tokens=count.input,
            output_tokens=count.output,
            cache_read_tokens=count.cached or None,
            cache_write_tokens=count.written or None,
        )
        return self._model.calc_price(usage, self._provider, genai_request_timestamp=at).total_price

    def most_usd(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal:
        """The most that so many tokens can cost: providers that write to a cache by themselves take more for it."""
        counts = (TokenCount(input_tokens, output_tokens), TokenCount(input_tokens, output_tokens, 0, input_tokens))
        return max(self.usd(count, at) for count in counts)


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
