"""The plan of a GPU endpoint: objects, permissions, deadlines, findings. It declares nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_packaging.findings import Finding
from scaletozero.cold_start.predict import Predicted
from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.checks.capacity import capacity_findings
from scaletozero.kubernetes.checks.cluster import cluster_findings
from scaletozero.kubernetes.checks.name import name_findings
from scaletozero.kubernetes.checks.objects import object_findings, same_nodes
from scaletozero.kubernetes.checks.time import time_findings
from scaletozero.kubernetes.derive import Derived, derive
from scaletozero.kubernetes.manifests.compiling import KEY_LENGTH, compile_job
from scaletozero.kubernetes.manifests.disruption_budget import disruption_budget
from scaletozero.kubernetes.manifests.hosts import enforcer, hosts_policy
from scaletozero.kubernetes.manifests.identity import service_account, trust_policy
from scaletozero.kubernetes.manifests.monitoring import alert_rules, pod_monitor
from scaletozero.kubernetes.manifests.network import network_policy, service
from scaletozero.kubernetes.manifests.objects import Manifest
from scaletozero.kubernetes.manifests.pods import claim, deployment
from scaletozero.kubernetes.manifests.scaling import (
    http_trigger,
    interceptor_route,
    scaled_object,
    trigger_authentication,
)
from scaletozero.kubernetes.model import Model
from scaletozero.kubernetes.predicted import predict_gpu
from scaletozero.kubernetes.warm import WarmPlan, plan_warm_pool
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings

WARM = "-warm"


@dataclass(frozen=True)
class GpuPlan:
    """The plan of a GPU endpoint.

    Attributes:
        name, namespace: name and namespace of its objects.
        derived: values that follow from the declaration.
        predicted: the cold start as published figures predict it; nothing follows from it.
        objects: its Kubernetes objects, in the order of their creation.
        warm: what keeps nodes ready for it; None without a buffer.
        trust: the trust policy of its role; None without a bucket.
        notes: valid but notable properties of the declaration.
        findings: everything that is invalid; nothing may be declared if there are any.
    """

    name: str
    namespace: str
    derived: Derived
    predicted: Predicted
    objects: tuple[Manifest, ...]
    warm: WarmPlan | None
    trust: dict[str, Any] | None
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def object(self, kind: str) -> Manifest:
        """The only object of that kind.

        Raises:
            KeyError: there is none, or more than one.
        """
        found = [each for each in self.objects if each["kind"] == kind]
        if len(found) != 1:
            raise KeyError(kind)
        return found[0]


def plan_gpu_endpoint(name: str, settings: GpuEndpointSettings, model: Model, starts: Sequence[Start] = ()) -> GpuPlan:
    """Plans an endpoint.

    Args:
        name: name of the endpoint and of its objects.
        settings: the validated settings.
        model: the served model.
        starts: its measured starts.
    """
    derived = derive(settings, model, starts)
    objects = [service_account(name, settings), network_policy(name, settings), service(name, settings)]
    if hosts := hosts_policy(name, settings):
        objects.append(hosts)
    if settings.serving.compile_cache:
        objects.append(claim(name, settings))
    workload = deployment(name, settings, model, derived)
    objects += [workload, disruption_budget(name, settings)]
    if settings.serving.compile_fill:
        objects.append(compile_job(name, settings, model, derived, workload))
    if trigger := http_trigger(settings):
        objects.append(interceptor_route(name, settings, derived, trigger.concurrency))
    if settings.cluster.prometheus and settings.cluster.prometheus.amp_region:
        objects.append(trigger_authentication(name, settings))
    objects.append(scaled_object(name, settings, derived))
    if settings.overrides.monitoring:
        objects += [pod_monitor(name, settings), alert_rules(name, settings, derived)]
    warm = _warm(name, settings, derived)
    findings = [
        *name_findings(name, room=KEY_LENGTH + 1 if settings.serving.compile_fill else len(WARM)),
        *cluster_findings(name, settings, model, derived),
        *capacity_findings(settings, model, derived),
        *time_findings(settings, derived),
        *object_findings([*objects, *(warm.objects if warm else ())]),
    ]
    for each in warm.objects if warm else ():
        if each["kind"] == "Deployment":
            findings += same_nodes(workload, each)
    return GpuPlan(
        name=name,
        namespace=settings.namespace,
        derived=derived,
        predicted=predict_gpu(settings, model, derived),
        objects=tuple(objects),
        warm=warm,
        trust=trust_policy(name, settings) if settings.bucket is not None else None,
        notes=tuple(_notes(settings, derived, warm)),
        findings=tuple(findings),
    )


def prefixed(name: str, findings: Iterable[Finding]) -> list[Finding]:
    """The findings, with a component's name before their paths."""
    return [replace(found, path=f"{name}.{found.path}") for found in findings]


def _warm(name: str, settings: GpuEndpointSettings, derived: Derived) -> WarmPlan | None:
    if not settings.scaling.buffer or not derived.pool or not derived.types:
        return None
    wanted = GpuWarmPoolSettings(
        cluster=settings.cluster,
        namespace=settings.namespace,
        endpoint=name,
        image=settings.image,
        pool=derived.pool.name,
        types=tuple(each.name for each in derived.types),
        gpus=derived.gpus,
        cpu_millis=derived.cpu_millis,
        memory_mib=derived.memory_mib,
        tolerations=settings.placement.tolerations,
        replicas=settings.scaling.buffer,
        backend=settings.scaling.buffer_by,
        residency=settings.residency,
    )
    return plan_warm_pool(f"{name}{WARM}", wanted)


def _notes(settings: GpuEndpointSettings, derived: Derived, warm: WarmPlan | None) -> list[str]:
    notes: list[str] = [str(derived.stale)] if derived.stale else []
    if derived.types and not derived.surge:
        gap = "" if settings.scaling.min > 1 else ", and there is a moment with no replica ready"
        held = ": requests are held meanwhile" if gap and http_trigger(settings) else ""
        notes.append(
            f"pool, quota and cap have no room for a replica beyond max ({settings.scaling.max}): "
            f"a new artifact replaces replicas one by one{gap}{held}"
        )
    if settings.egress and enforcer(settings.cluster) == "auto-mode":
        notes.append(
            "egress is enforced where the ConfigMap amazon-vpc-cni of kube-system has "
            '`enable-network-policy-controller: "true"`, as is every network policy of EKS Auto Mode'
        )
    if settings.serving.compile_fill:
        notes.append(
            "a Job compiles each new image and artifact once, on the GPUs of one replica beyond those of `max`"
        )
    if warm:
        notes.append(f"warm nodes by {warm.backend.kind}: {warm.backend.reason}")
    if settings.cluster.cdi and not settings.overrides.writable_root:
        notes.append("the container may write to its root file system, which CDI's hook requires")
    return notes
