"""Token prices of models behind an API, as the library that is installed has them."""

from decimal import Decimal
from importlib import metadata

import pytest

from model_packaging.findings import FindingsError
from scaletozero.spending.api_models import known_price, token_price


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
