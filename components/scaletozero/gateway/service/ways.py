"""What a model's name leads to, and in which order its targets are asked."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from scaletozero.gateway.service.breakers import Breaker
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.settings.gateway_models import Model


@dataclass
class Way:
    """One target of a model.

    Attributes:
        target: what is asked.
        weight: its share of the requests; None if it is asked when others have failed.
        seconds: in which it has to answer; None for as long as the request has.
        breaker: knows whether it fails.
    """

    target: ProviderTarget | EndpointTarget
    weight: int | None = None
    seconds: float | None = None
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True)
class ModelRoute:
    """What a model's name leads to.

    Attributes:
        name: the model's.
        model: what was declared of it.
        ways: its targets.
    """

    name: str
    model: Model
    ways: tuple[Way, ...]


def in_order(ways: Iterable[Way], draw: Callable[[], float] = random.random) -> list[Way]:
    """The targets in the order in which one request asks them: those with weights as they are drawn, then the others.

    Args:
        draw: a random number from 0 to below 1.
    """
    ways = tuple(ways)
    # The least of exponential times at rates `w` is one's own with a probability in proportion to its rate.
    drawn = [(-math.log(1.0 - draw()) / each.weight, index) for index, each in enumerate(ways) if each.weight]
    return [ways[index] for _, index in sorted(drawn)] + [each for each in ways if not each.weight]
