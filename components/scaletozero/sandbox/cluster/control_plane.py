"""etcd and kube-apiserver on loopback: a cluster that validates and stores objects like any other."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scaletozero.engine.go_build import Say
from scaletozero.sandbox.cluster.certificates import write_certificates, write_key
from scaletozero.sandbox.cluster.programs import CONTROL_PLANE, find_programs
from scaletozero.sandbox.cluster.supervisor import EndedError, Supervisor

START_SECONDS = 300
"""How long etcd or the API server may take to become ready."""

_ATTEMPTS = 3


@dataclass(frozen=True)
class Cluster:
    """A running control plane.

    Attributes:
        url: the API server's URL.
        kubeconfig: a kubeconfig file with the rights of `system:masters`.
        supervisor: runs the cluster's processes, and can run additional ones.
    """

    url: str
    kubeconfig: Path
    supervisor: Supervisor

    @property
    def folder(self) -> Path:
        """A temporary folder, deleted with its content when the cluster stops."""
        return self.supervisor.folder

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-accounts.key"


@contextlib.contextmanager
def control_plane(say: Say = lambda line: None) -> Iterator[Cluster]:
    """Starts a new, empty cluster. It is deleted when the block or this process ends.

    Pod Security, quota, priority and CEL admission are on; pods need no service account to exist.

    Raises:
        FindingsError: etcd or the API server could not be built.
        EndedError: one of them ended while it started.
    """
    programs = find_programs(CONTROL_PLANE, say)
    supervisor = Supervisor(Path(tempfile.mkdtemp(prefix="scaletozero-cluster-")))
    try:
        began = time.monotonic()
        cluster = _start(supervisor, programs)
        say(f"cluster: {cluster.url} responds after {time.monotonic() - began:.1f} s")
        yield cluster
    finally:
        supervisor.close()


def free_ports(count: int) -> list[int]:
    """Free ports of 127.0.0.1. Another process can still bind one of them before it is used."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start(supervisor: Supervisor, programs: dict[str, Path]) -> Cluster:
    folder = supervisor.folder
    write_certificates(folder / "tls")
    write_key(folder / "service-accounts.key")
    token = secrets.token_hex(16)
    tokens = folder / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f"{token},admin,admin,system:masters\n")
    etcd = _until_it_runs(lambda: _start_etcd(supervisor, programs["etcd"]))
    url = _until_it_runs(lambda: _start_api_server(supervisor, programs["kube-apiserver"], etcd, token))
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(json.dumps(_kubeconfig(url, folder / "tls" / "ca.crt", token)))
    return Cluster(url, kubeconfig, supervisor)


def _until_it_runs(start: Callable[[], str]) -> str:
    for _ in range(_ATTEMPTS - 1):
        try:
            return start()
        except EndedError as error:
            # Another process may have bound the port since it was chosen.
            if "address already in use" not in str(error):
                raise
    return start()


def _start_etcd(supervisor: Supervisor, program: Path) -> str:
    client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
    supervisor.start(
        "etcd",
        [
            program, "--unsafe-no-fsync", "--data-dir", supervisor.folder / "etcd", "--log-level", "warn",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ],
    )  # fmt: skip
    wait_until(supervisor, "etcd", lambda: responds(f"{client}/health"))
    return client


def _start_api_server(supervisor: Supervisor, program: Path, etcd: str, token: str) -> str:
    folder, (port,) = supervisor.folder, free_ports(1)
    key = folder / "service-accounts.key"
    supervisor.start(
        "kube-apiserver",
        [
            program, "--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", str(port),
            "--cert-dir", folder / "apiserver", "--tls-cert-file", folder / "tls" / "tls.crt",
            "--tls-private-key-file", folder / "tls" / "tls.key", "--token-auth-file", folder / "tokens.csv",
            "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
            "--service-account-signing-key-file", key, "--authorization-mode", "RBAC",
            "--service-cluster-ip-range", "10.0.0.0/16", "--disable-admission-plugins", "ServiceAccount",
            "--v", "0",
        ],
    )  # fmt: skip
    url = f"https://127.0.0.1:{port}"
    trusted = ssl.create_default_context(cafile=folder / "tls" / "ca.crt")
    wait_until(supervisor, "kube-apiserver", lambda: responds(f"{url}/readyz", token, trusted))
    return url


def wait_until(supervisor: Supervisor, name: str, ready: Callable[[], bool]) -> None:
    """Waits for `ready`. Raises EndedError when the process `name` ends first or takes longer than START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        supervisor.require_running(name)
        if time.monotonic() > deadline:
            raise EndedError(f"{name} did not respond within {START_SECONDS} s: {supervisor.last_words(name)}")
        time.sleep(0.1)


def responds(url: str, token: str = "", trusted: ssl.SSLContext | None = None) -> bool:
    """Whether a health endpoint on this machine responds with 200."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5, context=trusted) as response:  # noqa: S310 - loopback
            return response.status == 200
    except OSError:
        return False


def _kubeconfig(url: str, authority: Path, token: str) -> dict:
    """JSON is YAML, so this file needs no YAML library."""
    cluster = {"server": url, "certificate-authority": str(authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "admin"}}],
        "current-context": "sandbox",
    }
