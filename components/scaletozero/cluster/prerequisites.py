"""The prerequisites of GPU endpoints in a cluster, for the team that manages the cluster."""

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
    """Restricted namespaces with a quota of GPUs and a policy that denies all traffic, and KEDA with its HTTP add-on.

    Versions are compared with those of the cluster before anything is declared.

    Its children are the attributes `objects` and `releases`.

    Raises:
        FindingsError: an argument is invalid, or a version does not fit the cluster. Nothing is declared.
    """

    type_name = "scaletozero:index:ClusterPrerequisites"

    namespaces: pulumi.Output[list[str]]
    """The names of the namespaces."""
    interceptor: pulumi.Output[str]
    """The address of the interceptor, which requests are sent to, as `<service>.<namespace>:<port>`."""

    def __init__(self, name: str, args: ClusterPrerequisitesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        import pulumi_kubernetes as kubernetes  # takes a tenth of a second, and only this component needs it

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
                # A cluster has one of each, with a fixed name.
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
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.objects = objects
        self.releases = releases
        self.register_outputs({"namespaces": self.namespaces, "interceptor": self.interceptor})


def _suffix(manifest: Manifest, namespace: str) -> str:
    """The suffix of a child's name: a namespace has two admission policies, and one object of every other kind."""
    bindings = manifest["metadata"]["name"].removeprefix(f"residency-{namespace}")
    two = bindings if manifest["kind"].startswith("ValidatingAdmissionPolicy") else ""
    return f"{namespace}-{kebab(manifest['kind'])}{two}"
