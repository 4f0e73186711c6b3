"""Invokes an endpoint for a model: what a request gets while it is cold.

SageMaker does not tell whether a serverless endpoint has a container. What tells is that a request is not answered in
the time in which a warm one answers: it then goes on by itself, which is what wakes the endpoint, and pays for itself.
No other request is sent there until it has been answered.
"""

from __future__ import annotations

import asyncio
import time

from scaletozero.gateway.service.door import FREE, Door, Held, Hold
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.errors import RefusedError, unavailable
from scaletozero.gateway.service.failures import FailedError, cold
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import LONGEST_SECONDS

JSON = "application/json"

_Answer = tuple[bytes, str, float]


class Invocation:
    """An invocation of one endpoint.

    Args:
        door: settles what goes on without its request.
        model: says what happens while the endpoint is cold.
        target: the endpoint.
    """

    def __init__(self, door: Door, model: Model, target: EndpointTarget) -> None:
        self._door, self._model, self._target = door, model, target

    async def answer(self, held: Held, body: bytes, seconds: float) -> bytes:
        """The endpoint's answer to JSON.

        Raises:
            FailedError: there is none, or the endpoint is cold and the model does not wait for it.
        """
        if self._target.waking and self._model.on_cold != "hold":
            raise cold(self._target.start_seconds)
        holds = self._model.on_cold == "hold"
        # A queue is not waited for any longer than the request: it ends first, so that what it holds is settled here.
        longest = max(0.1, seconds - 0.5) if holds else LONGEST_SECONDS
        task = asyncio.create_task(self._target.invoke(body, JSON, JSON, longest))
        patience = seconds if holds else min(seconds, self._model.cold_after_seconds)
        began = time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=patience)
        if not done:
            await self._let_go(held, task, body, began)
        content, _, took = await task
        held.cost = self._target.meter.settled(took, len(body), len(content))
        return content

    async def _let_go(self, held: Held, task: asyncio.Task[_Answer], body: bytes, began: float) -> None:
        """Lets an invocation go on without its request, unless the cap leaves nothing for another target."""
        falls_back = self._model.on_cold != "reject"
        try:
            hold = await self._door.part(held, again=falls_back)
        except RefusedError:
            return  # then the endpoint is waited for, which costs nothing more
        self._target.waking = True
        going_on = asyncio.create_task(self._ended(hold, task, body, began))
        self._target.going_on.add(going_on)
        going_on.add_done_callback(self._target.going_on.discard)
        if self._model.on_cold == "hold":
            raise FailedError(
                unavailable(504, "The endpoint did not answer in time.", "endpoint_timeout"), billed=False
            )
        raise cold(self._target.start_seconds)

    async def _ended(self, hold: Hold, task: asyncio.Task[_Answer], body: bytes, began: float) -> None:
        """Settles an invocation that went on by itself."""
        try:
            content, _, took = await task
            hold.cost = self._target.meter.settled(took, len(body), len(content))
            self._target.start_seconds = time.monotonic() - began
        except FailedError as error:
            hold.cost = None if error.billed else FREE
        finally:
            self._target.waking = False
            await self._door.settle(hold)
