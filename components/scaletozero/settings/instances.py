"""Instance types of SageMaker hosting, and the Regions in which they are known not to be offered.

The types are those of the service model; no API tells where SageMaker offers them. That is derived from the prices of
the underlying EC2 types: a family without a price in a region is not offered there.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Text, nearest, reject
from scaletozero.settings.framework_images import Processor

NOT_OFFERED = {
    "eu-west-1": ("g6", "g6e", "p5"),
    "eu-central-1": ("p5",),
}
"""Region -> families without an EC2 price there (karpenter-provider-aws, 2026-01-19, and the SkyPilot catalog)."""

INSTEAD = {"g6": "g5", "g6e": "g5", "p5": "p4d"}
"""Family -> the nearest older family, which is offered more widely."""


@cache
def instance_types() -> frozenset[str]:
    """Every instance type that a production variant can have."""
    import botocore.session  # takes 0.1 s, so only if a type is checked

    model = botocore.session.Session().get_service_model("sagemaker")
    return frozenset(model.shape_for("ProductionVariantInstanceType").enum)  # pyright: ignore[reportAttributeAccessIssue]


def _known(name: str) -> str:
    if name not in instance_types():
        guess = nearest(name, instance_types())
        reject(
            "must be an instance type that SageMaker hosts models on",
            "SageMaker would refuse the configuration",
            f"write `{guess}`" if guess else "write one such as `ml.g5.xlarge`",
        )
    return name


InstanceType = Annotated[Text, AfterValidator(_known)]
"""An instance type of SageMaker hosting."""


def family(name: str) -> str:
    """`g5` of `ml.g5.xlarge`."""
    return name.split(".")[1]


def processor_of(name: str) -> Processor:
    """The processor of an instance type: a GPU for the families g and p."""
    return "gpu" if family(name)[0] in "gp" else "cpu"


def instance_conflicts(name: str, region: str, path: str = "instance_type") -> list[Finding]:
    """Findings on an instance type that does not scale, or that is not offered in the endpoint's region."""
    kind = family(name)
    if kind[0] == "t" and kind[1:2].isdigit():
        return [
            Finding(
                path,
                "must not be burstable",
                name,
                "SageMaker does not scale such instances: the endpoint would never go to zero",
                "choose a type of another family, such as m5, c5 or g5, at its own price",
            )
        ]
    if kind not in NOT_OFFERED.get(region, ()):
        return []
    return [
        Finding(
            path,
            f"must be offered in {region}",
            name,
            "SageMaker would never find capacity",
            f"choose a region that has {kind}, or a type of another family, such as {INSTEAD[kind]}, at its own price",
        )
    ]


def has_local_storage(name: str) -> bool:
    """Whether an instance type has local disks, which its hardware encrypts: SageMaker used to refuse a KMS key for
    them, and now ignores it (API reference, CreateEndpointConfig, KmsKeyId)."""
    kind = family(name)
    return kind in _LOCAL_STORAGE or ("d" in kind.lstrip("abcdefghijklmnopqrstuvwxyz") and kind[0] in "cmr")


_LOCAL_STORAGE = frozenset(
    {"g4dn", "g5", "g6", "g6e", "g7", "g7e", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200"}
    | {"trn1", "trn1n", "trn2"}
)
