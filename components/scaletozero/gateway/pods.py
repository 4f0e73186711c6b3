"""Plans the pods that a gateway runs as: its objects, who they are on AWS, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model_packaging.findings import Finding
from scaletozero.gateway.contents import CONTAINER_PORT
from scaletozero.gateway.contents import FILE as VARIABLE
from scaletozero.gateway.costs import timeout_seconds
from scaletozero.kubernetes.checks.cluster import KUBERNETES, namespace_findings
from scaletozero.kubernetes.checks.name import name_findings
from scaletozero.kubernetes.checks.objects import object_findings
from scaletozero.kubernetes.manifests.gateway import FILE, FOLDER, LISTENS, GatewayObjects
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD, bucket_hosts, enforcer
from scaletozero.kubernetes.manifests.identity import pods_trust
from scaletozero.kubernetes.manifests.objects import Manifest
from scaletozero.partitions import dns_suffix
from scaletozero.settings.cluster import Cluster, numbers
from scaletozero.settings.gateway_cluster import GatewayCluster
from scaletozero.settings.gateway_targets import below
from scaletozero.settings.inference_gateway import GatewayPods, InferenceGatewaySettings

COMMAND = ("python", "-m", "scaletozero.gateway.service.container")

DIGEST_LENGTH = 10
"""Of the digest in the name of its settings."""


@dataclass(frozen=True)
class PodsPlan:
    """The plan.

    Attributes:
        name, namespace: of its objects, and of its service account.
        objects: its objects, in the order of their creation.
        trust: the trust policy of its role.
        findings: everything that is wrong; nothing may be declared if there are any.
    """

    name: str
    namespace: str
    objects: tuple[Manifest, ...]
    trust: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def url(self) -> str:
        """Where the cluster reaches it."""
        return f"http://{self.name}.{self.namespace}.svc"


def plan_pods(name: str, settings: InferenceGatewaySettings, pods: GatewayPods) -> PodsPlan:
    """Plans the pods of a gateway.

    Args:
        name: of its objects.
        settings: the gateway's.
        pods: its `pods`.
    """
    objects = GatewayObjects(
        name,
        pods.namespace,
        pods.cluster,
        pods,
        aws_and_other_hosts(settings),
        any(target.speaks and target.url is None for _, target in settings.ways()),
        timeout_seconds(settings, endpoints=bool(settings.endpoints)),
        COMMAND,
        {
            "AWS_REGION": settings.region,
            # The ledger's host would otherwise have the account's number in it, which no policy here knows.
            "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
            "PYTHONDONTWRITEBYTECODE": "1",
            VARIABLE: f"{FOLDER}/{FILE}",
            CONTAINER_PORT: str(LISTENS),
        },
    ).all()
    findings = [
        *name_findings(name, room=1 + DIGEST_LENGTH),
        *below("pods", _findings(pods)),
        *object_findings(objects),
    ]
    trust = pods_trust(name, pods.namespace, pods.cluster.name)
    return PodsPlan(name, pods.namespace, tuple(objects), trust, tuple(findings))


def aws_and_other_hosts(settings: InferenceGatewaySettings) -> tuple[str, ...]:
    """The hosts that the requests of a gateway go to outside of its cluster."""
    region, ends = settings.region, dns_suffix(settings.region)
    queued = any(each.instance_type is not None for each in settings.endpoints.values())
    called = {
        "dynamodb": True,
        "secretsmanager": bool(settings.secrets()),
        "runtime.sagemaker": queued or any(each.memory_mb is not None for each in settings.endpoints.values()),
        "bedrock-runtime": any(settings.bedrocks()),
        "monitoring": any(target.canary for _, target in settings.ways()),
    }
    found = [f"{service}.{region}.{ends}" for service, wanted in called.items() if wanted]
    return tuple(sorted({*found, *(bucket_hosts(region) if queued else ()), *(host for _, host in settings.hosts())}))


def _findings(pods: GatewayPods) -> Iterator[Finding]:
    cluster = pods.cluster
    yield from namespace_findings(cluster, pods.namespace)
    if numbers(cluster.version) < numbers(KUBERNETES):
        then = "pods could not wait until nothing is sent to them"
        yield Finding("cluster.version", f"must be {KUBERNETES} or later", cluster.version, then, "upgrade the cluster")
    yield from unreachable(pods, cluster)


def unreachable(pods: GatewayCluster, cluster: Cluster) -> Iterator[Finding]:
    """The finding on pods that nothing would let out to their ledger."""
    if not pods.https_cidrs and enforcer(cluster) is None:
        lacking = AUTO_MODE_CRD if cluster.nodes == "auto-mode" else CILIUM_CRD
        yield Finding(
            "https_cidrs",
            "is required in a cluster that does not enforce names of hosts, as EKS Auto Mode and Cilium do",
            f"none, and a cluster (nodes: {cluster.nodes}) without {lacking}",
            "a NetworkPolicy knows addresses only: the pods could reach neither their ledger nor a provider",
            "write the networks of the VPC's interface endpoints and of a proxy, or install Cilium",
        )
