"""The plan of a cluster's prerequisites: restricted namespaces, quotas, and three charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_packaging.findings import Finding
from scaletozero.kubernetes.checks.cluster import KUBERNETES
from scaletozero.kubernetes.manifests.network import default_deny
from scaletozero.kubernetes.manifests.objects import Manifest, manifest
from scaletozero.kubernetes.manifests.residency import admission_policies
from scaletozero.settings.cluster import GPU, Cluster, numbers
from scaletozero.settings.gpu_types import TYPE_LABEL, TYPES
from scaletozero.settings.prerequisites import Chart, Namespace, PrerequisitesSettings


@dataclass(frozen=True)
class ChartPlan:
    """A Helm release."""

    name: str
    chart: str
    repository: str
    version: str
    namespace: str
    values: dict[str, Any]


@dataclass(frozen=True)
class PrerequisitesPlan:
    """The plan of a cluster's prerequisites.

    Attributes:
        namespaces: namespace -> the objects that belong to it, itself first.
        charts: the charts, in the order of their installation.
        cluster: the cluster after the installation, for the declarations of endpoints.
        findings: everything that is invalid.
    """

    namespaces: Mapping[str, tuple[Manifest, ...]]
    charts: tuple[ChartPlan, ...]
    cluster: Cluster
    findings: tuple[Finding, ...]

    @property
    def objects(self) -> tuple[Manifest, ...]:
        """All objects, in the order of their creation."""
        return tuple(each for objects in self.namespaces.values() for each in objects)


def plan_prerequisites(settings: PrerequisitesSettings) -> PrerequisitesPlan:
    """Plans the prerequisites, from validated settings."""
    cluster, charts = settings.cluster, []
    keda = cluster.keda_namespace
    if settings.keda.install:
        charts.append(_chart("keda", "keda", settings.keda, keda, KEDA_VALUES))
    if settings.http_addon.install:
        charts.append(_chart("http-add-on", "keda-add-ons-http", settings.http_addon, keda, HTTP_ADDON_VALUES))
    if settings.device_plugin.install:
        plugin = settings.device_plugin
        charts.append(
            _chart("nvidia-device-plugin", "nvidia-device-plugin", plugin, "kube-system", DEVICE_PLUGIN_VALUES)
        )
    findings: list[Finding] = []
    if numbers(cluster.version) < numbers(KUBERNETES):
        consequence = "the pods could not drain, and the charts would not work"
        findings.append(
            Finding("cluster.version", f"must be {KUBERNETES} or later", cluster.version, consequence, "upgrade it")
        )
    objects = {each.name: _objects(each, settings) for each in settings.namespaces}
    return PrerequisitesPlan(objects, tuple(charts), _afterwards(settings), tuple(findings))


def _objects(namespace: Namespace, settings: PrerequisitesSettings) -> tuple[Manifest, ...]:
    admission = admission_policies(namespace.name, settings.residency) if settings.residency else []
    return (*namespace_objects(namespace, settings.cluster.version), *admission)


def _afterwards(settings: PrerequisitesSettings) -> Cluster:
    cluster, brought = settings.cluster, dict[str, object]()
    crds = set(cluster.crds)
    if settings.keda.install:
        brought["keda"] = settings.keda.version
        crds |= {"scaledobjects.keda.sh", "triggerauthentications.keda.sh"}
    if settings.http_addon.install:
        brought["http_addon"] = settings.http_addon.version
        crds.add("interceptorroutes.http.keda.sh")
    quota = {**cluster.gpu_quota, **{each.name: each.gpu_quota for each in settings.namespaces}}
    if cluster.namespaces is not None:
        brought["namespaces"] = tuple(sorted({*cluster.namespaces, *(each.name for each in settings.namespaces)}))
    return cluster.model_copy(update={**brought, "crds": tuple(sorted(crds)), "gpu_quota": quota})


KEDA_VALUES: dict[str, Any] = {
    "operator": {"replicaCount": 2},
    "podDisruptionBudget": {"operator": {"maxUnavailable": 1}},
}
HTTP_ADDON_VALUES: dict[str, Any] = {
    # Every request passes through it, so there are three replicas, of which one at a time may be drained.
    "interceptor": {"replicas": {"min": 3, "max": 50}, "pdb": {"enabled": True, "maxUnavailable": 1}},
}
DEVICE_PLUGIN_VALUES: dict[str, Any] = {
    "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}],
    # The chart's default requires labels that another operator sets.
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": TYPE_LABEL, "operator": "In", "values": sorted(TYPES)}]}
                ]
            }
        }
    },
}


def _chart(name: str, chart: str, settings: Chart, namespace: str, values: dict[str, Any]) -> ChartPlan:
    return ChartPlan(name, chart, settings.repository, settings.version, namespace, _merged(values, settings.values))


def _merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    # Like Helm: given values replace only their own keys.
    merged = {**own, **given}
    for key in own.keys() & given.keys():
        if isinstance(own[key], dict) and isinstance(given[key], dict):
            merged[key] = _merged(own[key], given[key])
    return merged


def namespace_objects(settings: Namespace, version: str) -> list[Manifest]:
    """A namespace with the restricted Pod Security Standard, its quota, and a policy that denies all traffic."""
    pinned = "v" + ".".join(str(number) for number in numbers(version)[:2])
    modes = ("enforce", "audit", "warn")
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes}
    labels |= {f"pod-security.kubernetes.io/{mode}-version": pinned for mode in modes}
    return [
        manifest("v1", "Namespace", settings.name, None, labels),
        manifest(
            "v1",
            "ResourceQuota",
            "gpus",
            settings.name,
            spec={"hard": {f"requests.{GPU}": str(settings.gpu_quota)}},
        ),
        default_deny(settings.name),
    ]
