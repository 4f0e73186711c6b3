"""`costs`: what an environment's endpoints used and cost so far, from their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import FindingsError, refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import FAILED, done, failed, findings_as_exit, print_json, say, table
from scaletozero.endpoints.kinds import KINDS
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.observability.panels import Measure
from scaletozero.observability.usage import Metering, Sums, Used, by_month, first_day, total, used
from scaletozero.sandbox import daemon
from scaletozero.settings.names import VARIANT
from scaletozero.spending.money import dollars, number
from scaletozero.spending.prices import prices, stale_warning

DAY_SECONDS = 86_400


def costs(
    environment: EnvironmentName = "local",
    since: Annotated[
        str | None,
        typer.Option(help="The first day in UTC, `2026-11-01`, or days, `7d`. Default: the first of the month."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with each day's quantities.")] = False,
) -> None:
    """Shows what each endpoint used and cost so far: its metrics in CloudWatch times the prices of its region.

    In the sandbox it shows what the same requests would have cost on AWS.

    Example: scaletozero costs -e prod-eu --since 7d
    """
    with findings_as_exit():
        now = datetime.now(UTC)
        first = first_day(since, now)
        deployed, client = _deployed(environment)
        read = {name: _metering(about) for name, about in deployed.items()}
    found: dict[str, Used] = {}
    for name, metering in read.items():
        if isinstance(metering, Metering):
            about = deployed[name]
            cloudwatch = client("cloudwatch", about["region"])
            found[name] = used(metering, _sums(cloudwatch, about["name"], metering, first, now))
    unread = {name: each for name, each in read.items() if isinstance(each, str)}
    spent = total(list(found.values()))
    if as_json:
        print_json(
            {
                "environment": environment,
                "currency": "USD",
                "since": first.isoformat(),
                "until": now.isoformat(timespec="seconds"),
                "usd": number(spent),
                "usd_per_month_at_this_rate": number(by_month(list(found.values()), now)),
                "endpoints": {name: each.as_json() for name, each in found.items()},
                "not_read": unread,
            }
        )
        return
    _show(deployed, found, now)
    for name, reason in unread.items():
        say(f"{name}: not read, {reason}")
    rows = {charge.price.sku: charge.price for each in found.values() for charge in each.charges}
    if warning := stale_warning(rows.values(), now.date()):
        say(f"warning: {warning}")
    rate = dollars(by_month(list(found.values()), now))
    done(f"{environment}: {dollars(spent)} since {first}, {rate} a month at this rate. Each day: --json.")


def _deployed(environment: str) -> tuple[dict[str, dict[str, Any]], Callable[[str, str], Any]]:
    """The deployed endpoints, and what makes clients of where they run, by service and region.

    Raises:
        FindingsError: there is none.
    """
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    sandbox = daemon.running(project.local) if settings.sandbox else None
    stack, deployed = None, dict[str, dict[str, Any]]()
    if sandbox or not settings.sandbox:
        engine = find_engine(say)
        stack = EnvironmentStack(project, environment, engine, sandbox)
        with engine_errors("costs", environment, engine):
            deployed = stack.endpoints()
    if stack is None or not deployed:
        fix = f"run `scaletozero up -e {environment}`; before that, `scaletozero estimate -e {environment}`"
        raise refuse(environment, "must be deployed", "no endpoint", "there is nothing to read", fix)
    return {name: {"region": settings.region, **about} for name, about in deployed.items()}, stack.client


def _metering(about: Mapping[str, Any]) -> Metering | str:
    """What to read of an endpoint, or why nothing can be."""
    try:
        found = KINDS[about["kind"]].metering(about, about["region"], prices())
    except FindingsError as error:
        return str(error.findings[0])
    return found or "its usage is not in CloudWatch"


def _sums(client: Any, endpoint: str, metering: Metering, first: date, now: datetime) -> Sums:
    try:
        return {each: _by_day(client, endpoint, each, first, now) for each in metering.measures}
    except (ClientError, BotoCoreError) as error:
        raise failed(f"{endpoint}: its metrics could not be read: {error}", FAILED) from None


def _by_day(client: Any, endpoint: str, measure: Measure, first: date, now: datetime) -> dict[date, float]:
    dimensions = {"EndpointName": endpoint} | ({"VariantName": VARIANT} if measure.by_variant else {})
    found = client.get_metric_statistics(
        Namespace=measure.namespace,
        MetricName=measure.metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.combine(first, time(), UTC),
        EndTime=now,
        Period=DAY_SECONDS,
        Statistics=[measure.statistic],
    )
    return {point["Timestamp"].astimezone(UTC).date(): point[measure.statistic] for point in found["Datapoints"]}


def _show(deployed: Mapping[str, Any], found: Mapping[str, Used], now: datetime) -> None:
    rows = []
    for name, each in found.items():
        billed = {}
        for charge in each.charges:
            billed[charge.price.unit] = billed.get(charge.price.unit, 0) + charge.quantity
        rows.append(
            (
                name,
                deployed[name]["kind"],
                f"{each.requests:,}",
                ", ".join(f"{quantity:,.2f} {unit}" for unit, quantity in billed.items()) or "-",
                dollars(each.usd),
                dollars(each.per_thousand),
                dollars(by_month([each], now)),
                ", ".join(each.unseen),
            )
        )
    columns = ("endpoint", "kind", "requests", "billed", "USD", "per 1k requests", "a month at this rate", "not in it")
    table(columns, rows)
