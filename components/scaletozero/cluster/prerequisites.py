"""What a cluster needs before the first GPU endpoint, owned by whoever owns the cluster."""

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.args.prerequisites import ClusterPrerequisitesArgs
from scaletozero.cluster.objects import KubernetesObject, declare, kebab, need_cluster
from scaletozero.component import Component, validated
from scaletozero.kubernetes.manifests.objects import Manifest
from scaletozero.kubernetes.manifests.scaling import interceptor_address
from scaletozero.kubernetes.plan import prefixed
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.prerequisites import PrerequisitesSettings


class ClusterPrerequisites(Component):
    """Namespaces that admit only safe pods, with a quota and no traffic, and KEDA with its HTTP add-on.

    Versions are checked against the cluster's before anything is declared.

    Its children are the attributes `objects` and `releases`.

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
            raise FindingsError(prefixed(name, plan.findings))
        super().__init__(name, opts, region=settings.cluster.region, tags={})
        need_cluster(self)
        objects: list[KubernetesObject] = []
        for namespace, manifests in plan.namespaces.items():
            objects += declare(self, manifests, suffix=lambda manifest, of=namespace: _suffix(manifest, of))
        releases: list[kubernetes.helm.v3.Release] = []
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
                opts=self.options(depends_on=releases[-1:]),
            )
            releases.append(release)

        self.namespaces = pulumi.Output.from_input([each.name for each in settings.namespaces])
        self.interceptor = pulumi.Output.from_input(interceptor_address(settings.cluster.keda_namespace))
        # Not annotated in the class: the plugin takes every annotation of a component for an output.
        self.objects = objects
        self.releases = releases
        self.register_outputs({"namespaces": self.namespaces, "interceptor": self.interceptor})


def _suffix(manifest: Manifest, namespace: str) -> str:
    """Of a child's name: there are two admission policies for a namespace, and one of every other kind."""
    bindings = manifest["metadata"]["name"].removeprefix(f"residency-{namespace}")
    two = bindings if manifest["kind"].startswith("ValidatingAdmissionPolicy") else ""
    return f"{namespace}-{kebab(manifest['kind'])}{two}"
