"""A stack's deployed endpoints, read from the resources in its state, because users' programs may export anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scaletozero.endpoints.kind import Kind
from scaletozero.endpoints.kinds import KINDS
from scaletozero.endpoints.state import Resource, first_given, whole


def endpoints_in(resources: Iterable[Resource]) -> dict[str, dict[str, Any]]:
    """The endpoints in a stack's state, by the names of their components.

    Components with the same name below different parents are distinguished by their parents' names: `team/sentences`.

    Args:
        resources: `deployment.resources` of an exported stack.

    Returns:
        Name -> `kind`, `name` at the service, and other known properties: `arn`, `region`, `memory_mb`,
        `instance_type`, `max`, `requests`, `artifact`, `digest`, `logs`, `namespace`, `host`, `cold_start_seconds`,
        `usd_per_hour`. A component whose endpoint does not exist yet is omitted.
    """
    kinds = {kind.component: kind for kind in KINDS.values()}
    here = [each for each in resources if not each.get("delete")]
    owners = {each["urn"]: each for each in here if each["type"] in kinds}
    parents = {each["urn"]: each.get("parent", "") for each in here}
    below: dict[str, dict[str, Resource]] = {urn: {} for urn in owners}
    # A child of the endpoint itself comes before one of the same type in a component inside it.
    for each in sorted(here, key=lambda one: parents[one["urn"]] not in owners):
        if owner := _owner(each["urn"], parents, owners):
            package, _, kind = each["type"].partition(":")
            below[owner].setdefault(f"{package}:{kind.rpartition(':')[2]}", each)
    found = {urn: about for urn, owner in owners.items() if (about := _about(kinds[owner["type"]], owner, below[urn]))}
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


def _about(kind: Kind, owner: Resource, children: Mapping[str, Resource]) -> dict[str, Any]:
    about, said = kind.deployed(children), owner.get("outputs") or {}
    if "name" not in about:
        return {}
    about = {
        "kind": kind.name,
        **about,
        "digest": first_given(said.get("artifact_digest"), about.get("digest")),
        "host": said.get("host"),
        "requests": said.get("requests"),
        "memory_mb": whole(first_given(about.get("memory_mb"), said.get("memory_mb"))),
        "cold_start_seconds": said.get("cold_start_seconds"),
        "usd_per_hour": said.get("usd_per_hour"),
    }
    # A secret is a mapping in the state, and must not leave it.
    return {key: value for key, value in about.items() if isinstance(value, str | int | float)}
