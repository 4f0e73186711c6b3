"""The settings of the registry of serving images."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings
from scaletozero.settings.common import Days, KmsKeyArn, Tags, key_conflicts
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within


class ServingImageSettings(Settings):
    """The settings of `ServingImageArgs`."""

    region: Region
    residency: tuple[Region, ...] = ()
    build: bool = False
    keep_untagged_days: Days = 30
    kms_key_arn: KmsKeyArn | None = None
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from within(self.residency, self.region, "region")
