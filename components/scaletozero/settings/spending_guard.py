"""What a user may declare of the component `SpendingGuard`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.findings import Finding
from model_packaging.serving.limits import MAX_CONCURRENCY
from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.amounts import LARGEST_CAP, MonthlyCap, amount
from scaletozero.settings.common import EndpointArn, EndpointName, KmsKeyArn, LogRetentionDays, Tags, key_conflicts
from scaletozero.settings.guard import MOST_CLOSED, Guard, address_conflicts, nothing_stops
from scaletozero.settings.guarded_gateway import NAME, GuardedGateway
from scaletozero.settings.instances import InstanceType, instance_conflicts
from scaletozero.settings.names import VARIANT
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.serverless import MemoryMb


def _paid(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 <= value <= LARGEST_CAP:
        reject(f"must be from 0 to {LARGEST_CAP:,} USD a month", "the guard would close at once, or never")
    return value


def _most(value: int) -> int:
    if not 1 <= value <= 10_000:
        reject("must be from 1 to 10000", "the greatest overshoot could not be said")
    return value


def _units(value: int) -> int:
    if not 0 <= value <= MAX_CONCURRENCY:
        reject(f"must be from 0 to {MAX_CONCURRENCY}", "SageMaker would refuse it")
    return value


Paid = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(amount), AfterValidator(_paid)]
"""USD a month, or nothing."""


class GuardedEndpoint(Settings):
    """One endpoint under a guard.

    Attributes:
        name: the name of its component, which is the value of its tag `endpoint`.
        endpoint_name: its name at the service.
        endpoint_arn: its ARN.
        kind: its kind, which decides how its spending is measured and how it is closed.
        cap_usd_per_month: the most that a month of it may cost, in USD.
        memory_mb: the memory of one container; serverless only.
        instance_type: its instances; asynchronous only.
        max: the most containers or instances.
        provisioned: the most provisioned concurrency; serverless only.
        other_usd_per_month: what else is paid each month, such as storage and alarms.
        payload_bytes: the size of a request with its response; serverless only.
        variant: its variant.
    """

    name: Text
    endpoint_name: EndpointName
    endpoint_arn: EndpointArn
    kind: EndpointKind
    cap_usd_per_month: MonthlyCap
    memory_mb: MemoryMb | None = None
    instance_type: InstanceType | None = None
    max: Annotated[Int, AfterValidator(_most)]
    provisioned: Annotated[Int, AfterValidator(_units)] = 0
    other_usd_per_month: Paid = Decimal(0)
    payload_bytes: Annotated[Int, Field(ge=0, le=25_000_000)] = 5_000
    variant: Text = VARIANT

    def conflicts(self) -> Iterable[Finding]:
        serverless = self.kind is EndpointKind.SERVERLESS
        needed, refused = ("memory_mb", "instance_type") if serverless else ("instance_type", "memory_mb")
        if getattr(self, needed) is None:
            why = "its spending could not be computed"
            yield Finding(needed, f"is required of a {self.kind.value} endpoint", "nothing", why, "write it")
        if getattr(self, refused) is not None:
            why = "its spending would be computed from what it has not"
            yield Finding(refused, f"is not for {self.kind.value} endpoints", "a value", why, "remove it")
        if not serverless and self.provisioned:
            rule, got = "is for serverless endpoints only", str(self.provisioned)
            yield Finding("provisioned", rule, got, "its spending would be computed wrongly", "remove it")


def _some(value: tuple[GuardedEndpoint, ...]) -> tuple[GuardedEndpoint, ...]:
    if len(value) > MOST_CLOSED:
        why = "IAM attaches ten managed policies to a role, one of each closed endpoint"
        reject(f"must be from 1 to {MOST_CLOSED} endpoints", why, "declare several guards")
    return value


class SpendingGuardSettings(Guard):
    """`SpendingGuardArgs`.

    Attributes:
        region: the AWS region of the endpoints.
        endpoints: the endpoints.
        gateway: the function of the gateway. Default: it is closed by hand only.
        cap_usd_per_month: the most that a month of the whole stack may cost, for a budget. Default: no such budget.
        budgets: whether AWS Budgets watch the caps too.
        residency: the regions that it may be in. Default: any region.
        kms_key_arn: the key of the function's logs.
        log_retention_days: days for which they are kept.
        tags: additional tags.
    """

    region: Region
    endpoints: Annotated[tuple[GuardedEndpoint, ...], AfterValidator(_some)] = ()
    gateway: GuardedGateway | None = None
    cap_usd_per_month: MonthlyCap | None = None
    budgets: bool = True
    residency: tuple[Region, ...] = ()
    kms_key_arn: KmsKeyArn | None = None
    log_retention_days: LogRetentionDays = 30
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from within(self.residency, self.region, "region")
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from address_conflicts(self, self.region)
        names: set[str] = set() if self.gateway is None else {NAME}
        if not self.endpoints and self.gateway is None:
            rule = f"must be from 1 to {MOST_CLOSED} endpoints"
            yield Finding("endpoints", rule, "none", "it would close nothing", "write one, or `gateway`")
        for index, each in enumerate(self.endpoints):
            path = f"endpoints.{index}"
            yield from (replace(found, path=f"{path}.{found.path}") for found in each.conflicts())
            if each.name in names:
                rule = "must differ from that of another endpoint"
                yield Finding(f"{path}.name", rule, each.name, "both would have one alarm", "remove one of them")
            names.add(each.name)
            if each.instance_type is not None:
                yield from instance_conflicts(each.instance_type, self.region, f"{path}.instance_type")
            if each.kind is EndpointKind.SERVERLESS and not self.callers:
                yield nothing_stops(f"{path}.kind", each.name)
            if self.cap_usd_per_month is not None and each.cap_usd_per_month > self.cap_usd_per_month:
                yield Finding(
                    "cap_usd_per_month",
                    f"must be at least the cap of {each.name}, {each.cap_usd_per_month:f}",
                    f"{self.cap_usd_per_month:f}",
                    "the budget of the whole would be under that of a part",
                    f"write {each.cap_usd_per_month:f} or more",
                )
