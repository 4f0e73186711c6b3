"""The network of an endpoint: its service, and the traffic that is allowed."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.kubernetes.manifests.pods import PORT
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import GpuEndpointSettings

POD_IDENTITY = "169.254.170.23/32"
"""The address of the EKS Pod Identity agent on each node."""
NODE_DNS = "169.254.20.10/32"
"""The address of a node-local DNS cache, on clusters that have one."""


def service(name: str, settings: GpuEndpointSettings) -> Manifest:
    """The service. It exists also while there are no pods."""
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
    """Allows requests from the interceptor, scrapes, DNS, and the networks of S3; denies everything else."""
    cluster, port = settings.cluster, {"port": PORT, "protocol": "TCP"}
    callers = [from_namespace(cluster.keda_namespace)]
    if not any(trigger.kind == "http" for trigger in settings.scaling.triggers):
        # Without an interceptor, its callers are the pods of the namespace.
        callers = [{"podSelector": {}}]
    ingress = [{"from": callers, "ports": [port]}]
    if settings.overrides.monitoring:
        ingress.append({"from": [from_namespace(cluster.monitoring_namespace)], "ports": [port]})
    egress = [dns_egress(cluster)]
    if settings.bucket is not None:
        egress.append({"to": [block(cidr) for cidr in cluster.s3_cidrs], "ports": [{"port": 443, "protocol": "TCP"}]})
        egress.append({"to": [block(POD_IDENTITY)], "ports": [{"port": 80, "protocol": "TCP"}]})
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        settings.namespace,
        selector(name),
        spec={
            # With `compile_fill` also the Job, whose component is another one.
            "podSelector": {"matchLabels": _named(name) if settings.serving.compile_fill else selector(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    )


def default_deny(namespace: str) -> Manifest:
    """Denies all traffic of a namespace that no other policy allows."""
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "default-deny",
        namespace,
        spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    )


def _named(name: str) -> dict[str, str]:
    label = "app.kubernetes.io/name"
    return {label: selector(name)[label]}


def from_namespace(name: str) -> dict[str, Any]:
    """The pods of a namespace, as a rule's peer."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def block(cidr: str) -> dict[str, Any]:
    """A network, as a rule's peer."""
    return {"ipBlock": {"cidr": cidr}}


def dns_egress(cluster: Cluster) -> dict[str, Any]:
    """Allows to ask for the addresses of names."""
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    if cluster.nodes == "auto-mode":
        # On EKS Auto Mode, DNS is a service of each node, at an address that no selector matches.
        return {"ports": ports}
    pods = {**from_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return {"to": [pods, block(NODE_DNS)], "ports": ports}
