"""Ctrl-C, and the signal with which a pipeline is stopped, while there is something to put back in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scaletozero.engine.signals import on_stop


@contextmanager
def once() -> Iterator[None]:
    """A context in which the first SIGINT or SIGTERM raises KeyboardInterrupt, and those after it are ignored."""
    heard = False

    def interrupt() -> None:
        nonlocal heard
        if not heard:
            heard = True
            raise KeyboardInterrupt

    with on_stop(interrupt):
        yield
