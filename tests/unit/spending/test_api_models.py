"""Token prices of models behind an API, as the library that is installed has them."""

from decimal import Decimal
from importlib import metadata

import pytest

from model_packaging.findings import FindingsError
from scaletozero.spending import api_models
from scaletozero.spending.api_models import far_off, known_price, prices_of, token_price
from scaletozero.spending.token_rates import TokenPrice


def test_a_model_has_a_price_for_tokens_in_and_out() -> None:
    found = token_price("anthropic/claude-haiku-4-5")
    assert (found.name, found.input_usd, found.output_usd) == ("anthropic/claude-haiku-4-5", Decimal(1), Decimal(5))
    assert found.source == f"genai-prices {metadata.version('genai-prices')}"


def test_a_price_with_tiers_is_taken_at_its_base() -> None:
    found = token_price("google/gemini-2.5-pro")
    assert (found.input_usd, found.output_usd) == (Decimal("1.25"), Decimal(10))


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("antropic/claude-haiku-4-5", "write `anthropic/claude-haiku-4-5`"),
        ("anthropic/claude-haiku-4-5-x", ""),
        ("anthropic/claude-hiku-4-5", "write `anthropic/claude-haiku-4-5`"),
        ("anthropic", "write `anthropic/<model>`"),
        ("", "write one such as `anthropic/claude-haiku-4-5`"),
        ("nobody/nothing", "write one such as `anthropic/claude-haiku-4-5`"),
    ],
)
def test_an_unknown_model_is_refused_with_the_nearest(reference: str, wanted: str) -> None:
    if not wanted:  # the library matches what begins with a model's name, as dated releases do
        assert token_price(reference).model == "claude-haiku-4-5"
        return
    with pytest.raises(FindingsError) as caught:
        token_price(reference)
    assert wanted in str(caught.value)


@pytest.mark.parametrize("reference", ["nowhere/gpt-4o", "openai/unheard-of", "openai/", "openai", ""])
def test_a_model_that_is_not_known_has_no_price(reference: str) -> None:
    assert known_price(reference) is None
    with pytest.raises(FindingsError):
        token_price(reference)


def test_a_model_that_is_known_has_the_same_price_either_way() -> None:
    assert known_price("openai/gpt-4o") == token_price("openai/gpt-4o")


def priced(input_usd: str, output_usd: str = "1") -> TokenPrice:
    return TokenPrice("p", "m", Decimal(input_usd), Decimal(output_usd), "test")


@pytest.mark.parametrize("usd", [("2001", "1"), ("1", "2001"), ("2000000", "2000000")])
def test_a_price_a_thousand_times_its_neighbours_is_refused(usd: tuple[str, str]) -> None:
    near = [priced("2", "2"), priced("0", "0"), priced("1", "1"), priced("3", "3")]
    assert far_off(priced(*usd), near) == 2
    assert far_off(priced("2000", "2000"), near) is None
    assert far_off(priced(*usd), near[:3]) is None


def test_no_price_of_the_library_is_refused() -> None:
    from genai_prices import data_snapshot

    for provider in data_snapshot.get_snapshot().providers:
        near = prices_of(provider.id)
        for kind in ("input_usd", "output_usd"):
            dearest = max(near, key=lambda each, kind=kind: getattr(each, kind), default=None)
            assert dearest is None or far_off(dearest, near) is None


def test_a_model_whose_price_cannot_be_right_has_no_tariff(monkeypatch: pytest.MonkeyPatch) -> None:
    dear = priced("250000", "2000000")
    monkeypatch.setattr(api_models, "token_price", lambda reference: dear)
    with pytest.raises(FindingsError, match="at most 1,000 times the median"):
        api_models.token_tariff("openai/gpt-5-mini")
