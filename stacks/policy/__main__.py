"""The policy pack: `pulumi preview --policy-pack stacks/policy`."""

from pulumi_policy import PolicyPack  # pyright: ignore[reportMissingImports] - an extra

from scaletozero.residency.pack import MANDATORY, policies

PolicyPack(
    name="scaletozero-residency",
    policies=policies(),
    enforcement_level=MANDATORY,
    display_name="Residency",
    description="Nothing leaves the Regions that an environment names. Works on any stack.",
    tags=["residency"],
)
