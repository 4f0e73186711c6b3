"""An environment's gateway in this process: the embedded AWS, a stub provider, and what its clients need."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import anthropic
import openai
import uvicorn
from starlette.types import ASGIApp
from stub_provider import StubProvider

from model_packaging.validation import parse
from scaletozero.environment.gateway import cache_of, ledger_of, open_door
from scaletozero.environment.settings import Environment
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.caps import accounts
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.ledger.accounts import Balance
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.service.app import application
from scaletozero.gateway.service.door import Door, Held
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.spending.prices import HOSTING, SERVERLESS, shipped

PRICED_AS = "openai/gpt-5.6-luna"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serve:1"


@dataclass
class Desk:
    """A gateway that serves, and shorthands for what tests do to it."""

    environment: Environment
    door: Door
    store: DynamoStore
    answers: CacheStore
    app: ASGIApp
    url: str
    keys: Mapping[str, str] = field(default_factory=dict)
    ended: list[Held] = field(default_factory=list)

    def client(self, customer: str = "acme", **options: Any) -> openai.OpenAI:
        """OpenAI's client with a customer's key."""
        return openai.OpenAI(api_key=self.keys.get(customer, customer), base_url=f"{self.url}/v1", **options)

    def anthropic(self, customer: str = "acme", **options: Any) -> anthropic.Anthropic:
        """Anthropic's client with a customer's key."""
        return anthropic.Anthropic(api_key=self.keys.get(customer, customer), base_url=self.url, **options)

    def month(self, customer: str = "acme") -> Balance:
        """A customer's figures of this month."""
        assert self.environment.gateway
        declared = self.environment.gateway.customers[customer]
        return Ledger(self.store).balances(accounts(customer, declared, datetime.now(UTC)))[-1][1]

    def settled(self, customer: str = "acme") -> Balance:
        """The same, once nothing is held."""
        deadline = time.monotonic() + 120  # no measure, only an end
        while (found := self.month(customer)).held:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found

    def records(self, customer: str = "acme") -> list[dict[str, Any]]:
        """The records of what ended."""
        return sorted(self.store.records(customer), key=lambda each: each["at"])

    def patient(self, seconds: float) -> None:
        """Gives providers so long."""
        for way in (way for route in self.door.models.values() for way in route.ways):
            if isinstance(way.target, ProviderTarget):
                way.seconds = seconds


def api(provider: StubProvider, **more: Any) -> dict[str, Any]:
    """A provider as a user would declare it."""
    return {"base_url": provider.url, "secret": "provider-key", "model": "luna", "price": PRICED_AS, **more}


def declared(
    provider: StubProvider,
    keys: Mapping[str, str],
    models: Mapping[str, Mapping[str, Any]],
    customers: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """An environment with a model of a provider, one of its own and further ones, as a user would write it."""
    hashed = {name: [key_hash(key)] for name, key in keys.items()}
    names = ["small", "vectors", "own", *models]
    everything = {"models": names, "endpoints": ["sentences"], "cap_usd_per_month": "1"}
    return {
        "region": "eu-central-1",
        "endpoints": {"sentences": {"artifact": "artifacts/a", "image": IMAGE}},
        "sandbox": {},
        "gateway": {
            "models": {
                "small": {"provider": api(provider), "max_output_tokens": 1000,
                          "default_output_tokens": 100},
                "vectors": {"provider": api(provider, model="embed", price="openai/text-embedding-3-small")},
                "own": {"endpoint": "sentences"},
                **models,
            },
            "customers": {name: {**everything, "keys": hashed[name], **customers.get(name, {})} for name in keys},
        },
    }  # fmt: skip


def own_prices(of: str, region: str) -> str:
    """A project's own price table, in which endpoints cost in one Region what they cost in another."""
    wanted = ((SERVERLESS, "gb-second"), (SERVERLESS, "data-gb"), (HOSTING, "ml.g5.xlarge"))
    rows = [shipped().price(*row, of).shown() | {"region": region} for row in wanted]
    return json.dumps({"schema": 2, "currency": "USD", "rows": rows})


@contextlib.contextmanager
def open_desk(
    clients: Callable[[str], Any],
    provider: StubProvider,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    endpoints: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] | None = None,
    ledger_down: Mapping[str, Any] | None = None,
    **customers: Mapping[str, Any],
) -> Iterator[Desk]:
    """A gateway that serves on a free port.

    Args:
        clients: makes clients of the AWS that it runs on.
        provider: where its models are.
        models: further models.
        endpoints: further endpoints, as they are declared and as they are in the stack's state; with a cluster.
        ledger_down: what is admitted while the ledger does not answer.
        customers: customers besides `acme` and `globex`: what differs from these.
    """
    keys = {name: new_key() for name in ("acme", "globex", *customers)}
    whole = declared(provider, keys, models or {}, customers)
    if ledger_down:
        whole["gateway"]["ledger_down"] = ledger_down
    if endpoints:
        whole["endpoints"] |= {name: each for name, (each, _) in endpoints.items()}
        whole["kubernetes"] = {"cluster": {"name": "c"}, "namespace": "models"}
        for each in whole["gateway"]["customers"].values():
            each["endpoints"] = each["endpoints"] + [
                name for name, (one, _) in endpoints.items() if one["kind"] != "gpu"
            ]
    environment = parse(Environment, whole, "environment")
    clients("secretsmanager").create_secret(Name="provider-key", SecretString="sk-provider")

    def client(service: str, region: str, config: Any = None) -> Any:
        assert region == environment.region
        return clients(service)

    store = ledger_of("demo", "local", environment.region, client)
    store.create_table()
    answers = cache_of("demo", "local", environment.region, client)
    answers.create_table()
    deployed: dict[str, Mapping[str, Any]] = {name: about for name, (_, about) in (endpoints or {}).items()}
    deployed["sentences"] = {"name": "sentences", "memory_mb": 1024, "digest": "sha256:a"}
    door = open_door(environment, deployed, store, answers, client)
    app = application(door, body_seconds=2)
    with serving(app) as url:
        desk = Desk(environment, door, store, answers, app, url, keys)
        door.end = noting(door.end, desk.ended)
        yield desk


def noting(end: Callable[[Held], Awaitable[None]], ended: list[Held]) -> Callable[[Held], Awaitable[None]]:
    """What ends a request, and then notes it: when its client has its answer, it has not ended yet."""

    async def noted(held: Held) -> None:
        await end(held)
        ended.append(held)

    return noted


@contextlib.contextmanager
def serving(app: ASGIApp, parser: Literal["httptools", "h11"] = "httptools") -> Iterator[str]:
    """Serves an application on a free port of this machine.

    Args:
        parser: of HTTP: a process has `httptools`, a function `h11`.
    """
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, http=parser))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
