"""The cluster of an environment's GPU endpoints, and what is known about it."""

from __future__ import annotations

from model_packaging.validation import Settings, Text
from scaletozero.settings.cluster import Cluster, DnsLabel


class Kubernetes(Settings):
    """The `kubernetes` block of an environment.

    The cluster is the one that $KUBECONFIG names; no other kubeconfig of this machine is used.

    Attributes:
        cluster: the name, facts that cannot be read from the cluster, and facts that override what is read. Its region
            is that of the environment.
        namespace: the namespace of the endpoints.
        context: the context of the kubeconfig. Default: its current context.
        facts: path of a file that `scaletozero cluster --json` wrote, relative to the project's folder, for runs
            without access to the cluster.
        grafana: whether a ConfigMap with a dashboard of its endpoints is declared, which the sidecar of Grafana's chart
            finds by the label `grafana_dashboard`.
    """

    cluster: Cluster
    namespace: DnsLabel
    context: Text | None = None
    facts: Text | None = None
    grafana: bool = False
