"""Whether an error of the ledger says that its store is down. Pure."""

from __future__ import annotations

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from scaletozero.gateway.ledger.ledger import LedgerBusyError

NOT_ANSWERED = (LedgerBusyError, ClientError, BotoCoreError)
"""What a call of the ledger raises that was not answered with figures."""


def is_down(error: Exception) -> bool:
    """Whether the store is down, slow, throttled or in conflict, which passes.

    One that refuses is not: a permission that was withdrawn, or a table that is gone, may be somebody's decision to
    close the gateway.
    """
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, LedgerBusyError | HTTPClientError | exceptions.ConnectionError)
