"""Reads an image's manifest from its registry: the OCI Distribution API, "Pulling manifests".

Only a command that says so uses it, never a component, a check or a preview: a program must not depend on a registry
that is reachable, and a registry must not learn of every preview.

No more than a manifest is read, and no more than `MANIFEST_BYTES` of it. Credentials are sent only to the registry that
they are for, and are in no finding.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from model_packaging.artifact.oci import MANIFEST_BYTES
from model_packaging.findings import FindingsError, refuse
from model_packaging.validation import show
from scaletozero.cold_start.image import INDEXES, MANIFESTS, ImageContent, content_of, platform_digest
from scaletozero.settings.images import TAG_AND_DIGEST

LARGEST_TOKEN = 64 * 2**10
"""Most bytes of the answer that has a token."""

TIMEOUT_SECONDS = 10
"""Time for a connection, and between two parts of an answer."""

TOTAL_SECONDS = 30
"""Time for one whole answer."""

_REFERENCE = re.compile(rf"(?P<registry>[^/]+)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*){TAG_AND_DIGEST}")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')

Credentials = Callable[[str], str | None]
"""Host of a registry -> the value of the header `Authorization` for it; None if there is none."""


@dataclass(frozen=True)
class Reference:
    """An image's reference: its registry, its repository there, and a tag or a digest."""

    image: str
    registry: str
    repository: str
    version: str

    @property
    def host(self) -> str:
        """The host that answers for the registry. Docker Hub's is not the one in its images' names."""
        return "registry-1.docker.io" if self.registry == "docker.io" else self.registry

    @property
    def path(self) -> str:
        """The path of the repository. Docker Hub's own images have a folder that is not in their names."""
        own = self.registry == "docker.io" and "/" not in self.repository
        return f"library/{self.repository}" if own else self.repository


def reference_of(image: str) -> Reference:
    """Splits an image's reference. A digest comes before a tag.

    Raises:
        FindingsError: it is not an image with its registry.
    """
    match = _REFERENCE.fullmatch(image)
    version = match and (match["digest"] or match["tag"])
    if not match or not version:
        raise refuse("image", "must be an image with its registry, and a tag or a digest", show(image))
    return Reference(image, match["registry"], match["repository"], version)


def read_image(image: str, credentials: Credentials = lambda host: None) -> ImageContent:
    """Reads an image's size and layers. An index of platforms is followed to its image for linux/amd64.

    Args:
        image: the image, with its registry and a tag or a digest.
        credentials: for registries that do not answer without; asked only when one refuses.

    Raises:
        FindingsError: the registry refuses, cannot be reached, takes too long, or answers with something else.
    """
    return Registry(reference_of(image), credentials).content()


class Registry:
    """A repository of a registry, in which manifests are read.

    Attributes:
        reference: the image.
        actions: what it needs to be allowed, as a token's scope names it.
    """

    actions = "pull"

    def __init__(self, reference: Reference, credentials: Credentials) -> None:
        self.reference = reference
        self.image, self.host = reference.image, reference.host
        self._credentials = credentials
        self._scheme = "http" if is_loopback(self.host) else "https"
        self._authorization: str | None = None

    @property
    def base(self) -> str:
        """The URL of the repository."""
        return f"{self._scheme}://{self.host}/v2/{self.reference.path}"

    def content(self) -> ImageContent:
        """The image's size and layers."""
        document, digest = self.manifest()
        return content_of(document, digest, self.image)

    def manifest(self) -> tuple[Mapping[str, Any], str]:
        """The image's manifest and its digest. An index of platforms is followed to its image for linux/amd64."""
        document, digest = self._manifest(self.reference.version)
        if _media_type(document) in INDEXES or "manifests" in document:
            document, digest = self._manifest(platform_digest(document, self.image))
            if "manifests" in document:
                raise self.refused("must be an image, or an index of images", "an index in an index")
        return document, digest

    def _manifest(self, version: str) -> tuple[Mapping[str, Any], str]:
        url = f"{self.base}/manifests/{version}"
        status, headers, body = self._get(url, MANIFEST_BYTES, self._authorization)
        if status == 401 and self._authorization is None:
            self._authorization = self._authorize(headers.get("WWW-Authenticate", ""))
            status, headers, body = self._get(url, MANIFEST_BYTES, self._authorization)
        if status != 200:
            raise self.refused(*meaning(status))
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if version.startswith("sha256:") and version != digest:
            raise self.refused("must be what its digest says", digest, "another image would be described")
        return self._json(body), digest

    def _authorize(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        known = self._credentials(self.host)
        if scheme.lower() == "basic" and known:
            return known
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.get("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise self.refused(*meaning(401))
        at = urlsplit(realm)
        if at.scheme != "https" and not (self._scheme == "http" and is_loopback(at.netloc)):
            rule = "the address that gives tokens must begin with https"
            raise self.refused(rule, show(at.scheme), "a token would be sent in plain text")
        query = {"scope": f"repository:{self.reference.path}:{self.actions}"}
        if asked.get("service"):
            query["service"] = asked["service"]
        # Credentials are for the registry; who gives its tokens may be another host.
        mine = known if at.netloc == self.host else None
        joint = "&" if at.query else "?"
        status, _, body = self._get(f"{realm}{joint}{urlencode(query)}", LARGEST_TOKEN, mine)
        answer = self._json(body) if status == 200 else {}
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            raise self.refused(*meaning(401 if status == 200 else status))
        return f"Bearer {token}"

    def _get(self, url: str, limit: int, authorization: str | None) -> tuple[int, Mapping[str, str], bytes]:
        import urllib3  # only for a command that reads from a registry

        headers = {"Accept": ", ".join((*MANIFESTS, *INDEXES)), "Accept-Encoding": "identity"}
        if authorization:
            headers["Authorization"] = authorization
        ends = time.monotonic() + TOTAL_SECONDS
        try:
            with pool_for(url) as pool:
                timeout = urllib3.Timeout(connect=TIMEOUT_SECONDS, read=TIMEOUT_SECONDS)
                answer = pool.request(
                    "GET", url, headers=headers, timeout=timeout, retries=False, redirect=False, preload_content=False
                )
                body = self._limited(answer, limit, ends)
                return answer.status, answer.headers, body
        except urllib3.exceptions.HTTPError as error:
            raise self.refused("its registry must answer", reason(error), "its size is not known") from None

    def _limited(self, answer: Any, limit: int, ends: float) -> bytes:
        """The body of an answer, if that is not too large, and comes in time."""
        # `read1` returns what is there; `read` would wait for a whole part, however slowly it comes.
        parts, size = [], 0
        stated = answer.headers.get("Content-Length", "")
        too_large = stated.isdigit() and int(stated) > limit
        while not too_large and (part := answer.read1(65536, decode_content=False)):
            parts.append(part)
            size += len(part)
            too_large = size > limit
            if time.monotonic() > ends:
                raise self.refused("its registry must answer", f"no whole answer within {TOTAL_SECONDS} s")
        if too_large:
            answer.close()
            got = f"{int(stated):,}" if stated.isdigit() and len(stated) < 30 else "more"
            raise self.refused(f"its manifest may have at most {limit:,} bytes", got, "it would fill the memory")
        return b"".join(parts)

    def _json(self, body: bytes) -> Mapping[str, Any]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            rule = "its registry must answer with a manifest"
            raise self.refused(rule, "something else than a JSON object", fix="name the registry, not its web page")
        return found

    def refused(self, rule: str, got: str = "", consequence: str = "", fix: str = "") -> FindingsError:
        """A finding on the image."""
        return refuse(self.image, rule, got, consequence, fix)


def meaning(status: int) -> tuple[str, str, str, str]:
    """What an answer other than 200 means: rule, got, consequence, fix."""
    unknown = "its size is not known"
    if status in (401, 403):
        fix = "log in to AWS for Amazon ECR; of other registries, only public images can be read"
        return "its registry must let it be read", f"{status}, no access", unknown, fix
    if status == 404:
        return "must be in its registry", "404, not found", "no node could pull it", "check the repository and the tag"
    if status == 429:
        return "its registry must answer", "429, too many requests", unknown, "try again later"
    if 300 <= status < 400:
        return "its registry must answer itself", f"{status}, a redirection", unknown, "name the registry's own host"
    return "its registry must answer with a manifest", str(status), unknown, "try again later"


def reason(error: Exception) -> str:
    """A failure without addresses, which could have credentials in them."""
    words = {"NewConnectionError": "no connection", "NameResolutionError": "a host that is not known"}
    name = type(error).__name__
    if name in ("ConnectTimeoutError", "ReadTimeoutError"):
        return f"nothing within {TIMEOUT_SECONDS} s"
    return words.get(name, name)


def _media_type(document: Mapping[str, Any]) -> str:
    return str(document.get("mediaType"))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which needs no encryption (as Docker has it)."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def pool_for(url: str) -> Any:
    """The connections for an address, through the machine's proxy where it has one."""
    import urllib3

    at = urlsplit(url)
    proxy = getproxies().get(at.scheme)
    if proxy and not is_loopback(at.netloc) and not proxy_bypass(at.netloc):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager()
