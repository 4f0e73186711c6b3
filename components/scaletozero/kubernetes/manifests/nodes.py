"""Pools of GPU nodes for Karpenter or EKS Auto Mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_packaging.findings import Finding
from scaletozero.kubernetes.manifests.objects import Manifest, go_seconds, manifest
from scaletozero.partitions import EKS_GROUP
from scaletozero.settings.cluster import GPU, Pool
from scaletozero.settings.gpu_pools import GpuNodePoolSettings, Nodes
from scaletozero.settings.gpu_types import TYPE_LABEL, TYPES
from scaletozero.spending.gpu_prices import hourly, offer_findings

ROLE = "${role}"
"""Placeholder in a manifest for the name of a role that is not known yet."""

PARALLEL_PULL = """\
[settings.container-runtime]
snapshotter = "soci"

[settings.container-runtime-plugins.soci-snapshotter]
pull-mode = "parallel-pull-unpack"

[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
max-concurrent-downloads-per-image = 20
concurrent-download-chunk-size = "16mb"
max-concurrent-unpacks-per-image = 12
discard-unpacked-layers = true
"""
"""Bottlerocket's settings for nodes that pull and unpack in parallel, with the figures that AWS advises for Amazon ECR
(https://bottlerocket.dev/en/os/1.53.x/api/settings/container-runtime-plugins; soci-snapshotter, docs/parallel-mode.md).
Layers are kept on the data volume while they arrive, so that its throughput bounds them."""

EXPIRE = "336h"
"""Two weeks, after which a node is replaced by one with current patches. Auto Mode allows at most three weeks."""


@dataclass(frozen=True)
class NodePoolPlan:
    """A pool of nodes.

    Attributes:
        name: name of both objects.
        objects: the node class and the pool.
        pool: the pool, for the `pools` of a cluster.
        usd_per_hour: maximum on-demand price, in USD per hour.
        findings: everything that is invalid; nothing may be declared if there are any.
    """

    name: str
    objects: tuple[Manifest, ...]
    pool: Pool
    usd_per_hour: float
    findings: tuple[Finding, ...] = ()


def plan_gpu_node_pool(name: str, settings: GpuNodePoolSettings) -> NodePoolPlan:
    """A pool and its node class, from validated settings."""
    auto = settings.provider == "auto-mode"
    node_class = auto_mode_class(name, settings) if auto else ec2_class(name, settings)
    prices = [
        row.usd / TYPES[each].gpus for each in settings.types if (row := hourly(each, settings.region)) is not None
    ]
    return NodePoolPlan(
        name,
        (node_class, node_pool(name, settings, node_class)),
        settings.pool(name),
        round(max(prices, default=0.0) * settings.max_gpus, 6),
        tuple(offer_findings(settings.types, settings.region)),
    )


def node_pool(name: str, settings: GpuNodePoolSettings, node_class: Manifest) -> Manifest:
    """The pool."""
    group = node_class["apiVersion"].partition("/")[0]
    requirements = {
        TYPE_LABEL: settings.types,
        "karpenter.sh/capacity-type": settings.capacity,
        # A single value becomes a label of the nodes, which the endpoints' pods require.
        "topology.kubernetes.io/region": (settings.region,),
        "kubernetes.io/os": ("linux",),
        "kubernetes.io/arch": ("amd64",),
    }
    if settings.zones:
        requirements["topology.kubernetes.io/zone"] = settings.zones
    spec: dict[str, Any] = {
        "template": {
            "spec": {
                "nodeClassRef": {"group": group, "kind": node_class["kind"], "name": name},
                "requirements": [
                    {"key": key, "operator": "In", "values": list(values)} for key, values in requirements.items()
                ],
                "taints": [
                    {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}
                    for taint in settings.taints
                ],
                "expireAfter": EXPIRE,
                "terminationGracePeriod": go_seconds(settings.termination_grace_seconds),
            }
        },
        "disruption": {
            # A node with a replica is never consolidated: loading a model again costs more.
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": go_seconds(settings.idle_seconds),
            "budgets": [
                {"nodes": "100%", "reasons": ["Empty"]},
                {"nodes": "1", "reasons": ["Drifted", "Underutilized"]},
                *(
                    {"nodes": "0", "reasons": ["Drifted"], "schedule": quiet.cron, "duration": f"{quiet.hours}h"}
                    for quiet in settings.quiet_hours
                ),
            ],
        },
    }
    if settings.static:
        spec["replicas"] = settings.static
        # With room for one more, Karpenter replaces a drifted node before it removes it; without, it leaves the node
        # until it expires. `max_gpus` bounds the bill, so that the room is taken from it.
        largest = max(TYPES[name].gpus for name in settings.types)
        spec["limits"] = {"nodes": str(min(settings.static + 1, settings.max_gpus // largest))}
    else:
        spec["limits"] = {GPU: str(settings.max_gpus)}
    return manifest("karpenter.sh/v1", "NodePool", name, None, spec=spec)


def ec2_class(name: str, settings: GpuNodePoolSettings) -> Manifest:
    """Karpenter's node class: Bottlerocket, an encrypted data volume, and no metadata service for pods."""
    nodes = settings.nodes
    volume: dict[str, Any] = {
        "volumeSize": f"{nodes.volume_gib}Gi",
        "volumeType": "gp3",
        "iops": 4000,
        "throughput": 1000,
        "encrypted": True,
        "deleteOnTermination": True,
    }
    if nodes.kms_key:
        volume["kmsKeyID"] = nodes.kms_key
    if nodes.snapshot:
        # Without a rate, blocks are fetched when they are read, which is slower than pulling the image.
        volume |= {"snapshotID": nodes.snapshot, "volumeInitializationRate": 300}
    spec: dict[str, Any] = {
        "role": _role(nodes),
        "amiSelectorTerms": [{"alias": nodes.image}],
        **_discovery(settings),
        "blockDeviceMappings": [{"deviceName": "/dev/xvdb", "ebs": volume}],
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpProtocolIPv6": "disabled",
            "httpPutResponseHopLimit": 1,
            "httpTokens": "required",
        },
    }
    if nodes.parallel_pull:
        spec["userData"] = PARALLEL_PULL
    return manifest("karpenter.k8s.aws/v1", "EC2NodeClass", name, None, spec=spec)


def auto_mode_class(name: str, settings: GpuNodePoolSettings) -> Manifest:
    """The node class of EKS Auto Mode, whose nodes include drivers and device plugin."""
    spec: dict[str, Any] = {
        "role": _role(settings.nodes),
        **_discovery(settings),
        "ephemeralStorage": {"size": f"{settings.nodes.volume_gib}Gi", "iops": 4000, "throughput": 1000},
    }
    return manifest(f"{EKS_GROUP}/v1", "NodeClass", name, None, spec=spec)


def _role(nodes: Nodes) -> str:
    return nodes.role if isinstance(nodes.role, str) else ROLE


def _discovery(settings: GpuNodePoolSettings) -> dict[str, Any]:
    terms = [{"tags": {settings.nodes.discovery_tag: settings.cluster}}]
    found: dict[str, Any] = {"subnetSelectorTerms": terms, "securityGroupSelectorTerms": terms}
    if settings.nodes.reservations:
        found["capacityReservationSelectorTerms"] = [{"id": each} for each in settings.nodes.reservations]
    return found
