"""A stack whose data stays in one Region: a bucket for models, a topic, and a guard for every role of the stack.

Preview it with the policy pack, which `examples/residency.json` holds to the Region (docs/residency.md):
`pulumi preview --policy-pack stacks/policy --policy-pack-config examples/residency.json`.
"""

import pulumi
import pulumi_aws as aws

from scaletozero import ArtifactStore, ResidencyGuard, bounded_by

REGION = "eu-central-1"


def main(alarms_region: str = REGION) -> ResidencyGuard:
    """Declares the stack. The policy pack refuses a topic for alarms in another Region."""
    here = pulumi.ResourceOptions(providers=[aws.Provider("aws", region=REGION)])
    guard = ResidencyGuard("guard", {"region": REGION, "regions": [REGION]}, here)
    bounded = pulumi.ResourceOptions(transformations=[bounded_by(guard.boundary_arn)])
    inside = pulumi.ResourceOptions.merge(here, bounded)
    ArtifactStore("artifacts", {"region": REGION, "residency": [REGION]}, inside)
    aws.sns.Topic("alarms", region=alarms_region, opts=inside)
    return guard


if __name__ == "__main__":
    pulumi.export("service_control_policy", main().service_control_policy)
