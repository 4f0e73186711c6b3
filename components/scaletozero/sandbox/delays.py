"""Delays that starts have in the sandbox, where they would otherwise be as fast as this machine."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass

STAGES = ("instance", "container")
"""`instance`: before the model is downloaded. `container`: before its server is started."""


@dataclass(frozen=True)
class Delay:
    """How long a stage takes longer: log-normal, as times of starts are skewed to the right.

    Attributes:
        seconds: the median.
        spread: standard deviation of the logarithm; 0.1 for about a tenth more or less. 0 for always the median.
    """

    seconds: float
    spread: float = 0.0

    def drawn(self, chance: random.Random) -> float:
        """The seconds of one start."""
        return self.seconds * chance.lognormvariate(0, self.spread)


Delays = Mapping[str, Delay]
"""Stage -> its delay; a stage without one is as fast as this machine."""


def written(delays: Delays) -> str:
    """Delays as they are given to the sandbox's process, always the same for the same ones."""
    return json.dumps({stage: asdict(each) for stage, each in delays.items()}, sort_keys=True)


def read(text: str) -> dict[str, Delay]:
    """What `written` wrote."""
    return {stage: Delay(**each) for stage, each in json.loads(text).items()}
