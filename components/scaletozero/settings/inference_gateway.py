"""What a user may declare of the component `InferenceGateway`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, may_be_later
from scaletozero.partitions import arn_prefix
from scaletozero.settings.alarms import TopicArn
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.common import (
    EndpointArn,
    EndpointName,
    KmsKeyArn,
    LogRetentionDays,
    Tags,
    key_conflicts,
)
from scaletozero.settings.gateway import GatewayFunction, Rules, in_function, unknown
from scaletozero.settings.gateway_cluster import GatewayCluster, in_pods, pods_conflicts
from scaletozero.settings.gateway_function import function_conflicts
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.settings.gateway_targets import below, between
from scaletozero.settings.instances import InstanceType
from scaletozero.settings.kubernetes_names import DnsLabel
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import approved_findings, within
from scaletozero.settings.serverless import MemoryMb as ContainerMb

MOST_USD_PER_HOUR = 1000
"""Of a replica, above which a price is taken for a mistake: the dearest instance of EC2 costs a tenth of it."""


class GatewayEndpoint(Settings):
    """An endpoint that a gateway leads to: serverless with `memory_mb`, asynchronous with `instance_type`, on GPUs of a
    cluster with `usd_per_hour`.

    Attributes:
        endpoint_name: its name at SageMaker, or in its cluster.
        endpoint_arn: its ARN at SageMaker.
        memory_mb: the memory of a container, from which its price follows.
        instance_type: the type of an instance, from which its price follows.
        requests: the s3:// address below which requests are put.
        usd_per_hour: the price of a replica.
        host: the name by which the cluster's interceptor knows it.
        concurrency: requests that an instance or a replica works on at a time.
        start_seconds: what its start takes.
        artifact_digest: of the model that it serves, which answers are kept under. Default: none are kept of it.
    """

    endpoint_name: EndpointName
    endpoint_arn: EndpointArn | None = None
    memory_mb: ContainerMb | None = None
    instance_type: InstanceType | None = None
    requests: Annotated[Text, may_be_later] | None = None
    usd_per_hour: Annotated[float, may_be_later] | None = None
    host: Annotated[Text, may_be_later] | None = None
    concurrency: Annotated[Int, between(1, 1000, " requests", "its price could not be shared")] = 1
    start_seconds: Annotated[Int, may_be_later] | None = None
    artifact_digest: Annotated[Text, may_be_later] | None = None

    def conflicts(self) -> Iterable[Finding]:
        kinds = {
            "memory_mb": ("endpoint_arn",),
            "instance_type": ("endpoint_arn", "requests"),
            "usd_per_hour": ("host",),
        }
        written = [name for name in kinds if getattr(self, name) is not None]
        if len(written) != 1:
            rule = "or `instance_type` or `usd_per_hour` is required, and only one of them"
            then = "a request to it would have no price"
            yield Finding("memory_mb", rule, " and ".join(written) or "nothing", then, "write the one of its kind")
            return
        for name in kinds[written[0]]:
            if getattr(self, name) is None:
                yield Finding(name, f"is required beside `{written[0]}`", "nothing", "nothing would be reached")
        if isinstance(self.usd_per_hour, float) and not 0 < self.usd_per_hour <= MOST_USD_PER_HOUR:
            rule = f"must be more than 0, and at most {MOST_USD_PER_HOUR} USD"
            yield Finding("usd_per_hour", rule, f"{self.usd_per_hour:g}", "the price of a request would be wrong")


OF_THE_FUNCTION = (
    "concurrency", "memory_mb", "package", "adapter_layer_arn", "api", "topic_arn", "log_retention_days",
)  # fmt: skip
"""Settings of the function, its log and its alarms, which pods do not have."""


class GatewayPods(GatewayCluster):
    """The pods that a gateway runs as, and where.

    Attributes:
        cluster: the cluster.
        namespace: the namespace of its objects, which must exist.
        ledger_down: what each pod admits while the ledger does not answer. Default: nothing.
    """

    cluster: Cluster
    namespace: DnsLabel
    ledger_down: LedgerDown | None = None


class InferenceGatewaySettings(Rules, GatewayFunction):
    """`InferenceGatewayArgs`.

    Attributes:
        region: the AWS Region of everything in it.
        endpoints: the name that models and customers lead to -> a serverless endpoint.
        pods: the pods of a cluster that it runs as. Default: it runs as a function.
        topic_arn: an SNS topic that is told of its alarms.
        kms_key_arn: the key of its tables, its logs and its providers' secrets.
        residency: the Regions that it, and the hosts of its providers, may be in. Default: any Region.
        approved_hosts: hosts of providers that `residency` does not refuse: their location is known to be within it, or
            an exception was approved.
        log_retention_days: days for which its logs are kept.
        tags: additional tags.
    """

    region: Region
    endpoints: dict[Text, GatewayEndpoint] = Field(default_factory=dict)
    pods: GatewayPods | None = None
    topic_arn: TopicArn | None = None
    kms_key_arn: KmsKeyArn | None = None
    residency: tuple[Region, ...] = ()
    approved_hosts: tuple[Text, ...] = ()
    log_retention_days: LogRetentionDays = 30
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        if self.pods is None:
            yield from in_function(self)
            yield from function_conflicts(self, self.region, self.models.items())
        else:
            yield from in_pods(self)
            yield from below("pods", self._pods_conflicts(self.pods))
            for name in sorted({*OF_THE_FUNCTION} & self.model_fields_set):
                rule, then = "must not be beside `pods`", "it is a setting of a function, and would do nothing"
                yield Finding(name, rule, "both", then, "remove it")
        yield from within(self.residency, self.region, "region")
        hosts = {host for _, host in self.hosts()}
        yield from approved_findings(self.approved_hosts, hosts, "the host of a provider's `base_url` or of a `url`")
        yield from key_conflicts(self.kms_key_arn, self.region)
        begins = arn_prefix("sns", self.region)
        if isinstance(self.topic_arn, str) and not self.topic_arn.startswith(begins):
            fix = f"write an ARN that begins with `{begins}`"
            yield Finding("topic_arn", f"must be a topic in {self.region}", self.topic_arn, "nobody would be told", fix)
        for name, endpoint in self.endpoints.items():
            yield from below(f"endpoints.{name}", endpoint.conflicts())
        for path, name in self.reached():
            if name not in self.endpoints:
                yield unknown(path, "an endpoint of the gateway", name, self.endpoints)
            elif path.startswith("customers.") and self.endpoints[name].usd_per_hour is not None:
                then = "it has no invocations as SageMaker has them"
                yield Finding(path, "must be an endpoint at SageMaker", name, then, "name it as a target of a model")
        for path, target in self.ways():
            led_to = self.endpoints.get(target.endpoint or "")
            if led_to is not None and bool(target.speaks) != (led_to.usd_per_hour is not None):
                rule = "is a setting of an endpoint with `usd_per_hour`, and is required there"
                got = ", ".join(target.speaks) or "nothing"
                yield Finding(f"{path}speaks", rule, got, "requests would have no answer", "write or remove it")
        for name, model in self.models.items():
            for path, target in model.ways() if model.cache is not None else ():
                led_to = self.endpoints.get(target.endpoint or "")
                if led_to is not None and led_to.artifact_digest is None:
                    rule = "must be of a model whose endpoints have an `artifact_digest`"
                    then = "answers of another model could be given"
                    yield Finding(
                        f"models.{name}.cache", rule, f"{path}{target.endpoint}", then, "write it, or remove the cache"
                    )

    def _pods_conflicts(self, pods: GatewayPods) -> Iterable[Finding]:
        yield from pods_conflicts(pods, self.region)
        yield from below("cluster", pods.cluster.conflicts())
        if pods.ledger_down is not None:
            yield from below("ledger_down", pods.ledger_down.conflicts())
        if pods.cluster.region != self.region:
            rule, then = f"must be the gateway's Region, {self.region}", "requests would leave it for their ledger"
            yield Finding("cluster.region", rule, pods.cluster.region, then, "declare a gateway for that Region")
