"""LiteLLM's `config.yaml`: its models, fallbacks, aliases, and the budget of the whole proxy. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from model_packaging.validation import show
from scaletozero.environment.importing.judge import refused
from scaletozero.environment.importing.litellm_keys import import_keys
from scaletozero.environment.importing.litellm_models import Deployment, deployments, model_of
from scaletozero.environment.importing.litellm_reasons import GENERAL, LITELLM, ROUTER, SECTIONS, Reasons
from scaletozero.environment.importing.numbers import caps_of, number, period_of, plain, seconds_of, whole
from scaletozero.environment.importing.report import CUSTOMER, Imported, Notes, Path, PriceOf
from scaletozero.settings.gateway_cache import LONGEST_KEPT_SECONDS
from scaletozero.settings.gateway_models import MOST_RETRIES, MOST_TARGETS

_SETTINGS: dict[str, Reasons] = {"router_settings": ROUTER, "litellm_settings": LITELLM, "general_settings": GENERAL}
_ANY = "models.*"
_KINDS = ("provider", "bedrock")


def import_litellm(
    content: Mapping[str, Any], price_of: PriceOf, cap: Decimal | None = None, keys: Mapping[str, Any] | None = None
) -> Imported:
    """The gateway that a `config.yaml` of LiteLLM declares, and a row for each of its fields.

    Args:
        content: the file's content.
        price_of: the prices of models.
        cap: USD a month for all callers together, where the file has no budget of the whole proxy; for each customer
            whose key has no budget, if there are keys.
        keys: the answer of `/key/list`, whose keys become customers in place of one for all callers.
    """
    notes = Notes(content)
    for key, (reason, important) in SECTIONS.items():
        notes.none((key,), reason, important=important)
    for section, reasons in _SETTINGS.items():
        for key in _mapping(content, section):
            if key in reasons:
                notes.none((section, key), reasons[key][0], important=reasons[key][1])
        if section in content and not isinstance(content[section], Mapping):
            notes.unknown((section,), "must be a mapping")
    seconds, retries = _of_all_models(content, notes)
    models, embedders = _models(content, price_of, seconds, retries, notes)
    _fallbacks(content, models, embedders, seconds, notes)
    _cache(content, models, notes)
    _aliases(content, models, notes)
    if keys is None:
        return Imported(_block(models, _customers(content, models, cap, notes)), notes.rows)
    why = "a cap is of each customer, and none is of all of them together"
    for section in ("litellm_settings", "general_settings"):
        for field in ("max_budget", "budget_duration"):
            notes.none((section, field), why, important=field == "max_budget")
    _note_concurrency(content, None, "concurrency is of each customer, and none is of all of them together", notes)
    customers, rows = import_keys(keys, models, cap)
    return Imported(_block(models, customers), notes.rows + rows)


def _block(models: dict[str, Any], customers: dict[str, Any]) -> dict[str, Any]:
    found = {"models": models} if models else {}
    return found | ({"customers": customers} if customers else {})


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content.get(key)
    return found if isinstance(found, Mapping) else {}


def _models(
    content: Mapping[str, Any], price_of: PriceOf, seconds: int | None, retries: int | None, notes: Notes
) -> tuple[dict[str, Any], set[str]]:
    """The models by name, and which of them answer with embeddings."""
    found = deployments(content["model_list"], price_of, notes) if "model_list" in content else []
    groups: dict[str, list[Deployment]] = {}
    for each in found:
        groups.setdefault(each.name, []).append(each)
    models: dict[str, Any] = {}
    for name, group in groups.items():
        for left in group[MOST_TARGETS:]:
            notes.none(left.at, f"a model has {MOST_TARGETS} targets at most: it is no target of `{name}`")
        made = model_of(name, group[:MOST_TARGETS], seconds, retries, notes)
        why = refused({name: made})
        if why:
            for each in group:
                notes.none(each.at, f"the model is not written: {why}")
        else:
            models[name] = made
    return models, {name for name in models if groups[name][0].embeds}


def _of_all_models(content: Mapping[str, Any], notes: Notes) -> tuple[int | None, int | None]:
    """The seconds and the retries of all models. The router's come before the library's."""
    seconds = _first(
        content,
        (("router_settings", "timeout"), ("litellm_settings", "request_timeout")),
        seconds_of,
        f"{_ANY}.seconds",
        "600 seconds at most, with all targets and tries",
        notes,
    )
    retries = _first(
        content,
        (("router_settings", "num_retries"), ("litellm_settings", "num_retries")),
        lambda value: None if whole(value) is None else min(MOST_RETRIES, whole(value) or 0),
        f"{_ANY}.retries",
        f"{MOST_RETRIES} at most",
        notes,
    )
    strategy = _mapping(content, "router_settings").get("routing_strategy")
    if strategy == "simple-shuffle":
        notes.taken(("router_settings", "routing_strategy"), f"{_ANY}.targets.*.weight")
    elif strategy is not None:
        notes.none(("router_settings", "routing_strategy"), "targets share the requests by `weight`")
    return seconds, retries


def _first(
    content: Mapping[str, Any], paths: Sequence[Path], read: Any, here: str, why: str, notes: Notes
) -> int | None:
    """The first value that can be read; the others are noted as second to it."""
    found, first = None, ""
    for section, key in paths:
        value = _mapping(content, section).get(key)
        now = read(value)
        if value is None:
            continue
        if now is None:
            notes.unknown((section, key), "is no number that is possible here")
        elif first:
            notes.none((section, key), f"`{first}` comes before it")
        elif number(value) == now:
            notes.taken((section, key), f"{here}: {now}")
        else:
            notes.changed((section, key), show(value), f"{here}: {now}", why)
        if now is not None and not first:
            found, first = now, f"{section}.{key}"
    return found


def _fallbacks(
    content: Mapping[str, Any], models: dict[str, Any], embedders: set[str], seconds: int | None, notes: Notes
) -> None:
    """Adds the targets of other models behind a model's own."""
    own = {name: _targets(model) for name, model in models.items()}
    for path, name, to in _pairs(content, notes):
        names = [*models] if name == "*" else [name]
        if not isinstance(to, str) or not models.keys() >= {to, *names}:
            notes.none(path, "one of the two models is not written")
            continue
        left = [
            each
            for each in names
            if each != to and not _added(models[each], own[to], bool({each, to} & embedders), seconds)
        ]
        if left:
            rule = f"a model has {MOST_TARGETS} targets at most, and embeddings of different models cannot be compared"
            notes.none(path, f"{rule}: not added to {', '.join(left)}")
        else:
            here = f"models.{'*' if name == '*' else name}.targets"
            notes.changed(
                path, show(to), here, "its targets are asked when those before them have failed, with its price"
            )


def _added(model: dict[str, Any], more: list[dict[str, Any]], embeds: bool, seconds: int | None) -> bool:
    """Adds targets to a model, unless it cannot have them. Returns whether it has them."""
    targets = _targets(model)
    known = [_leads(each) for each in targets]
    new = [leads for each in more if (leads := _leads(each)) not in known]
    several = [*known, *new]
    if embeds and len({settings["model"] for each in several for settings in each.values()}) > 1:
        return False
    if len(several) > MOST_TARGETS:
        return False
    if new:
        single = [model.pop(kind) for kind in _KINDS if kind in model]
        if single and "seconds" in model and model["seconds"] != seconds:
            targets[0]["seconds"] = model.pop("seconds")  # its own, which the others are not to end with
            if seconds is not None:
                model["seconds"] = seconds
        model["targets"] = [*targets, *copy.deepcopy(new)]
        if embeds:
            model["same_vectors"] = True
    return True


def _targets(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*model["targets"]] if "targets" in model else [_leads(model)]


def _leads(target: Mapping[str, Any]) -> dict[str, Any]:
    """What a target, or a model with one, leads to."""
    return {kind: target[kind] for kind in _KINDS if kind in target}


def _pairs(content: Mapping[str, Any], notes: Notes) -> Iterator[tuple[Path, str, Any]]:
    """Which model falls back to which, with the path that says so; `*` for all models."""
    for section in _SETTINGS:
        written: Any = _mapping(content, section).get("fallbacks")
        if written is not None and not isinstance(written, list):
            notes.unknown((section, "fallbacks"), "must be a list of mappings of a model to models")
        for index, each in enumerate(written if isinstance(written, list) else []):
            path = (section, "fallbacks", str(index))
            notes.unknown(path, "must be a mapping of a model to a list of models")
            for name, to in each.items() if isinstance(each, Mapping) else ():
                yield from _listed((*path, str(name)), str(name), to)
    for section in _SETTINGS:
        path = (section, "default_fallbacks")
        notes.unknown(path, "must be a list of models")
        yield from _listed(path, "*", _mapping(content, section).get("default_fallbacks"))


def _listed(path: Path, name: str, to: Any) -> Iterator[tuple[Path, str, Any]]:
    for index, each in enumerate(to if isinstance(to, list) else ()):
        yield (*path, str(index)), name, each


def _cache(content: Mapping[str, Any], models: dict[str, Any], notes: Notes) -> None:
    """Has every model keep its answers, where the file says that all are kept, and for how long."""
    section = "litellm_settings"
    params = _mapping(_mapping(content, section), "cache_params")
    if _mapping(content, section).get("cache") is not True:
        return
    seconds, of = whole(params.get("ttl")), params.get("type", "redis")
    if seconds is None or params.get("mode") == "default_off" or not isinstance(of, str) or "semantic" in of:
        why = "only the same request gets the same answer, for a time that has to be declared: `cache` of a model"
        notes.none((section, "cache"), why)
        return
    made = {"seconds": min(seconds, LONGEST_KEPT_SECONDS), "any_temperature": True}
    why = refused({name: {**model, "cache": made} for name, model in models.items()})
    if why or not models:
        notes.none((section, "cache"), why or "no model is written")
        return
    for model in models.values():
        model["cache"] = dict(made)
    reason = "each customer has its own; `shared: true` gives the answer to one to others"
    notes.changed((section, "cache"), "true", f"{_ANY}.cache", reason)
    most = f"{LONGEST_KEPT_SECONDS:,} seconds at most"
    ttl = (section, "cache_params", "ttl")
    if made["seconds"] == seconds:
        notes.taken(ttl, f"{_ANY}.cache.seconds: {seconds}")
    else:
        notes.changed(ttl, show(seconds), f"{_ANY}.cache.seconds: {made['seconds']}", most)


def _aliases(content: Mapping[str, Any], models: dict[str, Any], notes: Notes) -> None:
    """Writes a model a second time, under each other name of it."""
    for section in _SETTINGS:
        aliases = _mapping(content, section).get("model_group_alias")
        if aliases is not None and not isinstance(aliases, Mapping):
            notes.unknown((section, "model_group_alias"), "must be a mapping of a name to a model")
        for alias, to in (aliases if isinstance(aliases, Mapping) else {}).items():
            path = (section, "model_group_alias", str(alias))
            target = to.get("model") if isinstance(to, Mapping) else to
            if not isinstance(target, str) or target not in models:
                notes.none(path, "it names no model that is written")
                continue
            why = "a model has this name already" if alias in models else refused({alias: models[target]})
            if why:
                notes.none(path, why)
                continue
            models[alias] = copy.deepcopy(models[target])
            notes.changed(path, show(target), f"models.{alias}", "a model of its own, with the same targets")


def _customers(content: Mapping[str, Any], models: dict[str, Any], cap: Decimal | None, notes: Notes) -> dict[str, Any]:
    """One customer with the budget of the whole proxy, if it has one."""
    customer: dict[str, Any] = {"cap_usd_per_month": plain(cap)} if cap is not None else {}
    for section in ("litellm_settings", "general_settings"):
        values = _mapping(content, section)
        customer = _budget(section, values, notes) or customer
    if not models or not customer:
        _note_concurrency(content, None, "a customer needs a cap: give `--cap-usd-per-month`", notes)
        return {}
    customer["models"] = [*models]
    together = _mapping(content, "general_settings").get("global_max_parallel_requests")
    if whole(together):
        customer["concurrency"] = whole(together)
    why = refused(models, {CUSTOMER: customer})
    if why:
        for section in ("litellm_settings", "general_settings"):
            notes.none((section, "max_budget"), f"the customer is not written: {why}", important=True)
        _note_concurrency(content, None, f"the customer is not written: {why}", notes)
        return {}
    _note_concurrency(content, customer.get("concurrency"), "is no number that is possible here", notes)
    return {CUSTOMER: customer}


def _budget(section: str, values: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The caps of a budget; empty where there is none."""
    usd, period = number(values.get("max_budget")), values.get("budget_duration")
    if values.get("max_budget") is not None and usd is None:
        notes.unknown((section, "max_budget"), "must be a number of USD")
    if not usd:
        if usd is not None:
            notes.none((section, "max_budget"), "0 is no cap there; a customer has one here")
        if period is not None:
            notes.none((section, "budget_duration"), "there is no budget beside it")
        return {}
    seconds = period_of(period)
    if period is not None and seconds is None:
        notes.none((section, "max_budget"), "the period of the budget cannot be read", important=True)
        notes.unknown((section, "budget_duration"), "must be a period such as `30d`")
        return {}
    caps = caps_of(usd, seconds)
    made = caps.written()
    here = ", ".join(f"customers.{CUSTOMER}.{key}: {value}" for key, value in made.items())
    notes.changed(
        (section, "max_budget"), show(values["max_budget"]), here, f"a cap of all callers together; {caps.reason}"
    )
    if period is not None:
        notes.changed((section, "budget_duration"), show(period), here, caps.reason)
    return made


def _note_concurrency(content: Mapping[str, Any], now: int | None, why: str, notes: Notes) -> None:
    path = ("general_settings", "global_max_parallel_requests")
    written = _mapping(content, path[0]).get(path[1])
    if written is None:
        return
    if now is None:
        notes.none(path, why, important=True)
    else:
        notes.changed(path, show(written), f"customers.{CUSTOMER}.concurrency: {now}", "counted in each process")
