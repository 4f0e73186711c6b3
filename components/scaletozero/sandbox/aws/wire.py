"""The HTTP layer of the sandbox's servers: local callers only, and no request is processed before it is complete."""

from __future__ import annotations

import hashlib
import json
import tempfile
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from moto.moto_server.werkzeug_app import MotoRequestHandler

from scaletozero.sandbox.local_callers import ForeignError, MalformedError, is_local, require_local

SECONDS = 60
"""How long a client may take to send the next part of its request."""

MAX_BYTES = 5 * 1024**3
"""Maximum size of a body: the largest object that S3 accepts in one request (S3 user guide)."""

IN_MEMORY = 8 * 1024 * 1024
LONGEST_LINE = 1024
CHUNK = 1 << 16
MOST_TRAILERS = 100

BODY_SHA256 = "scaletozero.body_sha256"
"""The key of the WSGI environment for the hexadecimal digest of the body."""


class Readable(Protocol):
    """A stream from which a request's body is read."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class Handler(MotoRequestHandler):
    """Reads a complete request and passes it to the application; refuses anything else, in JSON."""

    timeout = SECONDS

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed and self.request_version == "HTTP/0.9":
            self.send_error(400, "HTTP/1.0 or HTTP/1.1 is required")
            return False
        return parsed

    def run_wsgi(self) -> None:
        try:
            if self.headers.defects:
                raise MalformedError("a line of the headers is not a header")
            require_local(self.headers.items(), self.command, "the sandbox")
            self._body = read_body(self.rfile, self.headers.items())
            require_target(self.path)
        except ForeignError as error:
            self.send_error(403, str(error))
        except MalformedError as error:
            self.send_error(400, str(error))
        else:
            with self._body[0]:
                super().run_wsgi()

    def make_environ(self) -> dict[str, Any]:
        environ = super().make_environ()
        body, size, digest = self._body
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        environ |= {"wsgi.input": body, "CONTENT_LENGTH": str(size), BODY_SHA256: digest}
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Sends an error in the services' format, then closes the connection: the next request cannot be found."""
        kind = "AccessDeniedException" if code == 403 else "MalformedHttpRequestException"
        said = message or self.responses.get(code, ("", ""))[0]
        body = json.dumps({"__type": kind, "message": said, "Message": said}).encode()
        self.close_connection = True
        if self.request_version == "HTTP/0.9":  # also set if no version was understood; its responses have no status
            self.request_version = "HTTP/1.0"
        self.send_response(code if code < 500 else 400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("x-amzn-ErrorType", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(body)


def require_target(target: str) -> None:
    """Refuses a request target that is not a path on this machine. Raises MalformedError or ForeignError."""
    try:
        parts = urlsplit(target)
        name = parts.hostname
    except ValueError as error:
        raise MalformedError(f"the request's target is not a URL: {error}") from None
    if target.startswith("/"):
        return
    if parts.scheme not in ("http", "https") or not name:
        raise MalformedError("the request's target must be a path")
    if not is_local(parts.netloc):
        raise ForeignError("the sandbox serves 127.0.0.1 and localhost only, not for another host")


def read_body(stream: Readable, headers: Any) -> tuple[IO[bytes], int, str]:
    """Reads a request's body to its end. Returns the body, its length and its SHA-256 digest.

    Args:
        stream: the stream after the headers.
        headers: (name, value) pairs as received.

    Raises:
        MalformedError: the body's length is missing, ambiguous or wrong; the body is too long, or does not arrive.
    """
    lengths = [value.strip() for name, value in headers if name.lower() == "content-length"]
    codings = [value.strip().lower() for name, value in headers if name.lower() == "transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise MalformedError("the length of a body must be given once, by Content-Length or Transfer-Encoding")
    if codings and codings != ["chunked"]:
        raise MalformedError("Transfer-Encoding may only be chunked")
    body = _Body()
    try:
        if codings:
            _read_chunks(stream, body)
        elif lengths:
            body.take(stream, _length(lengths[0], 10))
    except (MalformedError, OSError) as error:
        body.file.close()
        if isinstance(error, TimeoutError):
            raise MalformedError(f"the body did not arrive: nothing was received for {SECONDS} s") from None
        raise
    body.file.seek(0)
    return body.file, body.size, body.digest.hexdigest()


class _Body:
    """The received part of a body: in memory while it is small, otherwise in a file."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by who reads it
        self.size, self.digest = 0, hashlib.sha256()

    def take(self, stream: Readable, size: int) -> None:
        if self.size + size > MAX_BYTES:
            raise MalformedError(f"a body may have at most {MAX_BYTES} bytes")
        while size:
            part = stream.read(min(CHUNK, size))
            if not part:
                raise MalformedError("the body ends before its length")
            self.file.write(part)
            self.digest.update(part)
            self.size += len(part)
            size -= len(part)


def _length(text: str, base: int) -> int:
    digits = "0123456789abcdef"[:base]
    if not text or len(text) > 16 or any(character not in digits for character in text.lower()):
        what = "Content-Length" if base == 10 else "the size of a chunk"
        raise MalformedError(f"{what} must be a whole number, got {text[:40]!r}")
    return int(text, base)


def _read_chunks(stream: Readable, body: _Body) -> None:
    while size := _length(_line(stream).partition(b";")[0].strip().decode("latin1"), 16):
        body.take(stream, size)
        if _line(stream):
            raise MalformedError("a chunk does not end at its declared size")
    for _ in range(MOST_TRAILERS):  # none of the services uses them
        if not _line(stream):
            return
    raise MalformedError(f"more than {MOST_TRAILERS} trailers")


def _line(stream: Readable) -> bytes:
    line = stream.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise MalformedError("a line of a chunked body does not end")
    return line.rstrip(b"\r\n")
