"""An endpoint of kind `gpu`: its engine, vLLM or another with OpenAI's protocol, behind the interceptor of its cluster.

The interceptor holds requests while no replica is ready, and counts those that it holds, which is what wakes the
endpoint. A request that is not to wait asks first whether there is one, with a request that costs no work of a model:
where that is not answered in time it goes on by itself, and wakes the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import httpx2

from scaletozero.gateway.service.conversations import Spoken, SpokenAs
from scaletozero.gateway.service.endpoints import FIRST_START_SECONDS
from scaletozero.gateway.service.failures import FailedError, cold, provider_failure, retry_seconds
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.gateway.service.readings import Meter
from scaletozero.settings.gateway_targets import LONGEST_SECONDS, Provider, Speech

WARM_SECONDS = 30.0
"""After an answer, for which an endpoint is taken for warm."""


@dataclass(frozen=True)
class OnCluster:
    """Where an endpoint is reached, and what a request gets while it is cold.

    Attributes:
        name: its name, which is also its engine's for its model.
        url: the address that requests are sent to.
        host: the name by which the interceptor knows it.
        speaks: its engine's protocols of conversations.
        embeds: whether it answers with embeddings.
        digest: of the model that it serves; empty if that is not known.
        on_cold: `hold`, `fallback` or `reject`, as of its model.
        cold_after_seconds: after which one without an answer is taken for cold.
        start_seconds: what a caller is told to wait before a start was measured.
    """

    name: str
    url: str
    host: str
    speaks: tuple[Speech, ...]
    embeds: bool = False
    digest: str = ""
    on_cold: str = "hold"
    cold_after_seconds: int = 2
    start_seconds: float = FIRST_START_SECONDS


class ClusterTarget(ProviderTarget):
    """An endpoint on a cluster.

    Args:
        at: where it is.
        key: what its address asks for; empty if nothing.
        client: sends the requests.
        meter: its price.
    """

    def __init__(self, at: OnCluster, key: str, client: httpx2.AsyncClient, meter: Meter) -> None:
        there = Provider.model_construct(base_url=f"{at.url}/v1", model=at.name, price="")
        super().__init__(there, key, client, meter)
        self.at, self.start_seconds = at, at.start_seconds
        self._spoken = SpokenAs(at.name, at.speaks)
        self._asking: tuple[asyncio.Task[None], float] | None = None
        self._warm_until = 0.0

    @property
    def spoken(self) -> Spoken:
        return self._spoken

    @property
    def label(self) -> str:
        return self.at.name

    @property
    def identity(self) -> list[str]:
        return ["endpoint", self.at.name, self.at.digest]

    def _headers(self, path: str) -> Mapping[str, str]:
        sent = {"Content-Type": "application/json", "Host": self.at.host}
        return {**sent, "Authorization": f"Bearer {self._key}"} if self._key else sent

    def _failure(self, status: int, headers: Mapping[str, str], body: bytes) -> FailedError:
        seconds = retry_seconds(headers)
        # What the interceptor answers where the endpoint itself rejects requests while it is cold.
        return cold(seconds) if status == 503 and seconds else provider_failure(status, headers, body)

    async def _sent(self, path: str, body: bytes, seconds: float) -> AsyncGenerator[bytes]:
        if self.at.on_cold != "hold":
            await self._found_warm(seconds)
        async with contextlib.aclosing(super()._sent(path, body, seconds)) as parts:
            async for part in parts:
                self._warm_until = time.monotonic() + WARM_SECONDS
                yield part

    async def _found_warm(self, seconds: float) -> None:
        """Returns if a replica answers.

        Raises:
            FailedError: none does in time; it is woken.
        """
        if time.monotonic() < self._warm_until:
            return
        if self._asking is None or self._asking[0].done():
            self._asking = asyncio.create_task(self._wake()), time.monotonic()
        task, since = self._asking
        left = since + self.at.cold_after_seconds - time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, min(left, seconds)))
        if not done:
            raise cold(self.start_seconds)
        task.result()

    async def _wake(self) -> None:
        """Waits until a replica answers. What fails otherwise, the request itself will meet.

        Raises:
            FailedError: the interceptor says that there is none.
        """
        began = time.monotonic()
        try:
            timeout = httpx2.Timeout(LONGEST_SECONDS, connect=10.0)
            answer = await self._client.get(
                self._address("/models"), headers=self._headers(""), timeout=timeout, follow_redirects=False
            )
        except httpx2.HTTPError:
            return
        if answer.status_code == 503:
            raise self._failure(503, answer.headers, answer.content[:65_536])
        took = time.monotonic() - began
        if took > self.at.cold_after_seconds:
            self.start_seconds = took
        self._warm_until = time.monotonic() + WARM_SECONDS
