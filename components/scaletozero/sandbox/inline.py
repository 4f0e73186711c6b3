"""Runs a program inside this process so that a failed run leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any

import grpc
from pulumi.runtime.settings import get_engine


def inline(program: Callable[[], Any]) -> Callable[[], Any]:
    """Wraps `program`, so that the SDK can clean up after it even if the engine has ended first.

    Two errors would keep the SDK from cancelling waiting calls and closing the run's event loop, and Python would
    report "no running event loop" later: the SDK logs while it cleans up, to an engine that has ended, and the calls
    that it cancels may fail instead.
    """

    @functools.wraps(program)
    def run() -> Any:
        engine: Any = get_engine()
        if engine:
            engine.Log = _unless_it_has_ended(engine.Log)
        loop: Any = asyncio.get_running_loop()
        # The call that runs the program has already begun: every later one ends a cancelled call.
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
        # The run itself has already failed and reported why.
        with contextlib.suppress(Exception):
            run_until_complete(cancelled)
