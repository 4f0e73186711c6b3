"""`customers`: who may go through an environment's gateway, and for how much. What is written is read back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.asking import Yes, agree, can_ask
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.gateways import (
    customers,
    declared_gateway,
    erase_files,
    require_customer,
    state_of,
    stores,
)
from scaletozero.cli.output import FAILED, counted, done, failed, findings_as_exit, print_json, refuse_given, say
from scaletozero.environment.customers import change_customer, remove_customer
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.ledger.accounts import ConflictError
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.forgetting import OpenError
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.observability.usage import first_day
from scaletozero.settings.gateway import Customer, Gateway
from scaletozero.spending.money import exact

Name = Annotated[str, typer.Argument(help="The customer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PerMonth = Annotated[
    str | None, typer.Option("--cap-usd-per-month", help="What a calendar month in UTC may cost, in USD.")
]
PerDay = Annotated[str | None, typer.Option("--cap-usd-per-day", help="What a day in UTC may cost, in USD.")]


@customers.command()
def add(
    customer: Name,
    cap_usd_per_month: Annotated[
        str, typer.Option("--cap-usd-per-month", help="What a calendar month in UTC may cost, in USD.")
    ],
    environment: EnvironmentName = "local",
    cap_usd_per_day: PerDay = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="A model that it may ask for; repeatable.")] = None,
    endpoint: Annotated[
        list[str] | None, typer.Option("--endpoint", help="An endpoint that it may invoke; repeatable.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="How many requests may begin in a minute.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="How many requests may be open at a time.")] = None,
    expires: Annotated[str | None, typer.Option(help="The last day on which its keys are accepted.")] = None,
    as_json: AsJson = False,
) -> None:
    """Adds a customer to the environment's settings file, and prints its key, once: the file has the key's hash.

    Examples: scaletozero customers add acme --cap-usd-per-month 50 --model sentences

    scaletozero customers add globex --cap-usd-per-month 10 --cap-usd-per-day 1 --endpoint sentences -e prod-eu
    """
    key = new_key()
    fields = {
        "cap_usd_per_month": _number(cap_usd_per_month),
        "cap_usd_per_day": _number(cap_usd_per_day),
        "models": model or None,
        "endpoints": endpoint or None,
        "requests_per_minute": requests_per_minute,
        "concurrency": concurrency,
        "expires": expires,
        "keys": [key_hash(key)],
    }

    def decide(known: Mapping[str, Customer]) -> Mapping[str, Any]:
        if customer in known:
            rule, then = "must be a name that is not taken", "the key would be another customer's"
            fix = f"take another name, or make a further key: `scaletozero customers rotate {customer}`"
            raise refuse("customer", rule, customer, then, fix)
        return {field: value for field, value in fields.items() if value is not None}

    with findings_as_exit():
        project, _, declared = declared_gateway(environment)
        found = change_customer(project, environment, customer, decide)
    _show(customer, found, as_json, environment, next_step(declared, environment), key)


@customers.command()
def rotate(
    customer: Name,
    environment: EnvironmentName = "local",
    revoke: Annotated[bool, typer.Option("--revoke", help="End all earlier keys, also the newest.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes a new key and prints it, once. The newest earlier one stays valid, so that it is replaced without a pause.

    Examples: scaletozero customers rotate acme

    scaletozero customers rotate acme --revoke    (for a key that has leaked)
    """
    key = new_key()

    def decide(known: Mapping[str, Customer]) -> Mapping[str, Any]:
        earlier = known[customer].keys[-1:]
        return {"keys": [*(() if revoke else earlier), key_hash(key)]}

    with findings_as_exit():
        project, _, declared = declared_gateway(environment)
        require_customer(customer, declared)
        found = change_customer(project, environment, customer, decide)
    _show(customer, found, as_json, environment, next_step(declared, environment), key)


@customers.command()
def disable(customer: Name, environment: EnvironmentName = "local", as_json: AsJson = False) -> None:
    """Refuses every request of a customer. Its keys and caps stay.

    Example: scaletozero customers disable acme
    """
    _set(customer, environment, {"disabled": True}, as_json)


@customers.command()
def enable(customer: Name, environment: EnvironmentName = "local", as_json: AsJson = False) -> None:
    """Accepts the requests of a disabled customer again.

    Example: scaletozero customers enable acme
    """
    _set(customer, environment, {"disabled": None}, as_json)


@customers.command()
def caps(
    customer: Name,
    environment: EnvironmentName = "local",
    cap_usd_per_month: PerMonth = None,
    cap_usd_per_day: PerDay = None,
    no_day: Annotated[bool, typer.Option("--no-day", help="Remove the cap of a day.")] = False,
    as_json: AsJson = False,
) -> None:
    """Changes what a customer may spend. What it has spent stays: a raised cap leaves more, a lowered one less.

    Examples: scaletozero customers caps acme --cap-usd-per-month 80

    scaletozero customers caps acme --no-day
    """
    changes: dict[str, Any] = {}
    with findings_as_exit():
        if no_day:
            refuse_given({"--cap-usd-per-day": cap_usd_per_day}, "must not be given with --no-day", "give one of them")
            changes["cap_usd_per_day"] = None
        given = {"cap_usd_per_month": cap_usd_per_month, "cap_usd_per_day": cap_usd_per_day}
        changes |= {field: _number(value) for field, value in given.items() if value is not None}
        if not changes:
            rule, fix = "or --cap-usd-per-day or --no-day is required", "`scaletozero customers list` shows the caps"
            raise refuse("--cap-usd-per-month", rule, "none", "nothing would change", fix)
    _set(customer, environment, changes, as_json)


@customers.command()
def delete(
    customer: Name,
    environment: EnvironmentName = "local",
    kept_answers: Annotated[
        bool,
        typer.Option("--kept-answers", help="Delete only the answers and the bodies of its requests that are kept."),
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deletes a customer and what is kept of it: settings with keys, answers, records, accounts, exported requests.

    What it used stays in `costs` as sums by day and target, without its name. The gateway must not be running with the
    customer: its next requests would be recorded again.

    Examples: scaletozero customers delete acme

    scaletozero customers delete acme --kept-answers    (for a request to erase content alone)
    """
    with findings_as_exit():
        project, settings, declared = declared_gateway(environment)
        store, answers = stores(project, environment, settings)
        if customer not in declared.customers and not store.records(customer):
            require_customer(customer, declared)
        can_ask("customers delete", yes=yes)
    what = "the answers to its requests that are kept" if kept_answers else "its settings, records and kept answers"
    agree(f"Delete {what}: {customer}, environment {environment}?", yes=yes)
    with findings_as_exit(FAILED):
        try:
            forgotten = 0 if kept_answers else _forget(store, customer)
            if not kept_answers:
                remove_customer(project, environment, customer)
            erased, bodies = _erase(answers, customer), store.bodies().forget(customer)
            files = 0 if kept_answers else erase_files(project, environment, settings, customer)
            left = [] if kept_answers else store.records(customer)
        except (ConflictError, ClientError, BotoCoreError) as error:
            raise failed(f"{customer}: {error}. What is left is deleted by the same command.", FAILED) from None
    if left:
        raise failed(f"{customer}: {counted(len(left), 'record')} came meanwhile: stop the gateway, and do it again.")
    if as_json:
        print_json(
            {"customer": customer, "records": forgotten, "kept_answers": erased, "bodies": bodies, "files": files}
        )
        return
    parts = f"{counted(erased, 'kept answer')}, bodies of {counted(bodies, 'request')}"
    parts += "" if kept_answers else f", {counted(forgotten, 'record')}, {counted(files, 'file')}"
    done(f"{customer}: deleted {parts}. " + ("" if kept_answers else f"Next: {next_step(declared, environment)}."))


@customers.command()
def bodies(
    customer: Name,
    environment: EnvironmentName = "local",
    since: Annotated[
        str | None,
        typer.Option(help="The first day in UTC, `2026-11-01`, or days, `7d`. Default: the first of the month."),
    ] = None,
) -> None:
    """Prints the bodies of a customer's requests and answers that are kept, as lines of JSON, the oldest first.

    Kept are those of models with `bodies` (docs/gateway.md). `id` is that of the request's record.

    Example: scaletozero customers bodies acme --since 1d
    """
    with findings_as_exit():
        project, settings, declared = declared_gateway(environment)
        require_customer(customer, declared)
        store, _ = stores(project, environment, settings)
        now = datetime.now(UTC)
        first = datetime.combine(first_day(since, now), datetime.min.time(), UTC)
    with findings_as_exit(FAILED):
        try:
            for found in store.bodies().read(customer, int(first.timestamp()), int(now.timestamp())):
                print(json.dumps(found))
        except (ClientError, BotoCoreError) as error:
            raise failed(f"the bodies could not be read: {error}", FAILED) from None


def _forget(store: DynamoStore, customer: str) -> int:
    """Deletes a customer's records; what crashed requests hold is given back before."""
    Ledger(store).expire(customer)
    try:
        return store.forget(customer)
    except OpenError as error:
        seconds = max(each.expires for each in error.leases) - int(time.time())
        rule, then = "must have no open request", "what it cost would be lost"
        fix = f"`scaletozero customers disable {customer}`, start the gateway again, and wait; at most {seconds} s"
        raise refuse(customer, rule, counted(len(error.leases), "open request"), then, fix) from None


def _erase(answers: CacheStore, customer: str) -> int:
    """Deletes the kept answers to a customer's requests; there are none where no model keeps answers."""
    if not answers.table:
        return 0
    try:
        return answers.forget(customer)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return 0
        raise


def _set(customer: str, environment: str, changes: Mapping[str, Any], as_json: bool) -> None:
    with findings_as_exit():
        project, _, declared = declared_gateway(environment)
        require_customer(customer, declared)
        found = change_customer(project, environment, customer, lambda _: changes)
    _show(customer, found, as_json, environment, next_step(declared, environment))


def _number(given: str | None) -> int | float | str | None:
    """An amount as the settings file has it: a number if that is exact, otherwise the text, which is judged there."""
    try:
        amount = Decimal(given or "nan")
        number = int(given) if given and given.isdigit() else float(amount)
        return number if exact(number) == amount else given
    except (ArithmeticError, ValueError, OverflowError):
        return given


def next_step(declared: Gateway, environment: str) -> str:
    """What makes a gateway know its customers as they are written now."""
    return f"`scaletozero up -e {environment}`" if declared.deployed else "start the gateway again"


def _show(name: str, customer: Customer, as_json: bool, environment: str, then: str, key: str | None = None) -> None:
    state = state_of(customer, datetime.now(UTC).date())
    if as_json:
        about = {
            "customer": name,
            "state": state,
            "cap_usd_per_month": _usd(customer.cap_usd_per_month),
            "cap_usd_per_day": _usd(customer.cap_usd_per_day),
            "models": list(customer.models),
            "endpoints": list(customer.endpoints),
            "keys": len(customer.keys),
        }
        print_json(about if key is None else {**about, "key": key})
        return
    if key is not None:
        print(key)
        say("The key is shown once. The settings file has its hash.")
    day = f", ${customer.cap_usd_per_day:f} a day" if customer.cap_usd_per_day is not None else ""
    line = f"{name}: {state}, ${customer.cap_usd_per_month:f} a month{day}, {counted(len(customer.keys), 'key')}"
    done(f"{line}. Written to Pulumi.{environment}.yaml and read back. Next, so that it counts: {then}.")


def _usd(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
