"""The settings of an endpoint on SageMaker Serverless Inference, with every rule.

The limits, with their sources, are those of `model_packaging.serving.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, TypeAdapter, WrapValidator

from model_packaging.findings import Finding, FindingsError
from model_packaging.serving.limits import MEMORY_MB
from model_packaging.validation import Int, Later, Refusals, Settings, Text, may_be_later, reject
from scaletozero.partitions import ECR_HOST, arn, is_own_domain, registry_host
from scaletozero.settings.alarms import Alarms, topic_conflicts
from scaletozero.settings.common import KmsKeyArn, LogRetentionDays, OwnEndpointName, Tags, key_conflicts
from scaletozero.settings.framework_images import FrameworkImage, Processor, address
from scaletozero.settings.images import TAG_AND_DIGEST
from scaletozero.settings.regions import Region, serverless_conflicts
from scaletozero.settings.residency import within
from scaletozero.settings.scaling import Scaling, WarmBy
from scaletozero.settings.schedules import Window, window_findings

_ECR_IMAGE = re.compile(
    rf"{ECR_HOST}/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    rf"{TAG_AND_DIGEST}"
)


def _memory(value: int) -> int:
    if value not in MEMORY_MB:
        fitting = next((size for size in MEMORY_MB if size >= value), MEMORY_MB[-1])
        sizes = ", ".join(map(str, MEMORY_MB))
        reject(f"must be one of {sizes}", "SageMaker would refuse the configuration", f"write {fitting}")
    return value


MemoryMb = Annotated[Int, AfterValidator(_memory)]
"""The memory of one container, in MB."""


def _image(value: str) -> str:
    match = _ECR_IMAGE.fullmatch(value)
    if not match or not is_own_domain(match["region"], match["domain"]):
        reject(
            "must be an image in Amazon ECR, with a tag or a digest",
            "SageMaker Serverless pulls from no other registry",
            f"write `{registry_host('<account>', 'eu-central-1')}/<repository>@sha256:<digest>`, with your region",
        )
    if len(value) > 255:
        reject("must have at most 255 characters", "SageMaker would refuse the model", "write a shorter tag")
    if not (match["tag"] or match["digest"]) or (match["tag"] == "latest" and not match["digest"]):
        reject(
            "must be pinned by a digest or an exact tag",
            "the endpoint would run the image that was pushed last, and a rollback would not restore the old one",
            f"write `{value.removesuffix(':latest')}@sha256:<digest>`",
        )
    return value


Image = Annotated[Text, AfterValidator(_image), may_be_later]
"""A pinned image in Amazon ECR."""

_ADDRESS: TypeAdapter[Any] = TypeAdapter(Image)


def _served(value: object, _: object) -> object:
    # Not a union type, whose errors would name both of its members.
    if isinstance(value, Mapping | FrameworkImage):
        return FrameworkImage.model_validate(value)
    return _ADDRESS.validate_python(value)


ServedImage = Annotated[str | FrameworkImage, WrapValidator(_served), may_be_later]
"""A pinned image in Amazon ECR, or an image of AWS by framework and version."""


def image_repository_arn(image: str) -> str:
    """The ARN of the ECR repository of a validated image."""
    match = _ECR_IMAGE.fullmatch(image)
    assert match
    return arn("ecr", match["region"], match["account"], f"repository/{match['repository']}")


LONGEST_START = 7200
"""Most seconds of a start: twice the longest that SageMaker waits for a container's first response."""


def _start(value: int) -> int:
    if not 1 <= value <= LONGEST_START:
        reject(
            f"must be from 1 to {LONGEST_START} seconds", "schedules would begin hours early", "write what was measured"
        )
    return value


StartSeconds = Annotated[Int, AfterValidator(_start)]
"""How long a start takes, in seconds."""

_ON_INSTANCES = "write `kind: asynchronous`, which runs on instances"
_ON_KUBERNETES = "write `kind: gpu`, which runs on Kubernetes, or `kind: asynchronous`"
_NOT_THERE = "SageMaker would refuse the configuration"


class ServerlessEndpoint(Settings):
    """One endpoint on SageMaker Serverless Inference.

    Attributes:
        kind: `serverless`.
        artifact: the folder that `scaletozero package` wrote, relative to the project's folder.
        image: the serving image: in ECR, in the endpoint's region, pinned by a digest or an exact tag, or an image of
            AWS by framework and version.
        memory_mb: memory of a container, 1024 to 6144 in steps of 1024. Default: the manifest's recommendation.
        scaling: minimum, maximum and headroom of its containers.
        schedule: windows in which more containers stay warm.
        cold_start_seconds: seconds until a container responds: how much earlier schedules begin. Default: what
            `scaletozero bench` has measured, or else the manifest's figure.
        alarms: the thresholds of its alarms. Default: no alarms.
        tags: additional tags for everything that belongs to the endpoint.
    """

    refused: ClassVar[Refusals] = {
        "gpu": ("does not exist on SageMaker Serverless, which has CPUs only", _NOT_THERE, _ON_KUBERNETES),
        "instance_type": ("does not exist on SageMaker Serverless, which has CPUs only", _NOT_THERE, _ON_INSTANCES),
        "vpc": (
            "is not supported by SageMaker Serverless",
            "containers run outside your network",
            f"{_ON_INSTANCES} and takes a `vpc`; to keep callers inside, use an interface endpoint of the runtime API",
        ),
        "network_isolation": ("is not supported by SageMaker Serverless", _NOT_THERE, _ON_KUBERNETES),
        "data_capture": (
            "is not supported by SageMaker Serverless",
            "no request would be recorded",
            "record requests in the gateway, or use an endpoint on instances",
        ),
        "variants": (
            "cannot be several on SageMaker Serverless",
            _NOT_THERE,
            "declare an endpoint for each, and split the calls between them in the gateway",
        ),
    }

    kind: Literal["serverless"] = "serverless"
    artifact: Text
    image: ServedImage
    memory_mb: MemoryMb | None = None
    scaling: Scaling = Scaling()
    schedule: tuple[Window, ...] = ()
    cold_start_seconds: StartSeconds | None = None
    alarms: Alarms | None = None
    tags: Tags = Field(default_factory=dict)

    @property
    def processor(self) -> Processor:
        """The processor that its containers run on."""
        return "cpu"

    def conflicts(self) -> Iterable[Finding]:
        scaling = self.scaling
        if self.schedule and not scaling.min and scaling.warm_by is WarmBy.PROVISIONED_CONCURRENCY:
            yield Finding(
                "schedule",
                "needs provisioned concurrency outside its windows too",
                "`scaling.min` 0",
                "Application Auto Scaling can only change existing provisioned concurrency",
                "write `scaling.min: 1`, or `scaling.warm_by: calls`, which costs nothing outside the windows",
            )
        if scaling.warm_by is WarmBy.CALLS and not self.schedule:
            fix = "add a `schedule`, or remove `warm_by`"
            yield Finding("scaling.warm_by", "needs a `schedule`", "calls", "no calls would be made", fix)
        yield from window_findings(self.schedule, floor=scaling.min, ceiling=scaling.max)


class ServerlessEndpointSettings(ServerlessEndpoint):
    """The settings of `ServerlessEndpointArgs`: an endpoint, and where it runs.

    Attributes:
        bucket: the bucket for its archive.
        region: the AWS region of the endpoint and of everything that belongs to it.
        residency: the allowed regions. Default: any region.
        kms_key_arn: the key of the artifact's bucket and of the logs. Default: the services' own.
        log_retention_days: days for which the containers' logs are kept.
        endpoint_name: the name at SageMaker. Default: made of the project's, the stack's and the component's.
    """

    bucket: Annotated[Text, may_be_later]
    region: Region
    residency: tuple[Region, ...] = ()
    kms_key_arn: KmsKeyArn | None = None
    log_retention_days: LogRetentionDays = 30
    endpoint_name: OwnEndpointName | None = None

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from serverless_conflicts(self.region, "region")
        yield from image_conflicts(self.image, self.region, "image", self.processor)
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from topic_conflicts(self.alarms, self.region)
        yield from within(self.residency, self.region, "region")


def image_account(image: str) -> str:
    """The account of a validated image's registry."""
    match = _ECR_IMAGE.fullmatch(image)
    assert match
    return match["account"]


def image_conflicts(
    image: str | FrameworkImage | Later, region: str, path: str, processor: Processor = "cpu"
) -> list[Finding]:
    """Findings on an image from another region, from which SageMaker does not pull, or on one that is in no table."""
    if isinstance(image, FrameworkImage):
        try:
            address(image, region, processor)
        except FindingsError as error:
            # If the image is missing in the Region, another version may exist there.
            at = {"region": path}
            return [replace(each, path=at.get(each.path, f"{path}.{each.path}")) for each in error.findings]
        return []
    match = None if isinstance(image, Later) else _ECR_IMAGE.fullmatch(image)
    if not match or match["region"] == region:
        return []
    near = match.string.replace(match["region"], region, 1)
    return [
        Finding(
            path,
            f"must be in the endpoint's region, {region}",
            match.string,
            "SageMaker would refuse the model, and the image would be pulled from outside the region",
            f"copy the image there and write `{near}`",
        )
    ]
