"""The page's server: loopback only, behind a random token in the address, and closed to the pages of other hosts."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model_packaging.extras import not_installed
from model_packaging.findings import refuse
from scaletozero.sandbox.local_callers import ForeignError, MalformedError, require_local

HOST = "127.0.0.1"

EXTRA = "dashboard"
"""The extra of this distribution that brings the library for plots, whose package has its script."""

HEADERS = {
    # Only what this server sends, so that nothing of the page can reach, or come from, another host. The library for
    # plots writes its own rules of style into the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address has the token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

SECONDS = 30
"""How long a connection may stay without a request."""

_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css"}

SNAPSHOT = "snapshot.json"


def page_files() -> dict[str, Path]:
    """The page's files by the last part of their address.

    Raises:
        NotInstalledError: the library for plots is not installed.
    """
    found = find_spec("plotly")
    if found is None or found.origin is None:
        raise not_installed(EXTRA, "plotly")
    own = Path(str(resources.files("scaletozero.page") / "assets"))
    return {
        "": own / "page.html",
        "page.js": own / "page.js",
        "page.css": own / "page.css",
        "plotly.min.js": Path(found.origin).parent / "package_data" / "plotly.min.js",
    }


class PageServer(ThreadingHTTPServer):
    """Serves the page and, each time that it is asked for, a snapshot.

    Attributes:
        token: the secret part of the address.
    """

    daemon_threads = True

    def __init__(self, port: int, snapshot: Callable[[], Mapping[str, Any]], files: Mapping[str, Path]) -> None:
        """Args:
        port: 0 selects any free one.
        snapshot: what the page shows.
        files: as `page_files`.

        Raises:
            FindingsError: the port is in use, or may not be used.
        """
        self.token = secrets.token_urlsafe(24)
        self.snapshot, self.files = snapshot, files
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            rule, fix = "must be a port that nothing else uses", "take another port, or 0 for any free one"
            raise refuse("--port", rule, port, error.strerror or str(error), fix) from None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is closed in the middle of a response is no error; anything else is shown as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "scaletozero", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        try:
            require_local(self.headers.items(), "GET", "the dashboard")
        except ForeignError as error:
            return self._send(403, str(error).encode())
        except MalformedError as error:
            self.close_connection = True
            return self._send(400, str(error).encode())
        token, slash, name = self.path.removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            return self._send(404, b"There is no such page: open the whole address that the command has printed.")
        if name == SNAPSHOT:
            body = json.dumps(self.server.snapshot(), allow_nan=False).encode()
            return self._send(200, body, "application/json")
        if name in self.server.files:
            file = self.server.files[name]
            return self._send(200, file.read_bytes(), _TYPES[file.suffix])
        return self._send(404, b"There is no such file.")

    def _send(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: the address has the token, and a line a second would hide what the command has said."""
