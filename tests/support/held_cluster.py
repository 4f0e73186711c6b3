"""A cluster that holds what a test gives it, as far as it is asked what it has."""

from typing import Any

ARN = "arn:aws:eks:eu-central-1:111122223333:cluster/prod"
"""What a kubeconfig of EKS calls it."""


def deployment(name: str, image: str, **env: str) -> dict[str, Any]:
    container = {"name": "c", "image": image, "env": [{"name": key, "value": value} for key, value in env.items()]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"kind": "Deployment", "metadata": {"name": name, "namespace": "x"}, "spec": spec}


def crd(name: str) -> dict[str, Any]:
    return {"kind": "CustomResourceDefinition", "metadata": {"name": name}}


def service(namespace: str, name: str) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}}


class Held:
    """A cluster that holds these objects."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects

    def version(self) -> tuple[int, int]:
        return 1, 34

    def list(self, api_version: str, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["kind"] == kind]


KEDA = deployment("keda-operator", "ghcr.io/kedacore/keda:2.20.2")
ADDON = deployment("interceptor", "ghcr.io/kedacore/http-add-on-interceptor:0.15.0@sha256:" + "a" * 64)
KARPENTER = deployment(
    "karpenter", "public.ecr.aws/karpenter/controller:1.14.1", FEATURE_GATES="CapacityBuffer=true,NodeRepair=false"
)
QUOTA = {
    "kind": "ResourceQuota",
    "metadata": {"name": "gpus", "namespace": "models"},
    "spec": {"hard": {"requests.nvidia.com/gpu": "8"}},
}
