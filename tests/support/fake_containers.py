"""Archives for the container in tests/unit/sandbox/fake_container.py, and the program that runs it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAM = (str(Path(__file__).resolve().parents[1] / "unit" / "sandbox"), "fake_container")
"""What the sandbox starts instead of the real container's program."""


def archive(**behaviour: Any) -> bytes:
    """An artifact whose container behaves as is said here; see fake_container.py."""
    return model_archive({"behaviour.json": json.dumps({"version": 1} | behaviour).encode()})


def model_archive(files: Mapping[str, bytes]) -> bytes:
    """A model.tar.gz of files by name, with the card that lists them."""
    entries = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    return packed({**files, "model.json": json.dumps({"schema": 1, "files": entries}).encode()})


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of files by name: the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)
