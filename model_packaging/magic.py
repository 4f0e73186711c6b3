"""Recognises file formats by their bytes, never by their names. Standard library only: the artifact check uses it in a
preview.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from pathlib import Path

HEAD_BYTES = 512

_PREFIXES = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"GGUF", "gguf"),
    (b"\x93NUMPY", "npy"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x7fELF", "elf"),
)

RUNS_CODE = {
    "pickle": "loading a pickle runs any code that it contains",
    "zip": "PyTorch, Keras and joblib files are zips around pickles, and loading one runs any code that it contains",
    "hdf5": "a Keras file may contain code that runs on load",
    "elf": "it is a program",
}


def sniff(head: bytes) -> str:
    """The format of a file that begins with `head` (512 bytes are enough); `unknown` if it is not recognised.

    A pickle is recognised by parsing it: two instructions after the marker of protocol 2 and later, sixteen
    if there is no marker (protocols 0 and 1), or all of a shorter file. Weights are mistaken for one with a
    probability below 1e-4.
    """
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    if len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    if head[:1] in (b"{", b"["):
        return "json"
    marked = len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5
    if _reads_as_pickle(head, 2 if marked else 16):
        return "pickle"
    # A serialised ModelProto starts with field 1, ir_version, a small varint.
    if len(head) > 2 and head[0] == 0x08 and 1 <= head[1] < 0x80:
        return "onnx"
    return "unknown"


def sniff_file(path: Path) -> str:
    """The format of the file at `path`, by `sniff`."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def _reads_as_pickle(head: bytes, enough: int) -> bool:
    count = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of invalid escapes in apparent strings
            for opcode, _, position in pickletools.genops(io.BytesIO(head)):
                count += 1
                if opcode.name == "STOP":
                    return count >= enough or (count > 1 and position == len(head) - 1 and len(head) < HEAD_BYTES)
    except (ValueError, UnicodeDecodeError, IndexError):
        return count >= enough
    return False
