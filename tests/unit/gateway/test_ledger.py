"""The ledger: what is held, spent and given back, and that it always balances."""

import itertools
import os
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from moto import mock_aws

from scaletozero.gateway.ledger.accounts import (
    Account,
    Balance,
    CapReachedError,
    Lease,
    NotOpenError,
    Usage,
    accounts_of,
)
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger, LedgerBusyError

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNTS = accounts_of("acme", 600, 1000, NOON)
NUMBERS = itertools.count(1)


def request() -> str:
    return f"{next(NUMBERS):032x}"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def figures(ledger: Ledger, accounts: tuple[Account, ...] = ACCOUNTS) -> list[tuple[int, int, int, int]]:
    """cap, remaining, held, spent of each account."""
    found = [balance for _, balance in ledger.balances(accounts)]
    return [(each.cap, each.remaining, each.held, each.spent) for each in found]


def test_the_periods_are_those_of_the_calendar_in_utc() -> None:
    assert [each.period for each in ACCOUNTS] == ["D#2026-11-30", "M#2026-11"]
    assert [each.period for each in accounts_of("acme", None, 5, NOON)] == ["M#2026-11"]


def test_a_request_holds_its_most_and_gives_the_rest_back(store: DynamoStore) -> None:
    ledger = Ledger(store)
    lease = ledger.reserve(request(), ACCOUNTS, 100, 60)
    assert figures(ledger) == [(600, 500, 100, 0), (1000, 900, 100, 0)]
    assert ledger.settle(lease, 30, model="small")
    assert figures(ledger) == [(600, 570, 0, 30), (1000, 970, 0, 30)]
    (record,) = store.records("acme")
    assert (record["outcome"], record["used"], record["held"], record["model"]) == ("settled", 30, 100, "small")


def test_nothing_is_spent_yet(store: DynamoStore) -> None:
    assert figures(Ledger(store)) == [(600, 600, 0, 0), (1000, 1000, 0, 0)]


def test_the_smallest_cap_refuses_and_nothing_is_held(store: DynamoStore) -> None:
    ledger = Ledger(store)
    ledger.settle(ledger.reserve(request(), ACCOUNTS, 550, 60), 550)
    with pytest.raises(CapReachedError) as caught:
        ledger.reserve(request(), ACCOUNTS, 51, 60)
    assert caught.value.account.period == "D#2026-11-30"
    assert caught.value.balance == Balance(600, 50, 0, 550)
    assert figures(ledger) == [(600, 50, 0, 550), (1000, 450, 0, 550)]
    assert ledger.reserve(request(), ACCOUNTS, 50, 60)


def test_a_request_is_settled_once(store: DynamoStore) -> None:
    ledger, other = Ledger(store), Ledger(store)
    lease = ledger.reserve(request(), ACCOUNTS, 100, 60)
    assert [ledger.settle(lease, 30), other.settle(lease, 40), other.release(lease)] == [True, False, False]
    assert figures(ledger)[1] == (1000, 970, 0, 30)


def test_a_reservation_whose_answer_was_lost_is_not_made_twice(store: DynamoStore) -> None:
    clock = Clock()
    ledger, same = Ledger(store, clock=clock), request()
    first, again = (ledger.reserve(same, ACCOUNTS, 100, 60) for _ in range(2))
    assert first == again
    assert figures(ledger)[1] == (1000, 900, 100, 0)


def test_an_answer_that_costs_more_than_it_held_is_recorded(store: DynamoStore) -> None:
    ledger = Ledger(store)
    ledger.settle(ledger.reserve(request(), ACCOUNTS, 600, 60), 700)
    assert figures(ledger) == [(600, -100, 0, 700), (1000, 300, 0, 700)]
    with pytest.raises(CapReachedError):
        ledger.reserve(request(), ACCOUNTS, 1, 60)


def test_a_request_that_never_ended_gives_back_what_it_held(store: DynamoStore) -> None:
    clock = Clock()
    ledger = Ledger(store, clock=clock)
    lease = ledger.reserve(request(), ACCOUNTS, 100, 60)
    clock.now += 60
    assert ledger.expire("acme") == 0
    clock.now += 2
    assert ledger.expire("acme") == 1
    assert figures(ledger)[1] == (1000, 1000, 0, 0)
    assert ledger.expire("acme") == 0
    # It ends after all: what it cost is recorded, once.
    assert [ledger.settle(lease, 30), ledger.settle(lease, 30)] == [True, False]
    assert figures(ledger)[1] == (1000, 970, 0, 30)


def test_what_another_gateway_gave_back_counts_as_given_back(
    store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    one, other = Ledger(store, clock=clock), Ledger(store, clock=clock)
    one.reserve(request(), ACCOUNTS, 600, 60)
    clock.now += 100
    seen = store.leases("acme")
    assert other.expire("acme") == 1
    monkeypatch.setattr(store, "leases", lambda customer: seen)
    assert one.expire("acme") == 1
    assert figures(one) == [(600, 600, 0, 0), (1000, 1000, 0, 0)]


def test_at_a_cap_the_leases_are_looked_at_again_when_one_can_have_expired(
    store: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, looks = Clock(), []
    ledger, leases = Ledger(store, clock=clock), store.leases
    monkeypatch.setattr(store, "leases", lambda customer: looks.append(clock.now) or leases(customer))
    ledger.reserve(request(), ACCOUNTS, 100, 60)
    clock.now += 30
    ledger.reserve(request(), ACCOUNTS, 100, 60)
    expected = [(0, 0), (20, 0), (12, 1), (0, 0), (28, 0), (2, 1), (59, 0), (1, 0)]
    for later, given_back in expected:
        clock.now += later
        assert ledger.expire("acme", 60) == given_back
    assert looks == [1030, 1062, 1092, 1152]
    assert ledger.expire("globex", 60) == 0
    assert looks[-1] == 1152


def test_a_request_over_the_end_of_a_month_is_settled_into_the_month_it_began_in(store: DynamoStore) -> None:
    ledger = Ledger(store)
    lease = ledger.reserve(request(), ACCOUNTS, 100, 60)
    december = accounts_of("acme", 600, 1000, datetime(2026, 12, 1, tzinfo=UTC))
    ledger.settle(ledger.reserve(request(), december, 10, 60), 10)
    ledger.settle(lease, 40)
    assert figures(ledger) == [(600, 560, 0, 40), (1000, 960, 0, 40)]
    assert figures(ledger, december) == [(600, 590, 0, 10), (1000, 990, 0, 10)]


def test_what_remains_only_falls_within_a_period(store: DynamoStore) -> None:
    clock = Clock()
    ledger, left = Ledger(store, clock=clock), []
    for _ in range(3):
        ledger.settle(ledger.reserve(request(), ACCOUNTS, 100, 60), 100)
        left.append([remaining for _, remaining, _, _ in figures(ledger)])
        clock.now += 10_000
    assert left == [[500, 900], [400, 800], [300, 700]]


@pytest.mark.parametrize("cap", [2000, 50])
def test_a_cap_that_is_declared_anew_changes_by_the_difference(store: DynamoStore, cap: int) -> None:
    ledger = Ledger(store)
    ledger.settle(ledger.reserve(request(), ACCOUNTS, 100, 60), 40)
    changed = accounts_of("acme", None, cap, NOON)
    if cap > 40 + 10:
        ledger.reserve(request(), changed, 10, 60)
    else:
        ledger.reserve(request(), changed, 10, 60)
        with pytest.raises(CapReachedError):
            ledger.reserve(request(), changed, 1, 60)
    assert figures(ledger, changed) == [(cap, cap - 50, 10, 40)]


def test_what_costs_nothing_is_admitted_at_a_cap_and_recorded(store: DynamoStore) -> None:
    ledger, month = Ledger(store), ACCOUNTS[1:]
    ledger.settle(ledger.reserve(request(), month, 1000, 60), 1000)
    assert ledger.settle(ledger.reserve(request(), month, 0, 60), 0, target="free")
    assert figures(ledger, month) == [(1000, 0, 0, 1000)]
    assert [each["used"] for each in store.records("acme") if each.get("target") == "free"] == [0]


def test_customers_have_accounts_of_their_own(store: DynamoStore) -> None:
    ledger = Ledger(store)
    others = accounts_of("globex", 600, 1000, NOON)
    ledger.reserve(request(), ACCOUNTS, 600, 60)
    assert ledger.reserve(request(), others, 600, 60)
    assert figures(ledger, others)[1] == (1000, 400, 600, 0)


class Contended:
    """A client of DynamoDB whose transactions are in conflict so many times before one goes through."""

    def __init__(self, client: Any, times: int, code: str = "TransactionCanceledException", reason: str = "") -> None:
        self._client, self.left, self._code, self._reason = client, times, code, reason
        self.tried = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **parameters: Any) -> Any:
        self.tried += 1
        if self.left:
            self.left -= 1
            items = parameters["TransactItems"]
            reasons = [{"Code": self._reason}, *({"Code": "None"} for _ in items[1:])] if self._reason else []
            response: Any = {"Error": {"Code": self._code}, "CancellationReasons": reasons}
            raise ClientError(response, "TransactWriteItems")
        return self._client.transact_write_items(**parameters)


BUSY = [
    ("TransactionCanceledException", "TransactionConflict"),
    ("TransactionCanceledException", "ThrottlingError"),
    ("TransactionCanceledException", "ProvisionedThroughputExceeded"),
    ("TransactionInProgressException", ""),
    ("ThrottlingException", ""),
]


@pytest.mark.parametrize("code, reason", BUSY)
def test_a_conflict_is_no_refusal(store: DynamoStore, code: str, reason: str) -> None:
    contended = Contended(store._client, 3, code, reason)
    waits: list[float] = []
    ledger = Ledger(DynamoStore(contended, "ledger"), sleep=waits.append)
    lease = ledger.reserve(request(), ACCOUNTS, 100, 60)
    contended.left = 2
    assert ledger.settle(lease, 10)
    assert figures(ledger)[1] == (1000, 990, 0, 10)
    assert all(0 <= each <= 0.2 for each in waits)
    assert len(waits) >= 5


def test_a_ledger_that_is_in_conflict_until_the_deadline_admits_nothing(store: DynamoStore) -> None:
    ledger = Ledger(DynamoStore(Contended(store._client, 10**9, *BUSY[0]), "ledger"), patience=0)
    with pytest.raises(LedgerBusyError):
        ledger.reserve(request(), ACCOUNTS, 100, 60)
    assert figures(ledger)[1] == (1000, 1000, 0, 0)


def test_an_error_that_is_no_conflict_is_not_tried_again(store: DynamoStore) -> None:
    contended = Contended(store._client, 5, "ResourceNotFoundException")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        Ledger(DynamoStore(contended, "ledger")).reserve(request(), ACCOUNTS, 1, 60)
    contended = Contended(store._client, 5, "TransactionCanceledException", "ValidationError")
    with pytest.raises(ClientError):
        Ledger(DynamoStore(contended, "ledger")).reserve(request(), ACCOUNTS, 1, 60)
    assert contended.tried == 1


def test_the_store_says_what_is_missing_and_a_table_is_made_once(store: DynamoStore) -> None:
    lease = Lease(request(), "acme", tuple(each.period for each in ACCOUNTS), 5, 2000)
    with pytest.raises(NotOpenError) as caught:
        store.hold(lease, ACCOUNTS)
    assert caught.value.found == dict.fromkeys(ACCOUNTS)
    store.create_table()
    assert store.records("acme") == []
    assert not store.finish(lease, Usage(1, "settled", 0))


class Machine(RuleBasedStateMachine):
    """Requests begin, end, crash and end late, caps change, and conflicts come in between."""

    open_leases = Bundle("open_leases")
    expired = Bundle("expired")

    @initialize()
    def begin(self) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ.setdefault(name, "test")
        self.aws = mock_aws()
        self.aws.start()
        self.client = Contended(boto3.client("dynamodb", region_name="eu-central-1"), 0, *BUSY[0])
        self.store = DynamoStore(self.client, "ledger")
        self.store.create_table()
        self.clock = Clock()
        self.ledger = Ledger(self.store, clock=self.clock, sleep=lambda _: None)
        self.cap, self.spent, self.held = 1000, 0, {}
        self.over = 0

    def teardown(self) -> None:
        if hasattr(self, "aws"):
            self.aws.stop()

    @property
    def accounts(self) -> tuple[Account, ...]:
        return accounts_of("acme", self.cap, self.cap, NOON)

    @rule(target=open_leases, most=st.integers(0, 700), conflicts=st.integers(0, 2))
    def reserve(self, most: int, conflicts: int) -> Any:
        self.client.left = conflicts
        left = self.cap - self.spent - sum(self.held.values())
        if most > left:
            with pytest.raises(CapReachedError) as caught:
                self.ledger.reserve(request(), self.accounts, most, 60)
            assert caught.value.balance.remaining == left
            return None
        lease = self.ledger.reserve(request(), self.accounts, most, 60)
        self.held[lease.id] = most
        return lease

    @rule(lease=consumes(open_leases), share=st.fractions(0, 1), conflicts=st.integers(0, 2), twice=st.booleans())
    def settle(self, lease: Lease | None, share: Any, conflicts: int, twice: bool) -> None:
        if lease is None:
            return
        self.client.left = conflicts
        used = int(lease.held * share)
        was_open = lease.id in self.held
        self._overspent(0 if was_open else used)
        assert self.ledger.settle(lease, used)
        assert not (twice and self.ledger.settle(lease, used + 1))
        self.held.pop(lease.id, None)
        self.spent += used

    @rule(lease=consumes(open_leases))
    def release(self, lease: Lease | None) -> None:
        if lease is not None:
            assert self.ledger.release(lease) == (lease.id in self.held)
            self.held.pop(lease.id, None)

    @rule(used=st.integers(0, 700), conflicts=st.integers(0, 2))
    def record_what_was_admitted_without_it(self, used: int, conflicts: int) -> None:
        self.client.left = conflicts
        lease = Lease(request(), "acme", tuple(each.period for each in self.accounts), used, 0)
        self._overspent(used)
        assert self.ledger.record(lease, self.accounts, used, free=False)
        assert not self.ledger.record(lease, self.accounts, used, free=False)
        self.spent += used

    @rule()
    def crash_and_expire(self) -> None:
        self.clock.now += 100
        assert self.ledger.expire("acme") == len(self.held)
        self.held.clear()

    @rule(cap=st.integers(1, 3000))
    def declare(self, cap: int) -> None:
        self.cap = cap
        # The change is made with the next request.
        if cap - self.spent - sum(self.held.values()) >= 0:
            self.ledger.release(self.ledger.reserve(request(), self.accounts, 0, 60))
        else:
            with pytest.raises(CapReachedError):
                self.ledger.reserve(request(), self.accounts, 0, 60)
        self.over = max(0, self.spent + sum(self.held.values()) - cap)

    def _overspent(self, late: int) -> None:
        """What ended after it had expired, or had begun under a higher cap, may lie above the cap; nothing else."""
        self.over += late

    @invariant()
    def it_balances(self) -> None:
        if not hasattr(self, "ledger"):
            return
        held = sum(self.held.values())
        for _, balance in self.ledger.balances(self.accounts):
            assert balance.cap == balance.remaining + balance.held + balance.spent
            assert (balance.held, balance.spent) == (held, self.spent)
            assert balance.spent <= self.cap + self.over
        assert sum(each.held for each in self.store.leases("acme")) == held


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_requests_at_once_are_admitted_up_to_the_cap_and_not_further(world: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = DynamoStore(world.client("dynamodb"), "ledger")
    store.create_table()
    ledger = Ledger(store, patience=120)
    accounts = accounts_of("acme", None, 100, NOON)

    def ask(_: int) -> Lease | None:
        try:
            return ledger.reserve(request(), accounts, 10, 60)
        except CapReachedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        leases = [each for each in pool.map(ask, range(40)) if each]
        assert len(leases) == 10
        assert figures(ledger, accounts) == [(100, 0, 100, 0)]
        assert all(pool.map(lambda lease: ledger.settle(lease, 3), leases))
    assert figures(ledger, accounts) == [(100, 70, 0, 30)]
