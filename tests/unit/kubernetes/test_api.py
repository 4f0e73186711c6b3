"""What a kubeconfig says about who asks reaches the cluster, whichever release of the client reads it."""

import json
import ssl
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.sandbox.cluster.certificates import write_certificates


class Cluster(HTTPServer):
    """Answers every request as a version, and keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.authorizations: list[str | None] = []
        self.bodies: list[bytes] = []
        self.date = ""

    def kubeconfig(self, user: dict[str, Any]) -> str:
        """Of this cluster, as that user."""
        content = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        return json.dumps(content, indent=1)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cluster = self.server
        assert isinstance(cluster, Cluster)
        cluster.authorizations.append(self.headers["Authorization"])
        cluster.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/version")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b'{"major": "1", "minor": "34+"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Warning", '299 - "old \\"words\\""')
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        cluster = self.server
        assert isinstance(cluster, Cluster)
        return cluster.date

    do_POST = do_GET  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    server = Cluster()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_token_is_sent_and_without_one_none(cluster: Cluster) -> None:
    assert KubernetesApi(cluster.kubeconfig({"token": "abc"})).version() == (1, 34)
    KubernetesApi(cluster.kubeconfig({})).version()
    assert cluster.authorizations == ["Bearer abc", None]


def test_its_clock_is_read_from_its_response(cluster: Cluster) -> None:
    api = KubernetesApi(cluster.kubeconfig({}))
    cluster.date = "Sat, 28 Nov 2026 12:00:05 GMT"
    assert api.clock() == datetime(2026, 11, 28, 12, 0, 5, tzinfo=UTC)
    for date in ("", "yesterday"):
        cluster.date = date
        with pytest.raises(ApiError, match="does not say what time it is"):
            api.clock()


def test_a_program_that_gives_tokens_is_asked_again_once_one_has_run_out(cluster: Cluster, tmp_path: Path) -> None:
    """As EKS's does: its tokens last a quarter of an hour."""
    status = {"token": "$(wc -l < count)", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    program = tmp_path / "program"
    program.write_text(f"cd {tmp_path}; echo >> count; cat <<EOF\n{json.dumps(credential)}\nEOF\n")
    run = {"apiVersion": credential["apiVersion"], "command": "sh", "args": [str(program)], "interactiveMode": "Never"}
    api = KubernetesApi(cluster.kubeconfig({"exec": run}))
    api.version()
    api.version()
    first, second = (int((sent or "").removeprefix("Bearer ")) for sent in cluster.authorizations)
    assert 1 <= first < second


def test_a_body_goes_out_as_json_and_a_warning_comes_back(cluster: Cluster) -> None:
    warnings: list[str] = []
    KubernetesApi(cluster.kubeconfig({})).request("POST", "/x", {"a": [1]}, {"q": "a b"}, warn=warnings.append)
    assert json.loads(cluster.bodies[0]) == {"a": [1]}
    assert warnings == ['old "words"']


def test_a_token_does_not_follow_to_another_place(cluster: Cluster) -> None:
    with pytest.raises(ApiError) as caught:
        KubernetesApi(cluster.kubeconfig({"token": "abc"})).request("GET", "/elsewhere")
    assert caught.value.status == 302
    assert len(cluster.authorizations) == 1


def test_a_cluster_that_does_not_answer(cluster: Cluster) -> None:
    kubeconfig = cluster.kubeconfig({})
    cluster.shutdown()
    cluster.server_close()
    with pytest.raises(ApiError, match="does not respond") as caught:
        KubernetesApi(kubeconfig).version()
    assert caught.value.status == 0


def test_a_certificate_that_is_not_verified_is_warned_of_once(cluster: Cluster, tmp_path: Path) -> None:
    write_certificates(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls" / "tls.crt", tmp_path / "tls" / "tls.key")
    cluster.socket = context.wrap_socket(cluster.socket, server_side=True)
    content = json.loads(cluster.kubeconfig({"token": "abc"}))
    where = {"server": f"https://127.0.0.1:{cluster.server_port}", "insecure-skip-tls-verify": True}
    content["clusters"][0]["cluster"] = where
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", InsecureRequestWarning)  # as urllib3 has it
        for _ in range(2):
            api = KubernetesApi(json.dumps(content, indent=1))
            for _ in range(3):
                assert api.version() == (1, 34)
    (only,) = (str(each.message) for each in said)
    assert only == f"the kubeconfig turns off the check of the certificate of {where['server']}"
