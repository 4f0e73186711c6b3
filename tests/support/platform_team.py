"""What a platform team has put on a cluster before the first endpoint, where its operators don't run as pods."""

from typing import Any

from gpu_declarations import cluster

from model_packaging.validation import parse
from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.prerequisites import PrerequisitesSettings

KEDA = "ghcr.io/kedacore/keda:2.20.2"
ADDON = "ghcr.io/kedacore/http-add-on-interceptor:0.15.0"
KARPENTER = "public.ecr.aws/karpenter/controller:1.14.1"


def operator(name: str, image: str, **env: str) -> dict[str, Any]:
    """A Deployment that says which version of an operator there is, and has no pods."""
    labels = {"app": name}
    variables = [{"name": key, "value": value} for key, value in env.items()]
    pod = {"containers": [{"name": "controller", "image": image, "env": variables}]}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"namespace": "default", "name": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


OPERATORS = (
    operator("keda-operator", KEDA),
    operator("keda-add-ons-http-interceptor", ADDON),
    operator("karpenter", KARPENTER, FEATURE_GATES="CapacityBuffer=true"),
)


def space(namespace: str, gpus: int) -> list[dict[str, Any]]:
    """A namespace with its quota and its policies, as `ClusterPrerequisites` declares it."""
    declared = {"cluster": cluster(), "namespaces": [{"name": namespace, "gpu_quota": gpus}]}
    return [*plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster")).objects]


def pool(name: str, gpus: int) -> list[dict[str, Any]]:
    """A pool of nodes, as `GpuNodePool` declares it."""
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge", "g6e.xlarge"],
        "max_gpus": gpus,
        "nodes": {"role": "nodes"},
    }
    return [*plan_gpu_node_pool(name, parse(GpuNodePoolSettings, declared, name)).objects]


def prepare(api: KubernetesApi, namespace: str, gpus: int = 8) -> list[dict[str, Any]]:
    """All of it on a cluster; what was made."""
    made = [*OPERATORS, *space(namespace, gpus), *pool(namespace, gpus)]
    for each in made:
        api.apply(each, force=True)
    return made
