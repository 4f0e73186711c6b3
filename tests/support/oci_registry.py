"""A real registry for tests: Google's, in memory, built from its Go module and listening on loopback."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from model_packaging.files import cache_folder
from scaletozero.engine.go_build import GoModule, Say, build

REGISTRY = GoModule("github.com/google/go-containerregistry", "v0.22.1", {"registry": "cmd/registry"}, minutes=0.2)
OCI = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def find_registry(say: Say = lambda line: None) -> Path:
    """The folder of the program; builds it if it is not there.

    Raises:
        RuntimeError: Go is not installed, or the build failed.
    """
    target = cache_folder() / "registries" / f"go-containerregistry-{REGISTRY.version}"
    build(REGISTRY, target, say)
    return target


@contextmanager
def running_registry() -> Iterator[str]:
    """Its address, as `localhost:PORT`."""
    command = [str(find_registry() / "registry"), "-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            match = re.search(r"serving on port (\d+)", process.stderr.readline())
            assert match
            yield f"localhost:{match[1]}"
        finally:
            process.kill()


def tar_of(**files: bytes) -> bytes:
    """A layer's content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "."))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def ask(method: str, url: str, body: bytes = b"", media_type: str = "", **headers: str) -> urllib3.BaseHTTPResponse:
    sent = {"Accept": OCI, **({"Content-Type": media_type} if media_type else {}), **headers}
    return urllib3.request(method, url, body=body, headers=sent, timeout=60, retries=False)


def push_blob(repository: str, content: bytes) -> str:
    """Pushes a blob to `http://HOST/v2/NAME`."""
    where = ask("POST", f"{repository}/blobs/uploads/").headers["Location"]
    at = where if where.startswith("http") else f"{repository.partition('/v2/')[0]}{where}"
    digest = digest_of(content)
    assert ask("PUT", f"{at}?digest={digest}", content).status == 201
    return digest


def push_image(repository: str, tag: str, *layers: tuple[bytes, str], diff_ids: list[str], **changes: Any) -> str:
    """Pushes an image whose layers are given as they are, with the ends of their media types; returns its digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    described = [
        {"mediaType": f"{LAYER}{ending}", "digest": push_blob(repository, content), "size": len(content)}
        for content, ending in layers
    ]
    digest = push_blob(repository, config.encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {"mediaType": CONFIG, "digest": digest, "size": len(config)},
        "layers": described,
        **changes,
    }
    body = json.dumps(manifest).encode()
    assert ask("PUT", f"{repository}/manifests/{tag}", body, OCI).status == 201
    return digest_of(body)
