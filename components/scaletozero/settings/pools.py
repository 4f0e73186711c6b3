"""The settings of a warm pool, for each of its possible units."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, reject
from scaletozero.settings.common import EndpointName, Tags
from scaletozero.settings.names import VARIANT
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.scaling import InstanceScaling, Scaling
from scaletozero.settings.schedules import Window, window_findings

WAKE_COOLDOWN_SECONDS = 300
"""Seconds between two starts of an instance for a backlog without any instance (the developer guide's value)."""


class WarmUnit(StrEnum):
    """The unit that a pool keeps warm."""

    PROVISIONED_CONCURRENCY = "provisioned-concurrency"
    """Containers of a serverless endpoint."""
    INSTANCES = "instances"
    """Instances of an asynchronous endpoint."""


def _seconds(value: object) -> object:
    if isinstance(value, bool | str):
        reject("must be a number of seconds")
    return value


def _cold(value: float) -> float:
    if not 0 <= value <= 3600:
        reject("must be from 0 to 3600 seconds", "windows could not be opened that early")
    return value


ColdStartSeconds = Annotated[float, BeforeValidator(_seconds), AfterValidator(_cold)]
"""The duration of a cold start in seconds."""


class _Pool(Settings):
    endpoint_name: EndpointName
    region: Region
    residency: tuple[Region, ...] = ()
    variant: Text = VARIANT
    unit: WarmUnit
    schedule: tuple[Window, ...] = ()
    cold_start_seconds: ColdStartSeconds
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        return within(self.residency, self.region, "region")


class ProvisionedPoolSettings(_Pool):
    """The settings of `WarmPoolArgs` for provisioned concurrency."""

    scaling: Scaling = Scaling()

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        if not self.scaling.min:
            yield Finding(
                "scaling.min",
                "must be 1 or more",
                "0",
                "Application Auto Scaling only changes provisioned concurrency that an endpoint has already",
                "write 1, or use `WarmCalls`, which costs nothing outside the windows",
            )
        yield from window_findings(self.schedule, floor=self.scaling.min, ceiling=self.scaling.max)


class InstancePoolSettings(_Pool):
    """The settings of `WarmPoolArgs` for instances."""

    scaling: InstanceScaling = InstanceScaling()

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from window_findings(self.schedule, floor=self.scaling.min, ceiling=self.scaling.max, unit="instances")
