"""Kubernetes objects as Pulumi resources, from the dicts of a plan."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any

import pulumi

from model_packaging.findings import refuse
from scaletozero.component import Component
from scaletozero.kubernetes.manifests.objects import Manifest


class KubernetesObject(pulumi.CustomResource):
    """Any object of the Kubernetes API, applied by pulumi-kubernetes under its own type."""

    def __init__(self, name: str, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        version, kind = manifest["apiVersion"], manifest["kind"]
        group = version if "/" in version else f"core/{version}"
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=metadata.version("pulumi-kubernetes")))
        super().__init__(f"kubernetes:{group}:{kind}", name, dict(manifest), opts)


def need_cluster(component: Component) -> None:
    """Refuses a component without a cluster.

    Raises:
        FindingsError: it has no Kubernetes provider.
    """
    if component.get_provider("kubernetes:core/v1:Service") is None:
        raise refuse(
            component.child(),
            "must have a Kubernetes provider in its options",
            "none",
            "it would be applied to the cluster of the shell's current kubeconfig",
            "write `opts=pulumi.ResourceOptions(providers=[kubernetes.Provider(...)])`",
        )


def declare(
    owner: Component,
    manifests: Iterable[Manifest],
    *,
    primary: str = "",
    substitutions: Mapping[str, pulumi.Input[str]] | None = None,
    depends_on: Sequence[pulumi.Resource] = (),
    more: Mapping[str, pulumi.ResourceOptions] | None = None,
    suffix: Callable[[Manifest], str] | None = None,
) -> list[KubernetesObject]:
    """Declares objects as children, each depending on the one before it.

    Args:
        owner: the parent component.
        manifests: the objects, in the order of their creation.
        primary: the kind of the child that has the component's name.
        substitutions: placeholder in the manifests -> a value that is known later.
        depends_on: resources that the first object depends on.
        more: extra options, by kind.
        suffix: suffix of a child's name. Default: the object's kind.
    """
    made: list[KubernetesObject] = []
    for manifest in manifests:
        kind = manifest["kind"]
        own = "" if kind == primary else suffix(manifest) if suffix else kebab(kind)
        opts = owner.options(depends_on=[*depends_on, *made[-1:]])
        if more and kind in more:
            opts = pulumi.ResourceOptions.merge(opts, more[kind])
        made.append(KubernetesObject(owner.child(own), fill(manifest, substitutions or {}), opts))
    return made


def kebab(kind: str) -> str:
    """Converts `NetworkPolicy` to `network-policy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower()


def fill(value: Any, substitutions: Mapping[str, pulumi.Input[str]]) -> Any:
    """Replaces every placeholder in a value with an output."""
    if isinstance(value, Mapping):
        return {key: fill(each, substitutions) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, substitutions) for each in value]
    if isinstance(value, str):
        for placeholder, known in substitutions.items():
            if placeholder in value:
                return pulumi.Output.from_input(known).apply(partial(value.replace, placeholder))
    return value
