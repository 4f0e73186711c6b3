"""Stored or compressed: whichever is on the endpoint's disk first. Pure, but for reading the files once."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_packaging.spec import Compression

GZIP_LEVEL = 6
# AWS does not publish how fast SageMaker downloads a serverless model. AWS plans with 85-90 MB/s for one
# request to S3 from the same region (S3 performance guidelines), and with several in parallel.
DOWNLOAD_MB_PER_S = 90.0
CHUNK = 1 << 20


@dataclass(frozen=True)
class Choice:
    """How to write an archive.

    Attributes:
        compression: `stored` or `gzip`; `level`: for zlib.
        ratio: compressed over plain size at gzip level 6.
        break_even_mb_per_s: the download rate above which `stored` is ready sooner, 10^6 bytes per second.
    """

    compression: Literal["stored", "gzip"]
    level: int
    ratio: float
    break_even_mb_per_s: float


def decide(folder: Path, wish: Compression) -> Choice:
    """Compresses the files of `folder` in memory to see what that saves in download and costs in inflating.

    Above (1 - ratio) / (seconds that inflating a MB takes) a stored archive is ready first. Inflating has one thread,
    and a serverless vCPU share is slower than this machine, so the true break-even there is lower still.
    """
    plain = packed = 0
    inflating = 0.0
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                squeezed = zlib.compress(data, GZIP_LEVEL)
                began = time.perf_counter()
                zlib.decompress(squeezed)
                inflating += time.perf_counter() - began
                plain += len(data)
                packed += len(squeezed)
    return from_figures(plain, packed, inflating, wish)


def from_figures(plain: int, packed: int, inflate_seconds: float, wish: Compression) -> Choice:
    """The choice for `plain` bytes that compress to `packed` and take `inflate_seconds` to inflate."""
    ratio = packed / plain
    break_even = max(0.0, (1 - ratio) / (inflate_seconds / (plain / 1e6)))
    stored = wish == "stored" or (wish == "auto" and break_even < DOWNLOAD_MB_PER_S)
    return Choice("stored" if stored else "gzip", 0 if stored else GZIP_LEVEL, round(ratio, 4), round(break_even, 1))
