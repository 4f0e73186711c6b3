"""Ctrl-C, and the signal with which a pipeline is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_stop(handle: Callable[[], None]) -> Iterator[None]:
    """A context in which SIGINT and SIGTERM call `handle`, and which then restores what they did before."""

    def handler(number: int, frame: FrameType | None) -> None:
        handle()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, restored in before.items():
            signal.signal(number, restored)
