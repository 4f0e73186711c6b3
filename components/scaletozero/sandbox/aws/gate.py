"""The WSGI application in front of the embedded AWS and the runtime: signed requests only, errors in AWS's forms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends

from scaletozero.sandbox.aws.iam.gatekeeper import Gatekeeper
from scaletozero.sandbox.aws.middleware import AwsError, json_object, respond, respond_error, signed
from scaletozero.sandbox.aws.signatures import require_signature
from scaletozero.sandbox.aws.validation import require_valid
from scaletozero.sandbox.aws.wire import BODY_SHA256
from scaletozero.sandbox.credentials import Credentials

log = logging.getLogger(__name__)

OPEN = frozenset({"/_sandbox/status", "/_sandbox/permissions"})
"""Paths that need no signature: they show the sandbox's state and change nothing."""

App = Callable[..., Iterable[bytes]]


class Gate:
    """Lets requests through that are signed with the sandbox's credentials, or with credentials of its IAM or STS
    whose role or user has the permission.

    Args:
        app: the application behind it.
        gatekeeper: holds roles and users to their permissions.
    """

    def __init__(self, app: App, credentials: Credentials, gatekeeper: Gatekeeper) -> None:
        self._app, self._credentials, self._gatekeeper = app, credentials, gatekeeper

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = _Response(start_response)
        try:
            if environ.get("PATH_INFO") not in OPEN:
                key = require_signature(environ, environ[BODY_SHA256], self._secret_of, datetime.now(UTC))
                if key != self._credentials.access_key:
                    body = environ["wsgi.input"].read()
                    environ["wsgi.input"].seek(0)
                    self._gatekeeper(environ, key, body)
            _require_valid(environ)
            chunks = self._app(environ, response)
            if not response.is_page:
                return response.send(chunks)
            # moto's framework renders a page about its own fault, or about a path that nothing serves.
            body = b"".join(chunks)
            log.warning("%s %s: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"), body[:500])
            error = _instead(response.code)
        except AwsError as refused:
            error = refused
        except NotImplementedError as missing:
            log.warning("%s %s: %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"), missing)
            error = AwsError("NotImplemented", "The embedded AWS does not have this operation.", 501)
        except Exception:
            log.exception("%s %s", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            error = AwsError("InternalFailure", "The sandbox failed; its log says why.", 500)
        return _respond_error(environ, start_response, error)

    def _secret_of(self, key: str) -> str | None:
        if key == self._credentials.access_key:
            return self._credentials.secret_key
        for account in list(iam_backends.values()):
            for backend in list(account.values()):
                if found := backend.access_keys.get(key):
                    return found.secret_access_key
        return None


class _Response:
    """The start of a response, held back until it is known not to be an HTML error page."""

    def __init__(self, start_response: Callable[..., Any]) -> None:
        self._start_response = start_response
        self._status, self._headers = "500 Internal Server Error", []

    def __call__(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        self._status, self._headers = status, headers

    @property
    def code(self) -> int:
        return int(self._status.split(maxsplit=1)[0])

    @property
    def is_page(self) -> bool:
        """Whether the response is an error page for a browser."""
        kinds = [value for name, value in self._headers if name.lower() == "content-type"]
        return self.code >= 400 and any(kind.startswith("text/html") for kind in kinds)

    def send(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """Sends the response without the headers that would let a page of another origin read it."""
        kept = [(name, value) for name, value in self._headers if not name.lower().startswith("access-control-")]
        self._start_response(self._status, kept)
        return chunks


def _require_valid(environ: Mapping[str, Any]) -> None:
    """Refuses a request of a JSON protocol whose body its operation does not accept."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        body = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        require_valid(signed(environ).service, target, json_object(body))


def _instead(code: int) -> AwsError:
    if code == 404:
        return AwsError("UnknownOperationException", "The sandbox has no such operation.", 404)
    if code < 500:
        return AwsError("ValidationException", "The request is not valid for this operation.", code)
    return AwsError("InternalFailure", "The embedded AWS failed; the sandbox's log says why.", 500)


def _respond_error(environ: Mapping[str, Any], start_response: Callable[..., Any], error: AwsError) -> Iterable[bytes]:
    """The error in the form of the request's protocol: S3's XML, the query protocol's XML, or JSON."""
    if environ["REQUEST_METHOD"] == "HEAD":
        return respond(start_response, error.status, b"", {})
    code, message = escape(error.code), escape(error.message)
    about = f"<Code>{code}</Code><Message>{message}</Message>"
    s3 = signed(environ).service == "s3" or "AWSAccessKeyId=" in environ.get("QUERY_STRING", "")
    if s3:
        body = f"<Error>{about}</Error>"
    elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = f"<ErrorResponse><Error><Type>Sender</Type>{about}</Error></ErrorResponse>"
    else:
        return respond_error(start_response, error)
    return respond(
        start_response,
        error.status,
        f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode(),
        {"Content-Type": "text/xml"},
    )
