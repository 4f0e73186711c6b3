"""The network of an endpoint: its service, and who may speak with whom."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.kubernetes.manifests.pods import PORT
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import GpuEndpointSettings

POD_IDENTITY = "169.254.170.23/32"
"""Where the EKS Pod Identity agent of a node answers."""
NODE_DNS = "169.254.20.10/32"
"""Where a node-local DNS cache answers, on clusters that have one."""


def service(name: str, settings: GpuEndpointSettings) -> Manifest:
    """The address in the cluster. It is there while no pod is."""
    return manifest(
        "v1",
        "Service",
        name,
        settings.namespace,
        selector(name),
        spec={
            "type": "ClusterIP",
            "selector": selector(name),
            "ports": [{"name": PORT, "port": 80, "targetPort": PORT, "protocol": "TCP"}],
        },
    )


def network_policy(name: str, settings: GpuEndpointSettings) -> Manifest:
    """Denies everything but requests from the interceptor, metrics, names, and the model's own bucket."""
    cluster, port = settings.cluster, {"port": PORT, "protocol": "TCP"}
    callers = [_namespace(cluster.keda_namespace)]
    if not any(trigger.kind == "http" for trigger in settings.scaling.triggers):
        # No interceptor stands before it: its callers are the namespace's own pods.
        callers = [{"podSelector": {}}]
    ingress = [{"from": callers, "ports": [port]}]
    if settings.overrides.monitoring:
        ingress.append({"from": [_namespace(cluster.monitoring_namespace)], "ports": [port]})
    egress = [_dns(cluster)]
    if settings.bucket is not None:
        egress.append({"to": [_block(cidr) for cidr in cluster.s3_cidrs], "ports": [{"port": 443, "protocol": "TCP"}]})
        egress.append({"to": [_block(POD_IDENTITY)], "ports": [{"port": 80, "protocol": "TCP"}]})
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        settings.namespace,
        selector(name),
        spec={
            "podSelector": {"matchLabels": selector(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )


def default_deny(namespace: str) -> Manifest:
    """Denies everything to every pod of a namespace that no other policy allows."""
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "default-deny",
        namespace,
        spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    )


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _block(cidr: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": cidr}}


def _dns(cluster: Cluster) -> dict[str, Any]:
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    if cluster.nodes == "auto-mode":
        # There DNS is a service of each node, at an address that no selector finds.
        return {"ports": ports}
    pods = {**_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return {"to": [pods, _block(NODE_DNS)], "ports": ports}
