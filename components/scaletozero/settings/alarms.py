"""The thresholds of an endpoint's alarms, with their defaults and bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.findings import Finding
from model_packaging.serving.limits import ASYNC_QUEUE_SECONDS
from model_packaging.validation import Int, Later, Settings, Text, may_be_later, reject
from scaletozero.partitions import arn_prefix
from scaletozero.settings.common import EndpointName, Tags
from scaletozero.settings.names import VARIANT
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within

_TOPIC = re.compile(r"arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}")


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        fix = "write `arn:<partition>:sns:<region>:<account>:<name>`; CloudWatch cannot notify a FIFO topic"
        reject("must be the ARN of an SNS topic", "nobody would be notified", fix)
    return value


TopicArn = Annotated[Text, AfterValidator(_topic), may_be_later]
"""The ARN of an SNS topic."""


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        reject("must be a number")
    return value


def _percent(value: float) -> float:
    if not 0 < value <= 100:
        reject("must be above 0 and at most 100 percent", "the alarm would always be in alarm, or never")
    return value


Percent = Annotated[float, BeforeValidator(_number), AfterValidator(_percent)]
"""A share, in percent."""


def _milliseconds(value: float) -> float:
    if not 0 < value <= 3_600_000:
        reject("must be above 0 and at most an hour, in milliseconds", "the alarm would always be in alarm, or never")
    return value


def _count(value: int) -> int:
    if not 1 <= value <= 1_000_000:
        reject("must be from 1 to 1000000")
    return value


def _age(value: int) -> int:
    if not 60 <= value <= ASYNC_QUEUE_SECONDS:
        reject(f"must be from 60 to {ASYNC_QUEUE_SECONDS} seconds", "a request is dropped after six hours in the queue")
    return value


def _alarm_name(value: str) -> str:
    if len(value) > 255 or not value.isprintable():
        reject("must have at most 255 printable characters", "CloudWatch would refuse the alarm", "shorten it")
    return value


class EndpointKind(StrEnum):
    """The kind of an endpoint."""

    SERVERLESS = "serverless"
    """On SageMaker Serverless Inference."""
    ASYNCHRONOUS = "asynchronous"
    """On SageMaker Asynchronous Inference."""


class Alarms(Settings):
    """Thresholds of alarms. Each alarm is declared with its default threshold, or with the one given.

    There are none by default: an alarm costs about 0.10 USD per month, and an idle endpoint should cost nothing.

    Attributes:
        notify: SNS topics that are notified when an endpoint's state changes. Default: none.
        error_percent: percentage of calls that fail with a server error, over five minutes.
        p99_ms: the endpoint's objective: maximum 99th percentile of latency. Default: no alarm.
        cold_starts: containers that are started for a call, per hour; serverless only.
        cold_start_ms: the endpoint's objective for cold starts: maximum 95th percentile of the time to start a
            container; serverless only. Default: no alarm.
        concurrency_percent: percentage of `max` in use; serverless only.
        backlog_seconds: age of the oldest waiting request; asynchronous only.
        runbooks: the address below which the runbooks are.
        name: the name of the composite alarm. Default: made of the project's, the stack's and the component's. An alarm
            whose name changes is replaced: a renamed component keeps its alarm by this.
    """

    notify: Annotated[tuple[TopicArn, ...], Field(max_length=5), may_be_later] = ()
    error_percent: Percent = 1.0
    p99_ms: Annotated[float, BeforeValidator(_number), AfterValidator(_milliseconds)] | None = None
    cold_starts: Annotated[Int, AfterValidator(_count)] = 60
    cold_start_ms: Annotated[float, BeforeValidator(_number), AfterValidator(_milliseconds)] | None = None
    concurrency_percent: Percent = 80.0
    backlog_seconds: Annotated[Int, AfterValidator(_age)] = 900
    runbooks: Text = "docs/runbooks"
    name: Annotated[Text, AfterValidator(_alarm_name)] | None = None


def topic_conflicts(alarms: Alarms | None, region: str, path: str = "alarms") -> Iterable[Finding]:
    """Findings on topics of another region or partition, which CloudWatch refuses to notify."""
    begins = arn_prefix("sns", region)
    topics = () if alarms is None or isinstance(alarms.notify, Later) else alarms.notify
    for index, topic in enumerate(topics):
        if not isinstance(topic, Later) and not topic.startswith(begins):
            at, rule = f"{path}.notify.{index}", f"must be a topic in {region}"
            fix = f"write an ARN that begins with `{begins}`"
            yield Finding(at, rule, topic, "nobody would be notified", fix)


def kind_conflicts(alarms: Alarms | None, kind: EndpointKind, path: str = "alarms") -> Iterable[Finding]:
    """Findings on objectives that no metric of the kind measures."""
    if alarms and alarms.cold_start_ms is not None and kind is EndpointKind.ASYNCHRONOUS:
        rule, fix = "is of serverless endpoints: SageMaker publishes no time of an instance's start", "remove it"
        said = "the alarm would never be set off"
        yield Finding(f"{path}.cold_start_ms", rule, f"{alarms.cold_start_ms:g}", said, fix)


class PlannedAlarmsSettings(Settings):
    """The endpoint that alarms watch.

    Attributes:
        endpoint_name: the endpoint's name at the service.
        region: its AWS region.
        residency: the regions that the alarms may be in. Default: any region.
        provisioned: whether it has provisioned concurrency.
        variant: the endpoint's variant.
        alarms: the thresholds.
        tags: additional tags.
    """

    endpoint_name: EndpointName
    region: Region
    residency: tuple[Region, ...] = ()
    provisioned: bool = False
    variant: Text = VARIANT
    alarms: Alarms = Alarms()
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from topic_conflicts(self.alarms, self.region)
        yield from within(self.residency, self.region, "region")


class EndpointAlarmsSettings(PlannedAlarmsSettings):
    """`EndpointAlarmsArgs`.

    Attributes:
        kind: the kind of the endpoint, which decides its metrics.
    """

    kind: EndpointKind

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from kind_conflicts(self.alarms, self.kind)
