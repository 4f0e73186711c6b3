"""A whole cluster on this machine, and what the live tests look at on it."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clusters import custom_resources, eventually, own_cluster, say
from demand import Demand, Scaler
from gpu_declarations import IMAGE, MODEL, endpoint
from known_starts import stages

from model_packaging.validation import parse
from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.kubernetes.warm import WarmPlan, plan_warm_pool
from scaletozero.sandbox.cluster.controllers import (
    NODE_CLASS,
    instance_types,
    start_controller_manager,
    start_karpenter,
    start_keda,
    start_nodes,
    start_scheduler,
)
from scaletozero.sandbox.cluster.definitions import install_definitions
from scaletozero.sandbox.cluster.programs import EVERYTHING, find_programs
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings
from scaletozero.settings.prerequisites import PrerequisitesSettings

REGION = "eu-central-1"
ZONES = ("eu-central-1a", "eu-central-1b")
TYPES = ("g6.xlarge", "g6e.xlarge")
POOL = "gpu"
COLD = {"node": 1, "pull": 1, "weights": 1, "engine": 1}
"""Simulated pods start at once."""
FROM_THE_OPERATORS = ("keda.sh", "karpenter.sh", "autoscaling.x-k8s.io")
"""Groups whose definitions come with the operator that runs, at its version."""


@dataclass
class Live:
    """The cluster, and who has requests waiting.

    Attributes:
        pids: the name of each of its programs -> its process.
    """

    kubeconfig: Path
    pids: Mapping[str, int]
    api: KubernetesApi
    demand: Demand

    @classmethod
    def at(cls, address: dict[str, Any]) -> "Live":
        """The cluster of `live_cluster`, also from another process."""
        kubeconfig = Path(address["kubeconfig"])
        return cls(kubeconfig, address["pids"], KubernetesApi(kubeconfig), Demand(Path(address["demand"])))

    def pool(self, name: str = POOL, *, node_class: str = NODE_CLASS["name"], **changes: Any) -> str:
        """A pool of nodes as it is declared, with a simulated node class in place of the declared one."""
        declared = {
            "cluster": "prod",
            "region": REGION,
            "types": list(TYPES),
            "max_gpus": 8,
            "idle_seconds": 5,
            "nodes": {"role": "nodes"},
            **changes,
        }
        _, pool = plan_gpu_node_pool(name, parse(GpuNodePoolSettings, declared, name)).objects
        pool["spec"]["template"]["spec"]["nodeClassRef"] = {**NODE_CLASS, "name": node_class}
        self.api.apply(pool)
        return name

    def space(self, name: str, gpus: int = 64) -> str:
        """A namespace as the prerequisites declare it, with its quota."""
        declared = {"cluster": endpoint()["cluster"], "namespaces": [{"name": name, "gpu_quota": gpus}]}
        for each in plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster")).objects:
            self.api.apply(each)
        quota = self.manifest("v1", "ResourceQuota", name, "gpus")
        eventually(lambda: ((self.api.get(quota) or {}).get("status") or {}).get("hard"))
        return name

    def declare(self, namespace: str, name: str = "llm", *, pool: str = POOL, gpus: int = 8, **changes: Any) -> GpuPlan:
        """An endpoint as it is declared, without a fault, on the cluster."""
        planned = self.plan(namespace, name, pool=pool, gpus=gpus, **changes)
        assert planned.findings == ()
        for each in [*planned.objects, *(planned.warm.objects if planned.warm else ())]:
            self.api.apply(each)
        return planned

    def plan(self, namespace: str, name: str = "llm", *, pool: str = POOL, gpus: int = 8, **changes: Any) -> GpuPlan:
        of = {
            "name": pool,
            "types": list(TYPES),
            "max_gpus": gpus,
            "termination_grace_seconds": 1800,
            "idle_seconds": 5,
        }
        settings = {
            "namespace": namespace,
            "cluster__pools": [of],
            "cluster__gpu_quota": {},
            "cold_start": COLD,
            "scaling__idle_seconds": 15,
            **changes,
        }
        return plan_gpu_endpoint(name, parse(GpuEndpointSettings, endpoint(**settings), name), MODEL)

    def warm_pool(self, namespace: str, name: str, pool: str, **changes: Any) -> WarmPlan:
        """Nodes kept warm for the endpoint `llm`, as `GpuWarmPool` declares it."""
        of = {"name": pool, "types": list(TYPES), "max_gpus": 8, "termination_grace_seconds": 1800}
        declared = {
            "cluster": endpoint(cluster__pools=[of])["cluster"],
            "namespace": namespace,
            "endpoint": "llm",
            "image": IMAGE,
            "pool": pool,
            "types": list(TYPES),
            "gpus": 1,
            "cpu_millis": 3000,
            "memory_mib": 12288,
            **changes,
        }
        planned = plan_warm_pool(name, parse(GpuWarmPoolSettings, declared, name))
        assert planned.findings == ()
        for each in planned.objects:
            self.api.apply(each, force=True)
        return planned

    def manifest(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any]:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata}

    def replicas(self, namespace: str, name: str = "llm") -> int:
        live = self.api.get(self.manifest("apps/v1", "Deployment", namespace, name))
        assert live
        return live["spec"]["replicas"]

    def pods(self, namespace: str, name: str = "llm", phase: str | None = "Running") -> list[dict[str, Any]]:
        """Of an endpoint, those that are not on their way out."""
        found = self.api.list("v1", "Pod", namespace, f"app.kubernetes.io/name={name}")
        return [
            each
            for each in found
            if phase in (None, each["status"].get("phase")) and not each["metadata"].get("deletionTimestamp")
        ]

    def nodes(self, pool: str = POOL) -> list[dict[str, Any]]:
        """Of a pool, those that are not on their way out."""
        found = self.api.list("v1", "Node", labels=f"karpenter.sh/nodepool={pool}")
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    def running(self, namespace: str, count: int, name: str = "llm") -> list[dict[str, Any]]:
        """Its pods, as soon as exactly so many run."""
        return eventually(
            lambda: found if len(found := self.pods(namespace, name)) == count else [],
            why=lambda: str([(p["metadata"]["name"], p["status"]) for p in self.pods(namespace, name, None)])[:2000],
        )

    def gone(self, namespace: str, pool: str = POOL, name: str = "llm") -> None:
        """Neither pods nor nodes are left."""
        eventually(lambda: not self.pods(namespace, name, None) and not self.nodes(pool))

    def clear(self, namespace: str, *pools: str) -> None:
        """Takes it all away again."""
        for each in self.api.list("scheduling.k8s.io/v1", "PriorityClass"):
            if each["metadata"]["name"].startswith(f"{namespace}."):
                self.api.delete(self.manifest("scheduling.k8s.io/v1", "PriorityClass", None, each["metadata"]["name"]))
        # As the engine does: what scales is deleted before what it scales. Where both are at once, KEDA fails to finish
        # with the first, and tries again after up to a quarter of an hour.
        for each in self.api.list("keda.sh/v1alpha1", "ScaledObject", namespace):
            self.api.delete(self.manifest("keda.sh/v1alpha1", "ScaledObject", namespace, each["metadata"]["name"]))
        eventually(lambda: not self.api.list("keda.sh/v1alpha1", "ScaledObject", namespace), patience=3600)
        self.api.delete(self.manifest("v1", "Namespace", None, namespace))
        # KEDA lets go of its objects in turn, which takes as long as the fleet beside them keeps it busy.
        eventually(lambda: not self.api.get(self.manifest("v1", "Namespace", None, namespace)), patience=3600)
        # Only now: a node that is bought for what is still asked for, while its pool goes, belongs to nobody.
        for pool in pools:
            self.api.delete(self.manifest("karpenter.sh/v1", "NodePool", None, pool))
        eventually(lambda: not any(self.nodes(pool) for pool in pools))

    def evict(self, pod: dict[str, Any]) -> bool:
        """As a drain does; whether the disruption budget allows it."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": pod["metadata"] | {"managedFields": None}}
        try:
            self.api.request("POST", self.api.path_of(pod | {"apiVersion": "v1", "kind": "Pod"}) + "/eviction", body)
        except ApiError as error:
            if error.status == 429:
                return False
            events = self.api.list("v1", "Event", pod["metadata"]["namespace"])
            error.add_note("\n".join(f"{e['lastTimestamp']} {e['reason']}: {e['message']}" for e in events))
            raise
        return True


@contextmanager
def live_cluster() -> Iterator[dict[str, Any]]:
    """Control plane, controllers, scheduler, simulated nodes, Karpenter and KEDA; where it is, for `Live.at`."""
    others = [each for each in custom_resources() if each["spec"]["group"] not in FROM_THE_OPERATORS]
    programs = find_programs(EVERYTHING, say)
    # The cluster ends first: KEDA would go on asking a scaler that is gone.
    with (
        TemporaryDirectory(prefix="scaletozero-demand-") as demand,
        closing(Scaler(Demand(Path(demand)))) as scaler,
        own_cluster() as (cluster, api),
    ):
        install_definitions(api, others)
        start_controller_manager(cluster, programs)
        start_scheduler(cluster, programs)
        start_nodes(cluster, programs, stages(cluster.folder / "stages.yaml"))
        start_karpenter(cluster, programs, api, instance_types(TYPES, REGION, ZONES))
        start_keda(cluster, programs, api, proxy=scaler.proxy)
        yield {"kubeconfig": str(cluster.kubeconfig), "pids": cluster.supervisor.pids, "demand": demand}
