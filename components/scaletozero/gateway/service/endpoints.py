"""An endpoint of the environment that serves a packaged encoder: one of kind `serverless`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.gateway.service.errors import unavailable
from scaletozero.gateway.service.failures import FailedError, endpoint_failure
from scaletozero.gateway.tariffs import Cost
from scaletozero.settings.gateway_targets import LONGEST_SECONDS

FIRST_START_SECONDS = 10.0
"""What a caller is told to wait for an endpoint whose start has not been measured."""


class EncoderMeter(Protocol):
    """The price of an endpoint with an encoder."""

    def most(self, body_bytes: int) -> int:
        """The most that a request can cost, in millionths of a dollar."""
        ...

    def settled(self, seconds: float, body_bytes: int, answer_bytes: int) -> Cost:
        """What a request cost that took so long here."""
        ...


@dataclass
class EndpointTarget:
    """An endpoint.

    Attributes:
        name: its name at SageMaker.
        runtime: a boto3 client of the SageMaker Runtime, which tries once.
        meter: its price.
        digest: of the artifact that it serves; empty if that is not known.
        waking: whether a request that found it cold waits for it.
        start_seconds: what its last start took, or what is assumed.
        going_on: what settles requests that it answers after their callers; the loop keeps no reference of its own.
    """

    name: str
    runtime: Any
    meter: EncoderMeter
    digest: str = ""
    waking: bool = False
    start_seconds: float = FIRST_START_SECONDS
    going_on: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def label(self) -> str:
        """What a record calls it."""
        return self.name

    @property
    def identity(self) -> list[str]:
        """What its answers depend on."""
        return ["endpoint", self.name, self.digest]

    async def invoke(
        self, body: bytes, content_type: str, accept: str, seconds: float = LONGEST_SECONDS
    ) -> tuple[bytes, str, float]:
        """The answer, its media type, and the seconds that it took.

        Args:
            seconds: for which an answer is waited for, where the service itself sets no end.

        Raises:
            FailedError: there is none.
        """
        return await anyio.to_thread.run_sync(self._invoke, body, content_type, accept)

    def _invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str, float]:
        began = time.monotonic()
        try:
            answer = self.runtime.invoke_endpoint(
                EndpointName=self.name, Body=body, ContentType=content_type, Accept=accept
            )
            content = answer["Body"].read()
        except ClientError as error:
            raise endpoint_failure(error) from error
        except BotoCoreError as error:
            raise FailedError(
                unavailable(504, "The endpoint did not answer in time.", "endpoint_timeout"), billed=True
            ) from error
        return content, answer.get("ContentType", "application/json"), time.monotonic() - began
