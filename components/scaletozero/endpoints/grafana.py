"""The dashboard of an environment's endpoints on its cluster, for Grafana."""

import pulumi

from scaletozero.cluster.objects import declare
from scaletozero.component import Component
from scaletozero.kubernetes.manifests.objects import Manifest


class GrafanaDashboard(Component):
    """A ConfigMap with a dashboard, which the sidecar of Grafana's chart finds by its label."""

    type_name = "scaletozero:index:GrafanaDashboard"

    def __init__(
        self, name: str, config_map: Manifest, region: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts, region=region, tags={})
        (self.config_map,) = declare(self, [config_map], primary="ConfigMap")
        self.register_outputs({})
