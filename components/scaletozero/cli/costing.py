"""`costs`: what an environment's endpoints used and cost so far, from their metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.files import require_writable
from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import FAILED, counted, done, failed, findings_as_exit, print_json, say, table, write_file
from scaletozero.cli.running import Running, running
from scaletozero.endpoints.gpu_kind import GpuKind
from scaletozero.environment.gateway import deployed_tables, ledger_of
from scaletozero.environment.prometheus import UnansweredError, checked_url, read_gpu
from scaletozero.environment.request_files import RequestFiles, place
from scaletozero.environment.usage import add_provisioned, bucket_of, metering_of, read_sums, read_works
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.opening import LEDGER
from scaletozero.observability.focus import Row, focus_rows
from scaletozero.observability.focus_files import CSV, PARQUET, Written, require_parquet
from scaletozero.observability.gpu_usage import gpu_used, replica_price
from scaletozero.observability.showback import Basis, CustomerWork, Line, Part, api_shares, lines_of, shares_of
from scaletozero.observability.usage import (
    Metering,
    Used,
    by_month,
    charges_of,
    first_day,
    total,
    used,
)
from scaletozero.settings.gpu import GpuEndpoint
from scaletozero.spending.money import dollars, number
from scaletozero.spending.prices import stale_warning

GPU = GpuKind.name


def costs(
    environment: EnvironmentName = "local",
    since: Annotated[
        str | None,
        typer.Option(help="The first day in UTC, `2026-11-01`, or days, `7d`. Default: the first of the month."),
    ] = None,
    focus: Annotated[
        Path | None,
        typer.Option(
            help="Write each endpoint's charges by day to this file, in FOCUS 1.3's columns: as Parquet where its name "
            "ends in `.parquet`, otherwise as CSV."
        ),
    ] = None,
    to_bucket: Annotated[
        bool,
        typer.Option(
            "--to-bucket",
            help="Write the same rows to the environment's bucket, below `usage/`, and each request of a gateway's "
            "customers as a line of JSON.",
        ),
    ] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet to the bucket in place of CSV.")] = False,
    basis: Annotated[
        Basis,
        typer.Option(
            help="Idle time of warm pools: `usage` shows it by itself, `allocation` spreads it like the work."
        ),
    ] = Basis.USAGE,
    prometheus: Annotated[
        str | None,
        typer.Option(
            help="The Prometheus server that has the metrics of GPU endpoints, such as http://127.0.0.1:9090."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with each day's quantities.")] = False,
) -> None:
    """Shows what each endpoint used and cost so far: its metrics in CloudWatch times the prices of its region.

    With a gateway it also shows what each customer used and cost, from the gateway's ledger. In the sandbox it shows
    what the same requests would have cost on AWS.

    Examples: scaletozero costs -e prod-eu --since 7d

    scaletozero costs -e prod-eu --basis allocation

    scaletozero costs -e prod-eu --to-bucket --parquet    (each day, from a pipeline)

    scaletozero costs -e prod-eu --since 2026-11-01 --focus november.csv
    """
    with findings_as_exit():
        if parquet and not to_bucket:
            rule, fix = "is for --to-bucket", "write `--focus FILE.parquet` for a file"
            raise refuse("--parquet", rule, "no --to-bucket", "nothing would be written", fix)
        if focus:
            require_writable("--focus", focus)
        to_file = PARQUET if focus and focus.suffix.lower() == f".{PARQUET.suffix}" else CSV
        to_object = PARQUET if parquet else CSV
        if PARQUET in (to_file, to_object):
            require_parquet()
        if prometheus is not None:
            prometheus = checked_url("--prometheus", prometheus)
        now = datetime.now(UTC)
        first = first_day(since, now)
        run = running(environment, "costs", or_gateway=True)
        deployed = run.endpoints
        read = {name: metering_of(about) for name, about in deployed.items()}
    found: dict[str, Used] = {}
    for name, metering in read.items():
        if isinstance(metering, Metering):
            found[name] = _on_sagemaker(run, name, metering, first, now)
    unread = {name: each for name, each in read.items() if isinstance(each, str)}
    for name in [name for name in unread if deployed[name]["kind"] == GPU]:
        about = _gpu(run, name, prometheus, first, now)
        if isinstance(about, Used):
            found[name] = about
            del unread[name]
        else:
            unread[name] = about
    requests = RequestFiles() if to_bucket else None
    works = _works(run, first, requests)
    named = {deployed[name]["name"]: name for name in found}
    shares = {name: shares_of(each, _at(works, deployed[name]["name"]), basis) for name, each in found.items()}
    apis = api_shares(works, basis)
    charges = [*charges_of(found.values()), *(share for each in apis.values() for share in each)]
    spent = total(charges)
    if focus or to_bucket:
        rows = focus_rows(environment, deployed, shares | apis)
        with findings_as_exit(FAILED):
            if focus:
                write_file("--focus", focus, to_file.write(rows))
                say(f"{focus}: {len(rows)} rows, metered at list prices; they are no invoice")
            if to_bucket:
                say(f"{_upload(run, rows, to_object, first, now)}: {counted(len(rows), 'row')}")
            if requests and requests.count:
                say(f"{_upload_requests(run, requests, first, now)}: {counted(requests.count, 'request')}")
    lines = lines_of(shares | apis, works, named)
    if as_json:
        print_json(
            {
                "environment": environment,
                "currency": "USD",
                "since": first.isoformat(),
                "until": now.isoformat(timespec="seconds"),
                "usd": number(spent),
                "usd_per_month_at_this_rate": number(by_month(charges, now)),
                "endpoints": {name: each.as_json() for name, each in found.items()},
                "apis": {name: {"usd": number(total(each))} for name, each in apis.items()},
                "basis": str(basis),
                "customers": [each.as_json() for each in lines],
                "not_read": unread,
            }
        )
        return
    _show(deployed, found, now)
    if works or any(each.part is Part.IDLE for each in lines):
        _show_customers(lines)
    for name, reason in unread.items():
        say(f"{name}: not read, {reason}")
    used_prices = {charge.price.sku: charge.price for charge in charges_of(found.values())}
    if warning := stale_warning(used_prices.values(), now.date()):
        say(f"warning: {warning}")
    rate = dollars(by_month(charges, now))
    done(f"{environment}: {dollars(spent)} since {first}, {rate} a month at this rate. Each day: --json.")


def _on_sagemaker(run: Running, name: str, metering: Metering, first: date, now: datetime) -> Used:
    """What an endpoint used by its metrics, with the provisioned concurrency that it is declared with."""
    about = run.endpoints[name]
    at, region = about["name"], about["region"]

    def client(service: str) -> Any:
        return run.stack.client(service, region)

    try:
        found = used(metering, read_sums(client("cloudwatch"), at, metering, first, now))
        with findings_as_exit():
            return add_provisioned(client, at, run.settings.endpoints.get(name), found, about, first, now)
    except (ClientError, BotoCoreError) as error:
        raise failed(f"{at}: its metrics could not be read: {error}", FAILED) from None


def _bucket(run: Running) -> str:
    bucket = bucket_of(run.stack.resources())
    if bucket is None:
        rule, fix = "needs the stack's output `bucket`", "write the rows to a file with --focus, and upload that"
        raise refuse("--to-bucket", rule, "none in the stack's state", "there is no place to write to", fix)
    return bucket


def _upload(run: Running, rows: list[Row], to: Written, first: date, now: datetime) -> str:
    """Writes rows to the environment's bucket, in place of those of the same days; returns where."""
    bucket = _bucket(run)
    key = f"usage/{run.stack.name}/{first}_{now.date()}.{to.suffix}"
    try:
        run.stack.client("s3", run.settings.region).put_object(
            Bucket=bucket, Key=key, Body=to.write(rows), ContentType=to.content_type
        )
    except (ClientError, BotoCoreError) as error:
        raise failed(f"s3://{bucket}/{key} could not be written: {error}", FAILED) from None
    return f"s3://{bucket}/{key}"


def _upload_requests(run: Running, requests: RequestFiles, first: date, now: datetime) -> str:
    """Writes customers' requests to the environment's bucket, a file for each customer; returns where."""
    bucket, name = _bucket(run), run.stack.name
    try:
        requests.upload(run.stack.client("s3", run.settings.region), bucket, name, f"{first}_{now.date()}")
    except (ClientError, BotoCoreError) as error:
        raise failed(f"s3://{bucket} could not be written to: {error}", FAILED) from None
    return f"s3://{bucket}/{place(name, '*')}{first}_{now.date()}.jsonl"


def _gpu(run: Running, name: str, prometheus: str | None, first: date, now: datetime) -> Used | str:
    """What an endpoint on a cluster used, or why that is not known."""
    about = run.endpoints[name]
    if prometheus is None:
        return (
            "its metrics are in Prometheus: give the server with --prometheus (docs/spending.md says how to reach it)"
        )
    if "usd_per_hour" not in about:
        return "its state has no price (`usd_per_hour`), because its instance type has none"
    declared = run.settings.endpoints.get(name)
    replicas = int(about["max"]) + (declared.scaling.buffer if isinstance(declared, GpuEndpoint) else 0)
    try:
        answers = read_gpu(prometheus, about["name"], about["namespace"], first, now)
    except UnansweredError as error:
        raise failed(f"{name}: {prometheus} could not be asked: {error}", FAILED) from None
    return gpu_used(answers, replica_price(about["usd_per_hour"], replicas, about["region"], now.date()))


def _works(run: Running, first: date, requests: RequestFiles | None) -> list[CustomerWork]:
    """What the gateway recorded; nothing where the environment has none. Each request is noted in `requests`."""
    if run.settings.gateway is None:
        return []
    if run.settings.gateway.deployed:
        table = deployed_tables(run.stack.resources())["ledger"]
        store = DynamoStore(run.stack.client("dynamodb", run.settings.region, LEDGER), table)
    else:
        store = ledger_of(run.project.name, run.stack.name, run.settings.region, run.stack.client)
    try:
        return read_works(store, first, requests.note) if requests else read_works(store, first)
    except (ClientError, BotoCoreError) as error:
        raise failed(f"the gateway's ledger could not be read: {error}", FAILED) from None


def _at(works: Iterable[CustomerWork], endpoint: str) -> list[CustomerWork]:
    return [each for each in works if each.target == endpoint]


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
                dollars(by_month(each.charges, now)),
                ", ".join(each.unseen),
            )
        )
    columns = ("endpoint", "kind", "requests", "billed", "USD", "per 1k requests", "a month at this rate", "not in it")
    table(columns, rows)


def _show_customers(lines: Iterable[Line]) -> None:
    columns = ("customer", "on", "requests", "seconds", "tokens", "USD", "counted against caps")
    rows = [
        (
            each.name,
            each.target or "answers that were kept",
            f"{each.requests:,}" if each.owner else "-",
            f"{each.seconds:,.1f}" if each.seconds else "-",
            f"{each.tokens:,}" if each.tokens else "-",
            dollars(each.usd),
            dollars(each.capped) if each.owner else "-",
        )
        for each in lines
    ]
    table(columns, rows)
