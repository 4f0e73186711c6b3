"""The programs that act on a cluster's objects: controllers, scheduler, simulated nodes, Karpenter and KEDA.

Nodes are simulated by kwok: their pods get the state Running and an address, but run nothing. Everything that decides
about pods (scheduling, quotas, preemption, scaling, provisioning of nodes) is the real program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaletozero.engine.go_build import source_folder
from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox.cluster.certificates import write_certificates
from scaletozero.sandbox.cluster.control_plane import Cluster, free_ports, responds, wait_until
from scaletozero.sandbox.cluster.definitions import install_definitions, read_definitions
from scaletozero.sandbox.cluster.programs import KARPENTER, KEDA
from scaletozero.settings.gpu_types import TYPES
from scaletozero.spending.gpu_prices import hourly

KEDA_NAMESPACE = "keda"
KARPENTER_NAMESPACE = "karpenter"
NODE_CLASS: Mapping[str, str] = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "simulated"}
"""The `nodeClassRef` of a NodePool whose nodes are simulated."""


def start_controller_manager(cluster: Cluster, programs: Mapping[str, Path]) -> None:
    """Starts the controllers that create pods for Deployments and delete the objects of deleted namespaces."""
    cluster.supervisor.start(
        "kube-controller-manager",
        [
            programs["kube-controller-manager"], "--kubeconfig", cluster.kubeconfig, "--leader-elect=false",
            "--service-account-private-key-file", cluster.service_account_key, "--secure-port=0",
            "--use-service-account-credentials=false", "--kube-api-qps=200", "--kube-api-burst=400",
        ],
    )  # fmt: skip


def start_scheduler(cluster: Cluster, programs: Mapping[str, Path]) -> None:
    """Starts the scheduler, which assigns pods to nodes and preempts pods of lower priority."""
    cluster.supervisor.start(
        "kube-scheduler",
        [
            programs["kube-scheduler"], "--kubeconfig", cluster.kubeconfig, "--leader-elect=false", "--secure-port=0",
            "--kube-api-qps=200", "--kube-api-burst=400",
        ],
    )  # fmt: skip


def start_nodes(cluster: Cluster, programs: Mapping[str, Path], stages: Path | None = None) -> None:
    """Starts kwok, so that every Node object behaves like a node and its pods become Running.

    Args:
        stages: kwok's configuration, with the stages of pods; by default they are Running and ready at once.
    """
    (port,) = free_ports(1)
    cluster.supervisor.start(
        "kwok",
        [
            programs["kwok"], "--kubeconfig", cluster.kubeconfig, "--manage-all-nodes", "--cidr", "10.99.0.0/16",
            "--server-address", f"127.0.0.1:{port}", *(["--config", stages] if stages else []),
        ],
    )  # fmt: skip


def start_karpenter(
    cluster: Cluster, programs: Mapping[str, Path], api: KubernetesApi, types: Sequence[Mapping[str, Any]]
) -> None:
    """Starts Karpenter, which creates simulated nodes of `types` (see `instance_types`) for NodePools of NODE_CLASS."""
    source = source_folder(KARPENTER)
    for folder in (source / "pkg" / "apis" / "crds", source / "kwok" / "apis" / "crds"):
        install_definitions(api, read_definitions(folder))
    _namespace(api, KARPENTER_NAMESPACE)
    api.apply(
        {
            "apiVersion": f"{NODE_CLASS['group']}/v1alpha1",
            "kind": NODE_CLASS["kind"],
            "metadata": {"name": NODE_CLASS["name"]},
            "spec": {},
        }
    )
    offered = cluster.folder / "instance-types.json"
    offered.write_text(json.dumps(types))
    metrics, health = free_ports(2)
    cluster.supervisor.start(
        "karpenter",
        [programs["karpenter"], "--instance-types-file-path", offered],
        {
            "KUBECONFIG": str(cluster.kubeconfig),
            "SYSTEM_NAMESPACE": KARPENTER_NAMESPACE,
            "DISABLE_LEADER_ELECTION": "true",
            "FEATURE_GATES": "CapacityBuffer=true,StaticCapacity=true,NodeOverlay=true",
            "METRICS_PORT": str(metrics),
            "HEALTH_PROBE_PORT": str(health),
        },
    )
    wait_until(cluster.supervisor, "karpenter", lambda: responds(f"http://127.0.0.1:{health}/healthz"))
    cluster.supervisor.keep_running("karpenter")


def start_keda(cluster: Cluster, programs: Mapping[str, Path], api: KubernetesApi, *, proxy: str = "") -> None:
    """Starts KEDA's operator without its metrics server: it scales from 0 to 1 and back, but not beyond.

    Args:
        proxy: the address of a proxy for its connections to scalers, for a test's own scaler in place of the cluster's.
    """
    install_definitions(api, read_definitions(source_folder(KEDA) / "config" / "crd" / "bases"))
    _namespace(api, KEDA_NAMESPACE)
    certificates = cluster.folder / "keda"
    write_certificates(certificates, f"keda-operator.{KEDA_NAMESPACE}.svc")
    metrics, health, service = (f"127.0.0.1:{port}" for port in free_ports(3))
    cluster.supervisor.start(
        "keda",
        [
            programs["keda"], "--cert-dir", certificates, "--ca-dir", certificates, "--leader-elect=false",
            "--metrics-bind-address", metrics, "--health-probe-bind-address", health,
            "--metrics-service-bind-address", service, "--kube-api-qps=200", "--kube-api-burst=400",
        ],
        {
            "KUBECONFIG": str(cluster.kubeconfig),
            "POD_NAMESPACE": KEDA_NAMESPACE,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": KEDA_NAMESPACE,
            "WATCH_NAMESPACE": "",
            **({"HTTPS_PROXY": proxy} if proxy else {}),
        },
    )  # fmt: skip
    wait_until(cluster.supervisor, "keda", lambda: responds(f"http://{health}/healthz"))
    # The operator panics if its cache is behind: github.com/kedacore/keda/issues/7863
    cluster.supervisor.keep_running("keda")


def instance_types(names: Iterable[str], region: str, zones: Iterable[str]) -> list[dict[str, Any]]:
    """The instance types of the simulated cloud: the named GPU types, on demand, and one cheap type without a GPU.

    Args:
        zones: the zones in which each type is offered.
    """
    zones = [*zones]
    offered = [_type("m7i.large", 2, 8192, 0, 0.1, zones)]
    for name in names:
        each, price = TYPES[name], hourly(name, region)
        assert price, f"{name} is not offered in {region}"
        offered.append(_type(name, each.vcpus, each.memory_mib, each.gpus, price.usd, zones))
    return offered


def _type(name: str, vcpus: int, memory_mib: int, gpus: int, usd: float, zones: list[str]) -> dict[str, Any]:
    resources = {"cpu": str(vcpus), "memory": f"{memory_mib}Mi", "ephemeral-storage": "200Gi", "pods": "110"}
    return {
        "name": name,
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": resources | ({"nvidia.com/gpu": str(gpus)} if gpus else {}),
        "offerings": [
            {
                "Price": usd,
                "Available": True,
                "Requirements": [
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]},
                ],
            }
            for zone in zones
        ],
    }


def _namespace(api: KubernetesApi, name: str) -> None:
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
