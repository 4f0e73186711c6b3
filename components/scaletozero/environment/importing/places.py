"""Providers whose API the gateway speaks to: where they are, and what others call them.

Addresses: the providers' pages on their compatibility with OpenAI's protocol. Prefixes and variables: LiteLLM's pages
on its providers (docs.litellm.ai/docs/providers), read on 2026-11-29.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from scaletozero.environment.importing.report import PriceOf
from scaletozero.spending.token_rates import TokenPrice


@dataclass(frozen=True)
class Place:
    """A provider's API.

    Attributes:
        prefix: what LiteLLM calls it, before the model's name.
        priced: what genai-prices calls it.
        base_url: its address.
        variable: the environment variable in which its key is by custom.
        limit_field: where it takes the most tokens of an answer; empty for `max_completion_tokens`.
    """

    prefix: str
    priced: str
    base_url: str
    variable: str
    limit_field: str = ""

    @property
    def host(self) -> str:
        """Its host."""
        return urlsplit(self.base_url).hostname or ""

    def provider(self, model: str, price: TokenPrice, base_url: str = "", variable: str = "") -> dict[str, str]:
        """A model of it, as the settings of a provider."""
        found = {
            "base_url": base_url or self.base_url,
            "model": model,
            "variable": variable or self.variable,
            "price": price.name,
        }
        return found | ({"limit_field": self.limit_field} if self.limit_field else {})


_OLD = "max_tokens"

PLACES = (
    Place("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Place("anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    Place("gemini", "google", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", _OLD),
    Place("groq", "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    Place("mistral", "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", _OLD),
    Place("deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", _OLD),
    Place("xai", "x-ai", "https://api.x.ai/v1", "XAI_API_KEY"),
    Place("cerebras", "cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    Place("together_ai", "together", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY", _OLD),
    Place("fireworks_ai", "fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY", _OLD),
    Place("openrouter", "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", _OLD),
)
"""In the order in which a model's name alone is looked up."""

BY_PREFIX = {each.prefix: each for each in PLACES}

_OWN = "a server of one's own has no price here; serve the model as an endpoint of kind `gpu` (docs/gateway.md)"

ELSEWHERE = {
    "azure": "its addresses and the header of its key are not OpenAI's",
    "azure_ai": "its addresses and the header of its key are not OpenAI's",
    "sagemaker": "an endpoint of the environment takes its place (docs/gateway.md)",
    "sagemaker_chat": "an endpoint of the environment takes its place (docs/gateway.md)",
    "vertex_ai": "it takes tokens of Google's that expire, and the gateway sends a key",
    "vertex_ai_beta": "it takes tokens of Google's that expire, and the gateway sends a key",
    "hosted_vllm": _OWN,
    "vllm": _OWN,
    "ollama": _OWN,
    "ollama_chat": _OWN,
    "lm_studio": _OWN,
    "llamafile": _OWN,
    "xinference": _OWN,
    "infinity": _OWN,
    "custom_openai": "nothing bounds the price of an address that is not known",
    "openai_like": "nothing bounds the price of an address that is not known",
    "text-completion-openai": "the gateway has no `/v1/completions`",
    "perplexity": "its searches cost beside the tokens, and nothing bounds them",
}
"""Providers of LiteLLM without a counterpart -> why; those that are in neither table have none either."""


def at_host(host: str) -> Place | None:
    """The provider with a host, such as `eu.api.openai.com`."""
    return next((each for each in PLACES if host == each.host or host.endswith(f".{each.host}")), None)


def named(model: str, places: Iterable[Place], price_of: PriceOf) -> tuple[Place, TokenPrice] | None:
    """The first of some providers that has a price for a model."""
    for place in places:
        price = price_of(f"{place.priced}/{model}")
        if price is not None:
            return place, price
    return None
