"""Mirrors a share of a model's conversations to another target, whose answers nobody gets.

A copy is sent once the caller's response is there, by itself, and so delays and changes nothing. It goes through the
door like every request, as that of a customer of its own, whose cap bounds what all copies cost.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scaletozero.gateway.service.conversations import Conversation
from scaletozero.gateway.service.door import Door
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.gateway.service.failures import FailedError
from scaletozero.gateway.service.readings import Reading
from scaletozero.gateway.service.ways import ModelRoute, Speaker
from scaletozero.settings.gateway_shadow import Shadow

AT_ONCE = 16
"""Copies of a model at a time; further ones are left out."""

log = logging.getLogger("scaletozero.gateway")


@dataclass
class Mirror:
    """The shadow of a model.

    Attributes:
        shadow: what was declared of it.
        target: what gets the copies.
        customer: who pays for them.
        draw: a random number from 0 to below 1.
        open: the copies on their way; the loop keeps no reference of its own.
    """

    shadow: Shadow
    target: Speaker
    customer: str
    draw: Callable[[], float] = random.random
    open: set[asyncio.Task[None]] = field(default_factory=set)

    def reflect(self, door: Door, route: ModelRoute, asked: Conversation) -> None:
        """Sends a copy of a conversation, if it is one of the share. None is sent of one that is to be stored."""
        if asked.fields.get("store") or len(self.open) >= AT_ONCE or self.draw() * 100 >= self.shadow.percent:
            return
        task = asyncio.create_task(self._copied(door, route, asked))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def _copied(self, door: Door, route: ModelRoute, asked: Conversation) -> None:
        began, failed = time.monotonic(), ""
        try:
            await self._sent(door, route, asked)
        except RefusedError as error:
            failed = error.code or str(error.status)
        except FailedError as error:
            failed = error.refusal.code or error.kind
        took = int((time.monotonic() - began) * 1000)
        line = {"model": route.name, "target": self.target.label, "failed": failed, "milliseconds": took}
        log.info(json.dumps({"event": "mirrored", **line}))

    async def _sent(self, door: Door, route: ModelRoute, asked: Conversation) -> None:
        path, body = asked.sent(self.target.spoken, route.model)
        body = self.target.prepared(path, body)
        most = self.target.meter.most(len(body), asked.output_tokens(route.model) * asked.choices)
        seconds = float(self.shadow.seconds or route.model.seconds)
        async with door.holding(self.customer, most, route.name) as held:
            held.ask(self.target.label)
            reading = Reading(path)
            if asked.stream:
                async for part in self.target.stream(path, body, seconds):
                    reading.part(part)
            else:
                reading.answer(await self.target.ask(path, body, seconds))
            held.cost = reading.cost(self.target.meter, len(body), most)


def shadow_customer(model: str) -> str:
    """Who pays for the copies of a model's conversations: no customer that can be declared has such a name."""
    return f"shadow.{model}"
