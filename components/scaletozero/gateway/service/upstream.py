"""What requests are sent to: a provider that speaks OpenAI's protocol, and endpoints of the environment.

An error of a target says whether the request may have cost something: a request that was refused did not, one whose
answer is lost may have.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import anyio
import httpx2
from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.gateway.service.errors import RefusedError, limited, unavailable, wrong
from scaletozero.gateway.tariffs import BySeconds, ByTokens
from scaletozero.settings.gateway import Model

LONGEST_SECONDS = 600.0
"""For which a provider may work on a request: the limit of OpenAI's clients."""

LARGEST_ANSWER = 32 * 2**20
"""Bytes of an answer above which it is taken for a fault."""

_CAPS = frozenset(
    (
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "enforced_spend_limit_reached",
        "contract_spend_limit_reached", "linked_organization_spend_limit_reached", "billing_error",
    )
)  # fmt: skip
"""Codes and types of a provider's own cap (help.openai.com 6614457; anthropic 2.13, `types/shared`)."""

_CALLERS = (400, 404, 413, 422)
"""Statuses with which a provider says that the request itself is wrong."""


class FailedError(Exception):
    """A target did not answer.

    Attributes:
        refusal: what the caller is told.
        billed: whether the request may have cost something.
    """

    def __init__(self, refusal: RefusedError, *, billed: bool) -> None:
        super().__init__(refusal.message)
        self.refusal, self.billed = refusal, billed


class ProviderTarget:
    """A model behind an API.

    Args:
        model: what was declared of it.
        key: the API's key.
        client: sends the requests; follows no redirect, which would take the key elsewhere.
        meter: its price.
        seconds: for which it may work on a request.
    """

    def __init__(
        self, model: Model, key: str, client: httpx2.AsyncClient, meter: ByTokens, seconds: float = LONGEST_SECONDS
    ) -> None:
        assert model.provider
        self.model, self.meter = model, meter
        self._base, self._client, self._seconds = model.provider.base_url, client, seconds
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def ask(self, path: str, body: bytes) -> dict[str, Any]:
        """An answer in one piece.

        Raises:
            FailedError: there is none.
        """
        content = b""
        async with contextlib.aclosing(self._sent(path, body)) as parts:
            async for part in parts:
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise FailedError(_garbage("is too long"), billed=True)
        return _object(content, "is not what it should be")

    async def stream(self, path: str, body: bytes) -> AsyncGenerator[dict[str, Any]]:
        """The parts of an answer. It ends only where the provider said that it is whole.

        Raises:
            FailedError: there is none, or it broke off.
        """
        waiting, size = b"", 0
        async with contextlib.aclosing(self._sent(path, body)) as parts:
            async for part in parts:
                waiting, size = waiting + part, size + len(part)
                if size > LARGEST_ANSWER:
                    raise FailedError(_garbage("is too long"), billed=True)
                *lines, waiting = waiting.split(b"\n")
                for line in lines:
                    name, _, data = line.strip().partition(b":")
                    if data.strip() == b"[DONE]":
                        return
                    if name == b"data":
                        yield _object(data, "broke off")
        raise FailedError(_garbage("broke off"), billed=True)

    async def _sent(self, path: str, body: bytes) -> AsyncGenerator[bytes]:
        """The bytes of a successful answer."""
        began = False
        try:
            # Not anyio's deadline, which must not be around a `yield`: the time is checked at each part.
            timeout = httpx2.Timeout(self._seconds, connect=min(10.0, self._seconds))
            end = time.monotonic() + self._seconds
            async with self._client.stream(
                "POST",
                f"{self._base}{path}",
                content=body,
                headers=self._headers,
                timeout=timeout,
                follow_redirects=False,
            ) as response:
                began = True
                if response.status_code != 200:
                    raise FailedError(
                        refusal_of(response.status_code, response.headers, await _start(response)), billed=False
                    )
                async for part in response.aiter_bytes():
                    yield part
                    if time.monotonic() > end:
                        raise FailedError(_late(), billed=True)
        except httpx2.ConnectTimeout:
            raise FailedError(
                unavailable(504, "The model's provider could not be reached.", "unreachable"), billed=False
            ) from None
        except httpx2.ConnectError:
            raise FailedError(
                unavailable(502, "The model's provider could not be reached.", "unreachable"), billed=False
            ) from None
        except httpx2.TimeoutException:
            raise FailedError(_late(), billed=True) from None
        except httpx2.HTTPError:
            # After the request was sent nobody knows whether it was worked on.
            raise FailedError(_garbage("broke off" if began else "did not come"), billed=True) from None


async def _start(response: httpx2.Response) -> bytes:
    """The beginning of an error's body, which may be of any length."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > 65_536:
            break
    return content[:65_536]


def refusal_of(status: int, headers: Mapping[str, str], body: bytes) -> RefusedError:
    """What the caller is told of a provider's error. A cap of the operator's, or a key of the operator's that
    is not accepted, is never shown as a fault of the caller."""
    about = _error_in(body)
    codes = {about.get("code"), about.get("type")} & _CAPS
    if codes or status == 402:
        return unavailable(503, "The model's provider has reached a spending limit.", "provider_capped", retry=False)
    if status == 429:
        seconds = _seconds(headers.get("retry-after"))
        return limited("The model's provider is limiting requests.", seconds, "provider_rate_limited")
    if status in (503, 529):
        return unavailable(503, "The model's provider is overloaded.", "provider_overloaded", seconds=1)
    if status in _CALLERS:
        message = about.get("message")
        text = message[:1000] if isinstance(message, str) else "The model's provider refused the request."
        code, param = about.get("code"), about.get("param")
        return RefusedError(
            status, text, code if isinstance(code, str) else None, param=param if isinstance(param, str) else None
        )
    return unavailable(502, f"The model's provider answered with status {status}.", "provider_error")


def _error_in(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return {key: value for key, value in error.items() if isinstance(value, str)} if isinstance(error, dict) else {}


def _seconds(written: str | None) -> float:
    try:
        return float(written) if written and 0 <= float(written) < 1e6 else 1.0
    except ValueError:
        return 1.0


def _object(data: bytes, fault: str) -> dict[str, Any]:
    try:
        found = json.loads(data, parse_constant=_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "error" in found:
        raise FailedError(_garbage(fault), billed=True)
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _garbage(what: str) -> RefusedError:
    return unavailable(502, f"The answer of the model's provider {what}.", "provider_error")


def _late() -> RefusedError:
    return unavailable(504, "The model's provider did not answer in time.", "provider_timeout")


@dataclass(frozen=True)
class EndpointTarget:
    """An endpoint of the environment, of kind `serverless`.

    Attributes:
        name: its name at SageMaker.
        runtime: a boto3 client of the SageMaker Runtime, which tries once.
        meter: its price.
    """

    name: str
    runtime: Any
    meter: BySeconds

    async def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str, float]:
        """The answer, its media type, and the seconds that it took.

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
            raise _failure(error) from error
        except BotoCoreError as error:
            raise FailedError(
                unavailable(504, "The endpoint did not answer in time.", "endpoint_timeout"), billed=True
            ) from error
        return content, answer.get("ContentType", "application/json"), time.monotonic() - began


def _failure(error: ClientError) -> FailedError:
    code = error.response["Error"].get("Code")
    if code == "ModelError":
        status, said = error.response.get("OriginalStatusCode"), error.response.get("OriginalMessage")
        if isinstance(status, int) and 400 <= status < 500:
            return FailedError(wrong(f"The model refused the request: {str(said)[:1000]}"), billed=True)
        return FailedError(unavailable(502, "The model failed.", "model_error"), billed=True)
    if code in ("ThrottlingException", "TooManyRequestsException"):
        return FailedError(limited("The endpoint has no free container.", 1, "endpoint_busy"), billed=False)
    return FailedError(unavailable(502, "The endpoint cannot be invoked.", "endpoint_error"), billed=False)
