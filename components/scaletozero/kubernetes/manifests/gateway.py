"""The objects of a gateway that runs as pods: always there, spread over zones, and allowed what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scaletozero.kubernetes.cold_start import DEREGISTER_SECONDS
from scaletozero.kubernetes.manifests.hosts import HTTPS, named_hosts
from scaletozero.kubernetes.manifests.monitoring import RULES_CRD, alert_rule, ready_replicas
from scaletozero.kubernetes.manifests.network import POD_IDENTITY, block, dns_egress, from_namespace
from scaletozero.kubernetes.manifests.objects import Manifest, manifest
from scaletozero.kubernetes.manifests.pods import POD_SECURITY, PORT, container_security
from scaletozero.kubernetes.manifests.scaling import interceptor_address
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gateway_cluster import GatewayCluster

CONTENTS, DIGEST = "${contents}", "${digest}"
"""Placeholders for what the gateway does, and for the beginning of its digest, which are not known yet."""

LISTENS = 8080
FOLDER, FILE = "/etc/scaletozero", "gateway.json"


@dataclass(frozen=True)
class GatewayObjects:
    """What the objects of a gateway follow from.

    Attributes:
        name, namespace: of its objects.
        cluster: where they are.
        pods: what is declared of its pods.
        hosts: the hosts that its requests go to, on AWS and elsewhere.
        wakes: whether it sends requests to the cluster's interceptor.
        seconds: the longest that a request may take, for which a pod that ends waits.
        command: what a container runs.
        variables: of a container.
    """

    name: str
    namespace: str
    cluster: Cluster
    pods: GatewayCluster
    hosts: tuple[str, ...]
    wakes: bool
    seconds: int
    command: tuple[str, ...]
    variables: dict[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that select its pods. They can never change."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/component": "gateway"}

    def all(self) -> list[Manifest]:
        """The objects, in the order of their creation."""
        named = named_hosts(
            self.name, self.namespace, self.cluster, self.labels, self.hosts, self._interceptor() if self.wakes else {}
        )
        return [
            self._object("v1", "ServiceAccount", automountServiceAccountToken=False),
            self._network_policy(),
            *([named] if named else []),
            self._config(),
            self._service(),
            self._deployment(),
            self._disruption_budget(),
            *([self._alerts()] if RULES_CRD in self.cluster.crds else []),
        ]

    def _object(self, version: str, kind: str, name: str | None = None, **body: Any) -> Manifest:
        return manifest(version, kind, name or self.name, self.namespace, self.labels, **body)

    def _interceptor(self) -> dict[str, int]:
        """The full name of the interceptor's service, and its port."""
        host, _, port = interceptor_address(self.cluster.keda_namespace).partition(":")
        return {f"{host}.svc.cluster.local": int(port)}

    def _network_policy(self) -> Manifest:
        """Allows callers, DNS, its identity, the interceptor, and HTTPS to the declared networks; denies the rest."""
        pods = self.pods
        callers = [from_namespace(each) for each in pods.callers] or [{"podSelector": {}}]
        egress = [dns_egress(self.cluster), _to([block(POD_IDENTITY)], 80)]
        if self.wakes:
            egress += [
                _to([from_namespace(self.cluster.keda_namespace)], port) for port in self._interceptor().values()
            ]
        if pods.https_cidrs:
            egress.append(_to([block(each) for each in pods.https_cidrs], HTTPS))
        spec = {
            "podSelector": {"matchLabels": self.labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": callers, "ports": [{"port": PORT, "protocol": "TCP"}]}],
            "egress": egress,
        }
        return self._object("networking.k8s.io/v1", "NetworkPolicy", spec=spec)

    def _config(self) -> Manifest:
        """What the gateway does. A change is another object, so that pods of before keep theirs until they end."""
        return self._object("v1", "ConfigMap", f"{self.name}-{DIGEST}", immutable=True, data={FILE: CONTENTS})

    def _service(self) -> Manifest:
        port = {"name": PORT, "port": 80, "targetPort": PORT, "protocol": "TCP"}
        return self._object("v1", "Service", spec={"type": "ClusterIP", "selector": self.labels, "ports": [port]})

    def _disruption_budget(self) -> Manifest:
        spec = {
            "maxUnavailable": 1,
            "selector": {"matchLabels": self.labels},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
        return self._object("policy/v1", "PodDisruptionBudget", spec=spec)

    def _alerts(self) -> Manifest:
        """Says that nothing answers. It has no metrics of its own: its log has a line for each request."""
        rule = alert_rule(
            "GatewayNotReady",
            f"{ready_replicas(self.name, self.namespace)} == 0",
            60,
            f"no pod of {self.name} is ready: every request fails, see docs/runbooks/gateway.md",
        )
        groups = [{"name": f"{self.namespace}.{self.name}", "rules": [rule]}]
        return self._object("monitoring.coreos.com/v1", "PrometheusRule", spec={"groups": groups})

    def _deployment(self) -> Manifest:
        pod = {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": POD_SECURITY,
            "terminationGracePeriodSeconds": DEREGISTER_SECONDS + self.seconds + 15,
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": self.labels},
                }
                for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            "containers": [self._container()],
            "volumes": [
                {"name": "settings", "configMap": {"name": f"{self.name}-{DIGEST}"}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        }
        spec = {
            "replicas": self.pods.replicas,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": self.labels},
            "template": {"metadata": {"labels": self.labels}, "spec": pod},
        }
        return self._object("apps/v1", "Deployment", spec=spec)

    def _container(self) -> dict[str, Any]:
        memory = {"memory": f"{self.pods.memory_mib}Mi"}
        probe = {"httpGet": {"path": "/healthz", "port": PORT}, "timeoutSeconds": 2}
        return {
            "name": "gateway",
            "image": self.pods.image,
            "command": list(self.command),
            "env": [{"name": key, "value": value} for key, value in sorted(self.variables.items())],
            "ports": [{"name": PORT, "containerPort": LISTENS, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": f"{self.pods.cpu_millis}m", **memory}, "limits": memory},
            "securityContext": container_security(),
            "startupProbe": {**probe, "periodSeconds": 2, "failureThreshold": 60},
            "readinessProbe": {**probe, "periodSeconds": 5, "failureThreshold": 2},
            "livenessProbe": {**probe, "periodSeconds": 10, "failureThreshold": 6},
            # Then uvicorn takes no further connections, and ends with the last request.
            "lifecycle": {"preStop": {"sleep": {"seconds": DEREGISTER_SECONDS}}},
            "volumeMounts": [
                {"name": "settings", "mountPath": FOLDER, "readOnly": True},
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of its own
            ],
        }


def _to(peers: Sequence[dict[str, Any]], port: int) -> dict[str, Any]:
    return {"to": list(peers), "ports": [{"port": port, "protocol": "TCP"}]}
