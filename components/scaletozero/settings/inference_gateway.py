"""What a user may declare of the component `InferenceGateway`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, may_be_later
from scaletozero.partitions import arn_prefix
from scaletozero.settings.alarms import TopicArn
from scaletozero.settings.common import (
    EndpointArn,
    EndpointName,
    KmsKeyArn,
    LogRetentionDays,
    Tags,
    key_conflicts,
)
from scaletozero.settings.gateway import GatewayFunction, Rules, in_function, unknown
from scaletozero.settings.gateway_function import function_conflicts
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import approved_findings, within
from scaletozero.settings.serverless import MemoryMb as ContainerMb


class GatewayEndpoint(Settings):
    """An endpoint that a gateway leads to.

    Attributes:
        endpoint_name: its name at SageMaker.
        endpoint_arn: its ARN.
        memory_mb: the memory of a container, from which its price follows.
        artifact_digest: of the model that it serves, which answers are kept under. Default: none are kept of it.
    """

    endpoint_name: EndpointName
    endpoint_arn: EndpointArn
    memory_mb: ContainerMb
    artifact_digest: Annotated[Text, may_be_later] | None = None


class InferenceGatewaySettings(Rules, GatewayFunction):
    """`InferenceGatewayArgs`.

    Attributes:
        region: the AWS Region of everything in it.
        endpoints: the name that models and customers lead to -> a serverless endpoint.
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
    topic_arn: TopicArn | None = None
    kms_key_arn: KmsKeyArn | None = None
    residency: tuple[Region, ...] = ()
    approved_hosts: tuple[Text, ...] = ()
    log_retention_days: LogRetentionDays = 30
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from in_function(self)
        yield from function_conflicts(self, self.region, self.models.items())
        yield from within(self.residency, self.region, "region")
        hosts = {each.host for _, each in self.providers()}
        yield from approved_findings(self.approved_hosts, hosts, "the host of a provider's `base_url`")
        yield from key_conflicts(self.kms_key_arn, self.region)
        begins = arn_prefix("sns", self.region)
        if isinstance(self.topic_arn, str) and not self.topic_arn.startswith(begins):
            fix = f"write an ARN that begins with `{begins}`"
            yield Finding("topic_arn", f"must be a topic in {self.region}", self.topic_arn, "nobody would be told", fix)
        for path, name in self.reached():
            if name not in self.endpoints:
                yield unknown(path, "an endpoint of the gateway", name, self.endpoints)
        for name, model in self.models.items():
            for path, target in model.ways() if model.cache is not None else ():
                led_to = self.endpoints.get(target.endpoint or "")
                if led_to is not None and led_to.artifact_digest is None:
                    rule = "must be of a model whose endpoints have an `artifact_digest`"
                    then = "answers of another model could be given"
                    yield Finding(
                        f"models.{name}.cache", rule, f"{path}{target.endpoint}", then, "write it, or remove the cache"
                    )
