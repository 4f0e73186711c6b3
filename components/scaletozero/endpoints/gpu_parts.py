"""The components that make up an endpoint on Kubernetes GPUs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_aws as aws

from scaletozero.cluster.objects import declare
from scaletozero.component import Component
from scaletozero.kubernetes.manifests.identity import role_policy
from scaletozero.kubernetes.manifests.objects import Manifest
from scaletozero.kubernetes.model import Model, place, places
from scaletozero.kubernetes.plan import GpuPlan
from scaletozero.settings.gpu import GpuEndpointSettings


class GpuModelAccess(Component):
    """A model's files below a prefix with its digest, and a role for one service account that can read these."""

    type_name = "scaletozero:index:GpuModelAccess"

    role_arn: pulumi.Output[str]
    """The ARN of the role."""

    def __init__(
        self,
        name: str,
        plan: GpuPlan,
        settings: GpuEndpointSettings,
        model: Model,
        files: Mapping[str, Path],
        bucket: pulumi.Output[str],
        key: pulumi.Output[str] | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        region = settings.cluster.region
        super().__init__(name, opts, region=region, tags={"endpoint": plan.name, **settings.tags})
        at = place(plan.name, settings, model)
        for path, file in files.items():
            aws.s3.BucketObjectv2(
                self.child(path),
                region=region,
                bucket=bucket,
                key=f"{at}/{path}",
                kms_key_id=key,
                source=pulumi.FileAsset(str(file)),
                checksum_algorithm="SHA256",
                tags=self._own_tags,
                # An object can have ten tags; a provider's default tags could exceed that. (An update adds them
                # again: hashicorp/terraform-provider-aws#45381.)
                override_provider={"default_tags": {"tags": {}}},
                opts=self.options(),
            )
        role = aws.iam.Role(
            self.child("role", limit=64),
            description=f"What the pods of {plan.namespace}/{plan.name} may do",
            assume_role_policy=json.dumps(plan.trust),
            tags=self._tags,
            opts=self.options(),
        )
        permissions = aws.iam.RolePolicy(
            self.child("permissions", limit=128),
            role=role.name,
            policy=pulumi.Output.all(bucket, key).apply(
                lambda known: json.dumps(role_policy(known[0], places(plan.name, settings), region, known[1]))
            ),
            opts=self.options(),
        )
        aws.eks.PodIdentityAssociation(
            self.child("identity"),
            region=region,
            cluster_name=settings.cluster.name,
            namespace=plan.namespace,
            service_account=plan.name,
            role_arn=role.arn,
            tags=self._tags,
            # A pod that gets the role before its permissions fails to load the model.
            opts=self.options(depends_on=[permissions]),
        )
        self.role_arn = role.arn
        self.role = role
        self.register_outputs({"role_arn": self.role_arn})


class GpuScaling(Component):
    """The objects that wake an endpoint, hold its requests, and scale it to zero."""

    type_name = "scaletozero:index:GpuScaling"

    def __init__(
        self, name: str, objects: Sequence[Manifest], region: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts, region=region, tags={})
        declare(self, objects, primary="ScaledObject")
        self.register_outputs({})


class GpuMonitoring(Component):
    """The metrics and alerts of an endpoint."""

    type_name = "scaletozero:index:GpuMonitoring"

    def __init__(
        self, name: str, objects: Sequence[Manifest], region: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts, region=region, tags={})
        declare(self, objects, primary="PodMonitor")
        self.register_outputs({})
