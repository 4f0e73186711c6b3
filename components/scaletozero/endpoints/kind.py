"""The interface of an endpoint kind: everything that differs between the backends. Pure except for `declare`.

The registry is `scaletozero.endpoints.kinds`; the environment's settings, checks and program, the command and the
documentation read it, and none of them asks which kind it has before it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from model_packaging.artifact.manifest import Manifest
from model_packaging.findings import Finding, refuse
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import Predicted
from scaletozero.cold_start.remembered import Recalled, Served, Start
from scaletozero.endpoints.kind_costs import Workload
from scaletozero.endpoints.state import Resource
from scaletozero.observability.panels import Panel, Watched
from scaletozero.observability.plan import Alarm
from scaletozero.observability.provisioned import Provisioned
from scaletozero.observability.usage import Metering
from scaletozero.residency.resource import DeclaredResource
from scaletozero.scaling.advice import Declared
from scaletozero.scaling.fleet_advice import DeclaredFleet
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.guard import Over
from scaletozero.settings.kubernetes import Kubernetes
from scaletozero.settings.schedules import Window
from scaletozero.spending.estimate import Alternative, Guard, Priced
from scaletozero.spending.prices import PriceTable

if TYPE_CHECKING:  # a declaration needs the engine's SDK, but a check does not
    import pulumi


class Invocation(StrEnum):
    """How callers reach an endpoint."""

    RESPONSE = "response"
    """`InvokeEndpoint`: the response comes back in the same call."""
    QUEUE = "queue"
    """`InvokeEndpointAsync`: the request waits in a queue, and the result is written to S3."""
    CLUSTER = "cluster"
    """HTTP inside the cluster, by the endpoint's host name."""


class Scaled(Protocol):
    """The limits between which an endpoint scales."""

    @property
    def max(self) -> int: ...


class EndpointSettings(Protocol):
    """The settings that every kind has."""

    @property
    def kind(self) -> str: ...
    @property
    def artifact(self) -> str: ...
    @property
    def scaling(self) -> Scaled: ...
    @property
    def schedule(self) -> tuple[Window, ...]: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    def conflicts(self) -> Iterable[Finding]: ...


S = TypeVar("S", bound=EndpointSettings)
P = TypeVar("P")


@dataclass(frozen=True)
class Site:
    """Where an environment's endpoints are declared.

    Attributes:
        region: the AWS region.
        root: the project's folder, to which the artifacts' paths are relative.
        tags: the environment's tags.
        kms_key_arn: the key of the artifacts' bucket, if it has one; an output if it is secret.
        kubernetes: the cluster and namespace, if the environment has one.
        residency: the allowed Regions; empty if all are allowed.
        log_retention_days: how long logs are kept.
        opened: endpoint -> its packaged model, if it was opened already; see `Examined`.
        starts: endpoint -> its measured starts.
    """

    region: str
    root: Path
    tags: Mapping[str, str]
    kms_key_arn: str | pulumi.Output[str] | None = None
    kubernetes: Kubernetes | None = None
    residency: tuple[str, ...] = ()
    log_retention_days: int = 30
    opened: Mapping[str, Any] = field(default_factory=dict)
    starts: Mapping[str, tuple[Start, ...]] = field(default_factory=dict)

    def tags_of(self, settings: EndpointSettings) -> dict[str, str]:
        """The tags of an endpoint: the environment's and its own."""
        return {**self.tags, **settings.tags}


@dataclass(frozen=True)
class Examined:
    """The result of the check of an endpoint's packaged model.

    Attributes:
        findings: the reasons why the endpoint cannot serve the model; paths are in the environment.
        opened: the opened model, so that the declaration need not read and plan it again.
    """

    findings: Sequence[Finding]
    opened: Any = None


class Kind(ABC, Generic[S]):
    """One kind of endpoint.

    Attributes:
        name: its name, the value of `kind`.
        settings: the model of an endpoint's settings.
        component: the type token of its component in a stack's state.
        invocation: how callers reach it.
        on_cluster: whether it runs on the environment's Kubernetes cluster, and so needs one.
        billed_per_call: whether calls are billed by their duration, so that `advise` can price replayed calls.
        closed_by_callers: whether only a denial of its callers stops it, because the service always runs a part of it.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Any]]
    component: ClassVar[str]
    invocation: ClassVar[Invocation]
    on_cluster: ClassVar[bool] = False
    billed_per_call: ClassVar[bool] = False
    closed_by_callers: ClassVar[bool] = False

    def site_findings(self, settings: S, region: str) -> Iterable[Finding]:
        """The findings on an endpoint in a region that do not depend on its artifact; paths are below the endpoint."""
        return ()

    def quota_share(self, settings: S) -> QuotaShare:
        """The most that the endpoint can use of the account's quotas."""
        return QuotaShare()

    def alarms(self, settings: Alarms, provisioned: bool) -> list[Alarm]:
        """The endpoint's alarms in CloudWatch; none if its metrics are elsewhere.

        Args:
            settings: the thresholds.
            provisioned: whether the endpoint has provisioned concurrency.
        """
        return []

    def panels(self, watched: Watched) -> list[Panel]:
        """What a dashboard on CloudWatch shows of it; nothing where its metrics are elsewhere."""
        return []

    def on_dashboard(self, name: str, settings: S, memory_mb: int | None) -> dict[str, Any] | None:
        """The endpoint as one of `EnvironmentDashboardArgs`, without its name; None where it has no panels.

        Args:
            memory_mb: the memory of one container, where its spending follows from it.
        """
        return None

    def memory_mb(self, name: str, settings: S, site: Site) -> int | None:
        """The memory of one container, where its spending follows from it."""
        return None

    def cluster_panels(self, name: str, opened: Any) -> list[Panel]:
        """What a dashboard over Prometheus shows of it; nothing where its metrics are elsewhere.

        Args:
            opened: its packaged model, as `examine` opened it.
        """
        return []

    def guard(self, over: Over) -> Guard | None:
        """What a spending guard does to it; None where a guard cannot close it.

        Args:
            over: over what its cap is held: `window`, `month` or `both`.
        """
        return None

    def guarded(self, settings: S, priced: Priced) -> dict[str, Any] | None:
        """The endpoint as one of `SpendingGuardArgs`, without its names and its cap; None where it has no guard."""
        return None

    def declared_resources(self, name: str, settings: S, region: str) -> Iterable[DeclaredResource]:
        """The resources that determine where the endpoint runs and sends data; paths are below the endpoint."""
        return ()

    def outside_hosts(self, settings: S) -> tuple[str, ...]:
        """The hosts outside of AWS and of the cluster that its containers may send requests to, for the report."""
        return ()

    @abstractmethod
    def examine(self, name: str, settings: S, site: Site) -> Examined:
        """Opens the packaged model, and checks whether it fits this endpoint.

        Raises:
            FindingsError: the artifact itself is missing, incomplete or invalid.
        """

    @abstractmethod
    def declare(
        self, name: str, settings: S, site: Site, bucket: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> dict[str, Any]:
        """Declares the endpoint's component. It must be called inside a Pulumi program.

        Returns:
            The stack's exports about it: `kind`, `name`, `max`, `artifact`, `digest` and whatever else callers need.
        """

    @abstractmethod
    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        """A deployed endpoint's properties in a stack's state, with the keys of `environment.deployed.endpoints_in`.

        Args:
            children: package and class, for example `aws:Endpoint` -> the component's child of that type.

        Returns:
            The properties; empty if the endpoint itself does not exist yet.
        """

    def metering(self, deployed: Mapping[str, Any], region: str, table: PriceTable) -> Metering | None:
        """Which metrics in CloudWatch say what a deployed endpoint used, and their prices; None if none do.

        Raises:
            FindingsError: the region has no price for it.
        """
        return None

    def provisioned(
        self, settings: S, deployed: Mapping[str, Any], region: str, table: PriceTable
    ) -> Provisioned | None:
        """The capacity that a deployed endpoint keeps and no metric counts, beside `metering`; None if it has none.

        Raises:
            FindingsError: the region has no price for it.
        """
        return None

    @abstractmethod
    def size(self, deployed: Mapping[str, Any]) -> str:
        """The size of one deployed unit, for `status`."""

    def priced(self, settings: S, opened: Any, region: str, table: PriceTable) -> Priced:
        """What the endpoint costs.

        Args:
            opened: its packaged model, as `examine` opened it.
            table: the prices.

        Raises:
            FindingsError: a price is missing without which there is no figure; of a kind that has no prices, always.
        """
        raise refuse(f"kind {self.name}", "must know its prices to be estimated", "none", "there is no figure of it")

    def image(self, settings: S, region: str) -> str | None:
        """The address of the image that it serves from; None if a prediction of its cold start does not need it."""
        return None

    def predicted(self, settings: S, opened: Any, image: ImageContent | None = None) -> Predicted | None:
        """The predicted cold start; None for a kind whose cold starts nobody publishes by phase.

        Args:
            opened: its packaged model, as `examine` opened it.
            image: what its image consists of, if its registry was asked.
        """
        return None

    def budget(self, opened: Any) -> Mapping[str, int]:
        """Phase of the cold start -> the seconds that deadlines follow from; empty where none do."""
        return {}

    def served(self, settings: S, opened: Any, region: str) -> Served | None:
        """What measured starts have to be of to count; None for a kind whose plan says it (`kubernetes`).

        Args:
            opened: its packaged model, as `examine` opened it.
        """
        return None

    def remembering(self, settings: S, recalled: Recalled) -> S:
        """The settings with what was measured in place of a default; what was written by hand stays."""
        return settings

    def workload(self, settings: S, opened: Any) -> Workload:
        """What other kinds would have to serve in its place."""
        return Workload()

    def alternative(self, work: Workload, region: str, table: PriceTable) -> Alternative | None:
        """What this kind would cost for an endpoint of another one; None where it cannot serve it, or has no price."""
        return None

    def as_fleet(self, settings: S, opened: Any, region: str, table: PriceTable) -> DeclaredFleet | None:
        """The declared instances, with which `advise` compares others; None for a kind that is not on instances.

        Args:
            opened: its packaged model, as `examine` opened it.
            table: the prices.

        Raises:
            FindingsError: there is no price for them.
        """
        return None

    def as_declared(self, settings: S, manifest: Manifest, region: str) -> Declared:
        """The declared plan, with which `advise` compares others. Only for kinds that are `billed_per_call`.

        Raises:
            FindingsError: there is no price for the region.
        """
        raise NotImplementedError(f"{self.name} is not billed per call")


def common_exports(settings: EndpointSettings) -> dict[str, Any]:
    """The exports about an endpoint of any kind that do not come from its resources."""
    return {"kind": settings.kind, "max": settings.scaling.max, "artifact": settings.artifact}


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}
