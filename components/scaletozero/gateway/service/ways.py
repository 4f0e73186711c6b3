"""What a model's name leads to, and in which order its targets are asked."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from scaletozero.gateway.service.bedrock import BedrockTarget
from scaletozero.gateway.service.breakers import Breaker
from scaletozero.gateway.service.canaries import Trial
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.settings.gateway_models import Model

Speaker = ProviderTarget | BedrockTarget
"""What answers in words: an API, an endpoint of kind `gpu`, which speaks like one, or a model on Bedrock."""


@dataclass
class Way:
    """One target of a model.

    Attributes:
        target: what is asked.
        weight: its share of the requests; None if it is asked when others have failed.
        seconds: in which it has to answer; None for as long as the request has.
        concurrency: requests that it is sent at a time; None for any number.
        open: those that it works on now.
        trial: its trial, if it is a canary.
        breaker: knows whether it fails.
    """

    target: Speaker | EndpointTarget
    weight: int | None = None
    seconds: float | None = None
    concurrency: int | None = None
    open: int = 0
    trial: Trial | None = None
    breaker: Breaker = field(default_factory=Breaker)

    @property
    def full(self) -> bool:
        """Whether it is sent no further request now."""
        return self.concurrency is not None and self.open >= self.concurrency

    def begin(self) -> Callable[[], None]:
        """Counts a request. Returns what ends it, once."""
        self.open += 1
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended, self.open = True, self.open - 1

        return end


@dataclass(frozen=True)
class ModelRoute:
    """What a model's name leads to.

    Attributes:
        name: the model's.
        model: what was declared of it.
        ways: its targets.
        mirror: mirrors a share of its conversations, a `scaletozero.gateway.service.shadows.Mirror`; None without one.
    """

    name: str
    model: Model
    ways: tuple[Way, ...]
    mirror: Any = None


def in_order(ways: Iterable[Way], draw: Callable[[], float] = random.random) -> list[Way]:
    """The targets in the order in which one request asks them: those with weights as they are drawn, then the others.

    Args:
        draw: a random number from 0 to below 1.
    """
    ways = tuple(ways)
    verdicts = {index: way.trial.look() for index, way in enumerate(ways) if way.trial is not None}
    ways = tuple(way for index, way in enumerate(ways) if verdicts.get(index) != "rolled back")
    # The least of exponential times at rates `w` is one's own with a probability in proportion to its rate.
    drawn = [(-math.log(1.0 - draw()) / each.weight, index) for index, each in enumerate(ways) if each.weight]
    order = [ways[index] for _, index in sorted(drawn)] + [each for each in ways if not each.weight]
    # One that was promoted is asked first, and the others where it fails.
    return sorted(order, key=lambda way: way.trial is None or way.trial.verdict != "promoted")
