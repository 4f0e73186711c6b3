"""The arguments of `ClusterPrerequisites`."""

from typing import Any, NotRequired, TypedDict

from scaletozero.args.cluster import ClusterArgs


class ChartArgs(TypedDict):
    """A Helm chart, pinned."""

    version: NotRequired[str]
    """Of the chart."""
    repository: NotRequired[str]
    """A Helm repository, or `oci://` and a registry for a mirror."""
    values: NotRequired[dict[str, Any]]
    """Further values."""
    install: NotRequired[bool]
    """Whether to declare it; false where somebody else owns it."""


class NamespaceArgs(TypedDict):
    """A namespace for endpoints."""

    name: str
    """Its name."""
    gpu_quota: int
    """The most GPUs that its pods may ask for together."""


class ClusterPrerequisitesArgs(TypedDict):
    """The arguments of `ClusterPrerequisites`."""

    cluster: ClusterArgs
    """The cluster as it is now."""
    namespaces: list[NamespaceArgs]
    """Those that endpoints live in."""
    keda: NotRequired[ChartArgs]
    """KEDA."""
    http_addon: NotRequired[ChartArgs]
    """KEDA's HTTP add-on."""
    device_plugin: NotRequired[ChartArgs]
    """NVIDIA's device plugin; not installed unless asked for, because Auto Mode and Bottlerocket have their own."""
