"""Prices for the importers' tests: few, and the same in every release of the price library."""

from decimal import Decimal

from scaletozero.spending.token_rates import TokenPrice

_USD = {
    "openai/gpt-5-mini": ("0.25", "2"),
    "openai/gpt-4o-mini": ("0.15", "0.6"),
    "openai/text-embedding-3-small": ("0.02", "0"),
    "openai/text-embedding-3-large": ("0.13", "0"),
    "anthropic/claude-sonnet-4-5": ("3", "15"),
    "google/gemini-2.5-flash": ("0.3", "2.5"),
    "aws/amazon.nova-lite-v1:0": ("0.06", "0.24"),
    "aws/eu.anthropic.claude-haiku-4-5-20251001-v1:0": ("1.1", "5.5"),
    "groq/llama-3.3-70b-versatile": ("0.59", "0.79"),
}


def price_of(reference: str) -> TokenPrice | None:
    """The price of `provider/model`."""
    provider, _, model = reference.partition("/")
    found = _USD.get(reference)
    return TokenPrice(provider, model, Decimal(found[0]), Decimal(found[1]), "test") if found else None
