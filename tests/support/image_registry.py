"""A registry on loopback that answers as a test says, and remembers what it was asked."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def manifest(*sizes: int, compression: str = "+gzip") -> bytes:
    """A manifest with layers of these sizes."""
    layers = [{"mediaType": LAYER + compression, "size": size, "digest": f"sha256:{'0' * 64}"} for size in sizes]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": layers}).encode()


def index(**digests: str) -> bytes:
    """An index, by the names of processors."""
    found = [
        {"mediaType": OCI, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}}
        for name, digest in digests.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode()


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class ImageRegistry:
    """Attributes:
    port: the port on 127.0.0.1.
    manifests: tag or digest -> the manifest of the repository `team/vllm`.
    answers: path -> what answers instead.
    token: what a request must carry as its authorization, if it needs one.
    challenge: the header of a refusal.
    asked: path and authorization of each request, in order.
    ended: set when the test is over, for answers that never come.
    """

    port: int = 0
    manifests: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    token: str | None = None
    challenge: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def image(self, version: str = ":1") -> str:
        return f"{self.host}/team/vllm{version}"

    def add(self, body: bytes, *tags: str) -> str:
        """Adds a manifest by its digest and tags, and returns the digest."""
        for name in (digest_of(body), *tags):
            self.manifests[name] = body
        return digest_of(body)

    def needs_token(self, token: str = "t0ken") -> None:
        """Makes it refuse requests without a token, which it gives at `/token`."""
        self.token = f"Bearer {token}"
        self.challenge = f'Bearer realm="http://{self.host}/token",service="test",scope="repository:team/vllm:pull"'

        def give(handler: BaseHTTPRequestHandler) -> None:
            asked = parse_qs(urlsplit(handler.path).query)
            right = asked == {"service": ["test"], "scope": ["repository:team/vllm:pull"]}
            reply(handler, 200 if right else 400, json.dumps({"token": token}).encode())

        self.answers["/token"] = give

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        self.asked.append((handler.path, handler.headers.get("Authorization")))
        if path in self.answers:
            self.answers[path](handler)
            return
        if self.token and handler.headers.get("Authorization") != self.token:
            reply(handler, 401, b"{}", **{"WWW-Authenticate": self.challenge})
            return
        body = self.manifests.get(path.removeprefix("/v2/team/vllm/manifests/"))
        reply(handler, 404 if body is None else 200, b"{}" if body is None else body)


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Answers with a body, whose length is stated unless a header states another one."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def image_registry() -> Iterator[ImageRegistry]:
    """A running registry."""
    registry = ImageRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):  # the reader may have left
                registry.handle(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any, **__: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield registry
    finally:
        registry.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
