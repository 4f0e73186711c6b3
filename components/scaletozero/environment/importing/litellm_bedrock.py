"""The names of LiteLLM's models on Amazon Bedrock, as the gateway's settings of one. Pure.

Forms of the names: LiteLLM's page on Bedrock (docs.litellm.ai/docs/providers/bedrock), read on 2026-11-29.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scaletozero.environment.importing.report import Notes, Path, PriceOf
from scaletozero.settings.gateway_targets import geography_in
from scaletozero.spending.token_rates import TokenPrice

PREFIXES = ("bedrock", "bedrock_converse")
PRICED = "aws"
"""What genai-prices calls it."""

_WAYS = ("converse", "invoke")
"""APIs of Bedrock that may stand before a model's id; the gateway knows which one a model takes."""

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_PLACE = "Bedrock is asked in the environment's `region`"
_ROLE = "Bedrock is asked with the gateway's own role"
_KEYS = (
    "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile_name", "aws_role_name",
    "aws_session_name", "aws_web_identity_token",
)  # fmt: skip


def model_id(name: str) -> str:
    """The model's id in a name, without the API and the Region that may stand before it."""
    *before, last = name.split("/")
    return last if all(each in _WAYS or _REGION.fullmatch(each) for each in before) else ""


def refusal(name: str, params: Mapping[str, Any], mode: object) -> tuple[str, str] | None:
    """The field for which a model cannot be a target, and why; None if it can.

    Args:
        name: the model's name, without the provider's.
        params: the entry's `litellm_params`.
        mode: what LiteLLM says that the model does.
    """
    at = "litellm_params.model"
    if not model_id(name):
        return at, "only the id of a model, or of an inference profile of AWS's, can be a target"
    if mode == "embedding" or "embed" in name:
        return at, "a model on Bedrock takes conversations here, and no embeddings"
    key = next((each for each in ("api_base", "base_url", "aws_bedrock_runtime_endpoint") if each in params), None)
    return None if key is None else (f"litellm_params.{key}", "the address of Bedrock follows from the region")


def settings_of(name: str, base: str, price_of: PriceOf) -> tuple[dict[str, str], TokenPrice] | None:
    """A model as the settings of one on Bedrock, and its price; None if there is none.

    Args:
        name: as of `refusal`.
        base: the model whose price is declared; empty for its own.
        price_of: the prices.
    """
    model = model_id(name)
    own = price_of(f"{PRICED}/{model}")
    price = (price_of(f"{PRICED}/{base}") if base else None) or own
    if price is None:
        return None
    geography = geography_in(model)
    found = {"model": model} | ({"profile": geography} if geography else {})
    return found | ({"price": price.name} if price is not own else {}), price


def note_place(at: Path, params: Mapping[str, Any], here: str, model: str, notes: Notes) -> None:
    """Notes the fields that say what is asked, where, and as whom."""
    given = model_id(params["model"].partition("/")[2])
    path = (*at, "litellm_params", "model")
    if any(_REGION.fullmatch(each) for each in params["model"].split("/")):
        notes.changed(path, params["model"], f"{here}.bedrock.model: {model}", _PLACE, important=True)
    else:
        notes.taken(path, f"{here}.bedrock.model: {given or model}")
    for key in _KEYS:
        if key in params:
            notes.none((*at, "litellm_params", key), _ROLE)
    for key in ("aws_region_name", "region_name"):
        if key in params:
            notes.none((*at, "litellm_params", key), _PLACE, important=True)
