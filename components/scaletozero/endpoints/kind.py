"""What an endpoint kind is: all that differs between the backends. Pure but for `declare`.

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
from model_packaging.findings import Finding
from scaletozero.endpoints.state import Resource
from scaletozero.observability.plan import Alarm
from scaletozero.residency.resource import DeclaredResource
from scaletozero.scaling.advice import Declared
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.kubernetes import Kubernetes
from scaletozero.settings.schedules import Window

if TYPE_CHECKING:  # a declaration needs the engine's SDK, and a check does not
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
    """How far an endpoint scales."""

    @property
    def max(self) -> int: ...


class EndpointSettings(Protocol):
    """What the settings of every kind have."""

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
        root: the project's folder, which the artifacts' paths are relative to.
        tags: the environment's tags.
        kms_key_arn: the key of the artifacts' bucket, where it has one.
        kubernetes: the cluster and namespace, where the environment has one.
        residency: the Regions that everything may be in; any where it is empty.
        log_retention_days: how long logs are kept.
        opened: endpoint -> its packaged model, where it is open already; see `Examined`.
    """

    region: str
    root: Path
    tags: Mapping[str, str]
    kms_key_arn: str | None = None
    kubernetes: Kubernetes | None = None
    residency: tuple[str, ...] = ()
    log_retention_days: int = 30
    opened: Mapping[str, Any] = field(default_factory=dict)

    def tags_of(self, settings: EndpointSettings) -> dict[str, str]:
        """The tags of one endpoint: the environment's and its own."""
        return {**self.tags, **settings.tags}


@dataclass(frozen=True)
class Examined:
    """What became of the check of one endpoint's packaged model.

    Attributes:
        findings: what keeps the model from the endpoint; paths below the environment's.
        opened: the model, for the declaration: what was read and planned for the check need not be done again.
    """

    findings: Sequence[Finding]
    opened: Any = None


class Kind(ABC, Generic[S]):
    """One kind of endpoint.

    Attributes:
        name: what is written as `kind`.
        settings: the model of what may be declared.
        component: the type of its component in a stack's state.
        invocation: how callers reach it.
        on_cluster: whether it runs on the environment's Kubernetes cluster, and so needs one.
        billed_per_call: whether a call is billed by its own seconds, so that `advise` can price what it replays.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Any]]
    component: ClassVar[str]
    invocation: ClassVar[Invocation]
    on_cluster: ClassVar[bool] = False
    billed_per_call: ClassVar[bool] = False

    def site_findings(self, settings: S, region: str) -> Iterable[Finding]:
        """What is wrong with an endpoint in a region, whatever its artifact; paths below the endpoint."""
        return ()

    def quota_share(self, settings: S) -> QuotaShare:
        """What the endpoint takes at most of the account's quotas."""
        return QuotaShare()

    def alarms(self, settings: Alarms, provisioned: bool) -> list[Alarm]:
        """Its alarms in CloudWatch; none where its metrics are elsewhere.

        Args:
            settings: the thresholds.
            provisioned: whether it has provisioned concurrency.
        """
        return []

    def declared_resources(self, name: str, settings: S, region: str) -> Iterable[DeclaredResource]:
        """What of the endpoint says where it runs and where it sends, for the closure; paths below the endpoint."""
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
        """Declares the endpoint's component. To be called inside a Pulumi program.

        Returns:
            What the stack exports about it: `kind`, `name`, `max`, `artifact`, `digest` and what else callers need.
        """

    @abstractmethod
    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        """What a stack's state says of a deployed endpoint, by the keys of `environment.deployed.endpoints_in`.

        Args:
            children: package and class, such as `aws:Endpoint` -> the component's child of that type.

        Returns:
            Nothing, where the endpoint itself does not exist yet.
        """

    @abstractmethod
    def size(self, deployed: Mapping[str, Any]) -> str:
        """The size of one unit, for `status`, from what is deployed."""

    def as_declared(self, settings: S, manifest: Manifest, region: str) -> Declared:
        """What `advise` compares other plans with. Only for kinds that are `billed_per_call`.

        Raises:
            FindingsError: there is no price for the region.
        """
        raise NotImplementedError(f"{self.name} is not billed per call")


def common_exports(settings: EndpointSettings) -> dict[str, Any]:
    """What is exported about an endpoint of every kind, besides what its resources give."""
    return {"kind": settings.kind, "max": settings.scaling.max, "artifact": settings.artifact}


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are set."""
    return {key: value for key, value in values.items() if value is not None}
