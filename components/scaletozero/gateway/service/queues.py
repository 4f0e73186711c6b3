"""An endpoint of kind `asynchronous`: a request waits in its queue, and its result is written to S3."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import FindingsError
from scaletozero.endpoints.async_client import ModelError, Submitted, ready, submit
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.errors import unavailable, wrong
from scaletozero.gateway.service.failures import FailedError, endpoint_failure
from scaletozero.settings.gateway_targets import LONGEST_SECONDS

FIRST_PAUSE, LONGEST_PAUSE, SHARE = 0.25, 10.0, 0.1
"""Seconds between two looks for a result, and the share of the time so far that a look may come too late by."""


@dataclass
class QueueTarget(EndpointTarget):
    """An endpoint with a queue.

    Attributes:
        s3: a boto3 client of S3.
        requests: the s3:// address below which requests are put.
        longest: seconds after which SageMaker ends the work on a request.
    """

    s3: Any = None
    requests: str = ""
    longest: int = LONGEST_SECONDS

    async def invoke(
        self, body: bytes, content_type: str, accept: str, seconds: float = LONGEST_SECONDS
    ) -> tuple[bytes, str, float]:
        began = time.monotonic()
        try:
            submitted = await anyio.to_thread.run_sync(self._submit, body, content_type)
            content = await self._result(submitted, began, seconds)
        except ClientError as error:
            # Nothing is worked on of a request that was refused; one that is in the queue may be.
            raise endpoint_failure(error) from error
        except BotoCoreError as error:
            raise self._late() from error
        except ModelError as error:
            told = unavailable(502, f"The model failed: {str(error)[:1000]}", "model_error")
            raise FailedError(told, billed=True) from None
        return content, accept if "/" in accept and "*" not in accept else content_type, time.monotonic() - began

    def _submit(self, body: bytes, content_type: str) -> Submitted:
        try:
            return submit(
                self.name,
                body,
                requests=self.requests,
                content_type=content_type,
                seconds=self.longest,
                s3=self.s3,
                runtime=self.runtime,
            )
        except FindingsError as error:
            told = wrong(f"The endpoint takes no such request: {error.findings[0].rule}.")
            raise FailedError(told, billed=False, kind="refused") from None

    async def _result(self, submitted: Submitted, began: float, seconds: float) -> bytes:
        while True:
            content = await anyio.to_thread.run_sync(ready, submitted, self.s3)
            if content is not None:
                return content
            waited = time.monotonic() - began
            if waited >= seconds:
                raise self._late()
            pause = min(max(FIRST_PAUSE, SHARE * waited), LONGEST_PAUSE)
            await asyncio.sleep(min(pause, seconds - waited))

    def _late(self) -> FailedError:
        told = unavailable(504, "The endpoint did not answer in time.", "endpoint_timeout")
        return FailedError(told, billed=True)
