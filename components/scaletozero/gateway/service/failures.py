"""Why a target did not answer: what the caller is told, what it may have cost, and whether another may be asked. Pure.

A provider's error is of one of four classes, of which only `refused` is the caller's fault: `capped` (a spending limit
of the operator's: no retry helps), `throttled` (a rate: a later try helps), `overloaded` (a short wait helps) and
`refused`. Sources: help.openai.com 5955604 and 6614457; platform.claude.com, errors; anthropic 2.13, `types/shared`;
ai.google.dev, rate limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from botocore.exceptions import ClientError

from scaletozero.gateway.service.errors import RefusedError, limited, unavailable, wrong

Kind = Literal["refused", "capped", "throttled", "overloaded", "failed", "cold"]

_CAPS = frozenset(
    (
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "enforced_spend_limit_reached",
        "contract_spend_limit_reached", "linked_organization_spend_limit_reached", "billing_error",
    )
)  # fmt: skip
"""Codes and types of a provider's own cap."""

_THROTTLES = frozenset(("ramp_limit_exceeded",))
"""Codes under a status of a cap that a later try overcomes."""

_CAP_TEXT = re.compile(
    r"specified API usage limits|credit balance is too low|exceeded your monthly spending"
    r"|spend(?:ing)?[ -](?:cap|limit)|prepa(?:id|yment) credits",
    re.IGNORECASE,
)
"""What a cap's message says where no code does: Anthropic answers 400 at a limit that its customer set, Google 429."""

_NO_QUOTA = re.compile(r"\blimit: 0\b")
"""What Google says where the account's tier has no quota of a model, which waiting does not change."""

_CALLERS = (400, 404, 413, 422)
"""Statuses with which a provider says that the request itself is wrong."""


class FailedError(Exception):
    """A target did not answer.

    Attributes:
        refusal: what the caller is told.
        billed: whether the request may have cost something.
        kind: why.
        seconds: after which a further try may help; None if nobody said.
    """

    def __init__(
        self, refusal: RefusedError, *, billed: bool, kind: Kind = "failed", seconds: float | None = None
    ) -> None:
        super().__init__(refusal.message)
        self.refusal, self.billed, self.seconds = refusal, billed, seconds
        self.kind: Kind = kind


def provider_failure(status: int, headers: Mapping[str, str], body: bytes) -> FailedError:
    """Of a provider's error. A cap of the operator's, or a key of the operator's that is not accepted, is never shown
    as a fault of the caller."""
    about = _error_in(body)
    kind = _kind(status, about)
    seconds = _seconds(headers.get("retry-after"), about)
    if kind == "capped":
        text = "The model's provider has reached a spending limit."
        return _unbilled(unavailable(503, text, "provider_capped", retry=False), kind)
    if kind == "throttled":
        told = limited("The model's provider is limiting requests.", seconds or 1.0, "provider_rate_limited")
        return _unbilled(told, kind, seconds or 1.0)
    if kind == "overloaded":
        told = unavailable(503, "The model's provider is overloaded.", "provider_overloaded", seconds=seconds or 1.0)
        return _unbilled(told, kind, seconds)
    if kind == "refused":
        message = about.get("message")
        text = message[:1000] if isinstance(message, str) else "The model's provider refused the request."
        code, param = about.get("code"), about.get("param")
        told = RefusedError(
            status, text, code if isinstance(code, str) else None, param=param if isinstance(param, str) else None
        )
        return _unbilled(told, kind)
    return _unbilled(unavailable(502, f"The model's provider answered with status {status}.", "provider_error"), kind)


def _unbilled(refusal: RefusedError, kind: Kind, seconds: float | None = None) -> FailedError:
    return FailedError(refusal, billed=False, kind=kind, seconds=seconds)


def _kind(status: int, about: Mapping[str, Any]) -> Kind:
    details = about.get("details")
    codes = {about.get("code"), about.get("type"), details.get("error_code") if isinstance(details, dict) else None}
    codes = {each for each in codes if isinstance(each, str)}
    message = about.get("message") if isinstance(about.get("message"), str) else ""
    says_cap = bool(_CAP_TEXT.search(str(message)))
    if codes & _THROTTLES:
        return "throttled"
    if codes & _CAPS or status == 402:
        return "capped"
    if status == 429:
        return "capped" if says_cap or _NO_QUOTA.search(str(message)) else "throttled"
    if status in (503, 529) or "overloaded_error" in codes:
        return "overloaded"
    if status in _CALLERS:
        return "capped" if status == 400 and says_cap else "refused"
    return "failed"


def _error_in(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list):  # Google's, behind its paths that are like OpenAI's
        found = found[0] if found else None
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def retry_seconds(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` says in seconds; None if it says nothing, or a time of day."""
    return _seconds(headers.get("retry-after"), {})


def _seconds(written: str | None, about: Mapping[str, Any]) -> float | None:
    """What `Retry-After` says, or Google's `RetryInfo`."""
    details = about.get("details")
    for each in details if isinstance(details, list) else []:
        delay = each.get("retryDelay") if isinstance(each, dict) else None
        if isinstance(delay, str) and written is None:
            written = delay.removesuffix("s")
    try:
        return float(written) if written and 0 <= float(written) < 1e6 else None
    except ValueError:
        return None


def endpoint_failure(error: ClientError) -> FailedError:
    """Of an endpoint of SageMaker."""
    code = error.response["Error"].get("Code")
    if code == "ModelError":
        status, said = error.response.get("OriginalStatusCode"), error.response.get("OriginalMessage")
        if isinstance(status, int) and 400 <= status < 500:
            told = wrong(f"The model refused the request: {str(said)[:1000]}")
            return FailedError(told, billed=True, kind="refused")
        return FailedError(unavailable(502, "The model failed.", "model_error"), billed=True)
    if code in ("ThrottlingException", "TooManyRequestsException"):
        return _unbilled(limited("The endpoint has no free container.", 1, "endpoint_busy"), "throttled", 1.0)
    return _unbilled(unavailable(502, "The endpoint cannot be invoked.", "endpoint_error"), "failed")


_DAILY = re.compile(r"\bper day\b|daily", re.IGNORECASE)
"""What a quota of Bedrock says that is not for a minute: a later try in the same request does not overcome it."""

_ELSEWHERE = re.compile(r"on-demand throughput|model identifier|inference profile", re.IGNORECASE)
"""What Bedrock says of a model that is not in the Region, which is no fault of a caller."""


def bedrock_failure(error: ClientError) -> FailedError:
    """Of a model on Bedrock (Bedrock API reference, errors of `Converse`)."""
    about = error.response["Error"]
    code, text = about.get("Code", ""), str(about.get("Message", ""))
    code = code[:1].upper() + code[1:]  # in a stream they begin with a small letter
    if code == "ServiceQuotaExceededException" or (code == "ThrottlingException" and _DAILY.search(text)):
        told = "The model's provider has reached a quota."
        return _unbilled(unavailable(503, told, "provider_capped", retry=False), "capped")
    if code in ("ThrottlingException", "TooManyRequestsException"):
        told = limited("The model's provider is limiting requests.", 1.0, "provider_rate_limited")
        return _unbilled(told, "throttled", 1.0)
    if code in ("ServiceUnavailableException", "ModelNotReadyException"):
        told = unavailable(503, "The model's provider is overloaded.", "provider_overloaded", seconds=1.0)
        return _unbilled(told, "overloaded")
    if code == "ValidationException" and not _ELSEWHERE.search(text):
        return _unbilled(wrong(text[:1000] or "The model's provider refused the request."), "refused")
    if code == "ModelTimeoutException":
        return late()
    if code in ("ModelErrorException", "ModelStreamErrorException"):
        return garbage("broke off")
    return _unbilled(unavailable(502, f"The model's provider answered with {code}.", "provider_error"), "failed")


def cold(seconds: float) -> FailedError:
    """An endpoint is starting, and will answer about so many seconds later."""
    return _unbilled(unavailable(503, "The model is starting.", "endpoint_cold", seconds=seconds), "cold", seconds)


def garbage(what: str) -> FailedError:
    """An answer of a provider that cannot be used."""
    refusal = unavailable(502, f"The answer of the model's provider {what}.", "provider_error")
    return FailedError(refusal, billed=True)


def late() -> FailedError:
    """No answer of a provider in time."""
    return FailedError(
        unavailable(504, "The model's provider did not answer in time.", "provider_timeout"), billed=True
    )


def unreachable(status: int) -> FailedError:
    """No connection to a provider."""
    return _unbilled(unavailable(status, "The model's provider could not be reached.", "unreachable"), "failed")


def read_answer(data: bytes, fault: str) -> dict[str, Any]:
    """The object that a provider answers with.

    Raises:
        FailedError: there is none, or it is an error.
    """
    try:
        found = json.loads(data, parse_constant=_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("error") is not None:
        raise garbage(fault)
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
