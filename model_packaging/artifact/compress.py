"""Chooses between a stored and a compressed archive: the one that is ready on the endpoint's disk first. Pure, except
that the files are read once.

Nothing is timed here: the same files must give the same archive on every machine.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_packaging.serving.limits import DOWNLOAD_MB_PER_S, INFLATE_MB_PER_S
from model_packaging.spec import Compression

GZIP_LEVEL = 6
CHUNK = 1 << 20


@dataclass(frozen=True)
class Choice:
    """How to write an archive.

    Attributes:
        compression: `stored` or `gzip`; `level`: zlib's level.
        ratio: compressed over plain size at gzip level 6.
        break_even_mb_per_s: the download rate above which `stored` is ready sooner, 10^6 bytes per second.
    """

    compression: Literal["stored", "gzip"]
    level: int
    ratio: float
    break_even_mb_per_s: float


def decide(folder: Path, wish: Compression) -> Choice:
    """Compresses the files of `folder` in memory to measure how much download that saves."""
    plain = packed = 0
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                plain += len(data)
                packed += len(zlib.compress(data, GZIP_LEVEL))
    return from_sizes(plain, packed, wish)


def from_sizes(plain: int, packed: int, wish: Compression) -> Choice:
    """The choice for `plain` bytes that compress to `packed`.

    A stored archive saves inflating every byte, a compressed one saves downloading (1 - ratio) of it: the former is
    ready first if the download is faster than (1 - ratio) times the rate of inflating.
    """
    ratio = packed / plain
    break_even = max(0.0, (1 - ratio) * INFLATE_MB_PER_S)
    stored = wish == "stored" or (wish == "auto" and break_even < DOWNLOAD_MB_PER_S)
    return Choice("stored" if stored else "gzip", 0 if stored else GZIP_LEVEL, round(ratio, 4), round(break_even, 1))
