"""Egress by host names, which Kubernetes' own policies do not know: by EKS Auto Mode's policies or by Cilium's.

Sources: EKS user guide, "Use Network Policies with EKS Auto Mode"; Cilium documentation, "DNS based".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.partitions import dns_suffix
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import GpuEndpointSettings

AUTO_MODE_CRD = "applicationnetworkpolicies.networking.k8s.aws"
CILIUM_CRD = "ciliumnetworkpolicies.cilium.io"

HTTPS = 443


def enforcer(cluster: Cluster) -> Literal["auto-mode", "cilium"] | None:
    """What enforces host names in the cluster; None where nothing does.

    Other EKS clusters have Auto Mode's definition, too, but only the nodes of Auto Mode enforce names.
    """
    if cluster.nodes == "auto-mode":
        return "auto-mode" if AUTO_MODE_CRD in cluster.crds else None
    return "cilium" if CILIUM_CRD in cluster.crds else None


def hosts_policy(name: str, settings: GpuEndpointSettings) -> Manifest | None:
    """Allows HTTPS to the hosts of `egress`, besides what the network policy allows; None without hosts."""
    names = list(settings.egress)
    if settings.bucket is not None and enforcer(settings.cluster) == "auto-mode":
        # The names also limit what the pods can resolve, and the model is read from S3.
        names += [each for each in bucket_hosts(settings.cluster.region) if each not in names]
    return named_hosts(name, settings.namespace, settings.cluster, selector(name), names if settings.egress else ())


def bucket_hosts(region: str) -> tuple[str, str]:
    """The hosts of S3 in a Region."""
    s3 = f"s3.{region}.{dns_suffix(region)}"
    return s3, f"*.{s3}"


def named_hosts(
    name: str,
    namespace: str,
    cluster: Cluster,
    labels: dict[str, str],
    hosts: Sequence[str],
    inside: Mapping[str, int] = MappingProxyType({}),
) -> Manifest | None:
    """Allows pods HTTPS to hosts; None without any, or where nothing enforces names.

    Args:
        name: of what the pods belong to.
        labels: of the pods.
        inside: services of the cluster that another policy lets through, with their ports: what enforces names may
            resolve these alone.
    """
    by = enforcer(cluster)
    if not hosts or by is None:
        return None
    # Auto Mode keeps what follows from a policy under the policy's name alone, so the two have different names.
    called, pods = f"{name}-hosts", {"matchLabels": labels}
    if by == "cilium":
        spec = {"endpointSelector": pods, "egress": _cilium_egress(tuple(hosts))}
        return manifest("cilium.io/v2", "CiliumNetworkPolicy", called, namespace, labels, spec=spec)
    ports = {HTTPS: list(hosts)}
    for host, port in inside.items():
        ports.setdefault(port, []).append(host)
    egress = [
        {"to": [{"domainNames": names}], "ports": [{"port": port, "protocol": "TCP"}]} for port, names in ports.items()
    ]
    spec = {"podSelector": pods, "policyTypes": ["Egress"], "egress": egress}
    return manifest("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", called, namespace, labels, spec=spec)


def _cilium_egress(hosts: tuple[str, ...]) -> list[dict[str, Any]]:
    dns = {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}
    return [
        {
            # Cilium learns the addresses of a name from the lookups that it sees.
            "toEndpoints": [{"matchLabels": dns}],
            "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
        },
        {
            "toFQDNs": [{"matchPattern" if each.startswith("*") else "matchName": each} for each in hosts],
            "toPorts": [{"ports": [{"port": str(HTTPS), "protocol": "TCP"}]}],
        },
    ]
