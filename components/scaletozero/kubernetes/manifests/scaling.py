"""KEDA's objects, which manage the replicas of an endpoint."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests.cron import cron_triggers
from scaletozero.kubernetes.manifests.objects import Manifest, go_seconds, manifest, selector
from scaletozero.kubernetes.manifests.pods import PORT
from scaletozero.settings.cluster import Prometheus
from scaletozero.settings.gpu import GpuEndpointSettings, HttpTrigger, PrometheusTrigger

SETTLE_SECONDS = 600
"""How long a lower demand must last before replicas are removed, to avoid flapping."""


def http_trigger(settings: GpuEndpointSettings) -> HttpTrigger | None:
    """The trigger that counts requests, if there is one."""
    return next((each for each in settings.scaling.triggers if isinstance(each, HttpTrigger)), None)


def interceptor_address(keda_namespace: str) -> str:
    """The address of the interceptor, which requests are sent to, as `<service>.<namespace>:<port>`."""
    return f"keda-add-ons-http-interceptor-proxy.{keda_namespace}:8080"


def own_host(name: str, settings: GpuEndpointSettings) -> str:
    """The default host name of an endpoint."""
    return f"{name}.{settings.namespace}"


def interceptor_route(name: str, settings: GpuEndpointSettings, derived: Derived, concurrency: int) -> Manifest:
    """Routes and counts requests, and holds them while no replica is ready."""
    timeouts = {"responseHeader": go_seconds(settings.serving.request_seconds)}
    spec: dict[str, Any] = {
        "target": {"service": name, "portName": PORT},
        "rules": [{"hosts": [own_host(name, settings), *settings.hosts]}],
        "scalingMetric": {"concurrency": {"targetValue": concurrency}},
        "timeouts": timeouts,
    }
    on_cold = settings.on_cold
    if on_cold.action != "reject":
        timeouts["readiness"] = go_seconds(derived.deadlines.hold)
    if on_cold.service:
        spec["coldStart"] = {"fallback": {"service": {"name": on_cold.service.name, "port": on_cold.service.port}}}
    if on_cold.action == "reject":
        # A rejected request ends before the scaler counts those in flight, but counts in the rate for a minute. The
        # target is never reached, so that the concurrency alone determines the number of replicas.
        spec["scalingMetric"]["requestRate"] = {"targetValue": 2**31 - 1}
        headers = {"Retry-After": str(derived.cold.total()), "Content-Type": "application/json"}
        response = {"statusCode": 503, "headers": headers, "body": '{"error": "the model is starting"}'}
        spec["coldStart"] = {"placeholder": {"response": response}}
    return manifest("http.keda.sh/v1beta1", "InterceptorRoute", name, settings.namespace, selector(name), spec=spec)


def scaled_object(name: str, settings: GpuEndpointSettings, derived: Derived) -> Manifest:
    """Manages the replicas."""
    scaling, deadlines = settings.scaling, derived.deadlines
    sleeps = {"idleReplicaCount": 0, "minReplicaCount": scaling.wake}
    replicas = awake(settings) if scaling.without_metrics is None else scaling.without_metrics
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        name,
        settings.namespace,
        selector(name),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "pollingInterval": 5,
            "cooldownPeriod": deadlines.idle,
            "initialCooldownPeriod": deadlines.idle,
            **({"minReplicaCount": scaling.min} if scaling.min else sleeps),
            "maxReplicaCount": scaling.max,
            "fallback": {"failureThreshold": 3, "replicas": replicas, "behavior": "currentReplicasIfHigher"},
            # Without fields that are false: KEDA removes them, and each `up` would add them again.
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleUp": _scale_up(scaling.together),
                        "scaleDown": {
                            "stabilizationWindowSeconds": SETTLE_SECONDS,
                            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                        },
                    }
                },
            },
            "triggers": _triggers(name, settings, deadlines.lead),
        },
    )


def _scale_up(together: int | None) -> dict[str, Any]:
    at_once = {"stabilizationWindowSeconds": 0}
    return (
        at_once
        if together is None
        else at_once | {"policies": [{"type": "Pods", "value": together, "periodSeconds": 15}]}
    )


def awake(settings: GpuEndpointSettings) -> int:
    """Minimum number of replicas while the endpoint is awake."""
    return settings.scaling.min or settings.scaling.wake


def _triggers(name: str, settings: GpuEndpointSettings, lead: int) -> list[dict[str, Any]]:
    cluster = settings.cluster
    scaler = f"keda-add-ons-http-external-scaler.{cluster.keda_namespace}:9090"
    found: list[dict[str, Any]] = []
    for trigger in settings.scaling.triggers:
        if isinstance(trigger, PrometheusTrigger):
            found.append(_prometheus(name, trigger, cluster.prometheus))
        else:
            found.append({"type": "external-push", "metadata": {"scalerAddress": scaler, "interceptorRoute": name}})
    return found + cron_triggers(settings.schedule, lead)


def _prometheus(name: str, trigger: PrometheusTrigger, where: Prometheus | None) -> dict[str, Any]:
    metadata = {
        "serverAddress": where.address if where else "",
        "query": trigger.query,
        "threshold": _in_full(trigger.threshold),
        "activationThreshold": _in_full(trigger.activation),
    }
    if not (where and where.amp_region):
        return {"type": "prometheus", "metadata": metadata}
    return {
        "type": "prometheus",
        "metadata": {**metadata, "awsRegion": where.amp_region},
        "authenticationRef": {"name": name},
    }


def _in_full(value: float) -> str:
    """Without an exponent: `1234567`, not `1.23457e+06`."""
    return f"{Decimal(str(value)).normalize():f}"


def trigger_authentication(name: str, settings: GpuEndpointSettings) -> Manifest:
    """Lets KEDA's operator sign its queries to Amazon Managed Service for Prometheus with its own identity."""
    return manifest(
        "keda.sh/v1alpha1",
        "TriggerAuthentication",
        name,
        settings.namespace,
        selector(name),
        spec={"podIdentity": {"provider": "aws"}},
    )
