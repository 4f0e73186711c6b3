"""What a cluster needs before the first GPU endpoint, owned by whoever owns the cluster."""

from typing import Any, NotRequired, TypedDict

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.component import Component, validated
from scaletozero.kubernetes.plan import below
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.kubernetes.scaling import entrance
from scaletozero.kubernetes_objects import declare, kebab, need_cluster
from scaletozero.settings.prerequisites import PrerequisitesSettings
from scaletozero.warmth.gpu_args import ClusterArgs


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


class ClusterPrerequisites(Component):
    """Namespaces that admit only safe pods, with a quota and no traffic, and KEDA with its HTTP add-on.

    Versions are checked against the cluster's before anything is declared.

    Raises:
        FindingsError: when an argument breaks a rule, or a version does not fit the cluster.
    """

    type_name = "scaletozero:index:ClusterPrerequisites"

    namespaces: pulumi.Output[list[str]]
    """The namespaces."""
    interceptor: pulumi.Output[str]
    """Where requests enter: the interceptor's service, as `<service>.<namespace>:<port>`."""

    def __init__(self, name: str, args: ClusterPrerequisitesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        import pulumi_kubernetes as kubernetes  # a tenth of a second, for this component alone

        settings, _ = validated(PrerequisitesSettings, args, name=name)
        plan = plan_prerequisites(settings)
        if plan.findings:
            raise FindingsError(below(name, plan.findings))
        super().__init__(name, opts, region=settings.cluster.region, tags={})
        need_cluster(self)
        for namespace in settings.namespaces:
            declare(
                self,
                [
                    each
                    for each in plan.objects
                    # The namespace itself lies in none; what lies in one may well be named like another.
                    if each["metadata"].get("namespace", each["metadata"]["name"]) == namespace.name
                ],
                suffix=lambda manifest, of=namespace.name: f"{of}-{kebab(manifest['kind'])}",
            )
        before: list[pulumi.Resource] = []
        for chart in plan.charts:
            oci = chart.repository.startswith("oci://")
            release = kubernetes.helm.v3.Release(
                self.child(chart.name),
                # One of each in a cluster, under a name that others can ask for.
                name=chart.name,
                namespace=chart.namespace,
                create_namespace=True,
                chart=f"{chart.repository.rstrip('/')}/{chart.chart}" if oci else chart.chart,
                repository_opts=None if oci else {"repo": chart.repository},
                version=chart.version,
                values=chart.values,
                atomic=True,
                opts=self.options(depends_on=before[-1:]),
            )
            before.append(release)

        self.namespaces = pulumi.Output.from_input([each.name for each in settings.namespaces])
        self.interceptor = pulumi.Output.from_input(entrance(settings.cluster.keda_namespace))
        self.register_outputs({"namespaces": self.namespaces, "interceptor": self.interceptor})
