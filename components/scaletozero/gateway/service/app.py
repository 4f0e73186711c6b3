"""The ASGI application."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scaletozero.gateway.service.door import Door
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.gateway.service.failures import FailedError
from scaletozero.gateway.service.routes import BODY_SECONDS, Routes

log = logging.getLogger("scaletozero.gateway")


def application(door: Door, *, body_seconds: float = BODY_SECONDS) -> ASGIApp:
    """The gateway.

    Args:
        door: admits requests.
        body_seconds: in which a request's body has to come.
    """
    routes = Routes(door, body_seconds)

    @contextlib.asynccontextmanager
    async def told_at_the_end(_: Starlette) -> AsyncIterator[None]:
        yield
        await door.backlog.flush()

    app = Starlette(
        lifespan=told_at_the_end,
        routes=[
            Route("/healthz", routes.health),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name:path}", routes.model),
            Route("/v1/usage", routes.usage),
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/responses", routes.responses, methods=["POST"]),
            Route("/v1/messages", routes.messages, methods=["POST"]),
            Route("/v1/embeddings", routes.embeddings, methods=["POST"]),
            Route("/endpoints/{name}/invocations", routes.invocations, methods=["POST"]),
        ],
        exception_handlers={RefusedError: _refused, FailedError: _failed, HTTPException: _no_route, Exception: _fault},
    )
    return WithRequestId(app)


class WithRequestId:
    """Gives every response an `x-request-id`, which is made here: one that a caller sends is not taken over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(16)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = headers["request-id"] = request_id  # as OpenAI and Anthropic call it
            await send(message)

        if _has_two_lengths(scope):
            rule = "A request must not have both Content-Length and Transfer-Encoding."
            refusal = RefusedError(400, rule, "two_lengths", headers={"Connection": "close"})
            await _answer(Request(scope), refusal)(scope, receive, send_with_id)
            return
        await self._app(scope, receive, send_with_id)


def _has_two_lengths(scope: Scope) -> bool:
    """Whether servers may differ on where a request ends, so that one hides in the body of another. Not all parsers of
    HTTP refuse it; the connection has to be closed after it (RFC 9112, 6.3)."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    # The path is the caller's, and is written as JSON, in which no line ends.
    line = {"event": "refused", "status": error.status, "code": error.code, "path": request.url.path[:200]}
    log.info(json.dumps({"id": request.state.request_id, **line}))
    return _answer(request, error)


def _answer(request: Request, error: RefusedError) -> Response:
    """The error in the form of the route's protocol."""
    if request.url.path.startswith("/v1/messages"):
        return error.anthropic_response(request.state.request_id)
    return error.response()


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, FailedError)
    return await _refused(request, error.refusal)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = "There is no such route." if error.status_code == 404 else str(error.detail)
    return _answer(request, RefusedError(error.status_code, message, "unknown_url", headers=error.headers))


async def _fault(request: Request, error: Exception) -> Response:
    log.error(json.dumps({"event": "fault", "id": request.state.request_id, "error": type(error).__name__}))
    return _answer(request, RefusedError(500, "The gateway failed.", "internal_error", kind="api_error"))
