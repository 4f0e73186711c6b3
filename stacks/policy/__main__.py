"""The policy pack: `pulumi preview --policy-pack stacks/policy`."""

from pulumi_policy import PolicyPack  # pyright: ignore[reportMissingImports] - an extra

from scaletozero.environment.spending_pack import spending_policy
from scaletozero.residency.pack import MANDATORY, policies

PolicyPack(
    name="scaletozero-residency",
    policies=[*policies(), spending_policy()],
    enforcement_level=MANDATORY,
    display_name="Residency and spending",
    description="Nothing leaves the Regions that an environment names, or exceeds its cap. Works on any stack.",
    tags=["residency", "spending"],
)
