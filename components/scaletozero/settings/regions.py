"""AWS Regions, from botocore's tables: no network, no account."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Text, nearest, reject

_PREFIX = {"sagemaker": "api.sagemaker"}
"""Service -> its name in botocore's table of endpoints, if it differs."""


@cache
def regions_of(service: str) -> dict[str, str]:
    """Region -> partition, for every region in which botocore knows the service."""
    from botocore.loaders import Loader  # only if a region is checked

    return {
        region: partition["partition"]
        for partition in Loader().load_data("endpoints")["partitions"]
        for region in partition["services"].get(_PREFIX.get(service, service), {}).get("endpoints", {})
        if region in partition["regions"]
    }


def partition_of(region: str) -> str:
    """The partition (`aws`, `aws-cn`, ...) of a validated region."""
    return regions_of("sagemaker")[region]


def _known(region: str) -> str:
    known = regions_of("sagemaker")
    if region not in known:
        guess = nearest(region, known)
        reject(
            "must be a region in which SageMaker is offered",
            "nothing could be created there",
            f"write `{guess}`" if guess else "write a region such as `eu-central-1`",
        )
    return region


SERVERLESS_REGIONS = frozenset(
    {
        "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
        "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-1",
        "ap-east-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1",
        "ap-southeast-2", "me-south-1", "af-south-1",
    }
)  # fmt: skip
"""The regions of SageMaker Serverless Inference.

Source of each: SageMaker developer guide, "Deploy models with Amazon SageMaker Serverless Inference", which names them
("generally available in 21 AWS Regions"), and names the same ones again by their quota of concurrency, 8 with 1000 and
13 with 500. Uncertain is what the guide does not name: botocore's table of endpoints lists SageMaker in more regions
(newer ones, China, GovCloud), and does not say which kinds of endpoints they have. They are refused here.
"""


def serverless_conflicts(region: str, path: str) -> list[Finding]:
    """Findings on a region that has SageMaker, but no serverless endpoints.

    Args:
        path: the path of the region, or of what requires it.
    """
    if region in SERVERLESS_REGIONS:
        return []
    return [
        Finding(
            path,
            "must be in a region with SageMaker Serverless Inference",
            region,
            "SageMaker would refuse the configuration",
            f"write `kind: asynchronous`, or choose one of {', '.join(sorted(SERVERLESS_REGIONS))}",
        )
    ]


Region = Annotated[Text, AfterValidator(_known)]
"""The name of an AWS region in which SageMaker is offered."""
