"""Programs that the engine runs inside this process, which leave nothing behind when a run fails."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any

import grpc
from pulumi.runtime.settings import get_engine


def inline(program: Callable[[], Any]) -> Callable[[], Any]:
    """`program`, so that the SDK can clean up after it even when the engine has ended first.

    Two errors would keep the SDK from ending what still waits and from closing the run's event loop, and Python would
    report "no running event loop" at some later time: the SDK logs while it cleans up, to an engine that is gone, and
    what it cancels may fail instead.
    """

    @functools.wraps(program)
    def run() -> Any:
        engine: Any = get_engine()
        if engine:
            engine.Log = _unless_it_has_ended(engine.Log)
        loop: Any = asyncio.get_running_loop()
        # The call that runs the program is under way already: every later one ends something that was cancelled.
        loop.run_until_complete = functools.partial(_end, loop.run_until_complete)
        return program()

    return run


def _unless_it_has_ended(log: Callable[..., Any]) -> Callable[..., Any]:
    def logged(request: Any, *args: Any, **options: Any) -> Any:
        try:
            return log(request, *args, **options)
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call) or error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return None

    return logged


def _end(run_until_complete: Callable[[Any], Any], cancelled: asyncio.Task[Any]) -> None:
    while not cancelled.done():
        # The run itself has failed already, and has said why.
        with contextlib.suppress(Exception):
            run_until_complete(cancelled)
