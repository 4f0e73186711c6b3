"""The settings of an endpoint on SageMaker Asynchronous Inference, with every rule.

The limits, with their sources, are those of `model_packaging.serving.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.serving.limits import ASYNC_CONCURRENCY
from model_packaging.validation import Int, Refusals, Settings, Text, may_be_later, reject
from scaletozero.settings.alarms import Alarms, EndpointKind, kind_conflicts, topic_conflicts
from scaletozero.settings.common import KmsKeyArn, LogRetentionDays, OwnEndpointName, Tags, key_conflicts
from scaletozero.settings.framework_images import Processor
from scaletozero.settings.instances import InstanceType, instance_conflicts, processor_of
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.scaling import InstanceScaling
from scaletozero.settings.schedules import Window, window_findings
from scaletozero.settings.serverless import ServedImage, StartSeconds, image_conflicts

BACKLOG = 5
"""Default number of waiting requests per concurrent request (the developer guide's example)."""


def _concurrency(value: int) -> int:
    if not 1 <= value <= ASYNC_CONCURRENCY:
        fix = f"write {min(max(value, 1), ASYNC_CONCURRENCY)}"
        reject(f"must be from 1 to {ASYNC_CONCURRENCY}", "SageMaker would refuse the configuration", fix)
    return value


def _id(prefix: str):
    pattern = re.compile(rf"{prefix}-[0-9a-f]{{8,17}}")

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            reject(f"must be an id such as `{prefix}-0123456789abcdef0`", "SageMaker would refuse the model")
        return value

    return AfterValidator(check)


def _from_to(least: int, most: int):
    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        if not least <= len(value) <= most:
            reject(f"must be from {least} to {most}", "SageMaker would refuse the model")
        return value

    return AfterValidator(check)


def _folder(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", value):
        reject("must have letters, digits, dots, hyphens and underscores, at most 200", fix="write `speech`")
    return value


class Vpc(Settings):
    """The network that an endpoint's instances are attached to.

    Attributes:
        subnet_ids: 1 to 16 subnets with a route to S3, in two zones if the endpoint must survive the loss of one.
        security_group_ids: 1 to 5 security groups.
    """

    subnet_ids: Annotated[tuple[Annotated[Text, _id("subnet"), may_be_later], ...], _from_to(1, 16), may_be_later]
    security_group_ids: Annotated[tuple[Annotated[Text, _id("sg"), may_be_later], ...], _from_to(1, 5), may_be_later]


class AsynchronousEndpoint(Settings):
    """One endpoint on SageMaker Asynchronous Inference.

    Attributes:
        kind: `asynchronous`.
        artifact: the folder that `scaletozero package` wrote, relative to the project's folder.
        image: the serving image: in ECR, in the endpoint's region, pinned by a digest or an exact tag, or an image of
            AWS by framework and version.
        instance_type: instance type of SageMaker hosting, such as `ml.g5.xlarge`.
        concurrency: number of requests that an instance works on at a time.
        scaling: minimum, maximum and idle time of its instances.
        schedule: windows in which more instances run.
        cold_start_seconds: seconds from when an instance is asked for until it responds: how much earlier schedules
            begin. Default: what `scaletozero bench` has measured, or else 600.
        vpc: the network of its instances. Default: SageMaker's own.
        network_isolation: whether the containers have no network. SageMaker itself delivers the archive and the
            requests and collects the results and the logs; set false for a server that downloads something itself.
        alarms: the thresholds of its alarms. Default: no alarms.
        tags: additional tags for everything that belongs to the endpoint.
    """

    refused: ClassVar[Refusals] = {
        "memory_mb": ("is determined by the instance type", "it would be ignored", "choose it by `instance_type`"),
    }

    kind: Literal["asynchronous"] = "asynchronous"
    artifact: Text
    image: ServedImage
    instance_type: InstanceType
    concurrency: Annotated[Int, AfterValidator(_concurrency)] = 1
    scaling: InstanceScaling = InstanceScaling()
    schedule: tuple[Window, ...] = ()
    cold_start_seconds: StartSeconds | None = None
    vpc: Annotated[Vpc, may_be_later] | None = None
    network_isolation: bool = True
    alarms: Alarms | None = None
    tags: Tags = Field(default_factory=dict)

    @property
    def backlog(self) -> int:
        """The target of scaling: waiting requests per instance."""
        return self.scaling.backlog or BACKLOG * self.concurrency

    @property
    def processor(self) -> Processor:
        """The processor that its containers run on."""
        return processor_of(self.instance_type)

    def conflicts(self) -> Iterable[Finding]:
        if self.backlog < self.concurrency:
            yield Finding(
                "scaling.backlog",
                f"must be at least `concurrency`, {self.concurrency}",
                str(self.backlog),
                "instances would be added while the running ones still have room",
                f"write {self.concurrency} or more, or leave it out",
            )
        yield from window_findings(self.schedule, floor=self.scaling.min, ceiling=self.scaling.max, unit="instances")
        yield from kind_conflicts(self.alarms, EndpointKind.ASYNCHRONOUS)


class AsyncEndpointSettings(AsynchronousEndpoint):
    """The settings of `AsyncEndpointArgs`: an endpoint, and where it runs.

    Attributes:
        bucket: the bucket for its archive, its requests and its results.
        region: the AWS region of the endpoint and of everything that belongs to it.
        residency: the allowed regions. Default: any region.
        kms_key_arn: the key of the bucket, the topics, the logs and the instances' disks. Default: the services' own.
        log_retention_days: days for which the containers' logs are kept.
        endpoint_name: the name at SageMaker. Default: made of the project's, the stack's and the component's.
        folder: the folder of requests and results below `async/` in the bucket. Default: the component's name.
    """

    bucket: Annotated[Text, may_be_later]
    region: Region
    residency: tuple[Region, ...] = ()
    kms_key_arn: KmsKeyArn | None = None
    log_retention_days: LogRetentionDays = 30
    endpoint_name: OwnEndpointName | None = None
    folder: Annotated[Text, AfterValidator(_folder)] | None = None

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from image_conflicts(self.image, self.region, "image", self.processor)
        yield from instance_conflicts(self.instance_type, self.region)
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from topic_conflicts(self.alarms, self.region)
        yield from within(self.residency, self.region, "region")
