"""The arguments of `ClusterPrerequisites`."""

from typing import Any, NotRequired, TypedDict

from scaletozero.args.cluster import ClusterArgs


class ChartArgs(TypedDict):
    """A Helm chart, pinned."""

    version: NotRequired[str]
    """The version of the chart. Default: the version that this release was tested with."""
    repository: NotRequired[str]
    """The URL of a Helm repository, or `oci://` and a registry for a mirror. Default: the project's own repository."""
    values: NotRequired[dict[str, Any]]
    """Extra values, merged as Helm does."""
    install: NotRequired[bool]
    """Whether the chart is declared. Default: true; for `device_plugin`, false."""


class NamespaceArgs(TypedDict):
    """A namespace for endpoints."""

    name: str
    """The name."""
    gpu_quota: int
    """The maximum number of GPUs of all its pods together."""


class ClusterPrerequisitesArgs(TypedDict):
    """The arguments of `ClusterPrerequisites`."""

    cluster: ClusterArgs
    """The cluster as it is now."""
    namespaces: list[NamespaceArgs]
    """The namespaces for endpoints."""
    residency: NotRequired[list[str]]
    """The Regions that pods of the namespaces may run in: the API server refuses pods that could run elsewhere, debug
    containers in them, and bindings that bypass the scheduler. Default: any Region."""
    keda: NotRequired[ChartArgs]
    """The chart of KEDA."""
    http_addon: NotRequired[ChartArgs]
    """The chart of KEDA's HTTP add-on."""
    device_plugin: NotRequired[ChartArgs]
    """The chart of NVIDIA's device plugin. EKS Auto Mode and Bottlerocket have their own."""
