"""What is answered when a request is refused, in the form and with the status codes that OpenAI's clients expect.

They try again at 408, 409, 429 and 5xx, after `Retry-After` if that is at most 120 seconds, and not at all where
`x-should-retry: false` says so (openai 3.57, `_base_client`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

LONGEST_RETRY_AFTER = 120
"""Seconds above which OpenAI's clients ignore `Retry-After`."""


_ANTHROPIC = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
"""The `type` of an error by its status, in Anthropic's API (anthropic 2.14, `types/shared`)."""


class RefusedError(Exception):
    """A request that gets an error instead of an answer.

    Args:
        status: the HTTP status.
        message: for the caller.
        code: for programs.
        kind: the `type` of the error.
        param: the field of the request that it is about.
        headers: additional headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.kind, self.param = status, message, code, kind, param
        self.headers = dict(headers or {})

    def content(self) -> dict[str, object]:
        """The error's object, which a stream may also send in the middle."""
        return {"error": {"message": self.message, "type": self.kind, "code": self.code, "param": self.param}}

    def response(self) -> Response:
        """The error as a response."""
        return json_response(self.content(), self.status, self.headers)

    def anthropic_content(self, request_id: str | None = None) -> dict[str, Any]:
        """The error's object in Anthropic's form."""
        kind = _ANTHROPIC.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        error: dict[str, Any] = {"type": kind, "message": self.message}
        if self.code is not None:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, **({"request_id": request_id} if request_id else {})}

    def anthropic_response(self, request_id: str) -> Response:
        """The error as a response in Anthropic's form."""
        return json_response(self.anthropic_content(request_id), self.status, self.headers)


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")
    return Response(body, status, dict(headers or {}), "application/json")


def wrong(message: str, param: str | None = None, code: str | None = None) -> RefusedError:
    """A request that would be refused each time."""
    return RefusedError(400, message, code, param=param)


def unauthorised(message: str) -> RefusedError:
    """A key that is not accepted."""
    return RefusedError(401, message, "invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


CAPPED = 402
"""The status of a request that a cap does not admit."""


def capped(message: str, code: str) -> RefusedError:
    """A cap: to try again does not help. 402, which OpenAI's clients do not try again."""
    return RefusedError(CAPPED, message, code, kind="insufficient_quota", headers={"x-should-retry": "false"})


def limited(message: str, seconds: float, code: str = "rate_limit_exceeded") -> RefusedError:
    """A rate: to try again after some seconds helps."""
    return RefusedError(429, message, code, kind="rate_limit_error", headers=retry_after(seconds))


def unavailable(
    status: int, message: str, code: str, *, retry: bool = True, seconds: float | None = None
) -> RefusedError:
    """A fault that is not the caller's: 5xx."""
    headers = {} if retry else {"x-should-retry": "false"}
    return RefusedError(status, message, code, kind="api_error", headers={**headers, **retry_after(seconds)})


def retry_after(seconds: float | None) -> dict[str, str]:
    """The header, in whole seconds, at least one, and no more than clients accept; none for None."""
    if seconds is None:
        return {}
    return {"Retry-After": str(max(1, min(LONGEST_RETRY_AFTER, -int(-seconds // 1))))}
