"""`prices show` and `prices refresh`: the price table, and its rows as AWS's Price List API has them now."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.files import read_text, require_writable
from model_packaging.findings import FindingsError, refuse
from model_packaging.validation import nearest
from scaletozero.cli.output import FAILED, done, failed, findings_as_exit, print_json, say, table, write_file
from scaletozero.environment.project import find_project
from scaletozero.settings.regions import regions_of
from scaletozero.spending import price_list
from scaletozero.spending.api_models import token_price
from scaletozero.spending.price_list import Change
from scaletozero.spending.price_rows import Price, as_table, read_rows
from scaletozero.spending.prices import FILE, LARGEST, PriceTable, own_file, prices, stale_warning

app = typer.Typer(help="The price table: shows it, and refreshes it from AWS's Price List API.", no_args_is_help=True)

Regions = Annotated[list[str] | None, typer.Option("--region", help="Only this region; may be repeated.")]
Services = Annotated[list[str] | None, typer.Option("--service", help="Only this service; may be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(
    region: Regions = None,
    service: Services = None,
    model: Annotated[
        str | None, typer.Option(help="Show the token prices of a model behind an API instead: `provider/model`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Shows the prices that estimates are made from, each with its source, date and confidence.

    Example: scaletozero prices show --region eu-central-1 --service ec2
    """
    if model is not None:
        _show_model(model, as_json=as_json)
        return
    with findings_as_exit():
        rows = _chosen(prices(), region, service)
    if as_json:
        print_json({"schema": 2, "currency": "USD", "rows": [each.shown() for each in rows]})
        return
    columns = ("service", "sku", "region", "USD", "per", "confidence", "date", "source")
    table(
        columns,
        [
            (e.service, e.sku, e.region, f"{e.amount.normalize():f}", e.unit, e.confidence, e.captured, e.source)
            for e in rows
        ],
    )
    if warning := stale_warning(rows, _today()):
        say(f"warning: {warning}")
    own = own_file()
    done(f"{len(rows)} rows{f', with those of {own}' if own else ''}.")


def _show_model(reference: str, *, as_json: bool) -> None:
    with findings_as_exit():
        found = token_price(reference)
    if as_json:
        amounts = {"input": f"{found.input_usd:f}", "output": f"{found.output_usd:f}"}
        print_json({"model": found.name, "usd_per_million_tokens": amounts, "source": found.source})
    else:
        row = (found.name, f"{found.input_usd:f}", f"{found.output_usd:f}", found.source)
        table(("model", "USD for 1M tokens in", "out", "source"), [row])


@app.command()
def refresh(
    region: Annotated[
        list[str] | None,
        typer.Option("--region", help="Ask for every known sku in this region; may be repeated. Default: known rows."),
    ] = None,
    service: Services = None,
    threshold: Annotated[float, typer.Option(min=0, help="Largest change of a price in percent.")] = 20,
    file: Annotated[
        Path | None, typer.Option(help=f"The table to write. Default: {FILE} beside the project's Pulumi.yaml.")
    ] = None,
) -> None:
    """Asks AWS's Price List API for the prices, prints what changed, and writes the project's own table.

    It needs AWS credentials that may call `pricing:GetProducts`, which costs nothing. Where a price changes by more
    than the threshold, a response is not clear, or the API cannot be asked, nothing is written and it exits with 1.

    Example: scaletozero prices refresh --region eu-central-1 --service ec2
    """
    with findings_as_exit():
        path = file or own_file() or find_project().root / FILE
        require_writable("--file", path)
        own = read_rows(read_text(path, LARGEST), str(path)) if path.is_file() else ()
        wanted = _wanted(prices(), region, service)
    result = _asked(wanted)
    _show_changes(result.changes)
    for row, why in result.kept:
        say(f"left as it is: {row.service} {row.sku} {row.region}: {why}")
    if problems := [*result.findings, *price_list.too_large(result.changes, threshold)]:
        with findings_as_exit(FAILED):
            raise FindingsError(problems)
    if not result.rows:
        raise failed("error: the price list has none of these prices; nothing is written")
    text = as_table(PriceTable.of([*own, *result.rows]).rows.values())
    with findings_as_exit(FAILED):
        read_rows(text, str(path))  # also against its neighbours
        write_file("--file", path, text)
    done(f"{path}: {len(result.rows)} rows of today, {len(result.changes)} of them changed.")


def _today() -> date:
    return datetime.now(UTC).date()


def _asked(wanted: list[Price]) -> price_list.Refresh:
    from botocore.exceptions import BotoCoreError, ClientError  # half of a command's start

    try:
        return price_list.refresh(_client(), prices(), wanted, say)
    except (BotoCoreError, ClientError) as error:
        raise failed(f"error: AWS Price List API: {error}; nothing is written") from None


def _client() -> Any:
    import boto3

    return boto3.client("pricing", region_name=price_list.ENDPOINT_REGION)


def _chosen(known: PriceTable, regions: list[str] | None, services: list[str] | None) -> list[Price]:
    """The rows of some regions and services, in the table's order.

    Raises:
        FindingsError: there is none.
    """
    rows = sorted(known.rows.values(), key=lambda each: (each.service, each.region, each.sku))
    _known_services(rows, services)
    _known_regions(regions)
    found = [e for e in rows if (not regions or e.region in regions) and (not services or e.service in services)]
    if not found:
        where = ", ".join(sorted({e.region for e in rows if not services or e.service in services}))
        rule = "must have a row in the table"
        raise refuse("--region", rule, ", ".join(regions or ()), "nothing could be estimated there", f"priced: {where}")
    return found


def _wanted(known: PriceTable, regions: list[str] | None, services: list[str] | None) -> list[Price]:
    """The rows to ask for: those that are known, and every known sku in the regions that are named."""
    _known_regions(regions)
    rows = sorted(known.rows.values(), key=lambda each: (each.service, each.region, each.sku))
    _known_services(rows, services)
    of_services = [each for each in rows if not services or each.service in services]
    if not regions:
        return of_services
    found = {}
    for where in regions:
        for each in of_services:
            key = (each.service, each.sku, where)
            found.setdefault(key, known.find(*key) or each.model_copy(update={"region": where}))
    return list(found.values())


def _known_services(rows: list[Price], services: list[str] | None) -> None:
    names = sorted({each.service for each in rows})
    for name in services or ():
        if name not in names:
            guess = nearest(name, names)
            fix = f"write `{guess}`" if guess else f"write one of {', '.join(names)}"
            raise refuse("--service", "must be a service of the table", name, fix=fix)


def _known_regions(regions: list[str] | None) -> None:
    names = regions_of("sagemaker")
    for name in regions or ():
        if name not in names:
            guess = nearest(name, names)
            fix = f"write `{guess}`" if guess else "write one such as `eu-central-1`"
            raise refuse("--region", "must be a region in which SageMaker is offered", name, fix=fix)


def _show_changes(changes: tuple[Change, ...]) -> None:
    if changes:
        columns = ("service", "sku", "region", "per", "before", "now", "change")
        table(columns, [_row(each) for each in changes])
    else:
        say("no price changed")


def _row(change: Change) -> tuple[str, ...]:
    after, before = change.after, change.before
    was = f"{before.amount.normalize():f}" if before else "-"
    by = f"{change.percent:+.1f} %" if change.percent is not None else "new"
    return after.service, after.sku, after.region, after.unit, was, f"{after.amount.normalize():f}", by
