"""Asks the targets of a model, one after another, until one answers: inside one deadline, and one lease at a time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scaletozero.gateway.service.door import FREE, Door, Held
from scaletozero.gateway.service.errors import RefusedError, limited
from scaletozero.gateway.service.failures import FailedError
from scaletozero.gateway.service.ways import ModelRoute, Way
from scaletozero.gateway.tariffs import Cost

T = TypeVar("T")

LONGEST_WAIT = 2.0
"""Seconds for which a target that limits requests, or is overloaded, is waited for. Callers can wait for longer."""

FIRST_WAIT = 0.25
"""Seconds before the second try of an overloaded target, doubled for each further one; each wait is a random part."""


@dataclass(frozen=True)
class Candidate:
    """A target, and what it would be sent.

    Attributes:
        way: the target.
        path: to which it is sent, such as `/chat/completions`; empty for an endpoint.
        body: what it is sent.
        most: the most that it can cost, in millionths of a dollar.
    """

    way: Way
    path: str
    body: bytes
    most: int


Send = Callable[[Candidate, float], Awaitable[T]]
"""Sends a request to a target, which has so many seconds. It sets what the request cost."""


class Attempts:
    """The attempts of one request.

    Args:
        door: holds what they may cost.
        route: what the model leads to.
        candidates: what can be asked, in this order.
    """

    def __init__(self, door: Door, route: ModelRoute, candidates: Sequence[Candidate]) -> None:
        self._door, self._route, self._candidates = door, route, candidates
        self._end = time.monotonic() + route.model.seconds
        self.most = max(each.most for each in candidates)

    @property
    def left(self) -> float:
        """Seconds that the request still has."""
        return max(0.001, self._end - time.monotonic())

    async def reached(self, held: Held, send: Send[T]) -> T:
        """What the first target that answers says.

        Args:
            held: holds `most`.
            send: asks one target.

        Raises:
            FailedError: of the last target that was asked: its status is the caller's.
        """
        try:
            return await self._any(held, send)
        except FailedError:
            # Each try that may have cost something has been charged for it.
            if held.hold is not None and held.cost is None:
                held.cost = FREE
            raise

    async def _any(self, held: Held, send: Send[T]) -> T:
        asked: FailedError | None = None
        remembered: FailedError | None = None
        for index, candidate in enumerate(self._candidates):
            if candidate.way.full:
                remembered = remembered or FailedError(
                    limited("The model has no free capacity.", 1.0, "capacity_reached"), billed=False, kind="throttled"
                )
                continue
            blocked = candidate.way.breaker.blocked()
            if blocked is not None:
                remembered = FailedError(blocked.refusal, billed=False, kind=blocked.kind)
                continue
            end = candidate.way.begin()
            held.afterwards.append(end)
            try:
                return await self._tried(held, candidate, send, index + 1 == len(self._candidates))
            except FailedError as error:
                end()
                if self._final(error, held):
                    raise
                asked = error
        failure = asked or remembered  # what was asked now says more
        assert failure
        raise failure

    def _final(self, error: FailedError, held: Held) -> bool:
        """Whether no other target is asked."""
        rejected = error.kind == "cold" and self._route.model.on_cold == "reject"
        return error.kind == "refused" or rejected or held.hold is None or time.monotonic() >= self._end

    async def _tried(self, held: Held, candidate: Candidate, send: Send[T], last: bool) -> T:
        """What a target says, after all tries of it.

        Raises:
            FailedError: of the last try.
        """
        breaker, tries = candidate.way.breaker, 0
        while True:
            left = self.left
            held.ask(candidate.way.target.label)
            try:
                found = await send(candidate, min(left, candidate.way.seconds or left))
            except FailedError as error:
                breaker.failed(error)
                if error.billed:
                    await self._charged(held, error, candidate.most, last or self._final(error, held))
                wait = self._wait(error, tries, last)
                if wait is None:
                    raise
                tries += 1
                await asyncio.sleep(wait)
            except BaseException:
                breaker.left()
                raise
            else:
                breaker.worked()
                return found

    async def _charged(self, held: Held, error: FailedError, most: int, final: bool) -> None:
        """Charges a try that may have cost something, and holds as much again where there is a next one."""
        held.cost = Cost(most, True, {"failed": error.refusal.code or ""})
        if final:
            return
        try:
            await self._door.renew(held)
        except RefusedError:
            raise error from None  # the cap leaves no second try: what happened to the first one is told

    def _wait(self, error: FailedError, tries: int, last: bool) -> float | None:
        """Seconds until the same target is asked again; None if it is not."""
        if tries >= self._route.model.retries or error.billed or error.kind not in ("throttled", "overloaded"):
            return None
        if error.kind == "throttled" and not last:
            return None
        jitter = random.uniform(0, FIRST_WAIT * 2**tries)  # noqa: S311 - so that waiting requests do not meet again
        wait = (error.seconds or 0.0) + jitter
        return wait if wait < min(LONGEST_WAIT, self._end - time.monotonic()) else None
