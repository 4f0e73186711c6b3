"""`estimate`: what an environment or a stack costs before it is deployed, also as `preview` and `up` show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.files import require_writable
from model_packaging.findings import Finding, refuse
from model_packaging.validation import parse
from scaletozero.cli.checking import read_state
from scaletozero.cli.estimate_table import estimate_notes, estimate_table
from scaletozero.cli.output import FAILED, done, findings_as_exit, print_json, say, table, write_file
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.project import find_project
from scaletozero.environment.read import require_caps
from scaletozero.residency.state import resources_of
from scaletozero.spending.api_models import token_price
from scaletozero.spending.estimate import BreakEven, EndpointEstimate, Estimate
from scaletozero.spending.money import bound, dollars
from scaletozero.spending.plot import svg
from scaletozero.spending.prices import prices, stale_warning
from scaletozero.spending.resources import StackEstimate, price_resources
from scaletozero.spending.traffic import PAYLOAD_BYTES, REQUESTS, Assumptions


def estimate(
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="The environment, from Pulumi.<name>.yaml.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Instead: what `pulumi stack export` wrote of any stack; `-` reads stdin.")
    ] = None,
    requests_per_month: Annotated[int, typer.Option(help="Requests a month, of each endpoint.")] = REQUESTS,
    seconds: Annotated[
        float | None, typer.Option(help="How long a request is worked on. Default: as the manifest has it.")
    ] = None,
    payload_bytes: Annotated[int, typer.Option(help="Size of a request and its response together.")] = PAYLOAD_BYTES,
    input_tokens: Annotated[int, typer.Option(help="Tokens of a request.")] = 0,
    output_tokens: Annotated[int, typer.Option(help="Tokens of a response.")] = 0,
    hours_per_month: Annotated[float, typer.Option(help="The hours of a month in which requests come.")] = 730,
    against: Annotated[
        list[str] | None, typer.Option(help="Compare with a model behind an API: `provider/model`; may be repeated.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write cost against volume to this SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimates what an environment costs a month, what an hour can cost at most, and where another kind is cheaper.

    It exits with 1 where a cap of the environment could be exceeded. With --state it prices the instances, clusters,
    gateways and alarms of any stack, also of one without these components, and lists what it cannot price.

    Example: scaletozero estimate -e dev --requests-per-month 2000000 --plot cost.svg
    """
    with findings_as_exit():
        if state is not None and environment is not None:
            raise refuse("--state", "and --environment exclude each other", "both", fix="give one of them")
        if plot:
            require_writable("--plot", plot)
        if state is not None:
            if plot:
                raise refuse("--plot", "needs an environment", "--state", "a state says nothing of requests")
            _show_stack(price_resources(resources_of(read_state(state), str(state)), prices()), as_json=as_json)
            return
        assumed = parse(
            Assumptions,
            {
                "requests_per_month": requests_per_month,
                "seconds": seconds,
                "payload_bytes": payload_bytes,
                "input_tokens": input_tokens,
                "output_tokens": output_tokens,
                "hours_per_month": hours_per_month,
            },
            "traffic",
        )
        if against and not input_tokens + output_tokens:
            then, fix = "an API is paid by the token", "give --input-tokens and --output-tokens"
            raise refuse("--against", "needs the tokens of a request", "none", then, fix)
        models = [token_price(each) for each in against or ()]
        name = environment or "local"
        settings = find_project().environment(name, gated=False)
        found = estimate_environment(settings, assumed, prices(), models)
    if plot:
        with findings_as_exit(FAILED):
            write_file("--plot", plot, svg(found.endpoints, f"{name} in {found.region}: cost against volume"))
        say(f"plot: {plot}")
    if as_json:
        print_json({"environment": name, "assumed": assumed.model_dump(mode="json"), **found.as_json()})
        with findings_as_exit(FAILED):
            require_caps(settings)
        return
    show_estimate(found, assumed)
    _show_break_even(found.endpoints)
    for row in found.rows:
        amount = f"{row.amount.normalize():f} USD/{row.unit}"
        say(f"price: {row.service} {row.sku} {amount}, {row.confidence}, {row.captured}")
    for model in models:
        spent = f"{model.input_usd:f} in, {model.output_usd:f} out"
        say(f"price: {model.name} {spent}, USD for a million tokens, {model.source}")
    with findings_as_exit(FAILED):
        _warn(require_caps(settings))
    done(f"{name}: {_summary(found)}")


def _warn(findings: Sequence[Finding]) -> None:
    for each in findings:
        say(f"warning: {each}")


def show_estimate(found: Estimate, assumed: Assumptions, deployed: Mapping[str, Any] | None = None) -> None:
    """The table of an estimate, what it assumes, and what is not in it; see `estimate_table`."""
    columns, rows = estimate_table(found, deployed)
    if rows:
        table(columns, rows)
    for note in estimate_notes(found, assumed, deployed):
        say(note)


def _show_break_even(endpoints: Sequence[EndpointEstimate]) -> None:
    rows = [(each.name, other.alternative, *_where(other)) for each in endpoints for other in each.break_even]
    if rows:
        table(("endpoint", "against", "costs the same at", "cheaper"), rows, "break-even, requests a month")


def _where(other: BreakEven) -> tuple[str, str]:
    if other.requests is None:
        return "never", "the other one" if other.cheaper_above else "the endpoint"
    return f"{other.requests:,}", f"{'the other one' if other.cheaper_above else 'the endpoint'} above it"


def _summary(found: Estimate) -> str:
    unpriced = f", {len(found.unpriced)} not priced" if found.unpriced else ""
    return (
        f"{dollars(found.fixed)} a month without a request, {dollars(found.expected)} with the assumed ones, "
        f"at most {bound(found.worst_per_hour)} an hour{unpriced}."
    )


def _show_stack(found: StackEstimate, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
        return
    rows = []
    for each in found.priced:
        price = f"{each.price.confidence}, {each.price.captured}"
        amounts = dollars(each.per_month), bound(each.worst_per_hour)
        rows.append((each.name, each.what, each.region, *amounts, price))
    if rows:
        table(("resource", "what", "region", "a month", "worst an hour", "price"), rows)
    if found.by_use:
        table(("resource", "charged by use, not in the figures"), [(e.name, e.why) for e in found.by_use])
    if found.unpriced:
        table(("resource", "cannot be priced"), [(e.name, e.why) for e in found.unpriced])
    if warning := stale_warning([each.price for each in found.priced], datetime.now(UTC).date()):
        say(f"warning: {warning}")
    done(
        f"{dollars(found.per_month)} a month as declared, at most {bound(found.worst_per_hour)} an hour; "
        f"{len(found.priced)} priced, {len(found.by_use)} charged by use, {len(found.unpriced)} that cannot be priced, "
        f"{found.free} free."
    )
