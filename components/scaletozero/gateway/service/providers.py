"""A model behind an API.

An error says whether the request may have cost something: one that was refused did not, one whose answer is lost may
have.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2

from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.failures import (
    FailedError,
    garbage,
    late,
    provider_failure,
    read_answer,
    unreachable,
)
from scaletozero.gateway.service.readings import Meter
from scaletozero.settings.gateway_targets import Provider

LARGEST_ANSWER = 32 * 2**20
"""Bytes of an answer above which it is taken for a fault."""

ENDS = frozenset(("message_stop", "response.completed", "response.incomplete"))
"""Types of the event with which the stream of a message or a response is whole; a chat's ends with `[DONE]`."""

FAULTS = frozenset(("error", "response.failed"))
"""Types of the event with which it is known that it will not be."""

ANTHROPIC_VERSION = "2023-06-01"
"""The version of Anthropic's API, in the header that it requires."""


class ProviderTarget:
    """A model behind an API.

    Args:
        declared: what was declared of it.
        key: the API's key.
        client: sends the requests; follows no redirect, which would take the key elsewhere.
        meter: its price.
    """

    def __init__(self, declared: Provider, key: str, client: httpx2.AsyncClient, meter: Meter) -> None:
        self.declared, self.meter = declared, meter
        self._client, self._key = client, key

    @property
    def spoken(self) -> Spoken:
        """What is known of it."""
        return self.declared

    @property
    def label(self) -> str:
        """What a record calls it."""
        return f"{self.declared.host}/{self.declared.model}"

    @property
    def identity(self) -> list[str]:
        """What its answers depend on."""
        return ["provider", self.declared.base_url, self.declared.model]

    def prepared(self, path: str, body: bytes) -> bytes:
        """A request as it is sent: as it is."""
        return body

    async def ask(self, path: str, body: bytes, seconds: float) -> dict[str, Any]:
        """An answer in one piece.

        Raises:
            FailedError: there is none.
        """
        content = b""
        async with contextlib.aclosing(self._sent(path, body, seconds)) as parts:
            async for part in parts:
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise garbage("is too long")
        return read_answer(content, "is not what it should be")

    async def stream(self, path: str, body: bytes, seconds: float) -> AsyncGenerator[dict[str, Any]]:
        """The parts of an answer. It ends only where the provider said that it is whole.

        Raises:
            FailedError: there is none, or it broke off.
        """
        waiting, size = b"", 0
        async with contextlib.aclosing(self._sent(path, body, seconds)) as parts:
            async for part in parts:
                waiting, size = waiting + part, size + len(part)
                if size > LARGEST_ANSWER:
                    raise garbage("is too long")
                *lines, waiting = waiting.split(b"\n")
                for line in lines:
                    name, _, data = line.strip().partition(b":")
                    if data.strip() == b"[DONE]":
                        return
                    if name == b"data":
                        event = read_answer(data, "broke off")
                        if event.get("type") in FAULTS:
                            raise garbage("broke off")
                        yield event
                        if event.get("type") in ENDS:
                            return
        raise garbage("broke off")

    def _headers(self, path: str) -> Mapping[str, str]:
        sent = {"Content-Type": "application/json"}
        if path == "/messages":
            return {**sent, "x-api-key": self._key, "anthropic-version": ANTHROPIC_VERSION}
        return {**sent, "Authorization": f"Bearer {self._key}"}

    def _address(self, path: str) -> str:
        return f"{self.declared.base_url}{path}"

    def _failure(self, status: int, headers: Mapping[str, str], body: bytes) -> FailedError:
        return provider_failure(status, headers, body)

    async def _sent(self, path: str, body: bytes, seconds: float) -> AsyncGenerator[bytes]:
        """The bytes of a successful answer."""
        began = False
        try:
            # Not anyio's deadline, which must not be around a `yield`: the time is checked at each part.
            timeout = httpx2.Timeout(seconds, connect=min(10.0, seconds))
            end = time.monotonic() + seconds
            async with self._client.stream(
                "POST",
                self._address(path),
                content=body,
                headers=self._headers(path),
                timeout=timeout,
                follow_redirects=False,
            ) as response:
                began = True
                if response.status_code != 200:
                    raise self._failure(response.status_code, response.headers, await _start(response))
                async for part in response.aiter_bytes():
                    yield part
                    if time.monotonic() > end:
                        raise late()
        except httpx2.ConnectTimeout:
            raise unreachable(504) from None
        except httpx2.ConnectError:
            raise unreachable(502) from None
        except httpx2.TimeoutException:
            raise late() from None
        except httpx2.HTTPError:
            # After the request was sent nobody knows whether it was worked on.
            raise garbage("broke off" if began else "did not come") from None


async def _start(response: httpx2.Response) -> bytes:
    """The beginning of an error's body, which may be of any length."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > 65_536:
            break
    return content[:65_536]


__all__ = ["FailedError", "ProviderTarget"]
