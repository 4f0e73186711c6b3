"""The ledger of several gateways, each a process of its own, on DynamoDB Local: a cap holds, and everything adds up.

Real transactions of conditional writes with their tokens; the conflicts between these, which DynamoDB Local never has,
and answers that are lost are drawn.
"""

import asyncio
import collections
import contextlib
import json
import math
import random
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from dynamodb_local import client, dynamodb_local, find_dynamodb_local
from gateway_desk import PRICED_AS, api
from gateway_process import NAME, PROJECT, Faults, Process, gateways
from genai_prices import Usage, calc_price
from stub_provider import StubProvider, stub_provider

from scaletozero.environment.gateway import ledger_of
from scaletozero.gateway.caps import accounts
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.ledger.accounts import Account, Balance
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.service.bodies import chat_request
from scaletozero.gateway.service.door import LEASE_SECONDS
from scaletozero.gateway.tariffs import ByTokens
from scaletozero.settings.gateway import Customer
from scaletozero.settings.gateway_models import Model
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import of_micros

KEY = new_key()
REGION = "eu-central-1"
CONFLICTS, LOST = 0.25, 0.05


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[str]:
    try:
        libraries = find_dynamodb_local()
    except RuntimeError as error:
        pytest.skip(str(error))
    with dynamodb_local(libraries) as url:
        yield url


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubProvider]:
    monkeypatch.setenv("PROVIDER_KEY", "sk-provider")
    with stub_provider() as provider:
        yield provider


@dataclass
class Books:
    """The books of one customer, as its ledger has them.

    Attributes:
        environment: as a user would declare it.
        store: the ledger's store.
        account: the customer's account of this month.
    """

    environment: Mapping[str, Any]
    store: DynamoStore
    account: Account

    @property
    def balance(self) -> Balance:
        """The figures, read at once; nothing is spent before the first request."""
        found = self.store.balance(self.account.customer, self.account.period)
        return found or Balance(self.account.cap, self.account.cap, 0, 0)

    def expire(self) -> int:
        """What a gateway does that is asked at a cap after all leases have expired."""
        later = time.time() + LEASE_SECONDS + 1
        return Ledger(self.store, clock=lambda: later).expire(self.account.customer)

    def records(self, outcome: str) -> list[dict[str, Any]]:
        """The records of the requests that ended so."""
        return [each for each in self.store.records(self.account.customer) if each["outcome"] == outcome]

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[Balance]]:
        """Reads the figures all the time, and fails at the end if they ever did not add up, or exceeded the cap."""
        seen: list[Balance] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                seen.append(self.balance)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            over.set()
            watcher.join()
        for each in [*seen, self.balance]:
            assert each.cap == self.account.cap == each.remaining + each.held + each.spent
            assert min(each.remaining, each.held, each.spent) >= 0


def books(dynamodb: str, provider: StubProvider, customer: str, cap: int) -> Books:
    """Books with nothing in them; every test has a customer of its own."""
    declared = {"cap_usd_per_month": str(of_micros(cap)), "models": ["small"], "keys": [key_hash(KEY)]}
    source: dict[str, Any] = {key: value for key, value in api(provider).items() if key != "secret"}
    model = {"provider": source | {"variable": "PROVIDER_KEY"}}
    gateway = {"models": {"small": model}, "customers": {customer: declared}}
    environment = {"region": REGION, "endpoints": {}, "sandbox": {}, "gateway": gateway}
    store = ledger_of(PROJECT, NAME, REGION, lambda service, region, config: client(dynamodb, config))
    store.create_table()
    (account,) = accounts(customer, Customer.model_validate(declared), datetime.now(UTC))
    return Books(environment, store, account)


def asked(number: int, *, stream: bool = False, **do: Any) -> dict[str, Any]:
    """A request, whose usage is that of no other one; all have the same length, and so hold the same."""
    read, said = 10 + number % 90, 99 - number // 90
    usage = {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}
    messages = [{"role": "user", "content": json.dumps({"usage": usage, **do})}]
    return {"model": "small", "messages": messages, "max_tokens": 100, "stream": stream}


def held_by(provider: StubProvider, request: dict[str, Any]) -> int:
    """What a request holds, in millionths of a dollar."""
    model = Model.model_validate({"provider": api(provider)})
    assert model.provider
    _, body = chat_request(request).sent(model.provider, model)
    return ByTokens(token_tariff(PRICED_AS)).most(len(body), 100)


def billed(provider: StubProvider) -> collections.Counter[tuple[int, int]]:
    """The tokens of each request that the provider worked on."""
    usages = (json.loads(body["messages"][-1]["content"])["usage"] for _, _, body in provider.received)
    return collections.Counter((each["prompt_tokens"], each["completion_tokens"]) for each in usages)


def price(read: int, said: int) -> int:
    """What the provider takes, from the price list itself: whole millionths of a dollar, rounded up."""
    provider_id, _, model = PRICED_AS.partition("/")
    usage = Usage(input_tokens=read, output_tokens=said)
    return math.ceil(calc_price(usage, model_ref=model, provider_id=provider_id).total_price * 10**6)


def worth(tokens: collections.Counter[tuple[int, int]]) -> int:
    """What the provider takes for these."""
    return sum(price(*each) * count for each, count in tokens.items())


def settled_tokens(records: list[dict[str, Any]]) -> collections.Counter[tuple[int, int]]:
    """The tokens of requests, as the ledger's records have them."""
    return collections.Counter((each["input_tokens"], each["output_tokens"]) for each in records)


async def at_once(urls: list[str], requests: list[dict[str, Any]], provider: StubProvider, fits: int) -> list[int]:
    """Sends all requests at once, and lets the provider answer when as many wait for it as fit, and the others have
    been refused. A gateway whose ledger is busy is asked again, as the clients do.

    Returns:
        The statuses.
    """
    refused = 0
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(limits=limits, timeout=500, trust_env=False) as http:

        async def ask(number: int, request: dict[str, Any]) -> int:
            nonlocal refused
            while True:
                where = f"{urls[number % len(urls)]}/v1/chat/completions"
                answer = await http.post(where, json=request, headers={"Authorization": f"Bearer {KEY}"})
                if answer.status_code != 503:
                    break
                await asyncio.sleep(float(answer.headers["retry-after"]))
            if answer.status_code == 402:
                refused += 1
                if refused == len(requests) - fits:
                    provider.released.set()
            return answer.status_code

        return await asyncio.gather(*(ask(number, each) for number, each in enumerate(requests)))


@pytest.mark.parametrize("processes, sent, fits", [(2, 120, 12), pytest.param(4, 1000, 100, marks=pytest.mark.long)])
def test_what_fits_is_admitted_and_nothing_else(
    dynamodb: str, provider: StubProvider, tmp_path: Path, processes: int, sent: int, fits: int
) -> None:
    requests = [asked(number, later=True) for number in range(sent)]
    holds = held_by(provider, requests[0])
    assert {held_by(provider, each) for each in requests} == {holds}
    mine = books(dynamodb, provider, f"burst{sent}", holds * (fits + 1) - 1)
    faults = [Faults(seed, CONFLICTS, LOST) for seed in range(processes)]
    with gateways(tmp_path, mine.environment, dynamodb, *faults) as running, mine.watched() as seen:
        urls = [each.url for each in running]
        statuses = collections.Counter(asyncio.run(at_once(urls, requests, provider, fits)))
        for each in running:
            each.end()
        assert statuses == {200: fits, 402: sent - fits}
    assert max(each.held for each in seen) == holds * fits
    settled = mine.records("settled")
    assert mine.expire() == 0
    assert settled_tokens(settled) == billed(provider)
    assert len(settled) == fits
    spent = sum(each["used"] for each in settled)
    assert mine.balance == Balance(mine.account.cap, mine.account.cap - spent, 0, spent)
    assert spent == worth(billed(provider))
    assert mine.store.leases(mine.account.customer) == []


def asking(urls: list[str], request: dict[str, Any]) -> None:
    """Asks one gateway after another until one answers to the end, as clients with a second address do."""
    for url in urls:
        try:
            answer = httpx2.post(
                f"{url}/v1/chat/completions",
                json=request,
                headers={"Authorization": f"Bearer {KEY}"},
                timeout=120,
                trust_env=False,
            )
        except httpx2.HTTPError:
            continue  # it was killed
        if answer.status_code == 503:
            time.sleep(float(answer.headers["retry-after"]))
            asking(urls, request)
            return
        assert answer.status_code == 200, answer.text
        return
    raise AssertionError("no gateway answered")


KILLS = 20
SENT = 30


def fault(number: int) -> tuple[Faults, float | None]:
    """How the gateway ends at a point: in a transaction or just after it, or after some seconds in whatever it does."""
    drawn = random.Random(number)
    if number % 2:
        return Faults(number, CONFLICTS, LOST), drawn.uniform(0.02, 0.8)
    return Faults(number, CONFLICTS, LOST, drawn.randint(1, SENT), bool(drawn.getrandbits(1))), None


@pytest.mark.parametrize("points", [range(2), pytest.param(range(2, KILLS + 2), marks=pytest.mark.long)])
def test_the_ledger_balances_after_kills(dynamodb: str, provider: StubProvider, tmp_path: Path, points: range) -> None:
    mine = books(dynamodb, provider, f"killed{len(points)}", 10**6)
    killed = 0
    with gateways(tmp_path, mine.environment, dynamodb, Faults(1000, CONFLICTS, LOST)) as (other,):
        for point in points:
            faults, seconds = fault(point)
            with (
                gateways(tmp_path, mine.environment, dynamodb, faults) as (one,),
                mine.watched(),
                ThreadPoolExecutor(8) as pool,
            ):
                requests = [asked(point * SENT + each, stream=bool(each % 3)) for each in range(SENT)]
                sent = [
                    pool.submit(asking, [one.url, other.url] if index % 2 else [other.url, one.url], request)
                    for index, request in enumerate(requests)
                ]
                if seconds is not None:
                    time.sleep(seconds)
                    one.kill()
                for each in sent:
                    each.result()
                killed += was_killed(one)
        other.end()
    assert killed == len(points)
    settled = mine.records("settled")
    assert mine.balance.held == sum(each.held for each in mine.store.leases(mine.account.customer))
    mine.expire()
    expired = mine.records("expired")
    assert {each["used"] for each in expired} <= {0}
    spent = sum(each["used"] for each in settled)
    assert mine.balance == Balance(mine.account.cap, mine.account.cap - spent, 0, spent)
    assert mine.store.leases(mine.account.customer) == []
    # What the provider worked on is settled to the micro-dollar, but for what a killed gateway was told, or would have
    # been: each of these is one of the leases that expired, and cost no more than that held.
    lost = billed(provider) - settled_tokens(settled)
    assert not settled_tokens(settled) - billed(provider)
    assert spent + worth(lost) == worth(billed(provider))
    assert lost.total() <= len(expired)
    assert worth(lost) <= sum(each["held"] for each in expired)
    assert not any(each["estimated"] for each in settled)


def was_killed(gateway: Process) -> bool:
    """Whether it is dead."""
    return gateway.running.poll() is not None
