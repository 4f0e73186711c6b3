"""The settings of GPU nodes: pools of Karpenter or EKS Auto Mode, and managed node groups."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, may_be_later, reject
from scaletozero.settings.cluster import GPU, Amount, Count, Pool, Seconds, Taint, not_empty, unique, zone_findings
from scaletozero.settings.common import Tags, key_conflicts
from scaletozero.settings.gpu_types import TYPES, GpuInstanceType
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.schedules import DAY, Clock, cron_days, days_of

LONGEST_TAINT, MOST_TAINTS = 63, 50
"""Limits of a managed node group (the API's `Taint`, and the provider's schema of it)."""

PARALLEL_SINCE = (1, 44, 0)
"""The version of Bottlerocket that brings the snapshotter which pulls in parallel (its release notes)."""

MOST_QUIET_HOURS = 48
"""A NodePool accepts 50 budgets, of which two are used already."""

ClusterName = Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]


_CRON_DAYS = re.compile(r"(?P<first>[0-6])(-(?P<last>[0-6]))?")


def _before_midnight(minute: int) -> int:
    if minute == DAY:
        reject("must be before 24:00", "the hours would begin a day early", 'write "00:00" and the next day')
    return minute


def _cron_days(value: str) -> str:
    # Karpenter's cron accepts no range that ends before it begins, and one invalid budget blocks every disruption.
    parts = value.split(",")
    if value == "*" or all(
        (match := _CRON_DAYS.fullmatch(part)) and match["first"] <= (match["last"] or "6") for part in parts
    ):
        return value
    try:
        days = days_of(parts)
    except PydanticCustomError:
        reject(
            "must name days as `mon`, ranges of them as `mon-fri`, or both as `mon-wed,sat`",
            "Karpenter could not parse it, and would remove no node of the pool",
            "write `mon-fri`",
        )
    return cron_days(days)


class QuietHours(Settings):
    """Hours in which no node is replaced because of drift. In UTC: Karpenter supports no other time zone.

    Attributes:
        start: time of day.
        hours: number of hours.
        days: such as `mon-fri` or `mon,wed`, or as numbers of cron, from 0 for Sunday.
    """

    start: Annotated[Clock, AfterValidator(_before_midnight)]
    hours: Annotated[int, Field(ge=1, le=24)]
    days: Annotated[Text, AfterValidator(_cron_days)] = "1-5"

    @property
    def cron(self) -> str:
        """The beginning, as a cron expression."""
        return f"{self.start % 60} {self.start // 60} * * {self.days}"


class Nodes(Settings):
    """The configuration of the nodes.

    Attributes:
        role: name of the IAM role.
        discovery_tag: tag that selects subnets and security groups; its value is the cluster's name.
        image: alias and version of the node image: Bottlerocket, whose data volume can come from a snapshot.
        volume_gib: size of the data volume in GiB.
        snapshot: EBS snapshot of the data volume that holds the serving image.
        parallel_pull: whether nodes pull and unpack the layers of an image in parallel.
        reservations: ids of capacity reservations, used before on-demand capacity.
        kms_key: ARN of the KMS key of the volumes.
    """

    role: Annotated[Text, may_be_later]
    discovery_tag: Text = "karpenter.sh/discovery"
    image: Annotated[Text, Field(pattern=r"^bottlerocket@v\d+\.\d+\.\d+$")] = "bottlerocket@v1.54.0"
    volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200
    snapshot: Annotated[Text, Field(pattern=r"^snap-[0-9a-f]{8,17}$")] | None = None
    parallel_pull: bool = False
    reservations: tuple[Annotated[Text, Field(pattern=r"^cr-[0-9a-z]+$")], ...] = ()
    kms_key: Text | None = None


class GpuNodePoolSettings(Settings):
    """The settings of `GpuNodePoolArgs`.

    Attributes:
        cluster: name of the EKS cluster.
        region: region of the cluster.
        provider: what adds nodes.
        types: instance types of the pool.
        max_gpus: maximum number of GPUs. With the price, it bounds the cost.
        capacity: how nodes may be purchased.
        zones: Availability Zones; empty for all zones of the region.
        static: number of nodes that always run; None if nodes are added and removed with the demand.
        idle_seconds: time after which an empty node is removed.
        termination_grace_seconds: time after which a draining node is terminated, whether or not its pods have ended.
        taints: taints of the nodes.
        quiet_hours: hours in which no node is replaced because of drift.
        nodes: configuration of the nodes.
        residency: regions that they may be in. Default: any region.
    """

    cluster: ClusterName
    region: Region
    provider: Literal["karpenter", "auto-mode"] = "karpenter"
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)]
    max_gpus: Count
    capacity: Annotated[
        tuple[Literal["spot", "on-demand", "reserved"], ...], AfterValidator(not_empty), AfterValidator(unique)
    ] = ("on-demand",)
    zones: Annotated[tuple[Text, ...], AfterValidator(unique)] = ()
    static: Count | None = None
    idle_seconds: Amount = 300
    termination_grace_seconds: Seconds = 1800
    taints: Annotated[tuple[Taint, ...], AfterValidator(unique)] = (Taint(key=GPU),)
    quiet_hours: tuple[QuietHours, ...] = ()
    nodes: Nodes
    residency: tuple[Region, ...] = ()

    def conflicts(self) -> Iterable[Finding]:
        yield from within(self.residency, self.region, "region")
        yield from zone_findings(self.zones, self.region, "zones")
        yield from _type_findings(self.types, self.max_gpus)
        if self.static and (wanted := self.static * max(TYPES[name].gpus for name in self.types)) > self.max_gpus:
            got = f"{self.static} nodes, {wanted} GPUs"
            fix = f"write `max_gpus: {wanted}`"
            yield Finding(
                "static", f"must be within `max_gpus`, {self.max_gpus}", got, "`max_gpus` would not bound the cost", fix
            )
        if len(self.quiet_hours) > MOST_QUIET_HOURS:
            yield Finding(
                "quiet_hours",
                f"must be at most {MOST_QUIET_HOURS}",
                str(len(self.quiet_hours)),
                "the API server would refuse the pool",
                "combine days that have the same hours: `days: mon-fri`",
            )
        reserved = "reserved" in self.capacity
        if reserved != bool(self.nodes.reservations):
            yield Finding(
                "nodes.reservations",
                "must be given if, and only if, `capacity` has `reserved`",
                ", ".join(self.nodes.reservations) or "nothing",
                "a reservation would be paid for and not used, or there would be none to use",
                "write its id" if reserved else "add `reserved` to `capacity`",
            )
        for found in key_conflicts(self.nodes.kms_key, self.region, "nodes.kms_key"):
            yield replace(found, consequence="EC2 could not encrypt the volumes, and no node would start")
        yield from self._pull_findings()
        for field in ("snapshot", "kms_key", "parallel_pull") if self.provider == "auto-mode" else ():
            if getattr(self.nodes, field):
                yield Finding(
                    f"nodes.{field}",
                    "is not supported on EKS Auto Mode, which configures its nodes itself",
                    str(getattr(self.nodes, field)),
                    "it would be ignored",
                    "remove it, or use the provider `karpenter`",
                )

    def _pull_findings(self) -> Iterable[Finding]:
        if not self.nodes.parallel_pull:
            return
        version = tuple(int(part) for part in self.nodes.image.partition("@v")[2].split("."))
        if version < PARALLEL_SINCE:
            since = ".".join(str(part) for part in PARALLEL_SINCE)
            yield Finding(
                "nodes.parallel_pull",
                f"needs Bottlerocket {since} or later",
                self.nodes.image,
                "the setting would be ignored, and images pulled as before",
                f"write `image: bottlerocket@v{since}` or later",
            )
        if self.nodes.snapshot:
            yield Finding(
                "nodes.parallel_pull",
                "must not be given together with `snapshot`",
                self.nodes.snapshot,
                "a node that begins to use another snapshotter deletes the images on its disk",
                "remove one of them",
            )

    def pool(self, name: str) -> Pool:
        """The pool, for the `pools` of a cluster."""
        return Pool(
            name=name,
            types=self.types,
            max_gpus=self.max_gpus,
            zones=self.zones,
            taints=self.taints,
            static=self.static,
            reserved="reserved" in self.capacity,
            termination_grace_seconds=self.termination_grace_seconds,
            idle_seconds=self.idle_seconds,
            cached_image=self.nodes.snapshot is not None,
            parallel_pull=self.nodes.parallel_pull,
        )


class WarmNodes(Settings):
    """Instances that a managed node group keeps ready to join.

    Attributes:
        nodes: number of instances.
        state: `stopped` costs the volumes only, and AWS does not guarantee the capacity to start them.
    """

    nodes: Count
    state: Literal["stopped", "running"] = "stopped"


class GpuNodeGroupSettings(Settings):
    """The settings of `GpuNodeGroupArgs`: a managed node group, which Cluster Autoscaler scales.

    Attributes:
        cluster: name of the EKS cluster.
        region: region of the cluster.
        types: instance types, all with the same number of GPUs.
        max_gpus: maximum number of GPUs.
        role_arn: ARN of the IAM role of the nodes.
        subnets: ids of the subnets. They determine the Availability Zones.
        volume_gib: size of the nodes' volumes in GiB.
        warm: the warm pool of the group.
        taints: taints of the nodes.
        residency: regions that it may be in. Default: any region.
        tags: extra tags.
    """

    cluster: ClusterName
    region: Region
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)]
    max_gpus: Count
    role_arn: Annotated[Text, may_be_later]
    subnets: Annotated[
        tuple[Annotated[Text, may_be_later], ...], AfterValidator(not_empty), AfterValidator(unique), may_be_later
    ]
    volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200
    warm: WarmNodes | None = None
    taints: Annotated[tuple[Taint, ...], AfterValidator(unique)] = (Taint(key=GPU),)
    residency: tuple[Region, ...] = ()
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from within(self.residency, self.region, "region")
        yield from _type_findings(self.types, self.max_gpus)
        for index, taint in enumerate(self.taints):
            for field, given in (("key", taint.key), ("value", taint.value)):
                if len(given) > LONGEST_TAINT:
                    rule = f"must have at most {LONGEST_TAINT} characters in a managed node group"
                    yield Finding(f"taints.{index}.{field}", rule, given, "EKS would refuse the group", "shorten it")
        if len(self.taints) > MOST_TAINTS:
            rule = f"must be at most {MOST_TAINTS} in a managed node group"
            yield Finding("taints", rule, str(len(self.taints)), "EKS would refuse the group", "remove some")
        if len({TYPES[name].gpus for name in self.types}) > 1:
            got = ", ".join(f"{name}: {TYPES[name].gpus}" for name in self.types)
            yield Finding(
                "types",
                "must all have the same number of GPUs",
                got,
                "a group limits nodes, so that `max_gpus` would not hold",
            )
        if self.warm and self.warm.nodes > self.max_nodes:
            fix = f"write {self.max_nodes}"
            yield Finding(
                "warm.nodes",
                f"must be at most {self.max_nodes}",
                str(self.warm.nodes),
                "EKS would refuse the group",
                fix,
            )

    @property
    def max_nodes(self) -> int:
        """The number of nodes that have `max_gpus`."""
        return self.max_gpus // TYPES[self.types[0]].gpus

    def pool(self, name: str) -> Pool:
        """The group, for the `pools` of a cluster."""
        return Pool(
            name=name,
            types=self.types,
            max_gpus=self.max_gpus,
            taints=self.taints,
            warm=self.warm.nodes if self.warm else 0,
        )


def _type_findings(types: tuple[str, ...], max_gpus: int) -> Iterable[Finding]:
    for index, name in enumerate(types):
        if TYPES[name].gpus > max_gpus:
            yield Finding(
                f"types.{index}",
                f"must have at most `max_gpus`, {max_gpus}, GPUs",
                f"{name}: {TYPES[name].gpus}",
                "no node of that type could ever be added",
                f"write `max_gpus: {TYPES[name].gpus}` or more, or another type",
            )
