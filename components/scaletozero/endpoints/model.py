"""The resources that every endpoint on SageMaker needs: the archive, the log group, the role and the model."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.artifact.reader import Artifact
from model_packaging.findings import refuse
from scaletozero.component import Component, checked, shown_as_it_is
from scaletozero.partitions import arn, bucket_arn, service_principal
from scaletozero.policies import account_of, trust_policy
from scaletozero.settings.framework_images import FrameworkImage, Processor, address, registries
from scaletozero.settings.names import model_prefix, models_prefix
from scaletozero.settings.serverless import image_account, image_repository_arn

Statement = dict[str, Any]

ARCHIVE = "model.tar.gz"


@dataclass(frozen=True)
class ServedModel:
    """The resources that an endpoint's configuration needs."""

    archive: aws.s3.BucketObjectv2
    logs: aws.cloudwatch.LogGroup
    role: aws.iam.Role
    model: aws.sagemaker.Model


def declare_model(
    owner: Component,
    *,
    name: str,
    endpoint_name: str,
    region: str,
    artifact: Artifact,
    bucket: pulumi.Input[str],
    image: Any,
    processor: Processor,
    key: pulumi.Input[str] | None,
    log_days: int,
    more: pulumi.Input[Sequence[Statement]] = (),
    vpc: Mapping[str, Any] | None = None,
    isolated: bool = False,
) -> ServedModel:
    """Declares an archive under its own digest, and the model that serves it, with the least privileges.

    Args:
        owner: the parent component of the resources.
        name, endpoint_name: the names of the component, and of the endpoint at the service.
        artifact: the packaged model.
        bucket: the bucket for the archive.
        image: the serving image: its address, or a framework and a version.
        processor: the processor that it runs on.
        key: the KMS key of the bucket and of the logs, if there is one.
        log_days: days for which logs are kept.
        more: additional statements of the role's policy.
        vpc: the model's network, if it is attached to one.
        isolated: whether the containers have no network at all.
    """
    archive = aws.s3.BucketObjectv2(
        owner.child("artifact"),
        region=region,
        bucket=bucket,
        key=f"{model_prefix(endpoint_name, artifact.digest, own_key=key is not None)}/{ARCHIVE}",
        source=pulumi.FileAsset(str(artifact.archive)),
        checksum_algorithm="SHA256",
        content_type="application/gzip",
        kms_key_id=key,
        tags=owner._own_tags,
        # An object can have ten tags; a provider's default tags could exceed that. (An update adds them again:
        # hashicorp/terraform-provider-aws#45381.)
        override_provider={"default_tags": {"tags": {}}},
        opts=owner.options(),
    )
    logs = aws.cloudwatch.LogGroup(
        owner.child("logs"),
        region=region,
        name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
        retention_in_days=log_days,
        kms_key_id=key,
        tags=owner._tags,
        opts=owner.options(),
    )
    role = aws.iam.Role(
        owner.child("role", limit=64),
        description=f"What the containers of the endpoint {endpoint_name} may do",
        assume_role_policy=logs.arn.apply(lambda known: _trust(region, account_of(known))),
        tags=owner._tags,
        opts=owner.options(),
    )
    where = f"{name}.image"
    image = _addressed(owner, where, image, region, processor)
    served_image = (
        # The engine's SDK waits for each output, so plain values are not turned into outputs.
        role.arn.apply(lambda arn: own_image(where, image, arn))
        if isinstance(image, str)
        else checked(pulumi.Output.all(image, role.arn), lambda known: own_image(where, *known), {where: image})
    )
    permissions = aws.iam.RolePolicy(
        owner.child("permissions", limit=128),
        role=role.name,
        policy=pulumi.Output.all(served_image, archive.bucket, logs.arn, key, more).apply(
            lambda known: role_policy(
                region,
                known[0],
                known[1],
                models_prefix(endpoint_name),
                known[2],
                kms_key_arn=known[3],
                more=known[4],
            )
        ),
        opts=owner.options(),
    )
    model = aws.sagemaker.Model(
        owner.child("model", limit=63),
        region=region,
        execution_role_arn=role.arn,
        primary_container={
            "image": served_image,
            "model_data_url": pulumi.Output.format("s3://{0}/{1}", archive.bucket, archive.key),
        },
        vpc_config=vpc,  # pyright: ignore[reportArgumentType]
        enable_network_isolation=isolated or None,
        tags=owner._tags,
        # SageMaker reads the archive with the role when the model is created.
        opts=owner.options(depends_on=[permissions]),
    )
    return ServedModel(archive, logs, role, model)


def _addressed(owner: Component, where: str, image: Any, region: str, processor: Processor) -> pulumi.Input[str]:
    """The address of an image that is given as an address, as a framework and a version, or as an output."""

    def addressed(known: Any) -> str:
        if not isinstance(known, Mapping | FrameworkImage):
            return known
        named = FrameworkImage.model_validate(known)
        found = address(named, region, processor)
        pulumi.info(f"{where}: {named.framework} {named.version} is {found}", owner)
        return found

    return image.apply(addressed) if isinstance(image, pulumi.Output) else addressed(image)


def fail_on_rollback(
    owner: Component, endpoint: aws.sagemaker.Endpoint, configuration: aws.sagemaker.EndpointConfiguration
) -> None:
    """Fails the program if the endpoint returned to its old configuration, before that is deleted.

    SageMaker does that if the new containers do not start, and the provider takes the endpoint's being in service
    for a success (hashicorp/terraform-provider-aws#48997).
    """
    name = owner._component_name

    @shown_as_it_is
    def check(known: Sequence[str]) -> None:
        served, wanted = known
        if served != wanted:
            raise refuse(
                name,
                f"must serve its new configuration, {wanted}",
                f"SageMaker returned to {served}",
                "the old model is still served, and none of its resources were deleted",
                "read the endpoint's logs and its FailureReason (`aws sagemaker describe-endpoint`)",
            )

    pulumi.Output.all(endpoint.endpoint_config_name, configuration.name).apply(check)


def _trust(region: str, account: str) -> str:
    # SageMaker assumes the role for models, configurations and endpoints: its guide leaves the resource open.
    return trust_policy(service_principal("sagemaker"), account, arn("sagemaker", region, account, "*"))


AWS_REGISTRIES = frozenset(
    {
        "763104351884", "364406365360", "772153158452", "907027046896", "457447274322", "550225433462", "633930458069",
        "590183813437", "204538143572", "727897471807", "380420809688", "692866216735", "503227376785", "626614931356",
        "871362719292", "975050140332", "780543022126", "914824155844", "217643126080", "637423239942", "124382933778",
        "446045086412", "442386744353",
    }
)  # fmt: skip
"""The accounts of AWS's own framework images (the tables of the `sagemaker-core` package)."""


EXAMPLE_ACCOUNT = "123456789012"
"""The account of AWS's examples, which belongs to no one, and of the sandbox."""


@shown_as_it_is
def own_image(path: str, image: str, role_arn: str | None) -> str:
    """Returns the image if it is in the account that is deployed to, or is one of AWS's own.

    In the sandbox, which pulls no images, an image of another account is only a warning.

    Raises:
        FindingsError: the image is in another account, from which SageMaker does not pull.
    """
    # The mocks of a stack's unit tests may leave the ARN out.
    match = re.fullmatch(r"arn:[a-z-]+:iam::(\d{12}):role/.+", role_arn or "")
    # AWS's older images have a different account in each region, and repositories with a common prefix.
    account = image_account(image)
    by_aws = account in AWS_REGISTRIES or "/sagemaker-" in image or account in registries()
    if match and image_account(image) != match[1] and not by_aws:
        if match[1] == EXAMPLE_ACCOUNT:
            pulumi.warn(f"{path}: {image} is in another account than the sandbox, which pulls no images")
            return image
        raise refuse(
            path,
            f"must be in the account that is deployed to, {match[1]}",
            image,
            "SageMaker would refuse the model",
            f"copy it there and write `{image.replace(image_account(image), match[1], 1)}`",
        )
    return image


def role_policy(
    region: str,
    image: str,
    bucket: str,
    models: str,
    log_group_arn: str,
    *,
    kms_key_arn: str | None,
    more: Sequence[Statement] = (),
) -> str:
    """The policy of an endpoint's role: read its archives, pull this image, write these logs and metrics, and `more`.

    Two actions have no resource to name (`ecr:GetAuthorizationToken`, `cloudwatch:PutMetricData`); each
    is limited by a condition instead.
    """
    archives = f"{bucket_arn(region, bucket)}/{models}/*/{ARCHIVE}"
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    statements: list[Statement] = [
        {"Sid": "ReadArtifact", "Effect": "Allow", "Action": "s3:GetObject", "Resource": archives},
        {
            "Sid": "PullImage",
            "Effect": "Allow",
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": image_repository_arn(image),
        },
        {
            "Sid": "LogInToRegistry",
            "Effect": "Allow",
            "Action": "ecr:GetAuthorizationToken",
            "Resource": "*",
            "Condition": here,
        },
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {
            "Sid": "WriteMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
        },
    ]
    if kms_key_arn:
        statements.append(
            {"Sid": "DecryptArtifact", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": kms_key_arn}
        )
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements, *more]})
