"""Clocks that are wrong, or are set: no cap is exceeded, no hold stays for ever, and no lease is settled twice."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from gateway_desk import Desk, open_desk
from gateway_world import COSTS, HELLO, client
from stub_provider import StubProvider, stub_provider

from scaletozero.gateway.ledger.accounts import CapReachedError, accounts_of
from scaletozero.gateway.ledger.clock import APART, StoreClock
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.service.door import LEASE_SECONDS

HOUR, DAY = 3600, 86_400
TOLD, THEN = "Sun, 29 Nov 2026 12:00:00 GMT", 1_795_953_600.0
JUMPS = (-DAY, -HOUR, HOUR, DAY)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNTS = accounts_of("acme", None, 1000, NOON)


class Machine:
    """A machine's two clocks."""

    def __init__(self, wall: float = THEN) -> None:
        self.wall, self.steady = wall, 50.0
        self.clock = StoreClock(lambda: self.wall, lambda: self.steady)

    def later(self, seconds: float) -> None:
        self.wall, self.steady = self.wall + seconds, self.steady + seconds


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_was_wrong_from_the_beginning_is_corrected(jump: int) -> None:
    machine = Machine(THEN + jump)
    assert not machine.clock.sure
    machine.clock.note(TOLD)
    assert machine.clock.sure
    machine.later(100)
    assert machine.clock.seconds() == THEN + 100


@pytest.mark.parametrize("jump", [*JUMPS, 2 * APART, -2 * APART])
def test_a_clock_that_is_set_is_not_believed_until_the_next_answer(jump: float) -> None:
    machine = Machine()
    machine.clock.note(TOLD)
    machine.wall += jump
    assert not machine.clock.sure
    machine.clock.note(TOLD)
    assert machine.clock.sure
    assert machine.clock.seconds() == THEN


def test_a_machine_that_was_frozen_asks_again() -> None:
    machine = Machine()
    machine.clock.note(TOLD)
    machine.wall += HOUR  # the other clock stood still
    assert not machine.clock.sure
    machine.clock.note("Sun, 29 Nov 2026 13:00:00 GMT")
    assert machine.clock.sure
    assert machine.clock.seconds() == THEN + HOUR


def test_a_clock_that_is_right_keeps_its_fractions() -> None:
    machine = Machine(THEN + 0.75)
    machine.clock.note(TOLD)
    assert machine.clock.seconds() == THEN + 0.75


@pytest.mark.parametrize("date", [None, "", "yesterday", "0"])
def test_a_store_that_does_not_say_the_time_leaves_the_machines(date: str | None) -> None:
    machine = Machine()
    machine.clock.note(date)
    assert machine.clock.sure
    assert machine.clock.seconds() == THEN
    machine.clock.note(TOLD)
    machine.clock.note(date)
    assert machine.clock.seconds() == THEN


def gateways(store: DynamoStore) -> tuple[Ledger, Callable[[float], None], Ledger]:
    """A gateway with what sets its clock, and another whose clock is right."""
    by = [0.0]
    own = DynamoStore(store._client, "ledger", StoreClock(lambda: time.time() + by[0]))
    return Ledger(own), lambda seconds: by.__setitem__(0, seconds), Ledger(DynamoStore(store._client, "ledger"))


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("jump", JUMPS)
def test_a_gateway_whose_clock_is_set_keeps_to_the_caps(store: DynamoStore, jump: int, running: bool) -> None:
    wrong, turn, right = gateways(store)
    if running:
        wrong.release(wrong.reserve("0" * 32, ACCOUNTS, 1, LEASE_SECONDS))
    turn(jump)
    before = int(time.time())
    leases = [
        wrong.reserve("a" * 32, ACCOUNTS, 400, LEASE_SECONDS),
        right.reserve("b" * 32, ACCOUNTS, 400, LEASE_SECONDS),
    ]
    # Nothing that is open is given back to admit more, whoever asks.
    for each in (wrong, right):
        assert each.expire("acme", LEASE_SECONDS) == 0
        with pytest.raises(CapReachedError):
            each.reserve("c" * 32, ACCOUNTS, 201, LEASE_SECONDS)
    # Nothing is held for longer than a request may take.
    assert all(0 <= each.expires - before - LEASE_SECONDS <= 10 for each in leases)
    assert abs(wrong.now().timestamp() - time.time()) < 10
    for lease in leases:
        assert [each.settle(lease, 300) for each in (wrong, right)] == [True, False]
    ((_, balance),) = right.balances(ACCOUNTS)
    assert (balance.remaining, balance.held, balance.spent) == (400, 0, 600)
    turn(0)
    crashed = wrong.reserve("d" * 32, ACCOUNTS, 400, LEASE_SECONDS)
    after = Ledger(store, clock=lambda: time.time() + LEASE_SECONDS + 10)
    assert after.expire("acme") == 1
    assert wrong.settle(crashed, 100)
    assert not wrong.settle(crashed, 100)


@pytest.fixture(scope="module")
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    with open_desk(client, provider) as desk:
        yield desk


def test_a_request_counts_in_the_month_that_it_is_where_the_ledger_is(desk: Desk) -> None:
    desk.store.clock = StoreClock(lambda: time.time() + 40 * DAY)
    desk.client().chat.completions.create(model="small", messages=HELLO)
    assert desk.settled().spent == COSTS
