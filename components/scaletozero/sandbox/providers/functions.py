"""The provider's functions, such as `aws.get_region()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scaletozero.partitions import dns_suffix
from scaletozero.sandbox.providers.apply import Applier
from scaletozero.sandbox.providers.check import session
from scaletozero.sandbox.providers.shapes import Failure, nearest


def _region(arguments: Mapping[str, Any], applier: Applier) -> dict[str, Any] | Failure:
    name = arguments.get("region") or arguments.get("name") or applier.settings.region
    if not name:
        return Failure("region", "is required: pass it to the call or set `aws:region`")
    regions = session().get_available_regions("ec2")
    if name not in regions:
        return Failure("region", f"must be an AWS region, got {name!r}; {nearest(name, regions)}")
    host = f"ec2.{name}.{dns_suffix(name)}"
    return {"id": name, "name": name, "region": name, "endpoint": host, "description": name}


def _caller(_: Mapping[str, Any], applier: Applier) -> dict[str, Any]:
    identity = applier.clients("sts", applier.settings.region).get_caller_identity()
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def _partition(_: Mapping[str, Any], applier: Applier) -> dict[str, Any] | Failure:
    if not applier.settings.region:
        return Failure("region", "is required: set `aws:region`")
    partition, suffix = applier.settings.partition, dns_suffix(applier.settings.region)
    prefix = ".".join(reversed(suffix.split(".")))
    return {"id": partition, "partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": prefix}


FUNCTIONS: dict[str, Callable[[Mapping[str, Any], Applier], dict[str, Any] | Failure]] = {
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getPartition:getPartition": _partition,
}
