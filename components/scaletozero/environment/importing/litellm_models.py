"""The entries of LiteLLM's `model_list`: which provider each leads to, and which are one model together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from model_packaging.validation import show
from scaletozero.environment.importing import litellm_bedrock as bedrock
from scaletozero.environment.importing.litellm_reasons import INFO, PARAMS, Reasons
from scaletozero.environment.importing.numbers import number, seconds_of, whole
from scaletozero.environment.importing.places import BY_PREFIX, ELSEWHERE, PLACES, Place, at_host, named
from scaletozero.environment.importing.report import Notes, Path, PriceOf, listed
from scaletozero.settings.gateway_models import MOST_RETRIES
from scaletozero.settings.gateway_targets import VARIABLE
from scaletozero.spending.token_rates import TokenPrice

VARIABLES = "os.environ/"
"""What stands before the name of a variable."""

_MODES = ("chat", "embedding")
_LONGEST = 256
_LEFT = "the model is not written"
_UNBOUND = "nothing would bound a request"
_TOKENS = {"max_tokens": "default_output_tokens", "max_completion_tokens": "default_output_tokens"}
_MOST = ("max_output_tokens", "max_tokens")
_COSTS = {"input_cost_per_token": "input_usd", "output_cost_per_token": "output_usd"}


@dataclass(frozen=True)
class Deployment:
    """An entry of `model_list` that can be a target.

    Attributes:
        at: where it is.
        name: what clients ask for.
        kind: `provider` or `bedrock`.
        settings: what is declared of it.
        embeds: whether it answers with embeddings.
        params, info: its `litellm_params` and `model_info`.
    """

    at: Path
    name: str
    kind: str
    settings: Mapping[str, str]
    embeds: bool
    params: Mapping[str, Any]
    info: Mapping[str, Any]

    @property
    def target(self) -> dict[str, Any]:
        """What leads to it, as the settings of a target."""
        return {self.kind: dict(self.settings)}

    def param(self, key: str) -> Path:
        """Where a parameter of it is."""
        return (*self.at, "litellm_params", key)


def deployments(listed_models: object, price_of: PriceOf, notes: Notes) -> list[Deployment]:
    """The entries that can be targets, in their order; every field of the others is noted as not taken over.

    Args:
        listed_models: the file's `model_list`.
        price_of: the prices.
        notes: of the whole file.
    """
    if not isinstance(listed_models, Sequence) or isinstance(listed_models, str):
        notes.unknown(("model_list",), "must be a list of models")
        return []
    found = (_deployment(each, ("model_list", str(at)), price_of, notes) for at, each in enumerate(listed_models))
    return [each for each in found if each is not None]


def _deployment(entry: Any, at: Path, price_of: PriceOf, notes: Notes) -> Deployment | None:
    if not isinstance(entry, Mapping):
        notes.unknown(at, "must be a mapping with `model_name` and `litellm_params`")
        return None
    name, params, info = entry.get("model_name"), entry.get("litellm_params"), entry.get("model_info", {})
    _known(entry, at, {"tpm": PARAMS["tpm"], "rpm": PARAMS["rpm"]}, notes)
    if not isinstance(name, str) or not isinstance(params, Mapping) or not isinstance(params.get("model"), str):
        notes.unknown(at, f"`model_name` and `litellm_params.model` must be strings: {_LEFT}")
        _hide_key(params, at, notes)
        return None
    info = info if isinstance(info, Mapping) else {}
    _known(params, (*at, "litellm_params"), PARAMS, notes)
    _known(info, (*at, "model_info"), INFO, notes)
    for key in info:
        if key.startswith("supports_"):
            notes.none((*at, "model_info", key), "it describes the model")
    culprit, reason, found = _target(params, info, price_of)
    if "*" in name:
        culprit, reason, found = "model_name", "every model is declared, with its price: write one for each name", None
    if found is None:
        notes.none(at, _LEFT)
        _hide_key(params, at, notes)
        notes.none((*at, *culprit.split(".")), f"{reason}: {_LEFT}")
        return None
    if isinstance(found, _Signed):
        made = Deployment(at, name, "bedrock", found.settings, False, params, info)
        _note_priced(made, found.price, notes)
        bedrock.note_place(at, params, f"models.{name}", found.settings["model"], notes)
        _hide_key(params, at, notes, "requests are signed")
        return made
    place, model, price, base_url = found
    variable = _variable(params, place, at, name, notes)
    mode = info.get("mode", "embedding" if "embed" in model else "chat")
    settings = place.provider(model, price, base_url, variable)
    made = Deployment(at, name, "provider", settings, mode == "embedding", params, info)
    _note_priced(made, price, notes)
    _note_target(made, notes)
    return made


@dataclass(frozen=True)
class _Signed:
    """A model on Bedrock: its settings and its price."""

    settings: Mapping[str, str]
    price: TokenPrice


_Found = tuple[Place, str, TokenPrice, str] | _Signed


def _target(params: Mapping[str, Any], info: Mapping[str, Any], price_of: PriceOf) -> tuple[str, str, _Found | None]:
    """The field that decides and why, or the provider, the model's name there, its price and its address."""
    at, written, custom = "litellm_params.model", params["model"], params.get("custom_llm_provider")
    if len(written) > _LONGEST or not (written.isascii() and written.isprintable()):
        return at, f"no model's name is so long, or has such letters: {_LONGEST} of ASCII at most", None
    prefix, _, model = written.partition("/")
    if isinstance(custom, str) and prefix != custom:
        prefix, model = custom, written
    if "mode" in info and info["mode"] not in _MODES:
        return "model_info.mode", f"the gateway has {listed(_MODES)} only", None
    base = info.get("base_model", params.get("base_model"))
    of_base = base.rpartition("/")[2] if isinstance(base, str) and len(base) <= _LONGEST else ""
    if prefix in bedrock.PREFIXES and model:
        why = bedrock.refusal(model, params, info.get("mode"))
        signed = None if why else bedrock.settings_of(model, of_base, price_of)
        if signed is None:
            culprit, reason = why or (at, f"genai-prices has no price of it at {bedrock.PRICED}, and {_UNBOUND}")
            return culprit, reason, None
        return "", "", _Signed(*signed)
    place = BY_PREFIX.get(prefix) if model else None
    if place is None and not model:
        known = named(written, PLACES[:3], price_of)  # whose names LiteLLM knows without a prefix
        if known is None:
            return at, "a name without a provider must be a model of OpenAI, Anthropic or Google with a price", None
        place, model = known[0], written
    if place is None:
        known = listed(BY_PREFIX)
        return at, ELSEWHERE.get(prefix, f"no such provider is known here; known are {known}"), None
    base_url = ""
    if "api_base" in params or "base_url" in params:
        key = "api_base" if "api_base" in params else "base_url"
        at_address = _address(params[key], place)
        if at_address is None:
            return f"litellm_params.{key}", "it is not an https:// address of a provider whose prices are known", None
        place, base_url = at_address
    price = (price_of(f"{place.priced}/{of_base}") if of_base else None) or price_of(f"{place.priced}/{model}")
    if price is None:
        return at, f"genai-prices has no price of it at {place.priced}, and {_UNBOUND}", None
    return "", "", (place, model, price, base_url)


def _address(written: object, place: Place) -> tuple[Place, str] | None:
    """The provider at an address, and the address with its path; None if it is nobody's whose prices are known."""
    if not isinstance(written, str) or len(written) > _LONGEST or not (written.isascii() and written.isprintable()):
        return None
    try:
        parts = urlsplit(written)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    there = place if host == place.host or host.endswith(f".{place.host}") else at_host(host)
    if there is None or parts.scheme != "https" or "@" in parts.netloc or parts.query or parts.fragment:
        return None
    path = parts.path.rstrip("/") or urlsplit(there.base_url).path
    return there, f"https://{parts.netloc}{path}"


def _variable(params: Mapping[str, Any], place: Place, at: Path, name: str, notes: Notes) -> str:
    """The variable that holds the key: the one that is named, or the provider's by custom. A key is never copied."""
    written = params.get("api_key")
    here = f"models.{name}.provider.variable"
    if isinstance(written, str) and written.startswith(VARIABLES):
        variable = written.removeprefix(VARIABLES)
        if VARIABLE.fullmatch(variable):
            notes.taken((*at, "litellm_params", "api_key"), f"{here}: {variable}")
            return variable
    if "api_key" in params:
        reason = f"a key is never copied: set {place.variable} where the gateway runs, and replace what stood in a file"
        notes.changed((*at, "litellm_params", "api_key"), "", f"{here}: {place.variable}", reason)
    return place.variable


def _hide_key(params: object, at: Path, notes: Notes, why: str = _LEFT) -> None:
    if isinstance(params, Mapping) and "api_key" in params:
        notes.none((*at, "litellm_params", "api_key"), f"{why}, and a key is never copied")


def _note_target(made: Deployment, notes: Notes) -> None:
    """Notes the fields that say which model of a provider it is."""
    here, params, settings = f"models.{made.name}", made.params, made.settings
    prefixed = "/" in params["model"] or "custom_llm_provider" in params
    if prefixed:
        notes.taken(made.param("model"), f"{here}.provider.model: {settings['model']}")
    else:
        why = f"a name without a provider: it is {urlsplit(settings['base_url']).hostname}'s"
        notes.changed(made.param("model"), params["model"], f"{here}.provider.model: {settings['model']}", why)
    notes.taken(made.param("custom_llm_provider"), f"{here}.provider.base_url: {settings['base_url']}")
    for key in ("api_base", "base_url"):
        base_url = settings["base_url"]
        if key not in params:
            continue
        if str(params[key]).rstrip("/") == base_url:
            notes.taken(made.param(key), f"{here}.provider.base_url: {base_url}")
        else:
            why = "the path that the gateway adds to, or the first of two addresses"
            notes.changed(made.param(key), "", f"{here}.provider.base_url: {base_url}", why)


def _note_priced(made: Deployment, price: TokenPrice, notes: Notes) -> None:
    """Notes the fields that say what it is called, and what it costs."""
    here, at, params, info = f"models.{made.name}", made.at, made.params, made.info
    notes.taken((*at, "model_name"), here)
    for group, values in (("model_info", info), ("litellm_params", params)):
        if "base_model" in values:
            notes.taken((*at, group, "base_model"), f"{here}.{made.kind}.price: {price.name}")
        for key, ours in _COSTS.items():
            if key in values:
                _note_cost((*at, group, key), number(values[key]), getattr(price, ours), price, notes)
    if "mode" in info:
        notes.taken((*at, "model_info", "mode"), here)


def _note_cost(path: Path, usd: Decimal | None, per_million: Decimal, price: TokenPrice, notes: Notes) -> None:
    if usd is not None and usd * 1_000_000 == per_million:
        notes.taken(path, f"price: {price.name}", "the same price")
    else:
        reason = f"a price is a row of genai-prices: {price.name} has {per_million:f} USD for a million tokens"
        notes.none(path, reason, important=True)


def _known(values: Mapping[str, Any], at: Path, reasons: Reasons, notes: Notes) -> None:
    for key in values:
        if key in reasons:
            notes.none((*at, str(key)), reasons[key][0], important=reasons[key][1])


def model_of(
    name: str, group: Sequence[Deployment], seconds: int | None, retries: int | None, notes: Notes
) -> dict[str, Any]:
    """The settings of a model, from the entries with its name.

    Args:
        name: the model.
        group: its entries, at least one.
        seconds, retries: of all models, from the router; None for this gateway's defaults.
        notes: of the whole file.
    """
    kept = _same_vectors(name, group, notes)
    ordered, weights = _shares(name, kept, notes)
    made: dict[str, Any] = {}
    if len(ordered) == 1:
        made |= ordered[0].target
    else:
        made["targets"] = [
            each.target | ({"weight": weight} if weight else {}) for each, weight in zip(ordered, weights, strict=True)
        ]
        if ordered[0].embeds:
            made["same_vectors"] = True
    if seconds is not None:
        made["seconds"] = seconds
    for index, each in enumerate(ordered):
        own = each.params.get("timeout", each.params.get("request_timeout"))
        within = seconds_of(own)
        place = f"models.{name}" if len(ordered) == 1 else f"models.{name}.targets.{index}"
        if within is not None:
            within = min(within, seconds or within)
            (made if len(ordered) == 1 else made["targets"][index])["seconds"] = within
        for key in ("timeout", "request_timeout"):
            _note_number(each.param(key), each.params.get(key), within, f"{place}.seconds", "600 at most", notes)
    _retries(name, made, kept, retries, notes)
    _tokens(name, made, kept, notes)
    return made


def _same_vectors(name: str, group: Sequence[Deployment], notes: Notes) -> list[Deployment]:
    """Without entries whose embeddings could not be compared with the first one's."""
    first = group[0]
    kept = [
        each for each in group if not (first.embeds or each.embeds) or each.settings["model"] == first.settings["model"]
    ]
    for each in group:
        if each not in kept:
            notes.none(each.at, f"embeddings of different models cannot be compared: it is no target of `{name}`")
            _hide_key(each.params, each.at, notes)
    return kept


def _shares(name: str, group: list[Deployment], notes: Notes) -> tuple[list[Deployment], list[int]]:
    """The entries in the order in which they are asked, and their weights; 0 for one that is asked after the others."""
    orders = [whole(each.params.get("order")) for each in group]
    given = [order for order in orders if order is not None]
    last = max(given, default=0) + 1
    places = [last if order is None else order for order in orders]
    ordered = sorted(range(len(group)), key=places.__getitem__)
    entries = [group[index] for index in ordered]
    first = [places[index] == min(places) for index in ordered]
    key = next((key for key in ("weight", "rpm", "tpm") if any(number(e.params.get(key)) for e in entries)), None)
    amounts = [(number(each.params.get(key)) or Decimal(0)) if key else Decimal(1) for each in entries]
    shared = [amount if leads else Decimal(0) for amount, leads in zip(amounts, first, strict=True)]
    most, several = max(shared), len(entries) > 1
    exact = most <= 1000 and all(each == each.to_integral_value() for each in shared)
    scaled = [each if exact else each * 1000 / most for each in shared] if most else shared
    weights = [max(1, round(each)) if each else 0 for each in scaled]
    for index, (each, weight) in enumerate(zip(entries, weights, strict=True)):
        here = f"models.{name}.targets.{index}" + (f".weight: {weight}" if weight else "")
        if "order" in each.params:
            was = show(each.params["order"]) if number(each.params["order"]) is not None else ""
            why = "the order of the targets; one without a weight is asked when those before it have failed"
            if several and was:
                notes.changed(each.param("order"), was, here, why)
            else:
                notes.none(each.param("order"), "there is no other target" if not several else "it is no whole number")
        _note_share(each, key, weight, here, several, notes)
    return entries, weights


def _note_share(each: Deployment, key: str | None, weight: int, here: str, several: bool, notes: Notes) -> None:
    for other in ("weight", "rpm", "tpm"):
        value = number(each.params.get(other))
        if other not in each.params or (other != "weight" and (other != key or not several)):
            continue  # a limit that is no share; its reason is noted already
        if not several:
            notes.none(each.param(other), "there is no other target")
        elif value is None:
            notes.unknown(each.param(other), "must be a number")
        elif other == "weight" and value == weight:
            notes.taken(each.param(other), here)
        else:
            why = (
                "its share of the requests, from 1 to 1000; it limits nothing here"
                if weight
                else "asked after the others"
            )
            notes.changed(each.param(other), show(each.params[other]), here, why)


def _note_number(path: Path, was: object, now: int | None, here: str, why: str, notes: Notes) -> None:
    if was is None:
        return
    if now is None or number(was) is None:
        notes.unknown(path, "is no number that is possible here")
    elif number(was) == now:
        notes.taken(path, f"{here}: {now}")
    else:
        notes.changed(path, show(was), f"{here}: {now}", why)


def _retries(name: str, made: dict[str, Any], group: Iterable[Deployment], of_all: int | None, notes: Notes) -> None:
    keys = ("num_retries", "max_retries")
    own = [(each.param(key), each.params[key]) for each in group for key in keys if key in each.params]
    given = [found for _, value in own if (found := whole(value)) is not None]
    if given or of_all is not None:
        made["retries"] = min(MOST_RETRIES, max(given)) if given else of_all
    for path, value in own:
        if whole(value) is None:
            notes.unknown(path, "must be a whole number")
        else:
            why = f"the most of all targets, {MOST_RETRIES} at most"
            _note_number(path, value, made["retries"], f"models.{name}.retries", why, notes)


def _tokens(name: str, made: dict[str, Any], group: Iterable[Deployment], notes: Notes) -> None:
    """The bounds of an answer: what a request gets that says nothing, and the most that one may ask for."""
    usual = [(e.param(key), e.params[key], ours) for e in group for key, ours in _TOKENS.items() if key in e.params]
    most = []
    for each in group:
        keys = [key for key in _MOST if key in each.info]
        most += [((*each.at, "model_info", key), each.info[key], "max_output_tokens") for key in keys[:1]]
        for key in keys[1:]:
            notes.none((*each.at, "model_info", key), f"`{keys[0]}` says it")
    for ours, fields in (("default_output_tokens", usual), ("max_output_tokens", most)):
        given = [found for _, value, _ in fields if (found := whole(value)) and found <= 1_000_000]
        if given:
            made[ours] = min(given)
    if made.get("default_output_tokens", 1024) > made.get("max_output_tokens", 4096):
        if "max_output_tokens" in made:
            made["default_output_tokens"] = made["max_output_tokens"]
        else:
            made["max_output_tokens"] = made["default_output_tokens"]
    for path, value, ours in (*usual, *most):
        why = "the least of all targets, and no more than an answer may have"
        _note_number(path, value, made.get(ours), f"models.{name}.{ours}", why, notes)
