"""A run of a session with a time limit, because a graph may contain an endless loop."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime as ort

from model_packaging.serving.limits import INVOCATION_SECONDS

LONGEST_RUN_SECONDS = 3.0 * INVOCATION_SECONDS
"""A serverless endpoint ends a request after 60 s; a busy machine is given three times as long."""


class RunTooLongError(RuntimeError):
    """A run was stopped because it took too long."""


def run_within(session: ort.InferenceSession, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
    """Runs a session, and stops it after `LONGEST_RUN_SECONDS`.

    onnxruntime checks for the stop between two operators, also inside a loop; a single operator is not interrupted.

    Raises:
        RunTooLongError: it was stopped.
    """
    options, seconds = ort.RunOptions(), LONGEST_RUN_SECONDS
    timer = threading.Timer(seconds, lambda: setattr(options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return list(session.run(outputs, dict(feeds), options))
    except Exception as error:
        if options.terminate:
            raise RunTooLongError(f"no result after {seconds:.0f} s") from error
        raise
    finally:
        timer.cancel()
