"""What a stack has deployed, read from the resources in its state: an own program may export what it likes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_KINDS = {
    "scaletozero:index:ServerlessEndpoint": "serverless",
    "scaletozero:index:AsyncEndpoint": "asynchronous",
    "scaletozero:index:GpuEndpoint": "gpu",
}

Resource = Mapping[str, Any]


def endpoints_in(resources: Iterable[Resource]) -> dict[str, dict[str, Any]]:
    """The endpoints in a stack's state, by the names of their components.

    Two components of one name below different parents are told apart by their parents' names: `team/sentences`.

    Args:
        resources: `deployment.resources` of an exported stack.

    Returns:
        Name -> `kind`, `name` at the service, and whatever else of it is known: `arn`, `region`, `memory_mb`,
        `instance_type`, `max`, `requests`, `artifact`, `digest`, `logs`, `namespace`, `host`, `cold_start_seconds`,
        `usd_per_hour`. A component whose endpoint does not exist yet is left out.
    """
    here = [each for each in resources if not each.get("delete")]
    owners = {each["urn"]: each for each in here if each["type"] in _KINDS}
    parents = {each["urn"]: each.get("parent", "") for each in here}
    below: dict[str, dict[str, Resource]] = {urn: {} for urn in owners}
    # A child of the endpoint itself comes before one of the same type in a component inside it.
    for each in sorted(here, key=lambda one: parents[one["urn"]] not in owners):
        if owner := _owner(each["urn"], parents, owners):
            package, _, kind = each["type"].partition(":")
            below[owner].setdefault(f"{package}:{kind.rpartition(':')[2]}", each)
    found = {urn: about for urn, owner in owners.items() if (about := _about(owner, below[urn]))}
    names = [_name(urn) for urn in found]
    return {
        _name(urn) if names.count(_name(urn)) == 1 else f"{_name(parents[urn])}/{_name(urn)}": about
        for urn, about in found.items()
    }


def _owner(urn: str, parents: Mapping[str, str], owners: Mapping[str, Resource]) -> str:
    above = parents[urn]
    while above and above not in owners:
        above = parents.get(above, "")
    return above


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _about(owner: Resource, children: Mapping[str, Resource]) -> dict[str, Any]:
    kind, said = _KINDS[owner["type"]], owner.get("outputs") or {}
    about = {"kind": kind, **(_gpu(children) if kind == "gpu" else _sagemaker(children))}
    if "name" not in about:
        return {}
    about |= {
        "digest": _first(said.get("artifact_digest"), about.get("digest")),
        "host": said.get("host"),
        "requests": said.get("requests"),
        "memory_mb": _whole(_first(about.get("memory_mb"), said.get("memory_mb"))),
        "cold_start_seconds": said.get("cold_start_seconds"),
        "usd_per_hour": said.get("usd_per_hour"),
    }
    # A secret is a mapping in the state, and stays there.
    return {key: value for key, value in about.items() if isinstance(value, str | int | float)}


def _sagemaker(children: Mapping[str, Resource]) -> dict[str, Any]:
    endpoint = children.get("aws:Endpoint")
    if not endpoint or not endpoint.get("id"):
        return {}
    arn = _outputs(endpoint).get("arn")
    variant = _item(_outputs(children.get("aws:EndpointConfiguration")).get("productionVariants"))
    serverless = variant.get("serverlessConfig") or {}
    target = _outputs(children.get("aws:Target"))
    archive = _outputs(children.get("aws:BucketObjectv2"))
    source = archive.get("source")
    return {
        "name": endpoint["id"],
        "arn": arn,
        "region": arn.split(":")[3] if isinstance(arn, str) and arn.count(":") > 3 else None,
        "memory_mb": serverless.get("memorySizeInMb"),
        "instance_type": variant.get("instanceType"),
        "max": _whole(_first(target.get("maxCapacity"), serverless.get("maxConcurrency"))),
        "artifact": str(Path(path).parent) if isinstance(source, Mapping) and (path := source.get("path")) else None,
        "logs": _outputs(children.get("aws:LogGroup")).get("name"),
    }


def _gpu(children: Mapping[str, Resource]) -> dict[str, Any]:
    deployment = children.get("kubernetes:Deployment")
    if not deployment:
        return {}
    metadata = _outputs(deployment).get("metadata") or {}
    scaled = _outputs(children.get("kubernetes:ScaledObject")).get("spec") or {}
    return {
        "name": metadata.get("name"),
        "namespace": metadata.get("namespace"),
        "max": _whole(scaled.get("maxReplicaCount")),
    }


def _outputs(resource: Resource | None) -> Mapping[str, Any]:
    """What the provider said of a resource, over what was asked for."""
    if resource is None:
        return {}
    return {**(resource.get("inputs") or {}), **(resource.get("outputs") or {})}


def _item(value: object) -> Mapping[str, Any]:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else {}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
