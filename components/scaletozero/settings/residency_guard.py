"""The settings of `ResidencyGuard`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, reject
from scaletozero.settings.common import Tags, bucket_name
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import AnyRegion, Geography, Residency, within

_ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
_VPC_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")


def _organization(value: str) -> str:
    if not _ORGANIZATION.fullmatch(value):
        reject(
            "must be the id of an organisation",
            "the buckets would refuse every request",
            "write the `Id` that `aws organizations describe-organization` prints, such as `o-a1b2c3d4e5`",
        )
    return value


def _vpc_endpoint(value: str) -> str:
    if not _VPC_ENDPOINT.fullmatch(value):
        reject(
            "must be the id of a VPC endpoint",
            "the buckets would refuse every request",
            "write an id such as `vpce-0123456789abcdef0`",
        )
    return value


OwnBucketName = Annotated[Text, AfterValidator(bucket_name)]
"""The name of a bucket, if it decides the content of a document."""
Organization = Annotated[Text, AfterValidator(_organization)]
"""The id of an organisation (Organizations API reference, Organization)."""
VpcEndpoint = Annotated[Text, AfterValidator(_vpc_endpoint)]
"""The id of a VPC endpoint."""


class ResidencyGuardSettings(Settings):
    """The settings of `ResidencyGuardArgs`."""

    region: Region
    regions: tuple[AnyRegion, ...] = ()
    geography: Geography | None = None
    buckets: tuple[OwnBucketName, ...] = ()
    organization: Organization | None = None
    vpc_endpoints: tuple[VpcEndpoint, ...] = ()
    tags: Tags = Field(default_factory=dict)

    @property
    def residency(self) -> Residency:
        """The allowed Regions."""
        return Residency(regions=self.regions, geography=self.geography)

    def conflicts(self) -> Iterable[Finding]:
        yield from self.residency.conflicts()
        yield from within(self.residency.allowed, self.region, "region")
        if not self.buckets:
            for key in ("organization", "vpc_endpoints"):
                if given := getattr(self, key):
                    shown = given if isinstance(given, str) else ", ".join(given)
                    fix = "name the `buckets`, or remove it"
                    yield Finding(key, "is for policies of buckets", shown, "it would be ignored", fix)
