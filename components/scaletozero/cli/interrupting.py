"""Ctrl-C, and the signal with which a pipeline is stopped, while there is something to put back in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def once() -> Iterator[None]:
    """A context in which the first SIGINT or SIGTERM raises KeyboardInterrupt, and those after it are ignored."""
    heard = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if not heard:
            heard = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
