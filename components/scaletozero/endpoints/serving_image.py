"""The registry of an environment's serving images, and the image of every CPU endpoint."""

import json

import pulumi
import pulumi_aws as aws

from model_packaging.findings import refuse
from scaletozero.args.serving_image import ServingImageArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.image_build import BuiltImage, need_docker
from scaletozero.settings.serving_image import ServingImageSettings


class ServingImage(Component):
    """A private repository with immutable tags, whose images are scanned when they are pushed.

    A repository that still contains images is not deleted.

    Tagged images are kept forever: an endpoint at zero pulls its image when it wakes, and could not wake if the image
    had been deleted. With `build`, the image of `model_packaging/serving/Dockerfile` is built and
    pushed, again if its files have changed. Whether it is built must be declared and is not detected: a program that is
    run once with Docker and once without it would create the image and delete it again.

    The repository itself is the attribute `repository`.

    Raises:
        FindingsError: an argument is invalid, or there is no Docker to build with. Nothing is declared.
    """

    type_name = "scaletozero:index:ServingImage"

    repository_url: pulumi.Output[str]
    """The beginning of an image's address; a tag or a digest follows."""
    arn: pulumi.Output[str]
    """The repository's ARN, for policies of callers that push images."""
    image: pulumi.Output[str] | None
    """The address of the built image, with its digest, for an endpoint's `image`."""

    def __init__(self, name: str, args: ServingImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(ServingImageSettings, args, name=name, inputs=["kms_key_arn"])
        if name != name.lower():
            fix = f"write `{name.lower()}`"
            raise refuse("the component's name", "must have lower-case letters only", name, "ECR would refuse it", fix)
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
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.repository = repository
        self.register_outputs({"repository_url": self.repository_url, "arn": self.arn, "image": self.image})


def untagged_policy(days: int) -> str:
    """The lifecycle policy that deletes untagged images, and no others, after some days."""
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
