"""What was deployed before a run of the engine, as its events have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pulumi import automation as auto

from scaletozero.environment.estimate import STACK, stack_estimate


class Deployed:
    """Listens to a run's events for the estimate of what is deployed, the stack's output.

    Attributes:
        estimate: the output before the run; None before the first `up`.
    """

    def __init__(self, also: Callable[[auto.EngineEvent], Any] | None = None) -> None:
        self.estimate: Mapping[str, Any] | None = None
        self._also = also

    def __call__(self, event: auto.EngineEvent) -> None:
        if self._also:
            self._also(event)
        step = event.resource_pre_event.metadata if event.resource_pre_event else None
        if step and step.old and step.type == STACK:
            self.estimate = stack_estimate(step.old.outputs or {}) or self.estimate
