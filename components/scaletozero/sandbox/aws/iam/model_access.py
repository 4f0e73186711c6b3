"""The checks that SageMaker makes of a model's role when the model is created: trust, archive, image, network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from scaletozero.partitions import ECR_HOST, arn, service_principal
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
"""The actions on a repository that pulling an image needs (ECR user guide, pull permissions)."""

INTERFACE_ACTIONS: Final = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
DESCRIBE_ACTIONS: Final = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
"""Actions of SageMaker with the role for a model in a VPC, besides creating interfaces (SageMaker developer guide,
"Give SageMaker hosted endpoints access to resources in your Amazon VPC")."""

SAGEMAKER = service_principal("sagemaker")

_IMAGE = re.compile(rf"{ECR_HOST}/(?P<name>[^:@]+)")


class ClientOfRole(Protocol):
    """Makes a boto3 client that acts for a role."""

    def __call__(self, role_arn: str, service: str, region: str, source: str) -> Any: ...


class ModelAccess:
    """Checks that a role can be assumed and can read what its model needs.

    Args:
        roles: decides by the policies.
        client: acts for the role.
    """

    def __init__(self, roles: Roles, client: ClientOfRole) -> None:
        self._roles, self._client = roles, client

    def require_trust(self, role_arn: str, region: str, model_arn: str) -> None:
        """Raises AwsError if SageMaker may not assume the role for the model."""
        self._roles.require_trust(role_arn, SAGEMAKER, region, model_arn)

    def require_readable(self, role_arn: str, region: str, url: str, model: str) -> None:
        """Raises AwsError, in SageMaker's words, if the role may not read the archive at an s3:// address."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if key.endswith("/"):  # a prefix, whose objects are read one by one when an instance starts
            return
        try:
            self._client(role_arn, "s3", region, f"model/{model}").head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise AwsError(
                "ValidationException",
                f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists and that its '
                'trust relationship policy allows the action "sts:AssumeRole" for the service principal '
                f'"{SAGEMAKER}". Also ensure that the role has "s3:GetObject" permissions and that the object is '
                f"located in {region}.",
            ) from error

    def require_image(self, role_arn: str, region: str, image: str) -> None:
        """Raises AwsError if the role may not pull an image from ECR. Other registries need no permission."""
        match = _IMAGE.match(image)
        if not match:
            return
        place = Place(region, ACCOUNT)
        repository = arn("ecr", match["region"], match["account"], f"repository/{match['name']}")
        needed = [Demand("ecr:GetAuthorizationToken", "*"), *(Demand(action, repository) for action in PULL)]
        try:
            self._roles.require_role(role_arn, needed, place)
        except AwsError as denied:
            raise AwsError("ValidationException", f"Could not access the image {image}. {denied.message}") from None

    def require_network(self, role_arn: str, region: str, vpc: Mapping[str, Sequence[str]]) -> None:
        """Raises AwsError where the role may not attach the containers to the subnets of a VpcConfig.

        The service needs the permissions once it creates the interfaces; the sandbox creates none, so it asks here.
        """
        try:
            self._roles.require_role(role_arn, _network_demands(region, vpc), Place(region, ACCOUNT))
        except AwsError as denied:
            raise AwsError("ValidationException", f"Could not attach the model to its VPC. {denied.message}") from None


def _network_demands(region: str, vpc: Mapping[str, Sequence[str]]) -> Iterator[Demand]:
    def of_ec2(resource: str) -> str:
        return arn("ec2", region, ACCOUNT, resource)

    interface, subnets = of_ec2("network-interface/*"), [of_ec2(f"subnet/{each}") for each in vpc.get("Subnets", ())]
    groups = [of_ec2(f"security-group/{each}") for each in vpc.get("SecurityGroupIds", ())]
    for action in DESCRIBE_ACTIONS:
        yield Demand(action, "*")
    for resource in (interface, *subnets, *groups):
        yield Demand("ec2:CreateNetworkInterface", resource)
    for action in INTERFACE_ACTIONS:
        for subnet in subnets:
            yield Demand(action, interface, (("ec2:subnet", subnet),))
