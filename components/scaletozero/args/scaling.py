"""The arguments that more than one component takes."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.settings.scaling import WarmBy


class WindowArgs(TypedDict):
    """A time in which more stays warm than otherwise."""

    start: str
    """When it opens, as local time: "08:00"."""
    end: str
    """When it closes, as local time; "24:00" ends a day."""
    timezone: str
    """The IANA time zone of both, such as `Europe/Berlin`; its summer time is followed."""
    min: int
    """How much stays warm meanwhile."""
    days: NotRequired[list[str]]
    """The days on which it opens, as `mon` or `mon-fri`; every day unless given."""
    date: NotRequired[str]
    """The one date on which it opens, as `2026-11-27`, instead of days."""
    on: NotRequired[str]
    """The former name of `date`."""
    overnight: NotRequired[bool]
    """Whether it closes on the next day."""


class AlarmsArgs(TypedDict):
    """When to ring."""

    notify: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """ARNs of the SNS topics that are told."""
    error_percent: NotRequired[float]
    """Share of calls that end in a server's error, over five minutes; 1 percent unless given."""
    p99_ms: NotRequired[float]
    """The latency of the model that 99 of 100 calls are to keep; no alarm unless given."""
    cold_starts: NotRequired[int]
    """Containers started for a call, in an hour; 60 unless given. Serverless only."""
    concurrency_percent: NotRequired[float]
    """Share of `max` in use; 80 percent unless given. Serverless only."""
    backlog_seconds: NotRequired[int]
    """Age of the oldest waiting request; 900 seconds unless given. Asynchronous only."""
    runbooks: NotRequired[str]
    """The address below which the runbooks lie."""
    name: NotRequired[str]
    """The name of the alarm over all; default: made of the project's, the stack's and the component's."""


class ServerlessScalingArgs(TypedDict):
    """How far a serverless endpoint scales."""

    min: NotRequired[int]
    """What stays warm, as provisioned concurrency; 0 unless given."""
    buffer: NotRequired[int]
    """How much more than the calls under way is kept warm; a quarter of `min` unless given, 0 to stay at `min`."""
    max: NotRequired[int]
    """The most concurrent calls, 1 to 200, 10 unless given; further ones are answered with 429."""
    reserve_concurrency: NotRequired[bool]
    """Whether the function of `warm_by: calls` has concurrency of its own; default: true. Lambda refuses it in an
    account whose quota of concurrent executions is about 100 or less."""
    warm_by: NotRequired[WarmBy]
    """How what is to be warm is kept so; by provisioned concurrency unless given."""


class InstanceScalingArgs(TypedDict):
    """How far an asynchronous endpoint scales."""

    min: NotRequired[int]
    """Instances that stay; 0 unless given."""
    max: NotRequired[int]
    """The most instances; 1 unless given."""
    backlog: NotRequired[int]
    """Waiting requests for each instance that scaling aims at."""
    idle_seconds: NotRequired[int]
    """How long the backlog has to be low before instances go; 600 unless given."""


class PoolScalingArgs(TypedDict):
    """How far a warm pool scales."""

    min: NotRequired[int]
    """What stays warm."""
    max: NotRequired[int]
    """The most that there can be."""
    buffer: NotRequired[int]
    """How much more than the calls under way is kept warm. Provisioned concurrency only."""
    backlog: NotRequired[int]
    """Waiting requests for each instance that scaling aims at. Instances only."""
    idle_seconds: NotRequired[int]
    """How long the backlog has to be low before instances go. Instances only."""
