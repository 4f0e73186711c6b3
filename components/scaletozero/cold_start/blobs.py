"""Reads and writes the blobs of a repository: the OCI Distribution API, "Pulling blobs" and "Pushing".

Blobs are layers of gigabytes: they are never in memory as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from model_packaging.validation import show
from scaletozero.cold_start.registry import TIMEOUT_SECONDS, Registry, is_loopback, meaning, pool_for, reason

CHUNK = 1 << 20
UPLOAD_SECONDS = 300
"""Time until a registry has stored a blob after its last byte."""

_REDIRECTS = (301, 302, 303, 307, 308)


class Received:
    """A blob while it arrives: a file for reading, which is not checked before `finish`."""

    def __init__(self, answer: Any, digest: str, size: int) -> None:
        self._answer, self._digest, self._size = answer, digest, size
        self._hash, self._got = hashlib.sha256(), 0

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, `size` at most; empty at the end. Never more than the manifest says, and one."""
        left = self._size + 1 - self._got
        data = self._answer.read(min(size if size > 0 else CHUNK, left), decode_content=False) if left > 0 else b""
        self._hash.update(data)
        self._got += len(data)
        return data

    def finish(self) -> str | None:
        """Reads the rest; what differs from the digest and the size, None if nothing does."""
        while self.read():
            pass
        if self._got != self._size:
            return f"{self._got} bytes instead of {self._size}" if self._got <= self._size else "more bytes"
        found = f"sha256:{self._hash.hexdigest()}"
        return None if found == self._digest else found


class Blobs(Registry):
    """A repository from which blobs are read."""

    @contextmanager
    def blob(self, digest: str, size: int) -> Iterator[Received]:
        """A blob as it arrives.

        Raises:
            FindingsError: the registry does not give it.
        """
        url, authorization = f"{self.base}/blobs/{digest}", self._authorization
        for _ in range(2):
            with self._asked("GET", url, {}, authorization=authorization) as answer:
                if answer.status in _REDIRECTS:
                    # Registries keep blobs elsewhere, at an address that is signed: nothing of ours goes there.
                    url, authorization = self._elsewhere(url, answer), None
                    continue
                if answer.status != 200:
                    raise self.refused(*meaning(answer.status))
                yield Received(answer, digest, size)
                return
        raise self.refused("its registry must give its layers", "a redirection to a redirection")

    def _elsewhere(self, url: str, answer: Any) -> str:
        found = urljoin(url, answer.headers.get("Location", ""))
        at = urlsplit(found)
        here = at.scheme == self._scheme == "http" and is_loopback(at.netloc)
        if at.scheme != "https" and not here:
            raise self.refused("its layers must be at an address that begins with https", show(at.scheme))
        return found

    @contextmanager
    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, authorization: str | None = None
    ) -> Iterator[Any]:
        import urllib3

        sent = {"Accept-Encoding": "identity", **headers}
        if authorization:
            sent["Authorization"] = authorization
        wait = UPLOAD_SECONDS if body is not None else TIMEOUT_SECONDS
        try:
            with pool_for(url) as pool:
                answer = pool.request(
                    method,
                    url,
                    headers=sent,
                    body=body,
                    timeout=urllib3.Timeout(connect=TIMEOUT_SECONDS, read=wait),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                yield answer
        except urllib3.exceptions.HTTPError as error:
            raise self.refused("its registry must answer", reason(error)) from None


class Writable(Blobs):
    """A repository to which an image is pushed."""

    actions = "pull,push"

    def begin(self) -> None:
        """Asks whether blobs may be uploaded, and gets a token if one is needed.

        Raises:
            FindingsError: they may not.
        """
        url = f"{self.base}/blobs/uploads/"
        with self._asked("POST", url, {"Content-Length": "0"}) as answer:
            status, challenge = answer.status, answer.headers.get("WWW-Authenticate", "")
        if status == 401:
            self._authorization = self._authorize(challenge)
            with self._asked("POST", url, {"Content-Length": "0"}, authorization=self._authorization) as answer:
                status = answer.status
        if status != 202:
            raise self._not_taken(status)

    def has(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        url = f"{self.base}/blobs/{digest}"
        with self._asked("HEAD", url, {}, authorization=self._authorization) as answer:
            return answer.status == 200

    def put_blob(self, content: BinaryIO, digest: str, size: int) -> None:
        """Uploads a blob, unless it is there. The registry checks its digest.

        Raises:
            FindingsError: the registry does not take it.
        """
        if self.has(digest):
            return
        url = f"{self.base}/blobs/uploads/"
        with self._asked("POST", url, {"Content-Length": "0"}, authorization=self._authorization) as answer:
            if answer.status != 202:
                raise self._not_taken(answer.status)
            at = self._elsewhere(url, answer)
        at += f"{'&' if urlsplit(at).query else '?'}digest={digest}"
        # Credentials are for the registry; an upload to another host is signed in its address.
        mine = self._authorization if urlsplit(at).netloc == self.host else None
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._asked("PUT", at, headers, content, authorization=mine) as answer:
            if answer.status not in (201, 204):
                raise self._not_taken(answer.status)

    def put_manifest(self, body: bytes, media_type: str) -> None:
        """Puts the manifest, whose blobs are there: the tag names the image from now on.

        Raises:
            FindingsError: the registry does not take it.
        """
        url, headers = f"{self.base}/manifests/{self.reference.version}", {"Content-Type": media_type}
        with self._asked("PUT", url, headers, body, authorization=self._authorization) as answer:
            status = answer.status
        if status not in (201, 204):
            raise self._not_taken(status)
        _, found = self.manifest()
        if found != f"sha256:{hashlib.sha256(body).hexdigest()}":
            raise self.refused("its registry must keep what was pushed", found, "the tag names another image")

    def _not_taken(self, status: int) -> Exception:
        if status in (401, 403):
            fix = "log in to AWS with the right to push to this repository"
            return self.refused("its registry must let it be pushed", f"{status}, no access", fix=fix)
        if status == 404:
            return self.refused("its repository must exist", "404, not found", fix="create the repository")
        if status in (400, 409):
            fix = "write a tag that does not exist yet"
            return self.refused("its registry must take it", f"{status}; is the tag immutable?", fix=fix)
        return self.refused("its registry must take it", str(status), "nothing names what was uploaded")
