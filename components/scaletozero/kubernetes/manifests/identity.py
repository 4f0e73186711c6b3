"""The identity of an endpoint's pods on AWS, and their permissions."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.partitions import bucket_arn, service_principal
from scaletozero.settings.gpu import GpuEndpointSettings


def service_account(name: str, settings: GpuEndpointSettings) -> Manifest:
    """The pods' service account. Its token is not mounted: Pod Identity provides its own."""
    return manifest(
        "v1",
        "ServiceAccount",
        name,
        settings.namespace,
        selector(name),
        automountServiceAccountToken=False,
    )


def trust_policy(name: str, settings: GpuEndpointSettings) -> dict[str, Any]:
    """`pods_trust` of an endpoint."""
    return pods_trust(name, settings.namespace, settings.cluster.name)


def pods_trust(service_account: str, namespace: str, cluster: str) -> dict[str, Any]:
    """Allows EKS Pod Identity to assume the role for this service account of this cluster only."""
    tags = {
        "aws:RequestTag/eks-cluster-name": cluster,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service_principal("pods.eks")},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {"StringEquals": tags},
            }
        ],
    }


def role_policy(bucket: str, at: str, region: str, kms_key_arn: str | None = None) -> dict[str, Any]:
    """Allows to read and list the objects below the prefix `at`, and to decrypt them with the bucket's own key."""
    decrypt = {"Sid": "DecryptArtifact", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": kms_key_arn}
    arn = bucket_arn(region, bucket)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "ReadArtifact", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/{at}/*"},
            {
                "Sid": "ListArtifact",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": [at, f"{at}/*"]}},
            },
            *([decrypt] if kms_key_arn else []),
        ],
    }
