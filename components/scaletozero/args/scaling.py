"""The arguments that more than one component takes."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.settings.scaling import WarmBy


class WindowArgs(TypedDict):
    """A time window in which more units stay warm."""

    start: str
    """When it opens, as local time: "08:00"."""
    end: str
    """When it closes, as local time; "24:00" ends a day."""
    timezone: str
    """The IANA time zone of both, such as `Europe/Berlin`; its summer time is followed."""
    min: int
    """Number of units that stay warm while it is open."""
    days: NotRequired[list[str]]
    """Days on which it opens, such as `mon` or `mon-fri`. Default: every day."""
    date: NotRequired[str]
    """The only date on which it opens, such as `2026-11-27`, instead of days."""
    on: NotRequired[str]
    """The former name of `date`."""
    overnight: NotRequired[bool]
    """Whether it closes on the next day."""


class AlarmsArgs(TypedDict):
    """Thresholds of an endpoint's alarms."""

    notify: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """ARNs of the SNS topics that are notified. Default: none."""
    error_percent: NotRequired[float]
    """Percentage of calls that fail with a server error, over five minutes. Default: 1."""
    p99_ms: NotRequired[float]
    """Maximum 99th percentile of the model's latency in milliseconds. Default: no alarm."""
    cold_starts: NotRequired[int]
    """Containers that are started for a call, per hour. Default: 60. Serverless endpoints only."""
    cold_start_ms: NotRequired[float]
    """Maximum 95th percentile of the time to start a container, in ms. Default: no alarm. Serverless endpoints only."""
    concurrency_percent: NotRequired[float]
    """Percentage of `max` in use. Default: 80. Serverless endpoints only."""
    backlog_seconds: NotRequired[int]
    """Age of the oldest waiting request, in seconds. Default: 900. Asynchronous endpoints only."""
    runbooks: NotRequired[str]
    """Address below which the runbooks are. Default: `docs/runbooks`."""
    name: NotRequired[str]
    """The name of the composite alarm. Default: made of the project's, the stack's and the component's."""


class ServerlessScalingArgs(TypedDict):
    """Scaling of a serverless endpoint."""

    min: NotRequired[int]
    """Containers that stay warm, as provisioned concurrency. Default: 0."""
    buffer: NotRequired[int]
    """Containers kept warm beyond the calls in progress. Default: a quarter of `min`; 0 stays at `min`."""
    max: NotRequired[int]
    """Maximum number of concurrent calls, 1 to 200; calls beyond it receive status 429. Default: 10."""
    reserve_concurrency: NotRequired[bool]
    """Whether the function of `warm_by: calls` has reserved concurrency. Default: true. Lambda refuses it in an
    account whose quota of concurrent executions is about 100 or less."""
    warm_by: NotRequired[WarmBy]
    """What keeps containers warm. Default: provisioned concurrency."""


class InstanceScalingArgs(TypedDict):
    """Scaling of an asynchronous endpoint."""

    min: NotRequired[int]
    """Minimum number of instances. Default: 0."""
    max: NotRequired[int]
    """Maximum number of instances. Default: 1."""
    backlog: NotRequired[int]
    """Target of waiting requests per instance. Default: 5 per concurrent request."""
    idle_seconds: NotRequired[int]
    """Seconds for which the backlog must be low before instances are terminated. Default: 600."""


class PoolScalingArgs(TypedDict):
    """Scaling of a warm pool."""

    min: NotRequired[int]
    """Minimum number of units that stay warm."""
    max: NotRequired[int]
    """Maximum."""
    buffer: NotRequired[int]
    """Containers kept warm beyond the calls in progress. Provisioned concurrency only."""
    backlog: NotRequired[int]
    """Target of waiting requests per instance. Default: 5 per concurrent request. Instances only."""
    idle_seconds: NotRequired[int]
    """Seconds for which the backlog must be low before instances are terminated. Instances only."""
