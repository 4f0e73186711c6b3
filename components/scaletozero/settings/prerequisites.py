"""The settings of what a platform team declares once for a cluster with GPU endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text
from scaletozero.settings.cluster import Cluster, Count, DnsLabel, Version, not_empty, numbers, unique
from scaletozero.settings.regions import Region

Repository = Annotated[Text, Field(pattern=r"^(https|oci)://\S+$")]


class Chart(Settings):
    """A Helm chart, pinned.

    Attributes:
        version: version of the chart.
        repository: URL of a Helm repository, or `oci://` and a registry for a mirror.
        values: extra values, merged as Helm does.
        install: whether the chart is declared.
    """

    version: Version
    repository: Repository
    values: dict[str, Any] = Field(default_factory=dict)
    install: bool = True


class KedaChart(Chart):
    """KEDA."""

    version: Version = "2.20.2"
    repository: Repository = "https://kedacore.github.io/charts"


class HttpAddonChart(Chart):
    """KEDA's HTTP add-on."""

    version: Version = "0.15.0"
    repository: Repository = "https://kedacore.github.io/charts"


class DevicePluginChart(Chart):
    """NVIDIA's device plugin."""

    version: Version = "0.19.3"
    repository: Repository = "https://nvidia.github.io/k8s-device-plugin"
    install: bool = False


class Namespace(Settings):
    """A namespace for endpoints; `gpu_quota` is the maximum number of GPUs of all its pods together."""

    name: DnsLabel
    gpu_quota: Count


class PrerequisitesSettings(Settings):
    """The settings of `ClusterPrerequisitesArgs`.

    Attributes:
        cluster: the cluster as it is now.
        namespaces: the namespaces for endpoints.
        residency: the Regions that pods of the namespaces may run in, enforced by the API server; any if empty.
        keda, http_addon: the charts.
        device_plugin: the chart. Not installed by default: EKS Auto Mode and Bottlerocket have their own plugin.
    """

    cluster: Cluster
    namespaces: Annotated[tuple[Namespace, ...], AfterValidator(not_empty)]
    residency: Annotated[tuple[Region, ...], AfterValidator(unique)] = ()
    keda: KedaChart = KedaChart()
    http_addon: HttpAddonChart = HttpAddonChart()
    device_plugin: DevicePluginChart = DevicePluginChart()

    def conflicts(self) -> Iterable[Finding]:
        for found in self.cluster.conflicts():
            yield replace(found, path=f"cluster.{found.path}")
        names = [namespace.name for namespace in self.namespaces]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Finding("namespaces", "must have different names", name, "one quota would replace the other")
        if self.residency and self.cluster.region not in self.residency:
            yield Finding(
                "residency",
                f"must have the cluster's own Region, {self.cluster.region}",
                ", ".join(self.residency),
                "no pod would be admitted",
                f"write `[{self.cluster.region}]`",
            )
        yield from self._charts()

    def _charts(self) -> Iterable[Finding]:
        fields: list[tuple[Literal["keda", "http_addon"], str]] = [("keda", "2.17"), ("http_addon", "0.14")]
        for field, least in fields:
            chart: Chart = getattr(self, field)
            there: str | None = getattr(self.cluster, field)
            if chart.install and numbers(chart.version) < numbers(least):
                yield Finding(
                    f"{field}.version",
                    f"must be {least} or later",
                    chart.version,
                    "GPU endpoints use features of that version",
                    f"write {least} or a later version, or remove the setting",
                )
            if chart.install and there and numbers(there) > numbers(chart.version):
                yield Finding(
                    f"{field}.version",
                    f"must not be older than the version in the cluster, {there}",
                    chart.version,
                    "a downgrade would leave custom resources that the older operator cannot read",
                    f"write {there}, or `install: false` if another team manages it",
                )
        if (
            self.cluster.nodes == "auto-mode"
            and "device_plugin" in self.model_fields_set
            and self.device_plugin.install
        ):
            yield Finding(
                "device_plugin",
                "must not be installed on EKS Auto Mode, which has its own plugin",
                self.device_plugin.version,
                "two plugins would advertise each GPU twice",
                "remove it",
            )
