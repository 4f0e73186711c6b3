"""What SageMaker checks of a model's role when the model is created: trust, the archive, the image."""

from __future__ import annotations

import re
from typing import Any, Protocol

from botocore.exceptions import ClientError

from scaletozero.partitions import ECR_HOST, arn, service_principal
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
"""What pulling an image takes, on its repository (ECR user guide, pull permissions)."""

SAGEMAKER = service_principal("sagemaker")

_IMAGE = re.compile(rf"{ECR_HOST}/(?P<name>[^:@]+)")


class ClientOfRole(Protocol):
    """Gives a boto3 client that acts for a role."""

    def __call__(self, role_arn: str, service: str, region: str, source: str) -> Any: ...


class ModelAccess:
    """Whether a role can be assumed, and reach what its model needs.

    Args:
        roles: decides by the policies.
        client: acts for the role.
    """

    def __init__(self, roles: Roles, client: ClientOfRole) -> None:
        self._roles, self._client = roles, client

    def require_trust(self, role_arn: str, region: str, model_arn: str) -> None:
        """Raises AwsError where SageMaker may not assume the role for the model."""
        self._roles.require_trust(role_arn, SAGEMAKER, region, model_arn)

    def require_readable(self, role_arn: str, region: str, url: str, model: str) -> None:
        """Raises AwsError, in SageMaker's words, where the role may not read the archive at an s3:// address."""
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
        """Raises AwsError where the role may not pull an image of ECR; one of another registry needs no permission."""
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
