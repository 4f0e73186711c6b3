"""What each kind of endpoint costs, from its settings and its packaged model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from model_packaging.artifact.manifest import Manifest
from model_packaging.findings import Finding
from scaletozero.observability.plan import Alarm
from scaletozero.scaling.cost import CALL_MINUTES, FUNCTION_MB
from scaletozero.scaling.sample import work_seconds
from scaletozero.scaling.timeline import lead_minutes, warm_hours_per_month
from scaletozero.settings.asynchronous import AsynchronousEndpoint
from scaletozero.settings.fit import memory_of
from scaletozero.settings.gpu import GpuEndpoint, HttpTrigger
from scaletozero.settings.gpu_types import TYPES, GpuType
from scaletozero.settings.scaling import InstanceScaling, Scaling, WarmBy
from scaletozero.settings.schedules import Window
from scaletozero.settings.serverless import ServerlessEndpoint
from scaletozero.spending.costs import GB, INSTANCE_START_SECONDS, MB_PER_GB, InstanceCost, Item, ServerlessCost
from scaletozero.spending.estimate import Alternative, Priced
from scaletozero.spending.money import exact
from scaletozero.spending.prices import EC2, HOSTING, SERVERLESS, PriceTable

if TYPE_CHECKING:  # for environments with a cluster
    from scaletozero.kubernetes.packaged import Packaged

CPU_INSTANCES = ((2048, "t2.medium"), (5120, "c5.large"), (6144, "c5.xlarge"))
"""Memory in MB up to which a CPU instance stands for a serverless container (the pairs of AWS's own benchmarking kit,
aws-samples/sagemaker-serverless-inference-benchmarking)."""


@dataclass(frozen=True)
class Workload:
    """What another kind would have to serve.

    Attributes:
        memory_mb: the memory of a serverless container; None where the model does not fit in one.
        instance: the EC2 name of the instance type; None where it runs on none.
        gpu: the type with GPUs; None for a model on CPUs.
        concurrency: requests that one instance works on at a time.
        most: the most instances.
    """

    memory_mb: int | None = None
    instance: str | None = None
    gpu: GpuType | None = None
    concurrency: int = 1
    most: int = InstanceScaling().max


def serverless_priced(
    settings: ServerlessEndpoint, manifest: Manifest, region: str, table: PriceTable, alarms: Sequence[Alarm], most: int
) -> Priced:
    """The price of a serverless endpoint.

    Args:
        alarms: its alarms.
        most: the most provisioned concurrency that it can have.

    Raises:
        FindingsError: the region has no row for it.
    """
    scaling, memory_mb = settings.scaling, memory_of(manifest, settings.memory_mb)
    extras = _Extras(table, region).storage(manifest.archive.size).alarms(alarms)
    by_calls = scaling.warm_by is WarmBy.CALLS
    lead = lead_minutes(manifest.cold_start.total_ms / 1000)
    hours = exact(warm_hours_per_month(settings.schedule, base=scaling.min, lead=lead))
    seconds = exact(work_seconds(manifest))
    if by_calls:
        _calls(extras, hours, seconds, memory_mb)
    provisioned = bool(most) and not by_calls
    pc, pc_work = ("pc-gb-second", "pc-duration-gb-second")
    cost = ServerlessCost(
        memory_mb,
        scaling.max,
        table.price(SERVERLESS, "gb-second", region),
        table.price(SERVERLESS, "data-gb", region),
        table.price(SERVERLESS, pc, region) if provisioned else None,
        table.price(SERVERLESS, pc_work, region) if provisioned else None,
        hours if provisioned else Decimal(0),
        _covered(settings.schedule, scaling.min, lead) if provisioned else Decimal(0),
        most if provisioned else 0,
        exact(scaling.target) if scaling.target and provisioned else None,
        extras.found(),
    )
    return Priced(cost, f"{memory_mb} MB x {scaling.max}", seconds, tuple(extras.missing))


def _calls(extras: _Extras, hours: Decimal, seconds: Decimal, memory_mb: int) -> None:
    """The calls that keep it warm: the endpoint's time, and that of the function which makes them."""
    calls = hours * 60 / CALL_MINUTES
    extras.add("calls that keep it warm", SERVERLESS, "gb-second", calls * seconds * memory_mb / MB_PER_GB)
    extras.add("the function that calls", "lambda", "gb-second", calls * seconds * FUNCTION_MB / MB_PER_GB)
    extras.add("its invocations", "lambda", "request", calls)


def asynchronous_priced(
    settings: AsynchronousEndpoint, manifest: Manifest, region: str, table: PriceTable, alarms: Sequence[Alarm]
) -> Priced:
    """The price of an asynchronous endpoint.

    Raises:
        FindingsError: the region has no row for its instance type.
    """
    scaling = settings.scaling
    extras = _Extras(table, region).storage(manifest.archive.size).alarms(alarms)
    if not scaling.min:
        extras.add("the alarm that wakes it", "cloudwatch", "alarm-month", Decimal(1))
    known = settings.cold_start_seconds
    lead = lead_minutes(known or manifest.cold_start.total_ms / 1000)
    cost = InstanceCost(
        table.price(HOSTING, settings.instance_type, region),
        scaling.max,
        settings.concurrency,
        scaling.idle_seconds,
        Decimal(known) if known else INSTANCE_START_SECONDS,
        exact(warm_hours_per_month(settings.schedule, base=scaling.min, lead=lead)),
        _covered(settings.schedule, scaling.min, lead),
        items=extras.found(),
    )
    seconds = exact(work_seconds(manifest))
    return Priced(cost, f"{settings.instance_type} x {scaling.max}", seconds, tuple(extras.missing))


def gpu_priced(settings: GpuEndpoint, packaged: Packaged, region: str, table: PriceTable) -> Priced:
    """The price of a GPU endpoint on Kubernetes: its nodes, from their start until the pool removes them.

    Raises:
        FindingsError: the region has no row for one of its types.
    """
    derived, scaling = packaged.plan.derived, settings.scaling
    extras = _Extras(table, region).storage(packaged.model.weights_bytes)
    if derived.pool and derived.pool.static is not None:
        rule = f"always has {derived.pool.static} nodes, which are the pool's cost and not the endpoint's"
        extras.missing.append(Finding(f"pool {derived.pool.name}", rule))
    prices = [table.price(EC2, each.name, region) for each in derived.types]
    first = derived.types[0]
    a_node = max(first.gpus // derived.gpus, 1)
    lead = -(-derived.deadlines.lead // 60)
    windows = [each.model_copy(update={"min": -(-each.min // a_node)}) for each in settings.schedule]
    base = -(-scaling.min // a_node)
    warm = packaged.plan.warm
    cost = InstanceCost(
        prices[0],
        scaling.max,
        replica_concurrency(settings) * a_node,
        derived.deadlines.idle + (derived.pool.idle_seconds if derived.pool else 0),
        Decimal(derived.cold.total()),
        exact(warm_hours_per_month(windows, base=base, lead=lead)),
        _covered(windows, base, lead),
        scaling.buffer if warm and warm.backend.kind != "managed" else 0,
        max(prices, key=lambda each: each.amount),
        extras.found(),
    )
    return Priced(cost, f"{first.name} x {scaling.max + scaling.buffer}", None, tuple(extras.missing))


def replica_concurrency(settings: GpuEndpoint) -> int:
    """Requests that a replica works on at a time, as its scaling counts them."""
    http = [each.concurrency for each in settings.scaling.triggers if isinstance(each, HttpTrigger)]
    return http[0] if http else HttpTrigger().concurrency


def replica_usd_per_hour(settings: GpuEndpoint, usd_per_hour: float) -> Decimal:
    """The most that a replica costs in an hour, on the dearest type that it may be on.

    Args:
        usd_per_hour: the most that all of them and the buffer cost, as its component says.
    """
    return exact(usd_per_hour) / (settings.scaling.max + settings.scaling.buffer)


def serverless_workload(settings: ServerlessEndpoint, manifest: Manifest) -> Workload:
    """What a serverless endpoint serves."""
    memory_mb = memory_of(manifest, settings.memory_mb)
    return Workload(memory_mb, next((name for most, name in CPU_INSTANCES if memory_mb <= most), None))


def asynchronous_workload(settings: AsynchronousEndpoint, manifest: Manifest) -> Workload:
    """What an asynchronous endpoint serves."""
    name = settings.instance_type.removeprefix("ml.")
    gpu = TYPES.get(name)
    memory_mb = None if settings.processor == "gpu" else memory_of(manifest, None)
    return Workload(memory_mb, name, gpu, settings.concurrency, settings.scaling.max)


def gpu_workload(settings: GpuEndpoint, packaged: Packaged) -> Workload:
    """What a GPU endpoint serves."""
    first = packaged.plan.derived.types[0]
    return Workload(None, first.name, first, replica_concurrency(settings), settings.scaling.max)


def on_serverless(work: Workload, region: str, table: PriceTable) -> Alternative | None:
    """The same requests on SageMaker Serverless; None where they do not fit."""
    if work.memory_mb is None:
        return None
    compute, data = (table.find(SERVERLESS, sku, region) for sku in ("gb-second", "data-gb"))
    if compute is None or data is None:
        return None
    return Alternative(f"serverless, {work.memory_mb} MB", ServerlessCost(work.memory_mb, Scaling().max, compute, data))


def on_asynchronous(work: Workload, region: str, table: PriceTable) -> Alternative | None:
    """The same requests on an asynchronous endpoint with its defaults; None without a price for its instance."""
    row = table.find(HOSTING, f"ml.{work.instance}", region)
    if row is None:
        return None
    idle = InstanceScaling().idle_seconds
    cost = InstanceCost(row, work.most, work.concurrency, idle, INSTANCE_START_SECONDS)
    return Alternative(f"asynchronous, {row.sku}", cost)


def on_kubernetes(work: Workload, region: str, table: PriceTable) -> Alternative | None:
    """The same requests on a GPU node of a cluster; None for models on CPUs, and without a price."""
    row = table.find(EC2, work.gpu.name, region) if work.gpu else None
    if row is None:
        return None
    idle = 2 * NODE_IDLE_SECONDS
    return Alternative(f"gpu, {row.sku}", InstanceCost(row, work.most, work.concurrency, idle, INSTANCE_START_SECONDS))


NODE_IDLE_SECONDS = 300
"""Default of the least idle time of a GPU endpoint, and of that of a pool, which follow each other."""


def _covered(windows: Sequence[Window], base: int, lead: int) -> Decimal:
    """Hours of a month in which at least one unit is kept."""
    one = [each.model_copy(update={"min": 1}) for each in windows if each.min]
    return exact(warm_hours_per_month(one, base=min(base, 1), lead=lead))


class _Extras:
    """What an endpoint costs each month besides its compute; a missing row is a finding, and not in the figures."""

    def __init__(self, table: PriceTable, region: str) -> None:
        self.table, self.region = table, region
        self.items: list[Item] = []
        self.missing: list[Finding] = []

    def add(self, what: str, service: str, sku: str, quantity: Decimal) -> None:
        row = self.table.find(service, sku, self.region)
        if row is None:
            self.missing.append(self.table.missing(service, sku, self.region))
        elif quantity:
            self.items.append(Item(what, quantity, row))

    def storage(self, size: int) -> _Extras:
        self.add("storage of the model", "s3", "storage-gb-month", size / GB)
        return self

    def alarms(self, alarms: Iterable[Alarm]) -> _Extras:
        if metrics := sum(len(each.metrics) for each in alarms):  # an alarm is billed by its metrics
            self.add("metrics of its alarms", "cloudwatch", "alarm-month", Decimal(metrics))
        return self

    def found(self) -> tuple[Item, ...]:
        return tuple(self.items)
