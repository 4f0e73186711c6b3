"""The settings of an environment, `scaletozero:environment` in a stack's settings file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Union

from pydantic import AfterValidator, Discriminator, Field, PrivateAttr, Tag, model_validator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, nearest, reject, show
from scaletozero.cold_start.remembered import Start
from scaletozero.endpoints.kind import Kind
from scaletozero.endpoints.kinds import DEFAULT, KINDS, kind_of
from scaletozero.settings.account import Quotas, quota_findings
from scaletozero.settings.common import ArtifactStoreOptions, LogRetentionDays, Tags, key_conflicts
from scaletozero.settings.gateway import Gateway, unknown
from scaletozero.settings.gateway_cluster import GatewayCluster, pods_conflicts
from scaletozero.settings.gateway_function import function_conflicts
from scaletozero.settings.gateway_targets import below
from scaletozero.settings.guard import MOST_CLOSED, Over, address_conflicts, nothing_stops
from scaletozero.settings.guarded_gateway import NAME as GATEWAY
from scaletozero.settings.kubernetes import Kubernetes
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import Residency, region_findings
from scaletozero.settings.spending import Spending

_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


def _name(name: str) -> str:
    if len(name) > 100 or not _NAME.fullmatch(name):
        reject(
            "must begin with a lower-case letter and have lower-case letters, digits and single hyphens, 100 at most",
            "services would refuse the name",
            "write a name such as `sentences`",
        )
    return name


EndpointName = Annotated[Text, AfterValidator(_name)]
"""The name of an endpoint in its environment."""


def _kind(value: object) -> object:
    written = value.get("kind", DEFAULT) if isinstance(value, Mapping) else getattr(value, "kind", DEFAULT)
    return show(written)


def endpoint_of(kinds: Mapping[str, Kind]) -> Any:
    """The type of an endpoint's settings, which its `kind` selects."""
    of_kinds = tuple(Annotated[kind.settings, Tag(name)] for name, kind in kinds.items())
    return Annotated[Union[of_kinds], Discriminator(_kind)]  # noqa: UP007 - the members are known at run time only


LONGEST_DELAY = 600
"""Most seconds of a delayed stage: the median; single starts may take longer."""


def _port(value: int) -> int:
    if not 0 <= value <= 65535:
        reject("must be from 0 (any free port) to 65535")
    return value


Port = Annotated[Int, AfterValidator(_port)]


def _idle(value: int) -> int:
    if not 1 <= value <= 3600:
        reject("must be from 1 to 3600 seconds")
    return value


def _speed(value: int) -> int:
    if not 1 <= value <= 3600:
        reject("must be from 1 to 3600", "alarms and schedules would not keep up with their clock")
    return value


def _delay(value: float) -> float:
    if not 0 <= value <= LONGEST_DELAY:
        reject(f"must be from 0 to {LONGEST_DELAY} seconds", fix=f"write {LONGEST_DELAY} or less")
    return value


def _spread(value: float) -> float:
    if not 0 <= value <= 1:
        reject("must be from 0 to 1", "single starts would take days", "write 0.1 for about a tenth more or less")
    return value


class StageDelay(Settings):
    """How much longer a stage of a start takes in the sandbox.

    Attributes:
        seconds: the median, at most 600.
        spread: standard deviation of its logarithm; 0.1 for about a tenth more or less. Default: always the median.
    """

    seconds: Annotated[float, AfterValidator(_delay)]
    spread: Annotated[float, AfterValidator(_spread)] = 0.0


class StartDelays(Settings):
    """The stages of a start that can take longer in the sandbox than on this machine.

    Attributes:
        instance: before the model is downloaded: what a service needs to find an instance, and to pull the image.
        container: before the server in the container is started.
    """

    instance: StageDelay | None = None
    container: StageDelay | None = None


class Sandbox(Settings):
    """Makes an environment run on the embedded AWS of this machine, without an account.

    Attributes:
        aws_port: the port of the embedded AWS; 0 selects any free one.
        runtime_port: the port of the embedded SageMaker Runtime, which receives requests.
        idle_seconds: how long an idle model process is kept. SageMaker Serverless does not document its value.
        speed: how many times faster than this machine's the clock of alarms and schedules is. Default: 1, or that of a
            sandbox that runs already.
        delays: how much longer starts take than on this machine, to try gates, objectives and alarms with times such as
            those of a service. Default: as long as here.
    """

    aws_port: Port = 8476
    runtime_port: Port = 8477
    idle_seconds: Annotated[Int, AfterValidator(_idle)] = 20
    speed: Annotated[Int, AfterValidator(_speed)] | None = None
    delays: StartDelays = StartDelays()


class Environment(Settings):
    """One stack's settings.

    Attributes:
        region: the AWS region of everything in it.
        residency: where everything may be; only what follows from `region` is checked unless it is given.
        endpoints: name -> endpoint.
        artifacts: the bucket that holds the packaged models.
        kubernetes: the cluster of its endpoints of kind `gpu`.
        spending: maximum cost of a month. Default: no cap.
        gateway: models and customers of the gateway, which runs on this machine before a sandbox, or as a function.
        quotas: the account's quotas in the region, if they are not AWS's defaults.
        tags: tags on everything.
        sandbox: present if the environment runs on this machine instead of on AWS; `{}` uses the defaults.
        log_retention_days: days for which the logs of its endpoints on SageMaker are kept.
        dashboard: whether its endpoints on SageMaker are shown on a dashboard in CloudWatch, which costs 3 USD a month
            beyond an account's first three.
        protect: whether `scaletozero down` requires the environment's name before it deletes anything.
    """

    region: Region
    residency: Residency | None = None
    endpoints: dict[EndpointName, endpoint_of(KINDS)]  # pyright: ignore[reportInvalidTypeForm]
    artifacts: ArtifactStoreOptions = ArtifactStoreOptions()
    kubernetes: Kubernetes | None = None
    spending: Spending | None = None
    gateway: Gateway | None = None
    quotas: Quotas = Quotas()
    tags: Tags = Field(default_factory=dict)
    sandbox: Sandbox | None = None
    log_retention_days: LogRetentionDays = 30
    dashboard: bool = False
    protect: bool = False

    _opened: dict[str, Any] = PrivateAttr(default_factory=dict)
    _starts: dict[str, tuple[Start, ...]] = PrivateAttr(default_factory=dict)
    _has_secret_key: bool = PrivateAttr(default=False)

    @property
    def opened(self) -> Mapping[str, Any]:
        """Endpoint -> its packaged model, if it is already open; see `scaletozero.endpoints.kind.Examined`."""
        return self._opened

    def with_opened(self, opened: Mapping[str, Any]) -> Environment:
        """This environment, with packaged models that are open."""
        copy = self.model_copy()
        copy._opened = dict(opened)
        return copy

    @property
    def starts(self) -> Mapping[str, tuple[Start, ...]]:
        """Endpoint -> its measured starts."""
        return self._starts

    def with_starts(self, starts: Mapping[str, tuple[Start, ...]]) -> Environment:
        """This environment, with the measured starts of its endpoints."""
        copy = self.model_copy()
        copy._starts = dict(starts)
        return copy

    @property
    def guarded(self) -> tuple[str, ...]:
        """The endpoints that its guard closes at their caps: those with a cap, of a kind that can be closed."""
        if self.spending is None or self.spending.guard is None:
            return ()
        known = (name for name in self.spending.endpoints if name in self.endpoints)
        over = self.spending.guard.over
        return tuple(name for name in known if kind_of(self.endpoints[name]).guard(over) is not None)

    def month_cap(self, name: str) -> Decimal | None:
        """The cap of an endpoint of which its guard measures what the month has cost; None where it does not."""
        if name not in self.guarded or self.spending is None or self.spending.guard is None:
            return None
        return self.spending.endpoints[name] if self.spending.guard.over is not Over.WINDOW else None

    @property
    def guards_gateway(self) -> bool:
        """Whether its guard closes the gateway's function at a cap of its own."""
        spending = self.spending
        return spending is not None and spending.guard is not None and spending.gateway is not None

    @property
    def has_secret_key(self) -> bool:
        """Whether the KMS key is a secret."""
        return self._has_secret_key and self.artifacts.kms_key_arn is not None

    def with_secret_key(self) -> Environment:
        """This environment, whose KMS key is a secret."""
        copy = self.model_copy()
        copy._has_secret_key = True
        return copy

    @model_validator(mode="before")
    @classmethod
    def _one_region(cls, data: Any) -> Any:
        """Sets the cluster's region to the environment's; a different one is refused later."""
        block = data.get("kubernetes") if isinstance(data, Mapping) else None
        cluster = block.get("cluster") if isinstance(block, Mapping) else None
        if not isinstance(cluster, Mapping) or "region" in cluster or "region" not in data:
            return data
        return {**data, "kubernetes": {**block, "cluster": {**cluster, "region": data["region"]}}}  # pyright: ignore[reportGeneralTypeIssues]

    def conflicts(self) -> Iterable[Finding]:
        if self.sandbox is None and "sandbox" in self.model_fields_set:
            yield Finding(
                "sandbox",
                "must not be empty",
                "nothing",
                "without a sandbox the environment would be deployed to an account",
                "write `sandbox: {}` for its defaults, or remove the key",
            )
        if self.dashboard and self.endpoints and all(kind_of(each).on_cluster for each in self.endpoints.values()):
            yield Finding(
                "dashboard",
                "requires an endpoint whose metrics are in CloudWatch",
                "only endpoints on a cluster",
                "the dashboard would be empty: the metrics of a cluster are in Prometheus",
                "remove it",
            )
        yield from self._residency_conflicts()
        yield from self._spending_conflicts()
        yield from self._gateway_conflicts()
        yield from self._cluster_conflicts()
        for name, endpoint in self.endpoints.items():
            kind = kind_of(endpoint)
            found = [*endpoint.conflicts(), *kind.site_findings(endpoint, self.region)]
            yield from (replace(finding, path=f"endpoints.{name}.{finding.path}") for finding in found)
        shares = {name: kind_of(endpoint).quota_share(endpoint) for name, endpoint in self.endpoints.items()}
        yield from quota_findings(shares, self.region, self.quotas)
        yield from key_conflicts(self.artifacts.kms_key_arn, self.region, "artifacts.kms_key_arn")

    def _residency_conflicts(self) -> Iterable[Finding]:
        if self.residency is None:
            if "residency" in self.model_fields_set:
                consequence = "nothing would be checked"
                fix = "write `residency: {regions: [...]}`, or remove the key"
                yield Finding("residency", "must not be empty", "nothing", consequence, fix)
            return
        yield from (replace(found, path=f"residency.{found.path}") for found in self.residency.conflicts())
        yield from region_findings(self.residency, self.region, "region")

    def _spending_conflicts(self) -> Iterable[Finding]:
        if self.spending is None:
            if "spending" in self.model_fields_set:
                fix = "write `spending: {cap_usd_per_month: ...}`, or remove the key"
                yield Finding("spending", "must not be empty", "nothing", "there would be no cap", fix)
            return
        yield from (replace(found, path=f"spending.{found.path}") for found in self.spending.conflicts())
        for name in self.spending.endpoints:
            if name not in self.endpoints:
                guess = nearest(name, self.endpoints)
                fix = f"write `{guess}`" if guess else f"write one of {', '.join(self.endpoints) or 'its endpoints'}"
                rule = "must be an endpoint of the environment"
                yield Finding(f"spending.endpoints.{name}", rule, name, "the cap would be of nothing", fix)
        if self.spending.gateway is not None and (self.gateway is None or self.gateway.function is None):
            fix = "write `gateway: {function: {}}`, or remove it"
            rule = "requires `gateway.function`, which it is a cap of"
            yield Finding("spending.gateway", rule, "none", "the cap would be of nothing", fix)
        if self.guards_gateway and GATEWAY in self.guarded:
            rule, why = "must be of no endpoint with this name", "both would have one alarm"
            yield Finding("spending.gateway", rule, GATEWAY, why, "rename the endpoint")
        yield from (replace(found, path=f"spending.{found.path}") for found in self._guard_conflicts())

    def _gateway_conflicts(self) -> Iterable[Finding]:
        if self.gateway is None:
            return
        yield from (replace(found, path=f"gateway.{found.path}") for found in self.gateway.conflicts())
        if self.gateway.function is not None:
            found = function_conflicts(self.gateway.function, self.region, self.gateway.models.items())
            for each in found:
                of_models = each.path.startswith("models.")
                yield replace(each, path=f"gateway.{each.path}" if of_models else f"gateway.function.{each.path}")
            if self.gateway.function.api is not None and self.sandbox is not None:
                yield Finding(
                    "gateway.function.api",
                    "must not be in a sandbox, which has no API Gateway",
                    "an API",
                    "nothing would be tried: in the sandbox the program runs as `scaletozero gateway`",
                    "write it in the environments on an account",
                )
        elif self.gateway.cluster is not None:
            yield from below("gateway.cluster", self._gateway_pods_conflicts(self.gateway.cluster))
        elif self.sandbox is None:
            yield Finding(
                "gateway",
                "requires `function`, `cluster` or `sandbox`",
                "an environment on an account",
                "it would have been ignored: without a function or pods the gateway runs on this machine only",
                "add `function: {}` to it, or remove it",
            )
        for path, name in self.gateway.reached():
            if name not in self.endpoints:
                yield unknown(f"gateway.{path}", "an endpoint of the environment", name, self.endpoints)
            elif path.startswith("customers.") and kind_of(self.endpoints[name]).on_cluster:
                then, fix = "it has no invocations as SageMaker has them", "name it as a target of a model"
                rule = "must be an endpoint of kind `serverless` or `asynchronous`"
                yield Finding(f"gateway.{path}", rule, f"{name}, of kind {self.endpoints[name].kind}", then, fix)
        for path, target in self.gateway.ways():
            led_to = self.endpoints.get(target.endpoint or "")
            if led_to is None:
                continue
            on_cluster, got = kind_of(led_to).on_cluster, f"{target.endpoint}, of kind {led_to.kind}"
            if on_cluster and not target.speaks:
                then = "it is not known what its engine offers"
                fix = f"write `targets: [{{endpoint: {target.endpoint}, speaks: [chat]}}]`"
                yield Finding(f"gateway.{path}endpoint", "requires `speaks` beside it", got, then, fix)
            if target.speaks and not on_cluster:
                then = "a packaged encoder speaks no protocol of OpenAI's"
                yield Finding(
                    f"gateway.{path}speaks", "is a setting of an endpoint of kind `gpu`", got, then, "remove it"
                )

    def _gateway_pods_conflicts(self, pods: GatewayCluster) -> Iterable[Finding]:
        yield from pods_conflicts(pods, self.region)
        if self.kubernetes is None:
            then, fix = "there is no cluster for it", "add `kubernetes: {cluster: {name: ...}, namespace: ...}`"
            yield Finding("image", "requires `kubernetes` in the environment", "none", then, fix)
        if GATEWAY in self.endpoints and kind_of(self.endpoints[GATEWAY]).on_cluster:
            rule, then = f"must not be beside an endpoint of kind `gpu` with the name `{GATEWAY}`", "both would have it"
            yield Finding("image", rule, GATEWAY, then, "rename the endpoint")

    def _guard_conflicts(self) -> Iterable[Finding]:
        guard = self.spending.guard if self.spending else None
        if guard is None:
            return
        yield from (replace(each, path=f"guard.{each.path}") for each in address_conflicts(guard, self.region))
        # The role of the deployed gateway is one of the callers, in whose way it is closed too.
        callers = guard.callers or (self.gateway is not None and self.gateway.deployed)
        for name in self.guarded:
            if kind_of(self.endpoints[name]).closed_by_callers and not callers:
                yield nothing_stops("guard.callers", name)
        if len(self.guarded) > MOST_CLOSED:
            rule = f"may have {MOST_CLOSED} endpoints under the guard"
            why = "IAM attaches ten managed policies to a role, one of each closed endpoint"
            yield Finding("endpoints", rule, str(len(self.guarded)), why, "split the environment")

    def _cluster_conflicts(self) -> Iterable[Finding]:
        wanting = [name for name, endpoint in self.endpoints.items() if kind_of(endpoint).on_cluster]
        if self.kubernetes is None:
            if wanting:
                kinds = ", ".join(sorted({f"`{self.endpoints[name].kind}`" for name in wanting}))
                yield Finding(
                    "kubernetes",
                    f"is required by endpoints of kind {kinds}",
                    f"nothing, with {', '.join(wanting)}",
                    "there would be no cluster to run them on",
                    "add `kubernetes: {cluster: {name: ...}, namespace: ...}`",
                )
            return
        if self.kubernetes.grafana and not wanting:
            yield Finding(
                "kubernetes.grafana",
                "requires an endpoint on the cluster",
                "none",
                "the dashboard would be empty: Prometheus has the metrics of endpoints on the cluster",
                "remove it",
            )
        cluster = self.kubernetes.cluster
        yield from (replace(found, path=f"kubernetes.cluster.{found.path}") for found in cluster.conflicts())
        if cluster.region != self.region:
            yield Finding(
                "kubernetes.cluster.region",
                f"must be the environment's, {self.region}",
                cluster.region,
                "the bucket with the models would be in another region than the pods that load them",
                "remove it, or declare another environment for that region",
            )
