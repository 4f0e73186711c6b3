"""While the ledger does not answer: what is admitted is bounded, and is in the ledger afterwards, once."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from gateway_desk import Desk, open_desk
from gateway_world import COSTS, HELLO, post
from gateway_world import client as aws
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.ledger.accounts import Account, Balance, CapReachedError, Lease
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger, LedgerBusyError
from scaletozero.gateway.ledger.outages import is_down
from scaletozero.gateway.service import backlog as backlogs
from scaletozero.gateway.service.backlog import KEEPS_SECONDS, Backlog, Settlement
from scaletozero.gateway.service.embedded import CAP_REACHED, LEDGER_DOWN, LOST
from scaletozero.gateway.service.leeway import PAUSE_SECONDS, PROBE_SECONDS, Leeway
from scaletozero.settings.gateway import Gateway
from scaletozero.settings.gateway_ledger import LedgerDown

DOWN = EndpointConnectionError(endpoint_url="https://dynamodb")
DENIED: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
BROKEN: Any = {"Error": {"Code": "InternalServerError", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
OPEN = {"fail": "open", "usd": "0.0009", "seconds": 300}
DAY, MONTH = Account("acme", "D#2026-11-30", 600), Account("acme", "M#2026-11", 1000)
OTHER = Account("globex", "M#2026-11", 10**9)
ASKED = json.dumps({"model": "small", "messages": HELLO, "max_tokens": 5}).encode()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def leeway(clock: Clock, usd: str = "0.001", seconds: int = 60) -> Leeway:
    return Leeway(parse(LedgerDown, {"fail": "open", "usd": usd, "seconds": seconds}, "ledger_down"), clock)


@pytest.mark.parametrize(
    ("error", "down"),
    [
        (DOWN, True),
        (ReadTimeoutError(endpoint_url="https://dynamodb"), True),
        (LedgerBusyError("throttled"), True),
        (ClientError(BROKEN, "TransactWriteItems"), True),
        (ClientError(DENIED, "TransactWriteItems"), False),
        (NoCredentialsError(), False),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_a_store_that_refuses_is_not_down(error: Exception, down: bool) -> None:
    assert is_down(error) is down


def test_nothing_is_admitted_unless_it_is_declared_and_the_ledger_is_down(clock: Clock) -> None:
    closed, able = Leeway(None, clock), leeway(clock)
    assert able.admit((MONTH,), 1, 0) is None
    for each in (closed, able):
        each.failed()
    assert closed.admit((MONTH,), 1, 0) is None
    assert not closed.skips()
    assert able.admit((MONTH,), 1, 0)


def test_no_more_is_admitted_than_declared_of_all_customers_together(clock: Clock) -> None:
    able = leeway(clock)
    able.failed()
    lease = able.admit((MONTH,), 700, 0)
    assert lease
    assert able.admit((OTHER,), 301, 0) is None
    assert able.admit((OTHER,), 300, 0)
    able.ended(lease, 100)
    assert able.admit((OTHER,), 601, 0) is None
    assert able.admit((OTHER,), 600, 0)


def test_what_a_request_cost_counts_once(clock: Clock) -> None:
    able = leeway(clock)
    able.failed()
    lease = able.admit((MONTH,), 700, 0)
    assert lease
    for _ in range(2):
        able.ended(lease, 100)
    able.ended(Lease("f" * 32, "acme", (), 1, 0), 900)
    assert able.admit((OTHER,), 900, 0)


def test_no_customer_is_admitted_for_more_than_its_smallest_cap(clock: Clock) -> None:
    able = leeway(clock)
    able.failed()
    assert able.admit((DAY, MONTH), 500, 0)
    assert able.admit((DAY, MONTH), 101, 0) is None
    assert able.admit((OTHER,), 101, 0)


def test_who_was_at_a_cap_stays_refused_in_its_period(clock: Clock) -> None:
    able = leeway(clock)
    able.reached("acme", CapReachedError(DAY, Balance(600, 5, 0, 595)))
    able.failed()
    with pytest.raises(CapReachedError):
        able.admit((DAY, MONTH), 6, 0)
    assert able.admit((DAY, MONTH), 5, 0)
    assert able.admit((Account("acme", "D#2026-12-01", 600), MONTH), 6, 0)
    able.reached("acme", None)
    assert able.admit((DAY, MONTH), 6, 0)


def test_after_its_seconds_nothing_is_admitted_until_the_ledger_answers(clock: Clock) -> None:
    able = leeway(clock)
    able.failed()
    clock.now += 59
    able.failed()
    assert able.admit((MONTH,), 1, 0)
    clock.now += 1
    assert able.admit((MONTH,), 1, 0) is None
    able.failed()
    assert able.admit((MONTH,), 1, 0) is None
    assert not able.skips()
    able.answered()
    able.failed()
    assert able.admit((MONTH,), 1, 0)


def test_an_outage_that_comes_and_goes_admits_no_more_in_a_day(clock: Clock) -> None:
    able, admitted = leeway(clock), 0
    for _ in range(40):
        able.failed()
        if (lease := able.admit((OTHER,), 100, 0)) is not None:
            able.ended(lease, 100)
            admitted += 100
        able.answered()
        clock.now += 1800
    assert admitted == 1000
    clock.now += 86_400
    able.failed()
    assert able.admit((OTHER,), 1000, 0)


def test_one_request_at_a_time_asks_a_ledger_that_is_down(clock: Clock) -> None:
    able = leeway(clock)
    assert not able.skips()
    able.failed()
    assert able.skips()
    clock.now += PAUSE_SECONDS
    assert not able.skips()
    assert able.skips()
    able.failed()
    assert able.skips()
    clock.now += PAUSE_SECONDS
    assert not able.skips()
    clock.now += PROBE_SECONDS
    assert not able.skips()
    able.answered()
    assert not able.skips()


def test_what_was_admitted_without_the_ledger_is_recorded_once(store: DynamoStore) -> None:
    ledger = Ledger(store)
    lease = Lease("a" * 32, "acme", (DAY.period, MONTH.period), 500, 0)
    ledger.settle(ledger.reserve("b" * 32, (MONTH,), 900, 60), 900)
    assert ledger.record(lease, (DAY, MONTH), 300, free=False, ledger_down=True)
    for used in (300, 200):
        assert not ledger.record(lease, (DAY, MONTH), used, free=False)
    assert ledger.balances((DAY, MONTH)) == [(DAY, Balance(600, 300, 0, 300)), (MONTH, Balance(1000, -200, 0, 1200))]
    (record,) = (each for each in store.records("acme") if each["sk"] == lease.id)
    assert (record["used"], record["outcome"], record["ledger_down"]) == (300, "settled", True)


def test_what_cost_nothing_is_recorded_as_such(store: DynamoStore) -> None:
    Ledger(store).record(Lease("a" * 32, "acme", (MONTH.period,), 500, 0), (MONTH,), 0, free=True)
    assert store.balance("acme", MONTH.period) == Balance(1000, 1000, 0, 0)
    assert [each["outcome"] for each in store.records("acme")] == ["released"]


def settlement(name: str = "a") -> Settlement:
    return Settlement(Lease(name * 32, "acme", ("M#2026-11",), 5, 0), 3, False, {"target": "small"})


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    own = (each for each in caplog.records if each.name == "scaletozero.gateway")
    return [json.loads(each.message)["event"] for each in own]


class Told:
    """A ledger that fails so often, at each waiting of a backlog."""

    def __init__(self, clock: Clock, *faults: Exception) -> None:
        self.clock, self.faults, self.calls, self.waits = clock, list(faults), [], []

    async def write(self, settlement: Settlement) -> bool:
        self.calls.append(settlement.lease.id[0])
        if self.faults:
            raise self.faults.pop(0)
        return True

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.now += seconds
        await asyncio.sleep(0)

    def run(self, *names: str) -> Backlog:
        backlog = Backlog(self.write, clock=self.clock, wait=self.wait)

        async def whole() -> None:
            for name in names:
                backlog.add(settlement(name), "down")
            while (task := backlog._task) and not task.done():
                await task

        asyncio.run(whole())
        return backlog


def test_a_settlement_is_tried_again_until_the_ledger_answers(clock: Clock) -> None:
    told = Told(clock, *[DOWN] * 10)
    assert len(told.run("a", "b", "c")) == 0
    assert sorted(told.calls[10:]) == ["a", "b", "c"]
    assert told.waits[0] <= 0.5
    assert all(15 <= each <= 30 for each in told.waits[7:10])


def test_one_that_is_refused_does_not_keep_the_others(clock: Clock) -> None:
    told = Told(clock, ClientError(DENIED, "TransactWriteItems"))
    assert len(told.run("a", "b")) == 0
    assert told.calls == ["a", "b", "a"]


def test_one_that_is_never_taken_is_told_of(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    told = Told(clock, *[DOWN] * 1000)
    assert len(told.run("a")) == 0
    assert clock.now - 1000 >= KEEPS_SECONDS
    assert events(caplog) == ["not settled", "lost"]
    line = json.loads(caplog.records[-1].message)
    assert (line["used"], line[LOST], line["target"]) == (3, 1, "small")


def test_no_more_wait_than_fit(clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlogs, "MOST_WAITING", 2)
    told = Told(clock, DOWN)
    told.run("a", "b", "c")
    assert sorted(set(told.calls)) == ["a", "b"]
    assert events(caplog).count("lost") == 1


@pytest.fixture(scope="module")
def provider() -> Iterator[StubProvider]:
    with stub_provider() as found:
        yield found


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(backlogs, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(backlogs, "LONGEST_WAIT", 0.02)
    with open_desk(aws, provider, ledger_down=OPEN, poor={"cap_usd_per_month": "0.0001"}) as found:
        yield found


@pytest.fixture
def up(desk: Desk) -> Iterator[Callable[[], None]]:
    """The store is down until this is called."""

    def fail(*_: Any, **__: Any) -> None:
        raise DOWN

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(desk.store, "_transact", fail)
        yield broken.undo


def test_what_a_provider_charged_while_the_ledger_was_down_is_in_it_once_it_answers(
    desk: Desk, up: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answers = [post(desk, "/v1/chat/completions", ASKED) for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    wait_for(lambda: events(caplog).count("not settled") == 3)
    up()
    wait_for(lambda: len(desk.records()) == 3)
    found = desk.month()
    assert (found.remaining, found.held, found.spent) == (found.cap - 3 * COSTS, 0, 3 * COSTS)
    assert all(each["ledger_down"] for each in desk.records())
    assert post(desk, "/v1/chat/completions", ASKED).status_code == 200
    assert desk.settled().spent == 4 * COSTS


def test_what_is_over_the_bound_is_refused(desk: Desk, up: Callable[[], None], provider: StubProvider) -> None:
    provider.received.clear()
    dear = json.dumps({"model": "small", "messages": HELLO, "max_tokens": 1000}).encode()
    answer = post(desk, "/v1/chat/completions", dear)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert provider.received == []
    assert post(desk, "/v1/chat/completions", ASKED).status_code == 200


def test_a_request_whose_end_the_ledger_does_not_hear_of_is_settled_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise DOWN

    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "finish", fail)
        assert post(desk, "/v1/chat/completions", ASKED).status_code == 200
        wait_for(lambda: "not settled" in events(caplog))
        assert desk.month().held
    assert desk.settled().spent == COSTS
    assert len(desk.records()) == 1


def test_a_process_that_ends_tells_the_ledger_once_more(
    provider: StubProvider,
    priced: None,
    store: DynamoStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise DOWN

    monkeypatch.setattr(backlogs, "FIRST_WAIT", 3600)
    with open_desk(aws, provider) as desk:
        with monkeypatch.context() as broken:
            broken.setattr(desk.store, "finish", fail)
            assert post(desk, "/v1/chat/completions", ASKED).status_code == 200
            wait_for(lambda: "not settled" in events(caplog))
        assert desk.month().held
    found = desk.month()
    assert (found.held, found.spent) == (0, COSTS)


def test_a_cap_and_a_ledger_that_is_down_are_metrics_by_target(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = {"Authorization": f"Bearer {desk.keys['poor']}"}
    assert post(desk, "/v1/chat/completions", ASKED, **poor).status_code == 402
    monkeypatch.setattr(desk.store, "_transact", lambda *_: (_ for _ in ()).throw(DOWN))
    # The ledger said last that the cap leaves too little, and this is remembered.
    assert post(desk, "/v1/chat/completions", ASKED, **poor).status_code == 402
    lines = [json.loads(each.message) for each in caplog.records if "_aws" in each.message]
    found = [(metric["Metrics"][0]["Name"], metric["Dimensions"], each["target"]) for each in lines
             for metric in each["_aws"]["CloudWatchMetrics"]]  # fmt: skip
    by = [["target"]], "small"
    assert found == [(CAP_REACHED, *by), (LEDGER_DOWN, *by), (CAP_REACHED, *by)]


GATEWAY = {"models": {}, "customers": {}}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({**OPEN, "fail": "maybe"}, "ledger_down.fail"),
        ({"usd": 5, "seconds": 300}, "ledger_down.fail"),
        ({"fail": "open", "seconds": 300}, "ledger_down.usd"),
        ({"fail": "open", "usd": 5}, "ledger_down.seconds"),
        ({**OPEN, "usd": 0}, "ledger_down.usd"),
        ({**OPEN, "usd": "1e-7"}, "ledger_down.usd"),
        ({**OPEN, "seconds": 0}, "ledger_down.seconds"),
        ({**OPEN, "seconds": 3601}, "ledger_down.seconds"),
    ],
)
def test_what_is_not_bounded_is_refused(written: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Gateway, {**GATEWAY, "ledger_down": written}, "gateway")
    assert [each.path for each in caught.value.findings] == [f"gateway.{path}"]


def test_a_function_admits_nothing_without_its_ledger() -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Gateway, {**GATEWAY, "ledger_down": OPEN, "function": {}}, "gateway")
    assert "gateway.ledger_down" in [each.path for each in caught.value.findings]
