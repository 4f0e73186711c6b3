"""What `status` shows of endpoints with a cap: what they have cost this month, and whether their guard closed them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import FindingsError
from scaletozero.cli.output import FAILED, failed, table
from scaletozero.endpoints.closed_gateway import door_state, find_door
from scaletozero.endpoints.reopen import closable, state
from scaletozero.environment.settings import Environment
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.environment.usage import add_provisioned, metering_of, read_sums
from scaletozero.observability.usage import Metering, first_day, used
from scaletozero.settings.guarded_gateway import NAME
from scaletozero.spending.money import dollars, number


def capped(stack: EnvironmentStack, settings: Environment, deployed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By endpoint with a cap: `usd` since the first of the month, `cap_usd` a month, and the `state` of its guard,
    which is null where it has none. Of a gateway with a cap the same, without `usd`.

    Args:
        deployed: name -> what the stack's state has of the endpoint.
    """
    found: dict[str, dict[str, Any]] = {}
    caps = settings.spending.endpoints if settings.spending else {}
    own = settings.spending.gateway if settings.spending else None
    resources = stack.resources() if caps or own is not None else []
    now = datetime.now(UTC)
    for name, cap in caps.items():
        if name not in deployed:
            continue
        about = {"region": settings.region, **deployed[name]}
        guarded = closable(resources, about["name"])
        try:
            closed = guarded and state(guarded, lambda service: stack.client(service, settings.region))
            spent = _spent(stack, settings, name, about, now)
        except (ClientError, BotoCoreError) as error:
            raise failed(f"{name}: what it has cost could not be read: {error}", FAILED) from None
        found[name] = {"usd": spent, "cap_usd": number(cap), "state": closed}
    if own is not None and (door := find_door(resources)) is not None:
        try:
            closed = door_state(door, lambda service: stack.client(service, settings.region)) if door.alarm else None
        except (ClientError, BotoCoreError) as error:
            raise failed(f"{NAME}: its state could not be read: {error}", FAILED) from None
        found[NAME] = {"usd": None, "cap_usd": number(own), "state": closed}
    return found


def _spent(
    stack: EnvironmentStack, settings: Environment, name: str, about: Mapping[str, Any], now: datetime
) -> float | None:
    """USD that an endpoint has cost since the first of the month; None where no metric, or no price, says it."""
    metering, first, at = metering_of(about), first_day(None, now), about["name"]
    if not isinstance(metering, Metering):
        return None

    def client(service: str) -> Any:
        return stack.client(service, settings.region)

    by_metrics = used(metering, read_sums(client("cloudwatch"), at, metering, first, now))
    try:
        found = add_provisioned(client, at, settings.endpoints.get(name), by_metrics, about, first, now)
    except FindingsError:  # a price is missing, which `estimate` says
        return None
    return number(found.usd)


def show_capped(found: Mapping[str, Mapping[str, Any]]) -> None:
    """The same as a table; nothing without caps."""
    if not found:
        return
    rows = [
        (
            name,
            "-" if each["usd"] is None else dollars(Decimal(str(each["usd"]))),
            dollars(Decimal(str(each["cap_usd"]))),
            each["state"] or "no guard",
        )
        for name, each in found.items()
    ]
    table(("endpoint", "spent this month", "cap a month", "state"), rows)
