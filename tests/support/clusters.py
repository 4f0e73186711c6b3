"""Clusters for tests: one that somebody names, or one of their own, with the custom resources' definitions on it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from schemas import CRD_DIR

from scaletozero.engine.go_build import GoModule, source_folder
from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox.cluster.control_plane import Cluster, control_plane
from scaletozero.sandbox.cluster.definitions import install_definitions, read_definitions

T = TypeVar("T")


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def own_cluster() -> Iterator[tuple[Cluster, KubernetesApi]]:
    """A new control plane; what it takes to build it is shown."""
    with control_plane(say) as cluster:
        yield cluster, KubernetesApi(cluster.kubeconfig)


def custom_resources() -> list[dict[str, Any]]:
    """The definitions of the custom resources that the toolkit declares. Skips the test where there are none."""
    if not CRD_DIR.is_dir():
        pytest.skip(f"the custom resources' definitions are not at CRD_DIR ({CRD_DIR})")
    return [*read_definitions(CRD_DIR), node_class_of_auto_mode(), policy_of_cilium()]


CILIUM = GoModule("github.com/cilium/cilium", "v1.20.2", {})
"""Its source has the definitions of its custom resources."""


def policy_of_cilium() -> dict[str, Any]:
    """Cilium's definition of its policies, from its published source."""
    folder = source_folder(CILIUM) / "pkg/k8s/apis/cilium.io/client/crds/v2"
    (found,) = (each for each in read_definitions(folder) if each["spec"]["names"]["kind"] == "CiliumNetworkPolicy")
    return found


def node_class_of_auto_mode() -> dict[str, Any]:
    """EKS Auto Mode publishes no definition of its NodeClass; this one is made from its JSON schema."""
    schema = json.loads((CRD_DIR / "eks.amazonaws.com_nodeclass_v1.schema.json").read_text())
    properties = {key: _structural(value) for key, value in schema["properties"].items() if key in ("spec", "status")}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "nodeclasses.eks.amazonaws.com"},
        "spec": {
            "group": "eks.amazonaws.com",
            "names": {"kind": "NodeClass", "plural": "nodeclasses", "singular": "nodeclass"},
            "scope": "Cluster",
            "versions": [version],
        },
    }


def _structural(schema: Any) -> Any:
    """Without what a JSON schema may say and a structural one may not."""
    if isinstance(schema, list):
        return [_structural(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {key: _structural(value) for key, value in schema.items() if not (closed and key == "additionalProperties")}


@dataclass(frozen=True)
class Place:
    """A cluster to test on; `own` is None where somebody else runs it, and its controllers."""

    kubeconfig: Path
    api: KubernetesApi
    own: Cluster | None


@contextmanager
def given_or_own() -> Iterator[Place]:
    """The cluster of $SCALETOZERO_TEST_KUBECONFIG, which must be one for tests; else a new one."""
    definitions = custom_resources()
    if given := os.environ.get("SCALETOZERO_TEST_KUBECONFIG"):
        place = Place(Path(given), KubernetesApi(Path(given)), None)
        install_definitions(place.api, definitions)
        yield place
        return
    with own_cluster() as (cluster, api):
        install_definitions(api, definitions)
        yield Place(cluster.kubeconfig, api, cluster)


def eventually(look: Callable[[], T], *, patience: float = 900, every: float = 0.2, why: Callable[[], str] = str) -> T:
    """What `look` gives as soon as it is true; fails after `patience` seconds, which is no measure, only an end."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not come to that: {why()}"
        time.sleep(every)
    return found


def unversioned(live: dict[str, Any]) -> dict[str, Any]:
    """What somebody applied: without the version, which claims get anew from a write that changes nothing, and without
    what controllers add meanwhile."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in ("resourceVersion", "finalizers")}
    metadata["managedFields"] = [each for each in metadata["managedFields"] if each["manager"] == "scaletozero"]
    annotations = metadata.get("annotations", {})
    metadata["annotations"] = {key: value for key, value in annotations.items() if "deployment.kubernetes" not in key}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}


def accepted(api: KubernetesApi, objects: list[dict[str, Any]]) -> None:
    """Each object is taken; again, it changes nothing; and each pod template is one that the namespace admits."""
    for each in objects:
        warnings: list[str] = []
        first = api.apply(each, force=True, warn=warnings.append)
        assert warnings == []
        assert unversioned(api.apply(each, force=True)) == unversioned(first)
    for each in objects:
        if template := each.get("spec", {}).get("template", {}) if each["kind"] == "Deployment" else {}:
            metadata = {**template["metadata"], "name": "admitted", "namespace": each["metadata"]["namespace"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            admitted = api.create(pod, dry_run=True)
            assert admitted["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] is True
