"""The price of plain resources of any stack: instances, clusters, gateways, alarms; and what cannot be priced.

Types and properties are those of pulumi_aws (`tests/unit/spending/test_resources.py` holds the table to it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from scaletozero.spending.costs import MB_PER_GB
from scaletozero.spending.money import HOURS, number
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import EC2, HOSTING, SERVERLESS, PriceTable


class Declared(Protocol):
    """A declared resource; `scaletozero.residency.resource.DeclaredResource` is one."""

    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def outputs(self) -> Mapping[str, Any]: ...
    @property
    def home(self) -> Any: ...
    @property
    def urn(self) -> str: ...
    @property
    def depends(self) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True)
class PricedResource:
    """A resource that is paid by the hour or the month.

    Attributes:
        name, type, urn: the resource.
        what: what is paid for.
        region: where.
        price: the row.
        least, most: units at a time, as declared and at most.
        hours: hours of a month that one unit is billed for: 730, or 1 where the price is of a month.
    """

    name: str
    type: str
    urn: str
    what: str
    region: str
    price: Price
    least: Decimal
    most: Decimal
    hours: Decimal = HOURS

    @property
    def per_month(self) -> Decimal:
        """USD a month, as declared."""
        return self.least * self.hours * self.price.amount

    @property
    def worst_per_hour(self) -> Decimal:
        """The most that an hour can cost."""
        return self.most * self.hours * self.price.amount / HOURS


@dataclass(frozen=True)
class Unpriced:
    """A resource that is not in the figures, and why."""

    name: str
    type: str
    urn: str
    why: str


@dataclass(frozen=True)
class StackEstimate:
    """What the resources of a stack cost.

    Attributes:
        priced: those with a price.
        by_use: those that are charged by what is used of them, of which a declaration says nothing.
        unpriced: those without a price.
        free: how many cost nothing.
    """

    priced: tuple[PricedResource, ...]
    by_use: tuple[Unpriced, ...]
    unpriced: tuple[Unpriced, ...]
    free: int

    @property
    def per_month(self) -> Decimal:
        """USD a month, as declared."""
        return sum((each.per_month for each in self.priced), Decimal(0))

    @property
    def fixed(self) -> Decimal:
        """What is paid without a request: all of it, as declared."""
        return self.per_month

    @property
    def worst_per_hour(self) -> Decimal:
        """The most that an hour can cost."""
        return sum((each.worst_per_hour for each in self.priced), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        """The figures, amounts rounded to a millionth of a dollar."""
        return {
            "usd_per_month": number(self.per_month),
            "worst_usd_per_hour": number(self.worst_per_hour),
            "priced": [
                {
                    "name": each.name,
                    "type": each.type,
                    "urn": each.urn,
                    "what": each.what,
                    "region": each.region,
                    "usd_per_month": number(each.per_month),
                    "worst_usd_per_hour": number(each.worst_per_hour),
                    "price": each.price.shown(),
                }
                for each in self.priced
            ],
            "charged_by_use": [_unpriced_json(each) for each in self.by_use],
            "unpriced": [_unpriced_json(each) for each in self.unpriced],
            "free": self.free,
        }


def _unpriced_json(each: Unpriced) -> dict[str, str]:
    return {"name": each.name, "type": each.type, "urn": each.urn, "why": each.why}


@dataclass(frozen=True)
class _Line:
    """What a resource is billed for: a row of the table, and how many units of it; or why there is no figure."""

    what: str
    service: str = ""
    sku: str = ""
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    hours: Decimal = HOURS
    why: str = ""


_Stack = Sequence[Declared]


def _number(value: Any, default: int) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Decimal(str(value))
    return Decimal(default)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else None


def _endpoint(each: Declared, stack: _Stack) -> Iterator[_Line]:
    """An endpoint by its configuration, which costs nothing by itself."""
    configuration = _configuration(each, stack)
    variants = configuration.properties.get("productionVariants") if configuration else None
    if not isinstance(variants, list | tuple) or not variants:
        yield _Line("endpoint", why="its configuration is not in the stack, or not known yet")
        return
    for variant in variants:
        yield from _variant(each, variant, stack) if isinstance(variant, Mapping) else ()


def _variant(each: Declared, variant: Mapping[str, Any], stack: _Stack) -> Iterator[_Line]:
    serverless, kind = variant.get("serverlessConfig"), variant.get("instanceType")
    if isinstance(serverless, Mapping):
        gb = _number(serverless.get("memorySizeInMb"), 0) / MB_PER_GB
        most = _number(serverless.get("maxConcurrency"), 0) * gb
        kept = _number(serverless.get("provisionedConcurrency"), 0) * gb
        second = HOURS * 3600
        yield _Line("serverless, when called", SERVERLESS, "gb-second", Decimal(0), most, second)
        if kept:
            yield _Line("provisioned concurrency", SERVERLESS, "pc-gb-second", kept, kept, second)
    elif isinstance(kind, str):
        count = _number(variant.get("initialInstanceCount"), 1)
        least, most = _scaled(each, variant, stack, count)
        yield _Line(f"instances {kind}", HOSTING, kind, least, most)
    else:
        yield _Line("variant", why="its instance type is not known yet")


def _configuration(each: Declared, stack: _Stack) -> Declared | None:
    found = [other for other in stack if other.type == "aws:sagemaker/endpointConfiguration:EndpointConfiguration"]
    name = each.properties.get("endpointConfigName")
    sources = each.depends.get("endpointConfigName", ())

    def is_it(other: Declared) -> bool:
        names = other.properties.get("name"), other.outputs.get("name")
        return other.urn in sources or (isinstance(name, str) and name in names)

    named = [other for other in found if is_it(other)]
    return named[0] if named else None


def _scaled(each: Declared, variant: Mapping[str, Any], stack: _Stack, count: Decimal) -> tuple[Decimal, Decimal]:
    """The instances of a variant that Application Auto Scaling changes: its floor and its ceiling, else the count."""
    names = {each.properties.get("name"), each.outputs.get("name"), each.outputs.get("id")} - {None}
    wanted = {f"endpoint/{name}/variant/{variant.get('variantName')}" for name in names if isinstance(name, str)}
    for other in stack:
        if other.type == "aws:appautoscaling/target:Target":
            on_it = other.properties.get("resourceId") in wanted or each.urn in other.depends.get("resourceId", ())
            if on_it and other.properties.get("scalableDimension") == "sagemaker:variant:DesiredInstanceCount":
                given = other.properties
                return _number(given.get("minCapacity"), 0), _number(given.get("maxCapacity"), int(count))
    return count, count


def _node_group(each: Declared, stack: _Stack) -> Iterator[_Line]:
    scaling = each.properties.get("scalingConfig")
    scaling = scaling if isinstance(scaling, Mapping) else {}
    types = each.properties.get("instanceTypes")
    kind = _first(types)
    if (isinstance(types, list | tuple) and not types) or (types is None and "launchTemplate" not in each.properties):
        kind = "t3.medium"  # EKS's default
    if not isinstance(kind, str):
        yield _Line("nodes", why="its instance type stands in a launch template, or is not known yet")
        return
    desired = _number(scaling.get("desiredSize"), 1)
    most = max(desired, _number(scaling.get("maxSize"), int(desired)))
    spot = each.properties.get("capacityType") == "SPOT"
    what = f"nodes {kind}{', at the on-demand price, which Spot is below' if spot else ''}"
    yield _Line(what, EC2, kind, desired, most)


def _instance(each: Declared, stack: _Stack) -> Iterator[_Line]:
    kind = each.properties.get("instanceType")
    if isinstance(kind, str):
        yield _Line(f"instance {kind}", EC2, kind, Decimal(1), Decimal(1))
    else:
        yield _Line("instance", why="its type stands in a launch template, or is not known yet")


def _nat(each: Declared, stack: _Stack) -> Iterator[_Line]:
    yield _Line("NAT gateway, without its data", "ec2.nat-gateway", "hour", Decimal(1), Decimal(1))


def _cluster(each: Declared, stack: _Stack) -> Iterator[_Line]:
    yield _Line("control plane, in standard support", "eks", "cluster", Decimal(1), Decimal(1))


def _alarm(each: Declared, stack: _Stack) -> Iterator[_Line]:
    queries = each.properties.get("metricQueries")
    metrics = [q for q in queries if isinstance(q, Mapping) and q.get("metric")] if isinstance(queries, list) else []
    count = Decimal(max(1, len(metrics)))
    yield _Line("alarm", "cloudwatch", "alarm-month", count, count, Decimal(1))


PRICED: Mapping[str, Callable[[Declared, _Stack], Iterator[_Line]]] = {
    "aws:sagemaker/endpoint:Endpoint": _endpoint,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:ec2/natGateway:NatGateway": _nat,
    "aws:ec2/instance:Instance": _instance,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
}
"""Type -> what it is billed for."""

BY_USE: Mapping[str, str] = {
    "aws:s3/bucket:Bucket": "stored GB and requests",
    "aws:s3/bucketV2:BucketV2": "stored GB and requests",
    "aws:cloudwatch/logGroup:LogGroup": "GB of logs",
    "aws:lambda/function:Function": "invocations and their duration",
    "aws:sns/topic:Topic": "messages",
    "aws:sqs/queue:Queue": "requests",
    "aws:dynamodb/table:Table": "reads, writes and stored GB",
    "aws:ecr/repository:Repository": "stored GB",
    "aws:scheduler/schedule:Schedule": "invocations",
    "aws:cloudwatch/eventRule:EventRule": "events",
}
"""Type -> what it is charged by; a declaration says nothing of that."""

FREE = (
    "aws:iam/",
    "aws:appautoscaling/",
    "aws:sagemaker/model:",
    "aws:sagemaker/endpointConfiguration:",
    "aws:s3/bucket",  # a bucket's settings; the bucket itself is in BY_USE
    "aws:budgets/",
    "aws:lambda/permission:",
    "aws:ecr/lifecyclePolicy:",
    "aws:ecr/repositoryPolicy:",
    "aws:sns/topicPolicy:",
    "aws:sns/topicSubscription:",
    "aws:sqs/queuePolicy:",
    "aws:scheduler/scheduleGroup:",
    "aws:cloudwatch/eventTarget:",
    "aws:cloudwatch/logResourcePolicy:",
    "aws:eks/accessEntry:",
    "aws:eks/accessPolicyAssociation:",
    "aws:eks/podIdentityAssociation:",
    "aws:ec2/vpc:",
    "aws:ec2/subnet:",
    "aws:ec2/routeTable",
    "aws:ec2/route:",
    "aws:ec2/internetGateway:",
    "aws:ec2/securityGroup",
    "aws:ec2/launchTemplate:",
    "kubernetes:",  # its nodes are paid, which are of the cloud
    "pulumi:",
    "random:",
)
"""What the types that cost nothing begin with."""


def price_resources(resources: Sequence[Declared], table: PriceTable) -> StackEstimate:
    """What the resources of a stack cost.

    Args:
        resources: all of them, as `scaletozero.residency.state.resources_of` reads them.
        table: the prices.
    """
    priced: list[PricedResource] = []
    by_use: list[Unpriced] = []
    unpriced: list[Unpriced] = []
    free = 0
    for each in resources:
        if each.type in PRICED:
            for line in PRICED[each.type](each, resources):
                found = _found(each, line, table)
                (priced if isinstance(found, PricedResource) else unpriced).append(found)  # pyright: ignore[reportArgumentType]
        elif each.type in BY_USE:
            by_use.append(Unpriced(each.name, each.type, each.urn, BY_USE[each.type]))
        elif each.type.startswith(FREE):
            free += 1
        else:
            unpriced.append(Unpriced(each.name, each.type, each.urn, f"no price is known of {each.type}"))
    return StackEstimate(tuple(priced), tuple(by_use), tuple(unpriced), free)


def _found(each: Declared, line: _Line, table: PriceTable) -> PricedResource | Unpriced:
    region = each.home
    if line.why or not isinstance(region, str):
        return Unpriced(each.name, each.type, each.urn, f"{line.what}: {line.why or 'its region is not known'}")
    row = table.find(line.service, line.sku, region)
    if row is None:
        return Unpriced(each.name, each.type, each.urn, str(table.missing(line.service, line.sku, region)))
    of = (each.name, each.type, each.urn)
    return PricedResource(*of, line.what, region, row, line.least, line.most, line.hours)
