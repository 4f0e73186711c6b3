"""Which cluster an environment's GPU endpoints run on, and what is known of it."""

from __future__ import annotations

from model_packaging.validation import Settings, Text
from scaletozero.settings.cluster import Cluster, DnsLabel


class Kubernetes(Settings):
    """The `kubernetes` block of an environment.

    The cluster itself is the one that $KUBECONFIG names, and never another one that this machine knows.

    Attributes:
        cluster: its name, what can't be seen from inside it, and whatever else is written instead of read. Its region
            is the environment's.
        namespace: where the endpoints live.
        context: of the kubeconfig; its current one unless given.
        facts: a file that `scaletozero cluster --json` wrote, relative to the project's folder, for where no cluster
            can be asked.
    """

    cluster: Cluster
    namespace: DnsLabel
    context: Text | None = None
    facts: Text | None = None
