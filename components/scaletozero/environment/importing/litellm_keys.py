"""The keys of LiteLLM's proxy, as `/key/list` answers, as customers: a key itself is never carried over. Pure.

Fields: LiteLLM's page on virtual keys (docs.litellm.ai/docs/proxy/virtual_keys) and its answer to `GET /key/list` with
`return_full_object=true`, read on 2026-11-29.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from model_packaging.validation import show
from scaletozero.environment.importing.judge import refused
from scaletozero.environment.importing.numbers import caps_of, number, period_of, plain, whole
from scaletozero.environment.importing.report import Notes, Path, Row

_LEFT = "the customer is not written"
_EVERYTHING = "all-proxy-models"
_NAMED = "key_alias"
_ANEW = "a key is never carried over: make one with `scaletozero customers key`"
_NO_PERSON = "a record names the customer, which the key alone says"

_REASONS: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(("token", "token_id", "key_name", "key"), (_ANEW, False)),
    **dict.fromkeys(("user_id", "user", "created_by", "updated_by", "created_by_user"), (_NO_PERSON, False)),
    **dict.fromkeys(("created_at", "updated_at", "last_active", "metadata", "tags"), ("it describes the key", False)),
    **dict.fromkeys(("team_id", "team_alias", "organization_id", "org_id"), ("its limits are not in this file", True)),
    **dict.fromkeys(("spend", "model_spend"), ("what was spent until now counts for no cap here", True)),
    **dict.fromkeys(("tpm_limit", "model_tpm_limit"), ("tokens of a minute are not limited, a cap bounds money", True)),
    **dict.fromkeys(("model_max_budget", "budget_limits"), ("a cap is of a customer, and of no model", True)),
    **dict.fromkeys(("litellm_budget_table", "budget_id"), ("the budget of the key itself is read alone", True)),
    **dict.fromkeys(("model_rpm_limit",), ("a rate is of a customer, and of no model", True)),
    **dict.fromkeys(("guardrails", "policies", "permissions", "object_permission"), ("there is no such limit", True)),
    **dict.fromkeys(("object_permission_id", "allowed_routes", "access_group_ids"), ("there is no such limit", True)),
    **dict.fromkeys(("budget_reset_at",), ("caps begin anew with the day and the month in UTC", False)),
    **dict.fromkeys(("soft_budget", "soft_budget_cooldown"), ("nobody is told before a cap is reached", False)),
    **dict.fromkeys(("aliases", "config", "router_settings"), ("models have the same names for all customers", False)),
    **dict.fromkeys(("auto_rotate", "rotation_interval", "rotation_count"), ("keys are rotated by a command", False)),
    **dict.fromkeys(("last_rotation_at", "key_rotation_at"), ("keys are rotated by a command", False)),
    **dict.fromkeys(("allowed_cache_controls",), ("`cache` of a customer is on or off", False)),
}
"""Fields to which nothing here corresponds -> why, and whether safety, money or the place of data would differ."""

_PAGES = ("total_count", "current_page", "total_pages")


def import_keys(
    content: Mapping[str, Any], models: Mapping[str, Any], cap: Decimal | None
) -> tuple[dict[str, Any], tuple[Row, ...]]:
    """A customer for each key, and a row for each field.

    Args:
        content: the answer of `/key/list`.
        models: the models that were written.
        cap: USD a month of each customer whose key has no budget.
    """
    notes = Notes(content)
    for key in _PAGES:
        notes.none((key,), "it describes the list")
    if (pages := whole(content.get("total_pages"))) is not None and pages > 1:
        notes.none(
            ("total_pages",), "only the page that is in the file was read: export the others too", important=True
        )
    customers: dict[str, Any] = {}
    listed = content.get("keys")
    if not isinstance(listed, list):
        notes.unknown(("keys",), "must be a list of keys")
    for index, each in enumerate(listed if isinstance(listed, list) else []):
        at = ("keys", str(index))
        if not isinstance(each, Mapping):
            notes.unknown(at, "must be an object: ask `/key/list` with `return_full_object=true`")
            continue
        name = _name(each.get(_NAMED), index, customers)
        made = _customer(each, at, name, models, cap, notes)
        if made:
            customers[name] = made
    return customers, notes.rows


def _name(alias: object, index: int, taken: Collection[str]) -> str:
    """A customer's name: from the key's alias, unless that could be a key."""
    words = re.findall(r"[a-z0-9]+", alias.lower()) if isinstance(alias, str) and not alias.startswith("sk-") else []
    name = "-".join(words)[:50].rstrip("-")
    if not name or not name[0].isalpha():
        name = f"key-{name or index + 1}"
    return name if name not in taken else f"{name}-{index + 1}"


def _customer(
    key: Mapping[str, Any], at: Path, name: str, models: Mapping[str, Any], cap: Decimal | None, notes: Notes
) -> dict[str, Any]:
    """The settings of a customer, or nothing where it would be refused."""
    here = f"customers.{name}"
    for field, value in key.items():
        if value is not None and field in _REASONS:
            reason, important = _REASONS[field]
            notes.none((*at, field), reason, important=important and bool(value))
    made = _caps(key, at, here, cap, notes)
    if not made:
        notes.none((*at, _NAMED), f"{_LEFT}: it needs a cap, give `--cap-usd-per-month`", important=True)
        return {}
    made["models"] = _models(key, at, here, models, notes)
    _limits(key, at, here, made, notes)
    why = refused(models, {name: made})
    if why:
        notes.none(at, f"{_LEFT}: {why}", important=True)
        return {}
    if name == key.get(_NAMED):
        notes.taken((*at, _NAMED), here)
    elif isinstance(key.get(_NAMED), str):
        notes.changed((*at, _NAMED), "", here, "a name of small letters, digits and hyphens")
    return made


def _caps(key: Mapping[str, Any], at: Path, here: str, cap: Decimal | None, notes: Notes) -> dict[str, Any]:
    written, period = key.get("max_budget"), key.get("budget_duration")
    usd, seconds = number(written), period_of(period)
    if written is None:
        if period is not None:
            notes.none((*at, "budget_duration"), "there is no budget beside it")
        return {} if cap is None else {"cap_usd_per_month": plain(cap)}
    if not usd or (period is not None and seconds is None):
        notes.unknown((*at, "max_budget"), "must be a number of USD above 0, with a period such as `30d`")
        return {}
    caps = caps_of(usd, seconds)
    made: dict[str, Any] = caps.written()
    becomes = ", ".join(f"{here}.{field}: {value}" for field, value in made.items())
    notes.changed((*at, "max_budget"), show(written), becomes, caps.reason)
    if period is not None:
        notes.changed((*at, "budget_duration"), show(period), becomes, caps.reason)
    return made


def _models(key: Mapping[str, Any], at: Path, here: str, models: Mapping[str, Any], notes: Notes) -> list[str]:
    """The models that it may ask for: all if there is no list, as LiteLLM has it."""
    listed = key.get("models")
    path = (*at, "models")
    if listed is None or listed == [] or (isinstance(listed, list) and _EVERYTHING in listed):
        if listed is not None:
            notes.changed(path, "", f"{here}.models", "all that are written; those to come are declared by hand")
        return [*models]
    names = listed if isinstance(listed, list) else []
    for index, each in enumerate(names):
        if isinstance(each, str) and each in models:
            notes.taken((*path, str(index)), f"{here}.models")
        else:
            notes.none((*path, str(index)), "no model of this name is written")
    return list(dict.fromkeys(each for each in names if isinstance(each, str) and each in models))


def _limits(key: Mapping[str, Any], at: Path, here: str, made: dict[str, Any], notes: Notes) -> None:
    for field, ours in (("rpm_limit", "requests_per_minute"), ("max_parallel_requests", "concurrency")):
        value = key.get(field)
        if value is None:
            continue
        if (found := whole(value)) and found <= 1_000_000:
            made[ours] = found
            notes.changed((*at, field), show(value), f"{here}.{ours}: {found}", "counted in each process")
        else:
            notes.unknown((*at, field), "must be a whole number from 1 to 1,000,000")
    if key.get("blocked") is True:
        made["disabled"] = True
        notes.taken((*at, "blocked"), f"{here}.disabled: true")
    elif key.get("blocked") is not None:
        notes.none((*at, "blocked"), "its requests are accepted, as without it")
    if key.get("expires") is not None:
        last = _last_day(key["expires"])
        if last is None:
            made["disabled"] = True
            notes.changed((*at, "expires"), "", f"{here}.disabled: true", "its time cannot be read", important=True)
        else:
            made["expires"] = last.isoformat()
            notes.changed((*at, "expires"), "", f"{here}.expires: {last}", "the last whole day in UTC before it")


def _last_day(written: object) -> date | None:
    """The last whole day before a moment; None if it cannot be read."""
    if not isinstance(written, str) or len(written) > 40:
        return None
    try:
        moment = datetime.fromisoformat(written)
        in_utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return in_utc.date() - timedelta(days=1)
    except (ValueError, OverflowError):  # the first day of all has none before it
        return None
