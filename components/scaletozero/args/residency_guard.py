"""The arguments of `ResidencyGuard`."""

from typing import NotRequired, TypedDict


class ResidencyGuardArgs(TypedDict):
    """The arguments of `ResidencyGuard`."""

    region: str
    """AWS region of the buckets, the key and the VPC endpoints that the documents apply to."""
    regions: NotRequired[list[str]]
    """The allowed Regions. Give either these or `geography`."""
    geography: NotRequired[str]
    """The allowed geography, such as `eu`."""
    buckets: NotRequired[list[str]]
    """Names of the buckets that need a policy. Default: none."""
    organization: NotRequired[str]
    """The id of the organisation, such as `o-a1b2c3d4e5`: the buckets then accept only its accounts' requests. Default:
    requests of every account that IAM allows."""
    vpc_endpoints: NotRequired[list[str]]
    """The ids of the VPC endpoints that requests to the buckets must come through. Default: any network."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
