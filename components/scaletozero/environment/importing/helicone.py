"""What a program says to Helicone, as the gateway's models and the caps of a customer. Pure.

Source: Helicone's directory of headers and its page on rate limits (docs.helicone.ai), read on 2026-11-29.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from model_packaging.validation import show
from scaletozero.environment.importing.helicone_mentions import Kind, Mention
from scaletozero.environment.importing.judge import refused
from scaletozero.environment.importing.numbers import caps_of, plain
from scaletozero.environment.importing.places import BY_PREFIX, PLACES, Place, at_host, named
from scaletozero.environment.importing.report import CUSTOMER, Imported, Outcome, PriceOf, Row, listed
from scaletozero.settings.gateway_models import MOST_RETRIES

_HOSTS = {
    "oai": "openai",
    "anthropic": "anthropic",
    "groq": "groq",
    "openrouter": "openrouter",
    "together": "together_ai",
    "deepseek": "deepseek",
}
"""The first label of a host of Helicone's, as public programs have them -> the provider behind it."""

_OF_MANY = ("gateway", "ai-gateway")
"""The first labels of hosts that lead to many providers."""

_ADDRESSES = ("helicone-target-url", "helicone-openai-api-base")
_POLICY = re.compile(r"(\d{1,9});w=(\d{1,9})(?:;u=(request|cents))?(?:;s=([\w-]{1,100}))?", re.ASCII)
_NO_LABELS = "the gateway does not read it: a record names the customer, which the key alone says"
_CACHE = "declare the model's `cache` (docs/gateway.md); the header is not read, `Cache-Control` is"
_FILTER = "the gateway does not inspect contents"

_NONE: dict[str, tuple[str, bool]] = {
    "helicone-user-id": (_NO_LABELS, False),
    "helicone-session-": (_NO_LABELS, False),
    "helicone-property-": (_NO_LABELS, False),
    "helicone-prompt-": (_NO_LABELS, False),
    "helicone-request-id": ("every answer has an `x-request-id`, which the gateway makes", False),
    "helicone-model-override": ("the price is the model's `price`, which no header changes", False),
    "helicone-cache-": (_CACHE, False),
    "helicone-target-": ("a model leads to declared providers only", False),
    "helicone-retry-": ("declare a model's `retries`; the waits between them are the gateway's", False),
    "helicone-fallbacks": ("declare a model's `targets`: no header says where a request goes", False),
    "helicone-omit-": ("the gateway writes usage, and no prompts, to its log and its ledger", False),
    "helicone-moderations-enabled": (_FILTER, True),
    "helicone-llm-security-": (_FILTER, True),
    "helicone-stream-": ("a stream's last part has its usage if the request asks for it", False),
    "helicone-posthog-": ("no other service is told of requests", False),
    "helicone-webhook-": ("no other service is told of requests", False),
    "helicone-token-limit-exception-handler": ("the provider refuses what is too long", False),
}
"""Headers, or the beginnings of their names, without a counterpart -> why, and whether it changes safety or money."""


def import_helicone(found: Sequence[Mention], price_of: PriceOf, cap: Decimal | None = None) -> Imported:
    """The gateway that a program's calls of Helicone amount to, and a row for each of them.

    Args:
        found: all mentions in the program's files.
        price_of: the prices of models.
        cap: USD a month for all callers together, where no header has a limit in cents.
    """
    places, rows = _places(found), {}
    models: dict[str, Any] = {}
    for at, each in enumerate(found):
        if each.kind is Kind.MODEL:
            row = _model(each, places, price_of, models)
            if row:
                rows[at] = row
        else:
            rows[at] = _host(each) if each.kind is Kind.HOST else _header(each)
    rows |= _retries(found, models)
    customer, more = _customer(found, models, cap)
    rows |= more
    gateway: dict[str, Any] = {"models": models} if models else {}
    if customer:
        gateway["customers"] = {CUSTOMER: customer}
    return Imported(gateway, tuple(rows[at] for at in sorted(rows)))


def _places(found: Iterable[Mention]) -> tuple[Place, ...]:
    """The providers that the program can reach, in the order of the table; all if nothing says which."""
    of_hosts = {_place_of_host(each.name) for each in found if each.kind is Kind.HOST}
    of_headers = {_target(each) for each in found if each.name.lower() in _ADDRESSES}
    known = {each for each in of_hosts | of_headers if each is not None}
    chosen = any(each.kind is Kind.HOST and each.name.startswith("ai-gateway.") for each in found)
    return PLACES if chosen or not known else tuple(each for each in PLACES if each in known)


def _place_of_host(host: str) -> Place | None:
    return BY_PREFIX.get(_HOSTS.get(host.partition(".")[0], ""))


def _target(mention: Mention) -> Place | None:
    try:
        return at_host(urlsplit(mention.value or "").hostname or "")
    except ValueError:
        return None


def _row(mention: Mention, outcome: Outcome, **more: Any) -> Row:
    return Row(mention.field, outcome, **more)


def _host(mention: Mention) -> Row:
    place = _place_of_host(mention.name)
    if place is None and mention.name.partition(".")[0] not in _OF_MANY:
        return _row(mention, Outcome.NONE, reason="which provider is behind it is not known here, if any is")
    here = f"models.*.provider.base_url: {place.base_url}" if place else "models"
    reason = "in the code: the gateway's address, `http://127.0.0.1:8479/v1` on this machine"
    return _row(mention, Outcome.CHANGED, was=mention.name, here=here, reason=reason)


def _header(mention: Mention) -> Row:
    name = mention.name.lower()
    if name == "helicone-auth":
        reason = "never copied; in the code: remove it, and take a key of `scaletozero customers key` as the client's"
        return _row(mention, Outcome.CHANGED, here=f"customers.{CUSTOMER}.keys", reason=reason)
    if name in _ADDRESSES:
        place = _target(mention)
        if place is not None:
            reason = "in the code: remove it; a model leads to declared providers only"
            return _row(mention, Outcome.CHANGED, here=f"models.*.provider.base_url: {place.base_url}", reason=reason)
        what = "computed" if mention.value is None else "of no provider whose prices are known"
        reason = f"the address is {what}, and a model leads to declared providers only"
        return _row(mention, Outcome.NONE, reason=reason, important=True)
    for known, (reason, important) in _NONE.items():
        if name == known or (known.endswith("-") and name.startswith(known)):
            return _row(mention, Outcome.NONE, reason=reason, important=important)
    return _row(mention, Outcome.UNKNOWN, reason="no such header is known here")


def _model(mention: Mention, places: tuple[Place, ...], price_of: PriceOf, models: dict[str, Any]) -> Row | None:
    """A model that the program names. In a file that does not mention Helicone it may be the model of anything."""
    name = mention.name
    prefix, _, rest = name.partition("/")
    place, model = (BY_PREFIX[prefix], rest) if prefix in BY_PREFIX and rest else (None, name)
    known = named(model, (place,) if place else places, price_of)
    if known is None:
        if not mention.near:
            return None
        tried = listed(each.priced for each in ((place,) if place else places))
        reason = f"genai-prices has no price of it at {tried}, and nothing would bound a request"
        return _row(mention, Outcome.NONE, reason=reason)
    made = {"provider": known[0].provider(model, known[1])}
    why = "" if name in models else refused({name: made})
    if why:
        return _row(mention, Outcome.NONE, reason=why)
    models.setdefault(name, made)
    return _row(mention, Outcome.TAKEN, here=f"models.{name}.provider.price: {known[1].name}")


def _retries(found: Sequence[Mention], models: dict[str, Any]) -> dict[int, Row]:
    """The most tries that any header asks for, for all models."""
    asked = {at: int(each.value) for at, each in enumerate(found) if _asks(each) and each.value}
    if not models or not asked:
        return {}
    retries = min(MOST_RETRIES, max(asked.values()))
    for model in models.values():
        model["retries"] = retries
    reason = f"of all models, the most that a header asks for, {MOST_RETRIES} at most"
    here = f"models.*.retries: {retries}"
    return {at: _row(found[at], Outcome.CHANGED, was=str(was), here=here, reason=reason) for at, was in asked.items()}


def _asks(mention: Mention) -> bool:
    return mention.name.lower() == "helicone-retry-num" and bool(re.fullmatch(r"[0-9]{1,3}", mention.value or ""))


def _customer(
    found: Sequence[Mention], models: dict[str, Any], cap: Decimal | None
) -> tuple[dict[str, Any], dict[int, Row]]:
    """A customer with the lowest of all limits that are of every caller together."""
    rows: dict[int, Row] = {}
    limits: dict[str, list[Decimal]] = {}
    for at, each in enumerate(found):
        if each.name.lower() != "helicone-ratelimit-policy" or each.kind is not Kind.HEADER:
            continue
        settings, rows[at] = _limit(each)
        for key, value in settings.items():
            limits.setdefault(key, []).append(Decimal(str(value)))
    customer: dict[str, Any] = {key: plain(min(values)) for key, values in limits.items()}
    if cap is not None:
        customer.setdefault("cap_usd_per_month", plain(cap))
    if customer.get("cap_usd_per_day", 0) > customer.get("cap_usd_per_month", 0):
        customer.pop("cap_usd_per_day")  # the month's cap is reached before
    why = ""
    if "cap_usd_per_month" not in customer:
        why = "a customer needs a cap: give `--cap-usd-per-month`"
    elif not models:
        why = "there is no model that it could ask for"
    else:
        customer["models"] = [*models]
        why = refused(models, {CUSTOMER: customer})
    if not why:
        return customer, rows
    unwritten = {
        at: replace(
            row, outcome=Outcome.NONE, was="", here="", reason=f"the customer is not written: {why}", important=True
        )
        for at, row in rows.items()
        if row.outcome is Outcome.CHANGED
    }
    return {}, rows | unwritten


def _limit(mention: Mention) -> tuple[dict[str, int | float], Row]:
    """The settings of a customer that a policy is, and its row."""
    match = _POLICY.fullmatch((mention.value or "").replace(" ", ""))
    if match is None or not int(match[1]) or not int(match[2]):
        why = "it is computed" if mention.value is None else "it is no `quota;w=seconds;u=request;s=segment`"
        reason = f"{why}: declare a customer with `requests_per_minute` or a cap"
        return {}, _row(mention, Outcome.NONE, reason=reason, important=True)
    quota, seconds, unit, segment = int(match[1]), int(match[2]), match[3] or "request", match[4]
    if segment:
        reason = f"a limit for each {segment}: declare each as a customer, with its cap, and give each its key"
        return {}, _row(mention, Outcome.NONE, reason=reason, important=True)
    if unit == "cents":
        caps = caps_of(Decimal(quota) / 100, seconds)
        made, reason = caps.written(), f"a cap of all callers together; {caps.reason}"
    else:
        made = dict[str, int | float](requests_per_minute=max(1, quota * 60 // seconds))
        reason = "of all callers together, counted in each process, and spread over the minutes of its time"
    here = listed(f"customers.{CUSTOMER}.{key}: {value}" for key, value in made.items())
    return made, _row(mention, Outcome.CHANGED, was=show(mention.value), here=here, reason=reason)
