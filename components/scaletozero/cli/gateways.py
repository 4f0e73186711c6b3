"""`gateway` and `customers`: the door to an environment's models, and who may go through it."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from model_packaging.extras import needs
from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import counted, done, findings_as_exit, print_json, say, table
from scaletozero.engine.find import find_engine
from scaletozero.environment.gateway import cache_of, deployed_tables, ledger_of, open_door
from scaletozero.environment.project import Project, find_project
from scaletozero.environment.request_files import erase
from scaletozero.environment.settings import Environment
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.environment.usage import bucket_of
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.caps import accounts
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.opening import CACHE, EXTRA, LEDGER
from scaletozero.sandbox import daemon
from scaletozero.sandbox.state import locked, private_folder, use
from scaletozero.settings.gateway import Customer, Gateway, unknown
from scaletozero.spending.money import dollars, number, of_micros

HOST = "127.0.0.1"

customers = typer.Typer(
    help="Customers of the gateway: their keys, their caps and what they have spent.", no_args_is_help=True
)


def gateway(
    environment: EnvironmentName = "local",
    temporary_keys: Annotated[
        bool,
        typer.Option("--temporary-keys", help="Make a key for each customer, accepted until the gateway ends."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address and the temporary keys as one line of JSON.")
    ] = False,
) -> None:
    """Runs an environment's gateway on this machine, until it is interrupted.

    Examples: scaletozero gateway -e local

    scaletozero gateway -e local --temporary-keys    (to try it: no key is written anywhere)
    """
    with findings_as_exit():
        with needs(EXTRA):
            import uvicorn

            from scaletozero.gateway.service.app import application
        project, settings, declared = declared_gateway(environment)
        keys = {name: new_key() for name in declared.customers} if temporary_keys else {}
        settings, declared = _with_keys(settings, declared, keys)
        with locked(private_folder(project.local)):
            sandbox = _running(project, environment)
            use(project.local)  # so that the sandbox does not end while the gateway runs
        engine = find_engine(say)
        stack = EnvironmentStack(project, environment, engine, sandbox)
        with engine_errors("gateway", environment, engine):
            deployed = stack.endpoints() if settings.endpoints else {}
        store, answers = _stores(stack, settings)
        door = open_door(settings, deployed, store, answers, stack.client)
        listening = _listen(declared.port)
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.getLogger("scaletozero.gateway").setLevel(logging.INFO)
    config = uvicorn.Config(
        application(door), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=30
    )
    port = listening.getsockname()[1]
    address = f"http://{HOST}:{port}"
    if as_json:  # in one line, and at once, for a program that waits for it
        print(json.dumps({"url": address, "keys": keys}), flush=True)
    elif keys:
        table(("customer", "key, until the gateway ends"), keys.items())
    say(f"{counted(len(declared.models), 'model')}, {counted(len(declared.customers), 'customer')}")
    done(f"gateway of {environment}: {address}/v1")
    with contextlib.suppress(KeyboardInterrupt):  # its usual end, after the open requests
        uvicorn.Server(config).run(sockets=[listening])


@customers.command()
def key(
    customer: Annotated[str, typer.Argument(help="The customer, as the environment declares it.")],
    environment: EnvironmentName = "local",
) -> None:
    """Makes a key and prints it, once: only its hash is to be kept, in the environment's `keys`.

    Example: scaletozero customers key acme -e local
    """
    with findings_as_exit():
        _, _, declared = declared_gateway(environment)
        require_customer(customer, declared)
    made = new_key()
    print(made)
    say(f"It is shown once. Add its hash to gateway.customers.{customer}.keys, and start the gateway again:")
    say(f"  - {key_hash(made)}")


@customers.command("list")
def list_(
    environment: EnvironmentName = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Shows the customers of an environment, their caps, and what they have spent and hold today and this month.

    Example: scaletozero customers list -e local
    """
    with findings_as_exit():
        project, settings, declared = declared_gateway(environment)
        store, _ = stores(project, environment, settings)
    rows = [_figures(Ledger(store), name, declared) for name in declared.customers]
    if as_json:
        print_json({"customers": rows})
        return
    columns = ("customer", "period", "cap", "spent", "held", "keys", "state")
    shown = [
        (
            row["name"],
            each["period"],
            *(dollars(of_micros(each[name])) for name in ("cap", "spent", "held")),
            row["keys"],
            row["state"],
        )
        for row in rows
        for each in row["periods"]
    ]
    table(columns, shown)


def _figures(ledger: Ledger, name: str, declared: Gateway) -> dict[str, Any]:
    customer, now = declared.customers[name], datetime.now(UTC)
    periods = [
        {
            "period": account.period[2:],
            "cap": account.cap,
            "spent": balance.spent,
            "held": balance.held,
            "spent_usd": number(of_micros(balance.spent)),
        }
        for account, balance in ledger.balances(accounts(name, customer, now))
    ]
    return {"name": name, "state": state_of(customer, now.date()), "keys": len(customer.keys), "periods": periods}


def stores(project: Project, environment: str, settings: Environment) -> tuple[DynamoStore, CacheStore]:
    """The ledger of an environment, and where answers are kept.

    Raises:
        FindingsError: the environment is not running.
    """
    sandbox = None if settings.sandbox is None else _running(project, environment)
    return _stores(EnvironmentStack(project, environment, find_engine(say), sandbox), settings)


def erase_files(project: Project, environment: str, settings: Environment, customer: str) -> int:
    """Deletes the files with a customer's requests that `costs --to-bucket` has written, and returns how many.

    Raises:
        ClientError, BotoCoreError: the bucket cannot be listed, or a file not be deleted.
    """
    sandbox = None if settings.sandbox is None else _running(project, environment)
    stack = EnvironmentStack(project, environment, find_engine(say), sandbox)
    bucket = bucket_of(stack.resources())
    return erase(stack.client("s3", settings.region), bucket, environment, customer) if bucket else 0


def state_of(customer: Customer, today: date) -> str:
    """Whether a customer's requests are accepted: `active`, `disabled` or `expired`.

    Args:
        today: the day in UTC.
    """
    if customer.disabled:
        return "disabled"
    return "expired" if customer.expires is not None and today > customer.expires else "active"


def declared_gateway(environment: str) -> tuple[Project, Environment, Gateway]:
    """The project, an environment and its gateway as they are declared.

    Raises:
        FindingsError: the environment is invalid, or has no gateway.
    """
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    if settings.gateway is None:
        fix = "add `gateway: {models: ..., customers: ...}` (docs/gateway.md)"
        raise refuse(f"environment {environment}", "must have a `gateway`", "none", "there is nobody to let in", fix)
    return project, settings, settings.gateway


def _stores(stack: EnvironmentStack, settings: Environment) -> tuple[DynamoStore, CacheStore]:
    """The ledger and the store of answers: the deployed gateway's, or else tables that are made here."""
    declared, region = settings.gateway, settings.region
    assert declared
    if declared.deployed:
        tables = deployed_tables(stack.resources())
        clients = (stack.client("dynamodb", region, config) for config in (LEDGER, CACHE))
        return DynamoStore(next(clients), tables["ledger"]), CacheStore(next(clients), tables.get("answers", ""))
    store = ledger_of(stack.project.name, stack.name, region, stack.client)
    store.create_table()
    answers = cache_of(stack.project.name, stack.name, region, stack.client)
    if any(each.cache for each in declared.models.values()):
        answers.create_table()
    return store, answers


def _running(project: Project, environment: str) -> daemon.Sandbox:
    sandbox = daemon.running(project.local)
    if sandbox is None:
        fix = f"run `scaletozero up -e {environment}`"
        raise refuse(environment, "must be deployed and running", "no running embedded AWS", "there is no ledger", fix)
    return sandbox


def require_customer(customer: str, declared: Gateway) -> None:
    """Refuses a customer that is not declared."""
    if customer not in declared.customers:
        finding = unknown("customer", "a customer of the environment", customer, declared.customers)
        raise refuse(finding.path, finding.rule, finding.got, "nobody would be let in by it", finding.fix)


def _with_keys(settings: Environment, declared: Gateway, keys: Mapping[str, str]) -> tuple[Environment, Gateway]:
    """An environment and its gateway with further keys of customers."""
    more = {
        name: customer.model_copy(update={"keys": (*customer.keys, *((key_hash(keys[name]),) if name in keys else ()))})
        for name, customer in declared.customers.items()
    }
    declared = declared.model_copy(update={"customers": more})
    return settings.model_copy(update={"gateway": declared}), declared


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        rule, fix = "must be a port that nothing else uses", "take another port, or 0 for any free one"
        raise refuse("environment.gateway.port", rule, port, error.strerror or str(error), fix) from None
    return listening
