"""Passes the parts of a provider's answer on, and finds out what it cost.

A caller that goes away is not waited for, but the provider is: what it counts at the end is what was used. Behind a
Lambda function nobody learns that the caller has gone, so that it could not be otherwise there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from scaletozero.gateway.cache.store import LARGEST_KEPT
from scaletozero.gateway.service.attempts import Candidate
from scaletozero.gateway.service.door import Held
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.failures import FailedError, late
from scaletozero.gateway.service.readings import Reading
from scaletozero.gateway.service.streams import Events


class Relay(Response):
    """An answer in parts.

    Args:
        held: the request.
        candidate: the target, and what it is sent.
        reading: reads what it cost.
        events: makes the caller's events.
    """

    media_type = "text/event-stream"

    def __init__(self, held: Held, candidate: Candidate, reading: Reading, events: Events) -> None:
        target = candidate.way.target
        assert not isinstance(target, EndpointTarget)
        self._held, self._candidate, self._target = held, candidate, target
        self._reading, self._made = reading, events
        self._first: list[bytes] = []
        self._told: list[bytes] = []
        self._size = 0
        super().__init__(None, 200, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def begin(self, seconds: float, whole: float) -> None:
        """Waits for the first part, until which another target can still be asked.

        Args:
            seconds: until the first part.
            whole: until the end.

        Raises:
            FailedError: there is none.
        """
        self._rest = self._target.stream(self._candidate.path, self._candidate.body, whole)
        try:
            async with asyncio.timeout(seconds):
                self._first = self._passed(await anext(self._rest))
        except StopAsyncIteration:
            self._settle()
        except TimeoutError:
            raise late() from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = False
        async with contextlib.aclosing(self._events()) as events:
            async for event in events:
                try:
                    if not gone:
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                except OSError:
                    gone = True
        if not gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncGenerator[bytes]:
        try:
            for event in self._first:
                yield event
            async with contextlib.aclosing(self._rest) as rest:
                async for part in rest:
                    for event in self._passed(part):
                        yield event
            for event in self._noted(self._made.end()):
                yield event
            if self._reading.whole:
                self._held.keep(b"".join(self._told), self.media_type)
        except FailedError as error:
            self._candidate.way.breaker.failed(error)
            for event in self._made.failed(error.refusal):
                yield event

    def _passed(self, part: dict[str, Any]) -> list[bytes]:
        self._reading.part(part)
        self._settle()
        return self._noted(self._made.part(part))

    def _noted(self, events: list[bytes]) -> list[bytes]:
        """The events, which are remembered as far as they may be kept."""
        self._held.told(*events)
        if self._held.keeps and self._size <= LARGEST_KEPT:
            self._told += events
            self._size += sum(len(each) for each in events)
        return events

    def _settle(self) -> None:
        """Sets what the request has cost so far."""
        self._held.cost = self._reading.cost(self._target.meter, len(self._candidate.body), self._candidate.most)
