"""moto's Application Auto Scaling, without what it imports for ECS alone.

Its ECS imports its EC2, which reads the instance types and zones of every Region: half of the processor time in which
the sandbox starts. ECS is loaded when something first asks for it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_ECS = "moto.ecs"


class _Later:
    """What `moto.ecs.ecs_backends` has at some keys, loaded when it is first used."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def __getitem__(self, key: str) -> _Later:
        return _Later(*self._keys, key)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from moto.ecs.models import ecs_backends

        found: Any = ecs_backends
        for key in self._keys:
            found = found[key]
        return getattr(found, name)


def _without_ecs() -> tuple[ModuleType, ModuleType]:
    if _ECS not in sys.modules:
        stand_in = ModuleType(_ECS)
        stand_in.ecs_backends = _Later()  # type: ignore[attr-defined]
        sys.modules[_ECS] = stand_in
        try:
            from moto.applicationautoscaling import models, responses
        finally:
            del sys.modules[_ECS]
    else:
        from moto.applicationautoscaling import models, responses
    return models, responses


models, responses = _without_ecs()
applicationautoscaling_backends = models.applicationautoscaling_backends
