"""Keeps answers, and finds them again. A store that fails is as good as one that is empty: no request fails by it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.gateway.cache.store import LARGEST_KEPT, CacheStore, GarbledError, Kept
from scaletozero.gateway.service.questions import Question

State = Literal["hit", "miss", "bypass", "down"]
"""Of a request to a model with a cache: an answer that was kept; none that could be given; neither looked for nor kept,
for what the request is, or asks for; the store does not answer."""

REST_SECONDS = 10.0
"""For which a store that did not answer is left alone: each request would wait for it."""

CLOCKS_DIFFER = 120
"""Seconds by which the clocks of gateways may differ."""

log = logging.getLogger("scaletozero.gateway")

T = TypeVar("T")


class Keeper:
    """Keeps answers.

    Args:
        store: where.
        clock: seconds since 1970.
        ticks: seconds that never run backwards.
    """

    def __init__(
        self,
        store: CacheStore,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._clock, self._ticks = store, clock, ticks
        # Not those of the ledger, which is never to wait for a store of answers.
        self._threads = anyio.CapacityLimiter(32)
        self._rests_until = 0.0
        self.failures = 0

    def age(self, answer: Kept) -> float:
        """The seconds since an answer was kept."""
        return max(0.0, self._clock() - answer.at)

    async def find(self, question: Question) -> tuple[State, Kept | None]:
        """What was answered before to the same question."""
        if not question.directions.read:
            return "miss" if question.directions.write else "bypass", None
        try:
            answered, found = await self._asked(self._store.get, question.key)
        except GarbledError:
            log.error(json.dumps({"event": "cache", "error": "garbled", "key": question.key}))
            return "miss", None
        if not answered:
            return "down", None
        return ("hit", found) if found is not None and self._fresh(found, question) else ("miss", None)

    def _fresh(self, answer: Kept, question: Question) -> bool:
        age, oldest = self.age(answer), question.directions.oldest
        if answer.at > self._clock() + CLOCKS_DIFFER or age >= question.cache.seconds:
            return False
        return oldest is None or age <= oldest

    async def keep(self, question: Question, customer: str, body: bytes, media: str) -> None:
        """Keeps an answer to a customer, if it may be kept and is not too long."""
        if question.directions.write and len(body) <= LARGEST_KEPT:
            answer = Kept(body, media, int(self._clock()))
            await self._asked(self._store.put, question.key, answer, question.cache.seconds, customer)

    async def _asked(self, call: Callable[..., T], *args: Any) -> tuple[bool, T | None]:
        """Whether the store answered, and what."""
        if self._ticks() < self._rests_until:
            return False, None
        try:
            return True, await anyio.to_thread.run_sync(call, *args, limiter=self._threads)
        except (ClientError, BotoCoreError) as error:
            self.failures += 1
            self._rests_until = self._ticks() + REST_SECONDS
            log.error(json.dumps({"event": "cache", "error": str(error), "failures": self.failures}))
            return False, None
