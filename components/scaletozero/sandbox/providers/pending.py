"""Cleaning up after an engine that was interrupted while it created something."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from scaletozero.sandbox.credentials import Credentials
from scaletozero.sandbox.providers.apply import Applier
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.configuration import settings_from
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.values import plain


def forget_pending(
    aws_url: str,
    credentials: Credentials,
    pending: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    region: str | None = None,
) -> list[str]:
    """Delete what the `pending` creates of an interrupted run may have made, so that the next `up` can make it.

    Args:
        aws_url: address of the embedded AWS.
        credentials: the sandbox's.
        pending: (type token, inputs) of each `creating` entry in the stack's `pending_operations`.
        region: the provider's, for inputs that name none.

    Returns:
        `type id` of each resource that was there and is gone now.

    Raises:
        ValueError: `aws_url` is not on this machine.
        botocore.exceptions.ClientError: the embedded AWS refused a deletion.
    """
    clients = Clients(aws_url, credentials)
    applier = Applier(clients, settings_from({"region": region}, clients), threading.Event())
    forgotten = []
    for token, inputs in pending:
        row = TABLE.get(token)
        if row is None or row.id is None:  # an id that the service made up is lost with the answer
            continue
        known = plain(inputs)
        id_ = row.id(applier.state(row, known, None))
        found = applier.read(row, id_, known, known)
        if found is not None:
            applier.delete(row, id_, found[0])
            forgotten.append(f"{token} {id_}")
    return forgotten
