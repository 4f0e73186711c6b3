"""How an endpoint scales: `min`, `buffer` and `max`. Settings that a backend does not support are refused."""

from __future__ import annotations

from enum import StrEnum
from math import ceil
from typing import Annotated, ClassVar

from pydantic import AfterValidator, model_validator

from model_packaging.serving.limits import MAX_CONCURRENCY
from model_packaging.validation import Int, Refusals, Settings, reject

TARGET = (0.1, 0.9)
"""The possible targets of the utilisation of provisioned concurrency. Below them, nearly everything that is paid for is
idle; above them, calls arrive faster than scaling adds capacity."""

MAX_INSTANCES = 100
"""Maximum number of instances of a variant in this toolkit; the account's quota is usually far lower."""

IDLE_SECONDS = (60, 86_400)
"""Metrics have one value per minute, so idleness of less cannot be detected; for more than a day, an instance that
always runs is easier to reason about."""


class WarmBy(StrEnum):
    """How a serverless endpoint is kept warm."""

    PROVISIONED_CONCURRENCY = "provisioned-concurrency"
    """Containers that SageMaker keeps initialised, billed by the second."""
    CALLS = "calls"
    """Real calls every few minutes while a window is open: far cheaper, but not guaranteed by the service."""


def _max(value: int) -> int:
    if not 1 <= value <= MAX_CONCURRENCY:
        fix = f"write {min(max(value, 1), MAX_CONCURRENCY)}, or declare several endpoints"
        reject(f"must be from 1 to {MAX_CONCURRENCY}", "SageMaker would refuse the configuration", fix)
    return value


def _min(value: int) -> int:
    if not 0 <= value <= MAX_CONCURRENCY:
        fix = f"write {min(max(value, 0), MAX_CONCURRENCY)}"
        reject(f"must be from 0 to {MAX_CONCURRENCY}", "SageMaker would refuse the configuration", fix)
    return value


class Scaling(Settings):
    """How a serverless endpoint scales.

    Attributes:
        min: number of warm containers, as provisioned concurrency, 0 to 200. Default: 0, which is free while idle.
        buffer: number of containers kept warm beyond the calls in progress. It determines the utilisation to which
            provisioned concurrency is scaled, `min / (min + buffer)`. Default: a quarter of `min`, at least 1;
            0 keeps provisioned concurrency at `min`, regardless of the load.
        max: maximum number of concurrent calls, 1 to 200; calls beyond it receive status 429. It bounds the bill: an
            endpoint never costs more than `max` x memory x price per second. A new account may be limited to 10 in
            total.
        warm_by: how containers are kept warm.
        reserve_concurrency: whether the function that makes the calls has reserved concurrency, so that other
            functions and it cannot block each other. Lambda refuses that in an account whose quota of
            concurrent executions is about 100 or less (a new account has 10): set false there.
    """

    refused: ClassVar[Refusals] = {
        "idle_seconds": (
            "cannot be set on SageMaker Serverless, which decides itself when an idle container is terminated",
            "it would be ignored",
            "remove it; `min` keeps containers warm, and `kind: asynchronous` has an idle time",
        )
    }

    min: Annotated[Int, AfterValidator(_min)] = 0
    buffer: Annotated[Int, AfterValidator(_min)] | None = None
    max: Annotated[Int, AfterValidator(_max)] = 10
    warm_by: WarmBy = WarmBy.PROVISIONED_CONCURRENCY
    reserve_concurrency: bool = True

    @model_validator(mode="after")
    def _agrees(self) -> Scaling:
        if self.min > self.max:
            fix = f"write {self.max} or less, or raise `max`"
            reject(f"must be at most `max`, {self.max}", "SageMaker would refuse the configuration", fix, at="min")
        if self.warm_by is WarmBy.CALLS and self.min:
            reject(
                "must be 0 if calls keep the endpoint warm: they do so in the windows of a schedule only",
                "it would be ignored",
                "write `min` in a window of `schedule`, or `warm_by: provisioned-concurrency`",
                at="min",
            )
        if "reserve_concurrency" in self.model_fields_set and self.warm_by is not WarmBy.CALLS:
            reject(
                "applies to the function of `warm_by: calls` only",
                "it would be ignored",
                "remove it: provisioned concurrency always belongs to the endpoint",
                at="reserve_concurrency",
            )
        if self.buffer:
            self._buffered(self.buffer)
        return self

    def _buffered(self, buffer: int) -> None:
        if not self.min:
            fix = "write `min: 1` or more, or remove `buffer`"
            reject("needs a `min`: without one, nothing is kept warm", "it would be ignored", fix, at="buffer")
        if self.min + buffer > self.max:
            fix = f"write {self.max - self.min} or less, or raise `max`"
            reject(f"must fit between `min` and `max`, {self.max}", "the buffer could never be there", fix, at="buffer")
        least, most = (
            ceil(self.min * (1 - TARGET[1]) / TARGET[1] - 1e-9),
            int(self.min * (1 - TARGET[0]) / TARGET[0] + 1e-9),
        )
        if not least <= buffer <= most:
            rule = f"must be from {least} to {most} with `min: {self.min}`, a utilisation of {TARGET[1]} to {TARGET[0]}"
            why = (
                "all containers would be busy before scaling begins" if buffer < least else "most of them would be idle"
            )
            reject(rule, why, f"write {min(max(buffer, least), most)}, or 0 to keep exactly `min` warm", at="buffer")

    @property
    def target(self) -> float | None:
        """The utilisation to which provisioned concurrency is scaled; None if it stays at `min`."""
        if not self.min or self.min == self.max or self.buffer == 0:
            return None
        buffer = self.buffer or max(1, ceil(self.min / 4))
        return round(self.min / (self.min + buffer), 3)


def _instances(value: int) -> int:
    if not 0 <= value <= MAX_INSTANCES:
        reject(f"must be from 0 to {MAX_INSTANCES}", "", f"write {min(max(value, 0), MAX_INSTANCES)}")
    return value


def _some(value: int) -> int:
    if not 1 <= value <= MAX_INSTANCES:
        reject(f"must be from 1 to {MAX_INSTANCES}", "", f"write {min(max(value, 1), MAX_INSTANCES)}")
    return value


def _idle(value: int) -> int:
    if not IDLE_SECONDS[0] <= value <= IDLE_SECONDS[1]:
        fix = f"write {min(max(value, IDLE_SECONDS[0]), IDLE_SECONDS[1])}"
        reject(f"must be from {IDLE_SECONDS[0]} to {IDLE_SECONDS[1]} seconds", "", fix)
    return value


def _backlog(value: int) -> int:
    if not 1 <= value <= 10_000:
        reject("must be from 1 to 10000 requests", "", f"write {min(max(value, 1), 10_000)}")
    return value


class InstanceScaling(Settings):
    """How an asynchronous endpoint scales.

    Attributes:
        min: minimum number of instances. Default: 0, which costs nothing while idle.
        max: maximum number of instances. It bounds the bill.
        backlog: target of waiting requests per instance. Default: 5 per concurrent request.
        idle_seconds: seconds for which the backlog must be low before instances are terminated.
    """

    refused: ClassVar[Refusals] = {
        "buffer": (
            "cannot be set on an asynchronous endpoint: requests wait in its queue until an instance processes them",
            "it would be ignored",
            "remove it, or raise `min`",
        )
    }

    min: Annotated[Int, AfterValidator(_instances)] = 0
    max: Annotated[Int, AfterValidator(_some)] = 1
    backlog: Annotated[Int, AfterValidator(_backlog)] | None = None
    idle_seconds: Annotated[Int, AfterValidator(_idle)] = 600

    @model_validator(mode="after")
    def _agrees(self) -> InstanceScaling:
        if self.min > self.max:
            fix = f"write {self.max} or less, or raise `max`"
            reject(f"must be at most `max`, {self.max}", "the service would refuse to scale", fix, at="min")
        return self
