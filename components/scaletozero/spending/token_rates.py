"""What a model's tokens cost, as plain figures: without the library that they come from, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

MILLION = Decimal(1_000_000)


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


@dataclass(frozen=True)
class Rate:
    """USD for a million tokens of one kind.

    Attributes:
        base: the price.
        tiers: tokens of input above which all tokens have another price, with that price; the least first.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """The price in a request with so many tokens of input."""
        return next((price for above, price in reversed(self.tiers) if input_tokens > above), self.base)


@dataclass(frozen=True)
class Rates:
    """A model's prices at a time.

    Attributes:
        request: USD for each request.
        input, output: of tokens; None for what costs nothing.
        cached, written: of tokens of the input that were read from a cache or written to one; None for what costs as
            much as other input.
        begins: the first day, in UTC.
        hours: the times of each day, in UTC, from and until when.
    """

    request: Decimal = Decimal(0)
    input: Rate | None = None
    output: Rate | None = None
    cached: Rate | None = None
    written: Rate | None = None
    begins: date | None = None
    hours: tuple[time, time] | None = None

    def active(self, at: datetime) -> bool:
        """Whether these are the prices at a moment in UTC."""
        if self.begins is not None:
            return at.date() >= self.begins
        if self.hours is None:
            return True
        (begins, ends), now = self.hours, at.time()
        return now >= begins or now < ends if ends < begins else begins <= now < ends

    def usd(self, count: TokenCount) -> Decimal:
        """What tokens cost."""
        plain = count.input
        plain -= count.cached if self.cached else 0
        plain -= count.written if self.written else 0
        kinds = (
            (plain, self.input),
            (count.cached, self.cached),
            (count.written, self.written),
            (count.output, self.output),
        )
        cost = sum((rate.at(count.input) * tokens for tokens, rate in kinds if rate is not None), Decimal(0))
        return self.request + cost / MILLION


class TokenTariff:
    """What a model's tokens cost, with the tiers of its price, and its prices for cached tokens.

    Args:
        price: its price at its base.
        rates: its prices, of which the last one counts that is active, and otherwise the first.
    """

    def __init__(self, price: TokenPrice, rates: Sequence[Rates]) -> None:
        self.price, self.rates = price, tuple(rates)

    def usd(self, count: TokenCount, at: datetime | None = None) -> Decimal:
        """What tokens cost.

        Args:
            at: the moment. Default: now.

        Raises:
            ValueError: the counts contradict each other, such as more cached tokens than tokens.
        """
        if min(count.input, count.output, count.cached, count.written) < 0:
            raise ValueError("a count of tokens is negative")
        if count.cached + count.written > count.input:
            raise ValueError("more tokens were cached than there are")
        return self._at(at).usd(count)

    def most_usd(self, input_tokens: int, output_tokens: int, at: datetime | None = None) -> Decimal:
        """The most that so many tokens can cost: providers that write to a cache by themselves take more for it."""
        counts = (TokenCount(input_tokens, output_tokens), TokenCount(input_tokens, output_tokens, 0, input_tokens))
        return max(self._at(at).usd(count) for count in counts)

    def _at(self, at: datetime | None) -> Rates:
        if len(self.rates) == 1:
            return self.rates[0]
        moment = datetime.now(UTC) if at is None else at.astimezone(UTC)
        return next((each for each in reversed(self.rates) if each.active(moment)), self.rates[0])

    def kept(self) -> dict[str, Any]:
        """The tariff for JSON."""
        price = self.price
        return {
            "provider": price.provider,
            "model": price.model,
            "usd": [str(price.input_usd), str(price.output_usd)],
            "source": price.source,
            "rates": [_kept(each) for each in self.rates],
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> TokenTariff:
        """The tariff that `kept` has written."""
        base = map(Decimal, kept["usd"])
        price = TokenPrice(kept["provider"], kept["model"], *base, source=kept["source"])
        return cls(price, [_rates(each) for each in kept["rates"]])


_KINDS = ("input", "output", "cached", "written")


def _kept(rates: Rates) -> dict[str, Any]:
    found: dict[str, Any] = {"request": str(rates.request)}
    for name in _KINDS:
        rate: Rate | None = getattr(rates, name)
        if rate is not None:
            found[name] = [str(rate.base), *([above, str(price)] for above, price in rate.tiers)]
    if rates.begins is not None:
        found["begins"] = rates.begins.isoformat()
    if rates.hours is not None:
        found["hours"] = [each.isoformat() for each in rates.hours]
    return found


def _rates(kept: Mapping[str, Any]) -> Rates:
    kinds: dict[str, Rate] = {}
    for name in _KINDS:
        if name in kept:
            base, *tiers = kept[name]
            kinds[name] = Rate(Decimal(base), tuple((above, Decimal(price)) for above, price in tiers))
    begins = date.fromisoformat(kept["begins"]) if "begins" in kept else None
    hours = tuple(map(time.fromisoformat, kept["hours"])) if "hours" in kept else None
    return Rates(Decimal(kept["request"]), **kinds, begins=begins, hours=hours)  # pyright: ignore[reportArgumentType]
