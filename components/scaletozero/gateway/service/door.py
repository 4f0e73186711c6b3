"""The door: who asks, what that may cost at most, and that it is held before anything is sent.

Every route that can reach a target goes through `Door.holding`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import anyio
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from scaletozero.gateway.caps import accounts
from scaletozero.gateway.keys import KeyRing, RefusedKeyError
from scaletozero.gateway.ledger.accounts import HIT, Account, Balance, CapReachedError, Lease
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.ledger.outages import NOT_ANSWERED, is_down
from scaletozero.gateway.service.backlog import Backlog, Settlement
from scaletozero.gateway.service.body_log import BodyLog
from scaletozero.gateway.service.embedded import CAP_REACHED, LEDGER_DOWN, counted
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.errors import RefusedError, capped, unauthorised, unavailable
from scaletozero.gateway.service.failures import FailedError
from scaletozero.gateway.service.held import FREE, Held, Hold
from scaletozero.gateway.service.keeping import Keeper
from scaletozero.gateway.service.leeway import Leeway
from scaletozero.gateway.service.limits import Rates
from scaletozero.gateway.service.places import elsewhere_event, is_elsewhere
from scaletozero.gateway.service.questions import Question
from scaletozero.gateway.service.ways import ModelRoute
from scaletozero.gateway.tariffs import Cost
from scaletozero.settings.gateway import Customer, Rules
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.settings.gateway_targets import LONGEST_SECONDS
from scaletozero.spending.money import micros, to_the_micro

LEASE_SECONDS = LONGEST_SECONDS + 120
"""After which a request has not ended but crashed: the longest request, and clocks that differ."""

AT_ONCE = 4
"""Transactions of one customer at a time, in a process. All of them change the same items, so that more would be in
each other's way: on the store they conflict, or wait until their callers have given up and send them again."""

log = logging.getLogger("scaletozero.gateway")

T = TypeVar("T")


class Door:
    """Admits requests.

    Args:
        gateway: the models and the customers.
        ledger: holds customers to their caps.
        models: model -> what it leads to.
        endpoints: endpoint of the environment -> what it leads to.
        keeper: keeps answers of models that have a cache.
        settles_first: whether a request is settled before the end of its response is sent: a function of Lambda is
            frozen when its response has ended.
        regions: where answers may be made; all are allowed if there is none.
        rates: counts requests.
        body_log: keeps bodies, where a model is declared to have them kept.
        ledger_down: what is admitted while the ledger does not answer; nothing by default.
    """

    def __init__(
        self,
        gateway: Rules,
        ledger: Ledger,
        models: Mapping[str, ModelRoute],
        endpoints: Mapping[str, EndpointTarget],
        keeper: Keeper,
        *,
        settles_first: bool = False,
        regions: Collection[str] = (),
        rates: Rates | None = None,
        body_log: BodyLog | None = None,
        ledger_down: LedgerDown | None = None,
    ) -> None:
        self.gateway, self.models, self.endpoints = gateway, models, endpoints
        self._ledger, self._rates = ledger, rates or Rates()
        self.keeper, self.settles_first, self._regions = keeper, settles_first, regions
        self.body_log = body_log
        self.leeway, self.backlog = Leeway(ledger_down), Backlog(self._told)
        self._keys = KeyRing(gateway.customers)
        self._threads = anyio.CapacityLimiter(64)
        self._lanes = {name: anyio.Semaphore(AT_ONCE) for name in gateway.customers}
        self._settling: dict[str, set[anyio.Event]] = {name: set() for name in gateway.customers}

    def customer(self, headers: Mapping[str, str]) -> str:
        """The customer whose key a request has. Nothing else of the request says who it is.

        Raises:
            RefusedError: 401.
        """
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip() if scheme.lower() == "bearer" else None
        try:
            return self._keys.customer(given or headers.get("x-api-key"), self._ledger.last_known().date())
        except RefusedKeyError as error:
            raise unauthorised(str(error)) from None

    def settings(self, customer: str) -> Customer:
        """What was declared of a customer."""
        return self.gateway.customers[customer]

    def model(self, customer: str, name: str) -> ModelRoute:
        """What a model leads to.

        Raises:
            RefusedError: 404 if there is none, 403 if this customer may not ask for it.
        """
        if name not in self.models:
            raise RefusedError(404, "There is no such model.", "model_not_found", param="model")
        if name not in self.settings(customer).models:
            raise RefusedError(403, "This key may not use that model.", "model_not_allowed", param="model")
        return self.models[name]

    def endpoint(self, customer: str, name: str) -> EndpointTarget:
        """What an endpoint's name leads to. Raises as `model`."""
        if name not in self.endpoints:
            raise RefusedError(404, "There is no such endpoint.", "endpoint_not_found")
        if name not in self.settings(customer).endpoints:
            raise RefusedError(403, "This key may not use that endpoint.", "endpoint_not_allowed")
        return self.endpoints[name]

    @contextlib.asynccontextmanager
    async def holding(
        self, customer: str, most: int, target: str, question: Question | None = None
    ) -> AsyncIterator[Held]:
        """Holds the most that a request may cost, and settles it at the end, or hands that to the response. One whose
        answer was kept has it then, and holds its price.

        Args:
            customer: who pays.
            most: in millionths of a dollar.
            target: the model or endpoint, for the record.
            question: what its answer is kept under; None for what keeps none.

        Raises:
            RefusedError: 402 at a cap, 429 at a rate, 503 if the ledger does not answer: nothing was sent.
        """
        self._rates.begin(customer, self.settings(customer))
        held = Held(customer, most, target)
        try:
            await self._look(held, question)
            await self._take(held)
        except BaseException:
            self._rates.end(customer)
            raise
        try:
            yield held
        except FailedError as error:
            if held.cost is None and not error.billed:
                held.cost = FREE
            raise
        finally:
            if not held.handed:
                await self.end(held)

    async def end(self, held: Held) -> None:
        """Settles a request with what it cost; if nobody knows, with what it holds."""
        with anyio.CancelScope(shield=True):
            try:
                if held.hold is not None:
                    await self.settle(held.hold)
            finally:
                self._rates.end(held.customer)
                for call in held.afterwards:
                    call()
            if held.bodies is not None and self.body_log is not None:
                await self.body_log.write(held.customer, held.id, held.bodies)
            if held.question is not None and held.answer is not None:
                await self.keeper.keep(held.question, held.customer, *held.answer)

    async def settle(self, hold: Hold) -> None:
        """Settles one lease; where the ledger does not answer, it is told later."""
        settlement = self._settlement(hold)
        self._note_place(settlement)
        self.leeway.ended(hold.lease, settlement.used)
        with anyio.CancelScope(shield=True):
            if self.leeway.skips():
                self.backlog.add(settlement, "it has not answered a moment ago")
                return
            try:
                await self._told(settlement)
            except NOT_ANSWERED as error:
                self.backlog.add(settlement, str(error))

    async def renew(self, held: Held) -> None:
        """Settles the lease of a try that failed, and takes another one for the next.

        Raises:
            RefusedError: 402 at a cap, 503 if the ledger does not answer: nothing is held.
        """
        hold, held.hold = held.hold, None
        assert hold
        await self.settle(hold)
        await self._take(held)

    async def part(self, held: Held, *, again: bool) -> Hold:
        """Gives the lease of a request to what goes on without it, which then settles it.

        Args:
            again: whether the request takes another lease, for another target.

        Raises:
            RefusedError: as `renew`; the lease remains the request's.
        """
        hold, held.hold = held.hold, None
        assert hold
        try:
            if again:
                await self._take(held)
        except BaseException:
            held.hold = hold
            raise
        return hold

    @contextlib.contextmanager
    def settling(self, customer: str) -> Iterator[None]:
        """While the end of a response is sent and its request settled, which gives back what it did not cost."""
        done = anyio.Event()
        self._settling[customer].add(done)
        try:
            yield
        finally:
            self._settling[customer].discard(done)
            done.set()

    async def _take(self, held: Held) -> None:
        # A caller that has an answer may ask again before that request is settled, and its cap has room once it is.
        settling = tuple(self._settling[held.customer])
        try:
            try:
                held.hold = await self._hold(held)
            except CapReachedError:
                if not settling:
                    raise
                for each in settling:
                    await each.wait()
                held.hold = await self._hold(held)
        except CapReachedError as reached:
            of = {"event": "cap", "customer": held.customer, "period": reached.account.period}
            log.warning(json.dumps({**of, **counted(CAP_REACHED, held.target, int(time.time() * 1000))}))
            raise _refusal(reached, held.most) from None
        held.leases += 1
        held.hold.about["number"] = held.leases
        if held.cache is not None:
            held.hold.about["cache"] = held.cache
        if held.found is not None:
            held.cost = Cost(held.most, False, {"cache": HIT, "cache_age": held.age})

    async def _hold(self, held: Held) -> Hold:
        """Holds the most that a request may cost, in the ledger, or without it as far as that is declared.

        Raises:
            CapReachedError: a cap does not leave that much.
            RefusedError: 503, nothing is held.
        """
        customer = held.customer
        try:
            async with self._lanes[customer]:
                # Asked here: while it waited, another request may have learnt that the ledger does not answer.
                if self.leeway.skips() and (hold := self._held_without(held)) is not None:
                    return hold
                lease = await anyio.to_thread.run_sync(self._reserve, customer, held.most, limiter=self._threads)
        except CapReachedError as reached:
            self.leeway.answered()
            self.leeway.reached(customer, reached)
            raise
        except NOT_ANSWERED as error:
            self._note_silence(error, held.target)
            if (hold := self._held_without(held)) is not None:
                return hold
            raise _silent() from None
        self.leeway.answered()
        self.leeway.reached(customer, None)
        return Hold(customer, lease, {"target": held.target})

    def _held_without(self, held: Held) -> Hold | None:
        now = self._ledger.last_known()
        accounts = self._accounts(held.customer, now)
        lease = self.leeway.admit(accounts, held.most, int(now.timestamp()) + LEASE_SECONDS)
        about: dict[str, str | int | bool] = {"target": held.target, "ledger_down": True}
        return None if lease is None else Hold(held.customer, lease, about, accounts=accounts)

    async def _look(self, held: Held, question: Question | None) -> None:
        """Looks for an answer that was kept; a request that has one holds its price in place of the most."""
        if question is None:
            return
        held.question = question if self.settings(held.customer).cache else question.closed()
        held.cache, held.found = await self.keeper.find(held.question)
        if held.found is not None:
            held.age, held.most = int(self.keeper.age(held.found)), micros(question.cache.usd_per_hit)

    async def balances(self, customer: str) -> list[tuple[Account, Balance]]:
        """A customer's figures of this day and month."""
        found = self._ledger.balances
        try:
            return await self._thread(customer, lambda: found(self._accounts(customer, self._ledger.now())))
        except NOT_ANSWERED as error:
            self._note_silence(error, "usage")
            raise _silent() from None

    def _reserve(self, customer: str, most: int) -> Lease:
        of, request = self._accounts(customer, self._ledger.now()), secrets.token_hex(16)

        try:
            return self._ledger.reserve(request, of, most, LEASE_SECONDS)
        except CapReachedError:
            # What crashed requests held is given back when it matters, and not before.
            if not self._ledger.expire(customer, LEASE_SECONDS):
                raise
            return self._ledger.reserve(request, of, most, LEASE_SECONDS)

    def _settlement(self, hold: Hold) -> Settlement:
        cost = hold.cost or Cost(hold.lease.held, True, {})
        about = {**hold.about, **cost.about, "estimated": cost.estimated}
        about["total_milliseconds"] = int((time.monotonic() - hold.began) * 1000)
        return Settlement(hold.lease, cost.micros, cost is FREE, about, hold.accounts)

    async def _told(self, settlement: Settlement) -> bool:
        """Tells the ledger of a settlement, and the log that it knows. Returns and raises as `Settlement.write`."""

        def tell() -> bool:
            done = settlement.write(self._ledger)
            log.info(settlement.line("settled" if done else "settled before"))
            return done

        try:
            done = await self._thread(settlement.lease.customer, tell)
        except NOT_ANSWERED as error:
            if is_down(error):
                self.leeway.failed()
            raise
        self.leeway.answered()
        return done

    def _note_place(self, settlement: Settlement) -> None:
        place = settlement.about.get("ran_in")
        if isinstance(place, str) and is_elsewhere(place, self._regions):
            asked, at = str(settlement.about.get("asked", "")), int(time.time() * 1000)
            log.warning(json.dumps(elsewhere_event(asked, place, at, request=settlement.lease.id)))

    def _note_silence(self, error: Exception, target: str) -> None:
        """Where the ledger does not answer, nothing is admitted but what was declared."""
        if is_down(error):
            self.leeway.failed()
        metric = counted(LEDGER_DOWN, target, int(time.time() * 1000))
        log.error(json.dumps({"event": "ledger", "error": str(error), **metric}))

    def _accounts(self, customer: str, at: datetime) -> tuple[Account, ...]:
        return accounts(customer, self.settings(customer), at)

    async def _thread(self, customer: str, call: Callable[..., T], *args: Any) -> T:
        async with self._lanes[customer]:
            return await anyio.to_thread.run_sync(call, *args, limiter=self._threads)


def _refusal(reached: CapReachedError, most: int) -> RefusedError:
    period = "day" if reached.account.period.startswith("D") else "month"
    left = max(0, reached.balance.remaining)
    return capped(
        f"The cap of this {period} (UTC) leaves {to_the_micro(left)}, and the request could cost "
        f"{to_the_micro(most)}. Ask for fewer tokens, or for a higher cap.",
        f"{period}_cap_reached",
    )


def _silent() -> RefusedError:
    return unavailable(503, "The ledger does not answer.", "ledger_unavailable", seconds=1)


class Ending(Response):
    """A response with whose end a request is settled, also if it cannot be sent.

    Args:
        door: settles it.
        held: the request.
        response: what is sent.
    """

    def __init__(self, door: Door, held: Held, response: Response) -> None:
        self._door, self._held, self._response = door, held, response
        self._ended = False
        held.handed = True
        response.headers.update(held.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.ExitStack() as ending:

            async def ended(message: Message) -> None:
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    ending.enter_context(self._door.settling(self._held.customer))
                    if self._door.settles_first:
                        await self._end()
                await send(message)

            try:
                await self._response(scope, receive, ended)
            finally:
                await self._end()

    async def _end(self) -> None:
        if not self._ended:
            self._ended = True
            await self._door.end(self._held)
