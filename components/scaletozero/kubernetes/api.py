"""A cluster's API for objects of any kind: plain dicts, server-side apply, strict fields, the server's own words.

Uses the transport and the kubeconfig of the `kubernetes` client, but not its classes per kind: those drop unknown
fields, and custom resources have none.
"""

from __future__ import annotations

import functools
import json
import re
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import yaml

from model_packaging.files import read_text

LARGEST_KUBECONFIG = 1_000_000
"""Maximum bytes of a kubeconfig."""

TIMEOUT_SECONDS = 60
"""Timeout of a request."""

_CONNECTIONS = 32

Manifest = Mapping[str, Any]


class ApiError(RuntimeError):
    """The cluster refused, or could not be reached.

    Attributes:
        status: the HTTP status; 0 when there was no response.
        reason: the server's machine-readable reason (`NotFound`, `Invalid`, `Conflict`).
        causes: the server's (field path, reason, message), if it names fields.
    """

    def __init__(
        self, message: str, status: int = 0, reason: str = "", causes: tuple[tuple[str, str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.causes = status, reason, causes


class UnknownKindError(ApiError):
    """The cluster has no such kind: its definition is not installed, or not yet."""


@dataclass(frozen=True)
class Kind:
    """One kind as the cluster serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        root = "/apis" if "/" in self.api_version else "/api"
        scope = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}/{self.api_version}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


def _text(kubeconfig: Path) -> str:
    # KUBECONFIG may name something that never ends when it is read.
    return read_text(kubeconfig.expanduser(), LARGEST_KUBECONFIG)


class KubernetesApi:
    """Talks to one cluster. Safe to use from several threads. `cluster` is its name in the kubeconfig.

    Args:
        kubeconfig: a file, or the content of one.
        context: the context. Default: the file's current one.

    Raises:
        ApiError: the kubeconfig cannot be read.
    """

    def __init__(self, kubeconfig: str | Path, context: str | None = None) -> None:
        # This import takes half a second or more, which a program without Kubernetes should not spend.
        from kubernetes.client import Configuration
        from kubernetes.client.rest import RESTClientObject
        from kubernetes.config import ConfigException
        from kubernetes.config.kube_config import load_kube_config_from_dict

        try:
            text = str(kubeconfig) if "\n" in str(kubeconfig) else _text(Path(kubeconfig))
            content = yaml.safe_load(text)
            configuration = Configuration()
            load_kube_config_from_dict(content, context=context, client_configuration=configuration)
        except (
            *(OSError, ValueError, RecursionError, yaml.YAMLError, ConfigException),
            *(AttributeError, TypeError, KeyError),
        ) as error:
            raise ApiError(f"the kubeconfig cannot be used: {error}") from None
        chosen = context or content.get("current-context")
        contexts = {entry["name"]: entry["context"] for entry in content.get("contexts") or ()}
        self.namespace: str = (contexts.get(chosen) or {}).get("namespace") or "default"
        self.cluster: str = (contexts.get(chosen) or {}).get("cluster") or ""
        configuration.connection_pool_maxsize = _CONNECTIONS
        self.url: str = configuration.host
        if not configuration.verify_ssl:
            _warn_once(self.url)
        self._configuration = configuration
        # The client's calls differ between its major versions; how it reads a kubeconfig does not.
        self._pool: Any = RESTClientObject(configuration).pool_manager
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        warn: Callable[[str], None] = lambda line: None,
    ) -> Any:
        """Sends one request and returns the decoded response. `body` is sent as JSON, unless it is text already.

        `warn` receives the server's warnings. Raises ApiError.
        """
        if query:
            path = f"{path}?{urlencode(query)}"
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        response = self._send(method, path, data, {"Content-Type": content_type})
        data = response.data
        for warning in response.headers.getlist("Warning"):
            # RFC 9111: 299 - "the text"
            warn(warning.partition('"')[2].rpartition('"')[0].replace('\\"', '"') or warning)
        text = data.decode() if data else ""
        return json.loads(text) if text.startswith(("{", "[")) else text

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", **headers}
        if token := self._configuration.auth_settings().get("BearerToken"):
            headers["Authorization"] = str(token["value"])
        try:
            response = self._pool.request(
                method, self.url + path, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False
            )
        except (HTTPError, OSError) as error:
            raise ApiError(f"{self.url} does not respond: {error}") from None
        if not 200 <= response.status <= 299:
            raise _refusal(response.status, response.data)
        return response

    def clock(self) -> datetime:
        """The server's time, to the second. Raises ApiError."""
        date = self._send("GET", "/version", None, {}).headers.get("Date", "")
        try:
            return parsedate_to_datetime(date)
        except ValueError:
            raise ApiError(f"{self.url} does not say what time it is: Date: {date[:100]}") from None

    def log(self, namespace: str, pod: str, container: str, most_bytes: int) -> str:
        """The begin of a container's log. Raises ApiError."""
        query = urlencode({"container": container, "limitBytes": most_bytes})
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}"
        return self._send("GET", path, None, {"Accept": "*/*"}).data.decode(errors="replace")

    def version(self) -> tuple[int, int]:
        """The server's (major, minor). Raises ApiError."""
        response = self.request("GET", "/version")
        return int(response["major"]), int(response["minor"].rstrip("+"))

    def kind(self, api_version: str, kind: str) -> Kind:
        """How the cluster serves a kind. Raises UnknownKindError, ApiError."""
        with self._lock:
            known = self._kinds.get(api_version, {}).get(kind)
            if known is None:
                # Requested again each time: the definition may have been installed since.
                self._kinds[api_version] = self._discover(api_version)
                known = self._kinds[api_version].get(kind)
        if known is None:
            raise UnknownKindError(f"the cluster has no kind {kind} in {api_version}", 404, "NoKindMatch")
        return known

    def _discover(self, api_version: str) -> dict[str, Kind]:
        root = "/apis" if "/" in api_version else "/api"
        try:
            resources = self.request("GET", f"{root}/{api_version}")["resources"]
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        return {
            each["kind"]: Kind(api_version, each["kind"], each["name"], each["namespaced"])
            for each in resources
            if "/" not in each["name"]
        }

    def kind_of(self, manifest: Manifest) -> Kind:
        return self.kind(manifest["apiVersion"], manifest["kind"])

    def path_of(self, manifest: Manifest) -> str:
        """The object's path. Its namespace defaults to the kubeconfig's."""
        metadata = manifest["metadata"]
        return self.kind_of(manifest).path(metadata.get("namespace") or self.namespace, metadata["name"])

    def get(self, manifest: Manifest) -> dict[str, Any] | None:
        """The live object that `manifest` names; None if it does not exist. Raises ApiError."""
        try:
            return self.request("GET", self.path_of(manifest))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[dict[str, Any]]:
        """The objects of a kind, in one namespace or in all. Raises ApiError."""
        query = {"labelSelector": labels} if labels else None
        return self.request("GET", self.kind(api_version, kind).path(namespace), query=query)["items"]

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> dict[str, Any]:
        """Creates an object, which must not exist yet. Raises ApiError."""
        path = self.kind_of(manifest).path(manifest["metadata"].get("namespace") or self.namespace)
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self.request("POST", path, manifest, query)

    def apply(
        self,
        manifest: Manifest,
        *,
        manager: str = "scaletozero",
        force: bool = False,
        dry_run: bool = False,
        warn: Callable[[str], None] = lambda line: None,
    ) -> dict[str, Any]:
        """Applies an object on the server, with strict field validation. Returns the resulting object.

        Args:
            manager: the field manager. Fields of another manager with another value are a conflict.
            force: whether to take over conflicting fields.
            warn: receives the server's warnings (a pod template that the namespace's policy won't admit).

        Raises:
            ApiError: the server refused it: unknown fields, invalid values, a conflict, admission.
        """
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        body = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False)
        return self.request("PATCH", self.path_of(manifest), body, query, "application/apply-patch+yaml", warn)

    def patch(self, manifest: Manifest, change: Manifest, *, subresource: str = "") -> dict[str, Any]:
        """JSON merge patch of the object that `manifest` names. Raises ApiError."""
        path = self.path_of(manifest) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, change, content_type="application/merge-patch+json")

    def delete(self, manifest: Manifest, *, propagation: str = "Background") -> bool:
        """Deletes the object that `manifest` names. Returns whether it existed. Raises ApiError."""
        try:
            self.request("DELETE", self.path_of(manifest), {"propagationPolicy": propagation})
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def close(self) -> None:
        self._pool.clear()


@functools.cache
def _warn_once(url: str) -> None:
    """Warns once per process, instead of urllib3's warning at each request."""
    from urllib3.exceptions import InsecureRequestWarning

    theirs = f"Unverified HTTPS request is being made to host '{urlsplit(url).hostname}'"
    warnings.filterwarnings("ignore", re.escape(theirs), InsecureRequestWarning)
    warnings.warn(f"the kubeconfig turns off the check of the certificate of {url}", InsecureRequestWarning, 3)


def _refusal(status: int, data: bytes | None) -> ApiError:
    try:
        response = json.loads(data or b"")
        details = response.get("details") or {}
        causes = tuple(
            (cause.get("field", ""), cause.get("reason", ""), cause.get("message", ""))
            for cause in details.get("causes") or ()
        )
        return ApiError(response.get("message") or f"HTTP {status}", status, response.get("reason", ""), causes)
    except (ValueError, AttributeError):
        return ApiError((data or b"").decode(errors="replace").strip() or f"HTTP {status}", status)


_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):
    """Writes YAML that the server's reader reads as the same values.

    Not JSON, whose escapes for characters beyond 16 bits YAML does not have; and every string in quotes, because the
    server's reader takes a bare `n` or `y` for a boolean, which this writer does not know.
    """


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
