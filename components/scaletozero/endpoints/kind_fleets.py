"""The instances of an endpoint as `advise` replays calls on them, by kind. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_packaging.artifact.manifest import Manifest
from scaletozero.endpoints.kind_costs import asynchronous_priced, gpu_priced
from scaletozero.scaling.advice import Plan
from scaletozero.scaling.fleet import Fleet
from scaletozero.scaling.fleet_advice import DeclaredFleet, FleetPlan
from scaletozero.scaling.sample import work_seconds
from scaletozero.scaling.timeline import lead_minutes
from scaletozero.settings.asynchronous import AsynchronousEndpoint
from scaletozero.settings.gpu import GpuEndpoint
from scaletozero.spending.costs import InstanceCost
from scaletozero.spending.prices import PriceTable

if TYPE_CHECKING:  # for environments with a cluster
    from scaletozero.kubernetes.packaged import Packaged

DECLARED = "as declared"


def asynchronous_fleet(
    settings: AsynchronousEndpoint, manifest: Manifest, region: str, table: PriceTable
) -> DeclaredFleet:
    """The instances of an asynchronous endpoint.

    Raises:
        FindingsError: the region has no row for its instance type.
    """
    cost = asynchronous_priced(settings, manifest, region, table, ()).cost
    assert isinstance(cost, InstanceCost)
    start = float(cost.start_seconds)
    return DeclaredFleet(
        Fleet(cost.most, cost.concurrency, start, cost.idle_seconds),
        FleetPlan(Plan(DECLARED, settings.scaling.min, settings.schedule), cost.idle_seconds),
        cost.hourly,
        lead_minutes(start),
        work_seconds=work_seconds(manifest),
    )


def gpu_fleet(settings: GpuEndpoint, packaged: Packaged, region: str, table: PriceTable) -> DeclaredFleet:
    """The nodes of a GPU endpoint.

    Raises:
        FindingsError: the region has no row for one of its types.
    """
    cost = gpu_priced(settings, packaged, region, table).cost
    assert isinstance(cost, InstanceCost)
    derived = packaged.plan.derived
    cold, a_node = derived.cold, max(derived.types[0].gpus // derived.gpus, 1)
    windows = tuple(each.model_copy(update={"min": -(-each.min // a_node)}) for each in settings.schedule)
    return DeclaredFleet(
        Fleet(
            cost.most,
            cost.concurrency,
            float(cost.start_seconds),
            cost.idle_seconds,
            cost.buffer,
            cold.total("image"),
            cold.node.seconds + cold.pull.seconds,
        ),
        FleetPlan(Plan(DECLARED, -(-settings.scaling.min // a_node), windows), cost.idle_seconds, cost.buffer),
        cost.hourly,
        -(-derived.deadlines.lead // 60),
        buffers=True,
    )
