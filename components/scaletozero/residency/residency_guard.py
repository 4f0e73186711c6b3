"""Declares the policies that enforce a residency independently of Pulumi."""

import pulumi
import pulumi_aws as aws

from model_packaging.findings import Finding, FindingsError
from scaletozero.args.residency_guard import ResidencyGuardArgs
from scaletozero.component import Component, validated
from scaletozero.policies import account_of
from scaletozero.residency import guard
from scaletozero.settings.residency_guard import ResidencyGuardSettings

ROLE = "aws:iam/role:Role"


class ResidencyGuard(Component):
    """A permissions boundary that denies calls that leave a residency, and policy documents for other resources.

    A boundary limits the roles that it is set on: pass `bounded_by` in the options of the components that declare them.
    The policies of buckets, of a key and of VPC endpoints are outputs, because each of these has only one policy, which
    attaching another would replace; the service control policy is an output for the organisation's administrators.

    The boundary itself is the attribute `boundary`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:ResidencyGuard"

    boundary_arn: pulumi.Output[str]
    """ARN of the permissions boundary."""
    service_control_policy: pulumi.Output[str]
    """The organisation's policy for the account, in JSON."""
    bucket_policies: pulumi.Output[dict[str, str]]
    """The policy of each bucket, in JSON, by the bucket's name."""
    key_policy: pulumi.Output[str]
    """The policy of a KMS key of the Region, in JSON."""
    endpoint_policy: pulumi.Output[str]
    """The policy of VPC endpoints of the Region, in JSON."""
    image_endpoint_policy: pulumi.Output[str]
    """The policy of the VPC endpoint of S3 if images are pulled from ECR through it, in JSON."""

    def __init__(self, name: str, args: ResidencyGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, _ = validated(ResidencyGuardSettings, args, name=name)
        residency, region = settings.residency, settings.region
        boundary = guard.as_text(guard.boundary(residency))
        organisation = guard.as_text(guard.service_control_policy(residency))
        too_long = [
            Finding(
                f"{name}.regions",
                f"must result in a {what} of at most {limit} characters",
                f"{len(residency.allowed)} Regions, {len(text)} characters",
                "AWS would refuse the policy",
                "name fewer Regions, or declare a guard for each part of them",
            )
            for what, text, limit in (
                ("permissions boundary", boundary, guard.LARGEST_MANAGED_POLICY),
                ("service control policy", organisation, guard.LARGEST_SCP),
            )
            if len(text) > limit
        ]
        if too_long:
            raise FindingsError(too_long)
        super().__init__(name, opts, region=region, tags=settings.tags)

        policy = aws.iam.Policy(self.child(limit=128), policy=boundary, tags=self._tags, opts=self.options())
        account = policy.arn.apply(account_of)

        self.boundary_arn = policy.arn
        self.service_control_policy = pulumi.Output.from_input(organisation)
        self.bucket_policies = pulumi.Output.from_input(
            {
                bucket: guard.as_text(
                    guard.bucket_policy(
                        bucket, region, organization=settings.organization, endpoints=settings.vpc_endpoints
                    )
                )
                for bucket in settings.buckets
            }
        )
        self.key_policy = account.apply(lambda known: guard.as_text(guard.key_policy(region, known)))
        self.endpoint_policy = account.apply(lambda known: guard.as_text(guard.endpoint_policy(region, known)))
        self.image_endpoint_policy = account.apply(
            lambda known: guard.as_text(guard.endpoint_policy(region, known, images=True))
        )
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.boundary = policy
        self.register_outputs(
            {
                "boundary_arn": self.boundary_arn,
                "service_control_policy": self.service_control_policy,
                "bucket_policies": self.bucket_policies,
                "key_policy": self.key_policy,
                "endpoint_policy": self.endpoint_policy,
                "image_endpoint_policy": self.image_endpoint_policy,
            }
        )


def bounded_by(boundary_arn: pulumi.Input[str]) -> pulumi.ResourceTransformation:
    """Sets a permissions boundary on every role below a resource: one of `ResourceOptions.transformations`.

    A role that already has a boundary keeps it.

    Args:
        boundary_arn: the ARN of the boundary, for example `ResidencyGuard.boundary_arn`.
    """

    def bound(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ != ROLE or args.props.get("permissions_boundary") is not None:
            return None
        return pulumi.ResourceTransformationResult({**args.props, "permissions_boundary": boundary_arn}, args.opts)

    return bound
