"""Deletes resources that a killed run created in the embedded AWS and that are not in the stack's state."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scaletozero.sandbox.credentials import Credentials
from scaletozero.sandbox.inventory import Created, Inventory
from scaletozero.sandbox.providers.apply import Applier
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.configuration import settings_from
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.table import ResourceType

_WHOLE = {"forceDestroy": True, "forceDetachPolicies": True, "forceDelete": True, "skipDestroy": False}
"""Inputs that allow a resource to be deleted with its contents."""


def delete_leftovers(
    aws_url: str, credentials: Credentials, inventory: Inventory, resources: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Deletes the resources that are in the inventory but not in the state, the newest first.

    Args:
        aws_url: address of the embedded AWS.
        credentials: the sandbox's.
        inventory: the stack's inventory.
        resources: `deployment.resources` of the exported stack.

    Returns:
        `type id` of each resource that was there and has been deleted.

    Raises:
        ValueError: `aws_url` is not on this machine.
        botocore.exceptions.ClientError: the embedded AWS refused a deletion.
    """
    state = list(resources)
    unknown = [each for each in inventory.live() if each.id is None or not _is_in(state, each)]
    if not unknown:
        return []
    clients = Clients(aws_url, credentials)
    applier = Applier(clients, settings_from({}, clients), threading.Event(), inventory)
    deleted = []
    for created in reversed(unknown):
        row = TABLE[created.kind]
        for id_ in _ids(applier, row, created, state):
            given = dict(created.properties) | ({"region": created.region} if created.region else {})
            found = applier.read(row, id_, given, given)
            applier.delete(row, id_, {**(found[0] if found else {}), **given, **_WHOLE})
            if found:
                deleted.append(f"{created.kind} {id_}")
    return deleted


def _ids(applier: Applier, row: ResourceType, created: Created, state: list[Mapping[str, Any]]) -> Iterator[str]:
    """The ids of a resource; if its id is unknown, the ids of all candidates."""
    if created.id is not None:
        yield created.id
        return
    known = {each.get("id") for each in state if each["type"] == created.kind}
    client = applier.clients(row.service, created.region)
    if row.find:
        yield from (id_ for id_ in row.find(client, created.properties) if id_ not in known)


def _is_in(state: Iterable[Mapping[str, Any]], created: Created) -> bool:
    """Whether the state has the resource."""
    row = TABLE[created.kind]
    for each in state:
        if (each["type"], each.get("id")) != (created.kind, created.id):
            continue
        has = {**(each.get("inputs") or {}), **(each.get("outputs") or {})}
        told = {name: created.properties[name] for name in row.apart & created.properties.keys()}
        told |= {"region": created.region} if created.region else {}
        if all(has.get(key, value) == value for key, value in told.items()):
            return True
    return False
