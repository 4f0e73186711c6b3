"""AWS's partitions: their Regions, ARNs and host names, from botocore's table. No network, no account.

No other module of the package contains a partition or a DNS suffix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from model_packaging.findings import refuse
from model_packaging.validation import nearest

SUPPORTED = ("aws", "aws-us-gov", "aws-cn", "aws-eusc")
"""The supported partitions of environments: commercial, US Government, China, European sovereign."""

ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d{12}|aws|):"
    r"(?P<resource>.+)"
)
"""An ARN of any partition."""

ECR_HOST = r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9-]+(?:\.[a-z0-9-]+)+?)"
"""A pattern of a private registry's host in any partition; `domain` must be the DNS suffix of its Region."""

_PRINCIPALS = "amazonaws.com"
EKS_GROUP = f"eks.{_PRINCIPALS}"
"""The API group and label prefix of EKS's own Kubernetes objects: a name, the same in every partition."""


@dataclass(frozen=True)
class Partition:
    """A partition of AWS.

    Attributes:
        name: such as `aws-eusc`, the second part of its ARNs.
        dns_suffix: the end of its hosts' names.
        dual_stack_suffix: the end of the names of hosts that also respond over IPv6.
        regions: the names of its Regions.
        pattern: matches the names of its Regions, including those that are newer than the table.
    """

    name: str
    dns_suffix: str
    dual_stack_suffix: str
    regions: frozenset[str]
    pattern: str


@cache
def partitions() -> Mapping[str, Partition]:
    """Name -> partition."""
    from botocore.loaders import Loader  # only if a Region is checked

    return {
        each["id"]: Partition(
            each["id"],
            each["outputs"]["dnsSuffix"],
            each["outputs"]["dualStackDnsSuffix"],
            frozenset(region for region in each["regions"] if not region.endswith("-global")),
            each["regionRegex"],
        )
        for each in Loader().load_data("partitions")["partitions"]
    }


def find_partition(region: str) -> Partition | None:
    """The partition of a Region, which may be newer than botocore's table; None if the name is not a Region's."""
    known = partitions().values()
    named = next((each for each in known if region in each.regions), None)
    return named or next((each for each in known if re.fullmatch(each.pattern.strip("^$"), region)), None)


def is_region(text: str) -> bool:
    """Whether botocore's table has a Region of this name."""
    return any(text in each.regions for each in partitions().values())


def dns_suffix(region: str) -> str:
    """The end of host names in a Region, for example `amazonaws.com`.

    Raises:
        FindingsError: there is no such Region.
    """
    return _partition(region).dns_suffix


def arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN of a resource in a Region.

    Raises:
        FindingsError: there is no such Region.
    """
    return f"arn:{_partition(region).name}:{service}:{region}:{account}:{resource}"


def arn_prefix(service: str, region: str) -> str:
    """What every ARN of a service in a Region begins with.

    Raises:
        FindingsError: there is no such Region.
    """
    return f"arn:{_partition(region).name}:{service}:{region}:"


def iam_arn(region: str, account: str, resource: str) -> str:
    """The ARN of an IAM resource, which has no Region, in the partition of a Region."""
    return f"arn:{_partition(region).name}:iam::{account}:{resource}"


def bucket_arn(region: str, bucket: str) -> str:
    """The ARN of a bucket, which names neither Region nor account."""
    return f"arn:{_partition(region).name}:s3:::{bucket}"


def registry_host(account: str, region: str) -> str:
    """The host of an account's private image registry in a Region."""
    return f"{account}.dkr.ecr.{region}.{dns_suffix(region)}"


def service_principal(service: str) -> str:
    """The service principal's name in policies, for a service such as `sagemaker`. It is not a host: for the services
    used here it is the same in every partition (terraform-provider-aws, `names.ServicePrincipalNameForPartition`)."""
    return f"{service}.{_PRINCIPALS}"


def is_own_domain(region: str, domain: str) -> bool:
    """Whether a host name in a Region ends in the suffix of that Region's partition."""
    found = find_partition(region)
    return found is not None and domain in (found.dns_suffix, found.dual_stack_suffix)


def _partition(region: str) -> Partition:
    found = find_partition(region)
    if found is None:
        known = [each for partition in partitions().values() for each in partition.regions]
        guess = nearest(region, known)
        fix = f"write `{guess}`" if guess else "write a Region such as `eu-central-1`"
        raise refuse("region", "must be a Region of AWS", region, "no resource could be addressed there", fix)
    return found


BUDGETED = ("aws", "aws-cn")
"""The supported partitions with AWS Budgets and Cost Explorer (botocore's endpoints, `budgets` and `ce`). The costs of
aws-us-gov are billed to an account of the commercial partition; aws-eusc has neither."""


def has_budgets(region: str) -> bool:
    """Whether AWS Budgets, and the anomaly detection of Cost Explorer, are offered in a Region's partition."""
    return _partition(region).name in BUDGETED
