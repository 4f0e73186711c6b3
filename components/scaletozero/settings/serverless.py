"""What a user may declare of an endpoint on SageMaker Serverless Inference, with every rule on it.

The limits are those of `ProductionVariantServerlessConfig` in the SageMaker API and of the developer guide's page on
serverless endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Later, Settings, Text, may_be_later, reject
from scaletozero.settings.common import KmsKeyArn, Tags, key_conflicts
from scaletozero.settings.regions import Region, partition_of

MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
"""The sizes that the service offers; a vCPU share comes with them."""

MAX_CONCURRENCY = 200
"""The most concurrent calls that one serverless endpoint takes."""

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>amazonaws\.com(?:\.cn)?)/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def _memory(value: int) -> int:
    if value not in MEMORY_MB:
        fitting = next((size for size in MEMORY_MB if size >= value), MEMORY_MB[-1])
        sizes = ", ".join(map(str, MEMORY_MB))
        reject(f"must be one of {sizes}", "SageMaker would refuse the configuration", f"write {fitting}")
    return value


def _max(value: int) -> int:
    if not 1 <= value <= MAX_CONCURRENCY:
        fix = f"write {min(max(value, 1), MAX_CONCURRENCY)}, or declare several endpoints"
        reject(f"must be from 1 to {MAX_CONCURRENCY}", "SageMaker would refuse the configuration", fix)
    return value


def _image(value: str) -> str:
    match = _ECR_IMAGE.fullmatch(value)
    if not match:
        reject(
            "must be an image in Amazon ECR, with a tag or a digest",
            "SageMaker Serverless pulls from no other registry",
            "write `<account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<digest>`",
        )
    if not (match["tag"] or match["digest"]) or (match["tag"] == "latest" and not match["digest"]):
        reject(
            "must be pinned by a digest or an exact tag",
            "the endpoint would run whatever was pushed last, and a rollback would not bring the old one back",
            f"write `{value.removesuffix(':latest')}@sha256:<digest>`",
        )
    return value


Image = Annotated[Text, AfterValidator(_image), may_be_later]
"""An image in Amazon ECR, pinned."""


def image_repository_arn(image: str) -> str:
    """The ARN of the ECR repository that a validated image lives in."""
    match = _ECR_IMAGE.fullmatch(image)
    assert match
    partition = partition_of(match["region"])
    return f"arn:{partition}:ecr:{match['region']}:{match['account']}:repository/{match['repository']}"


class Scaling(Settings):
    """How far an endpoint scales.

    Attributes:
        max: the most concurrent calls, 1 to 200; further ones are answered with 429. It bounds the bill: an endpoint
            can never cost more than `max` x memory x price per second. A new account may be limited to 10 in all.
    """

    max: Annotated[Int, AfterValidator(_max)] = 10

    @model_validator(mode="before")
    @classmethod
    def _not_on_serverless(cls, data: object) -> object:
        if isinstance(data, dict) and "idle_seconds" in data:
            reject(
                "cannot be set on SageMaker Serverless, which decides itself when an idle container goes",
                "it would have been ignored",
                "remove it",
                at="idle_seconds",
            )
        return data


class Serverless(Settings):
    """One endpoint on SageMaker Serverless Inference.

    Attributes:
        kind: `serverless`.
        artifact: the folder that the packaging wrote, relative to the project's folder.
        image: the serving image, in ECR, in the endpoint's region.
        memory_mb: 1024 to 6144 in steps of 1024; what the artifact's manifest recommends, unless given.
        scaling: how far it scales.
        tags: further tags for everything that belongs to the endpoint.
    """

    kind: Literal["serverless"] = "serverless"
    artifact: Text
    image: Image
    memory_mb: Annotated[Int, AfterValidator(_memory)] | None = None
    scaling: Scaling = Scaling()
    tags: Tags = Field(default_factory=dict)


class ServerlessEndpointSettings(Serverless):
    """`ServerlessEndpointArgs`: an endpoint, and where it runs.

    Attributes:
        bucket: the bucket that its archive goes to.
        region: the AWS region of the endpoint and of all that belongs to it.
        kms_key_arn: the key with which the artifact's bucket is encrypted, if it is not the service's own.
    """

    bucket: Annotated[Text, may_be_later]
    region: Region
    kms_key_arn: KmsKeyArn | None = None

    def conflicts(self) -> Iterable[Finding]:
        return [*image_conflicts(self.image, self.region, "image"), *key_conflicts(self.kms_key_arn, self.region)]


def image_conflicts(image: str | Later, region: str, path: str) -> list[Finding]:
    """An image from another region than the endpoint's: SageMaker pulls from its own region only."""
    match = None if isinstance(image, Later) else _ECR_IMAGE.fullmatch(image)
    if not match or match["region"] == region:
        return []
    near = match.string.replace(match["region"], region, 1)
    return [
        Finding(
            path,
            f"must be in the endpoint's region, {region}",
            match.string,
            "SageMaker would refuse the model, and the image would have left the region",
            f"copy the image there and write `{near}`",
        )
    ]
