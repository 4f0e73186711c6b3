"""The registry that an environment's serving images lie in, and the image of every CPU endpoint."""

import json

import pulumi
import pulumi_aws as aws

from model_packaging.findings import refuse
from scaletozero.args.serving_image import ServingImageArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.image_build import BuiltImage, need_docker
from scaletozero.settings.serving_image import ServingImageSettings


class ServingImage(Component):
    """A private repository whose tags are never moved and whose images are scanned when they are pushed.

    It is not emptied when it is destroyed: a repository that still holds images stays.

    Tagged images are kept for ever: an endpoint at zero pulls its image when it wakes, and one that had been cleaned up
    would never wake again. With `build`, the image that `model_packaging/serving/Dockerfile` describes is built and
    pushed, anew when its files have changed. Whether it is built is said, not found out: a program that is run once
    with Docker and once without would create the image and delete it again.

    The repository itself is the attribute `repository`.

    Raises:
        FindingsError: when an argument breaks a rule, or there is nothing to build with, before anything is declared.
    """

    type_name = "scaletozero:index:ServingImage"

    repository_url: pulumi.Output[str]
    """What an image's address begins with; a tag or a digest follows."""
    arn: pulumi.Output[str]
    """The repository's ARN, for the policy of who pushes."""
    image: pulumi.Output[str] | None
    """The address of the image that was built, with its digest: what an endpoint's `image` takes."""

    def __init__(self, name: str, args: ServingImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(ServingImageSettings, args, name=name, inputs=["kms_key_arn"])
        if name != name.lower():
            fix = f"write `{name.lower()}`"
            raise refuse("the component's name", "must have small letters only", name, "ECR would refuse it", fix)
        if settings.build:
            need_docker(f"{name}.build")
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None

        repository = aws.ecr.Repository(
            self.child(limit=255),
            region=settings.region,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[
                {"encryption_type": "KMS", "kms_key": key} if key is not None else {"encryption_type": "AES256"}
            ],
            tags=self._tags,
            opts=self.options(),
        )
        aws.ecr.LifecyclePolicy(
            self.child("lifecycle"),
            region=settings.region,
            repository=repository.name,
            policy=untagged_policy(settings.keep_untagged_days),
            opts=self.options(),
        )

        self.repository_url = repository.repository_url
        self.arn = repository.arn
        self.image = None
        if settings.build:
            built = BuiltImage(self.child("image"), repository.repository_url, self.options())
            self.image = pulumi.Output.format("{0}@{1}", repository.repository_url, built.digest)
        # Not annotated in the class: the plugin takes every annotation of a component for an output.
        self.repository = repository
        self.register_outputs({"repository_url": self.repository_url, "arn": self.arn, "image": self.image})


def untagged_policy(days: int) -> str:
    """The lifecycle policy that lets untagged images go after some days, and no others."""
    rule = {
        "rulePriority": 1,
        "description": "untagged",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
