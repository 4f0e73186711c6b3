"""WSGI middleware in front of moto: handles the operations that the embedded AWS implements, passes on the rest."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

ACCOUNT = "123456789012"
"""The embedded AWS's account, which is moto's."""

JSON = "application/x-amz-json-1.1"

INVOCATIONS = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
"""The paths of InvokeEndpoint, InvokeEndpointAsync and InvokeEndpointWithResponseStream."""


class AwsError(Exception):
    """An error in the service's format: `code`, message, HTTP `status`, and additional members of the body."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.members = code, message, status, members


@dataclass(frozen=True)
class Call:
    """A call of an operation: the region that it is signed for, and its parameters."""

    region: str
    parameters: Mapping[str, Any]


Handler = Callable[[Call], dict[str, Any] | None]
"""Returns the response to a call, or None to pass it on to moto."""


@dataclass(frozen=True)
class Route:
    """The operations at one path of a service that identifies operations by method and path instead of a header.

    Attributes:
        service: the service's signing name.
        path: matches the whole path; its groups are parameters.
        methods: HTTP method -> handler.
    """

    service: str
    path: re.Pattern[str]
    methods: Mapping[str, Handler]


@dataclass(frozen=True)
class Scope:
    """The scope of a request's signature; its members are None if it is not signed."""

    region: str | None
    service: str | None


def signed(environ: Mapping[str, Any]) -> Scope:
    """The scope of the request's signature: `Credential=key/20300101/eu-central-1/sagemaker/aws4_request`."""
    _, found, scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    if not found:
        scope = dict(parse_qsl(environ.get("QUERY_STRING", ""))).get("X-Amz-Credential", "")
    parts = scope.split(",")[0].split("/")
    return Scope(parts[2], parts[3]) if len(parts) == 5 else Scope(None, None)


class Middleware:
    """The embedded AWS as a WSGI application.

    Args:
        moto: moto's application.
        handlers: `X-Amz-Target` of an operation -> handler.
        pages: path -> returns the JSON that is shown there.
        routes: the operations that have no such header.
        runtime: the application that invokes endpoints. It is reachable here too, for clients that know only one
            address.
    """

    def __init__(
        self,
        moto: Callable[..., Iterable[bytes]],
        handlers: Mapping[str, Handler],
        pages: Mapping[str, Callable[[], Any]],
        routes: Iterable[Route],
        runtime: Callable[..., Iterable[bytes]],
    ) -> None:
        self._moto, self._handlers, self._pages, self._routes = moto, handlers, pages, tuple(routes)
        self._runtime = runtime

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = self._pages.get(environ.get("PATH_INFO", ""))
        if page:
            return respond(start_response, 200, json.dumps(page()).encode(), {"Content-Type": "application/json"})
        if signed(environ).service == "sagemaker" and INVOCATIONS.fullmatch(environ.get("PATH_INFO", "")):
            return self._runtime(environ, start_response)
        handler, more = self._handlers.get(environ.get("HTTP_X_AMZ_TARGET", "")), {}
        if handler is None:
            handler, more = self._routed(environ)
        if handler is None:
            return self._moto(environ, start_response)
        body = environ["wsgi.input"].read()
        try:
            parameters = {**json_object(body), **more}
            response = handler(Call(signed(environ).region or "us-east-1", parameters))
        except AwsError as error:
            return respond_error(start_response, error)
        if response is None:
            environ["wsgi.input"] = _Replay(body)
            return self._moto(environ, start_response)
        return respond(start_response, 200, json.dumps(response).encode(), {"Content-Type": JSON})

    def _routed(self, environ: Mapping[str, Any]) -> tuple[Handler | None, dict[str, Any]]:
        """Finds the handler by method and path, with the parameters in the path and in the query."""
        service, path = signed(environ).service, environ.get("PATH_INFO", "")
        for route in self._routes:
            match = route.path.fullmatch(path) if service == route.service else None
            if match and (handler := route.methods.get(environ["REQUEST_METHOD"])):
                query: dict[str, list[str]] = {}
                for key, value in parse_qsl(environ.get("QUERY_STRING", "")):
                    query.setdefault(key, []).append(value)
                return handler, {**query, **{key: unquote(value) for key, value in match.groupdict().items()}}
        return None, {}


def json_object(body: bytes) -> dict[str, Any]:
    """The parameters in a body; none if it is empty.

    Raises:
        AwsError: SerializationException, like the services, if the body is not a JSON object.
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise AwsError("SerializationException", "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise AwsError("SerializationException", "The body must be a JSON object.")
    return found


class _Replay:
    """A body that was read once, to be read again."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        size = len(self._body) if size is None or size < 0 else size
        taken, self._body = self._body[:size], self._body[size:]
        return taken

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)


def respond(
    start_response: Callable[..., Any], status: int, body: bytes, headers: Mapping[str, str]
) -> Iterable[bytes]:
    """Start a response with a request id, as every service does."""
    own = {"Content-Length": str(len(body)), "x-amzn-RequestId": str(uuid.uuid4())}
    start_response(f"{status} {_REASONS.get(status, 'Status')}", [*{**own, **headers}.items()])
    return [body]


_REASONS = {
    200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 413: "Request Entity Too Large",
    424: "Failed Dependency", 429: "Too Many Requests", 409: "Conflict",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
}  # fmt: skip


def respond_error(start_response: Callable[..., Any], error: AwsError) -> Iterable[bytes]:
    """The error in the form of the JSON protocols."""
    kind = {"__type": error.code} if error.code else {}
    body = json.dumps({**kind, "message": error.message, "Message": error.message, **error.members})
    headers = {"Content-Type": JSON} | ({"x-amzn-ErrorType": error.code} if error.code else {})
    return respond(start_response, error.status, body.encode(), headers)
