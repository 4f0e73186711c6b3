"""Reads what a cluster has of an endpoint's starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model_packaging.findings import refuse
from scaletozero.cold_start.engine_log import LOG_BYTES
from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.kubernetes.facts.discover import open_cluster
from scaletozero.kubernetes.manifests.objects import selector
from scaletozero.kubernetes.starts import CONTAINER
from scaletozero.kubernetes.watched import Sight
from scaletozero.settings.kubernetes import Kubernetes


@contextmanager
def opened(block: Kubernetes) -> Iterator[tuple[KubernetesApi, str]]:
    """The cluster of an environment and its Region, while it is looked at.

    Raises:
        FindingsError: KUBECONFIG leads to no cluster, to another one, or to one that does not answer or refuses.
    """
    cluster = block.cluster
    api, _, region = open_cluster(os.environ.get("KUBECONFIG"), cluster.name, cluster.region, context=block.context)
    try:
        yield api, region
    except ApiError as error:
        then = "nothing more was measured"
        raise refuse("KUBECONFIG", "must lead to a cluster that answers", str(error), then) from None
    finally:
        api.close()


def log_of(api: KubernetesApi, namespace: str, say: Callable[[str], object]) -> Callable[[str], str]:
    """How the begin of a replica's log is read. One that cannot be read is empty: its engine's phases are not known.

    Args:
        api, namespace: where the replicas are.
        say: is told why one cannot be read, the first time.
    """
    told = False

    def log(pod: str) -> str:
        nonlocal told
        try:
            return api.log(namespace, pod, CONTAINER, LOG_BYTES)
        except ApiError as error:
            if not told:
                say(f"the phases of the engine are not known: the log of {pod} cannot be read: {error}")
            told = True
            return ""

    return log


def look(api: KubernetesApi, namespace: str, endpoint: str, *, pods_only: bool = False) -> Sight:
    """What there is of an endpoint now.

    Args:
        pods_only: without its Deployment, which a caller may not be allowed to read.

    Raises:
        ApiError: the cluster does not answer, or refuses.
    """
    labels = ",".join(f"{key}={value}" for key, value in selector(endpoint).items())
    metadata = {"name": endpoint, "namespace": namespace}
    return Sight(
        api.clock(),
        api.list("v1", "Pod", namespace, labels),
        api.list("v1", "Node"),
        api.list("v1", "Event", namespace),
        None if pods_only else api.get({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}),
    )
