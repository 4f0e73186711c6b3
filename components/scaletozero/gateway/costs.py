"""What a gateway's function costs, from what is declared of it and the price table. Pure."""

from __future__ import annotations

import math
from decimal import Decimal

from model_packaging.findings import Finding
from model_packaging.serving.limits import INVOCATION_SECONDS
from scaletozero.gateway.ledger.accounts import KEPT_SECONDS
from scaletozero.observability.gateway import gateway_alarms
from scaletozero.settings.gateway import GatewayFunction, Rules
from scaletozero.spending.costs import GB, HOUR, Item
from scaletozero.spending.estimate import Priced
from scaletozero.spending.gateway_costs import GatewayCost, PerRequest
from scaletozero.spending.money import HOURS
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import PriceTable

TRANSACTED = 2
"""Write units of an item of up to 1 kB in a transaction (DynamoDB developer guide, transactions)."""

RECORD_BYTES = 1_000
"""Assumed of a record of usage with its keys; none that the tests write is larger."""

SPARE_SECONDS = 60
"""Of the function beyond the longest request: its body comes before, and it is settled after."""

LOG_BYTES = 2_000
"""Assumed of a request's lines of log: two of the program, and those in which Lambda says that it began and ended."""


def write_units(accounts: int) -> int:
    """Write units of a request on the ledger: it is held on its accounts with a lease, and settled with a record.

    Args:
        accounts: the customer's: of the month, and of the day if it has such a cap.
    """
    held, settled = accounts + 1, accounts + 2
    return TRANSACTED * (held + settled)


def timeout_seconds(rules: Rules, *, endpoints: bool) -> int:
    """Seconds of the function: of the longest request that anything it leads to may take.

    Args:
        endpoints: whether it leads to own endpoints.
    """
    own = [INVOCATION_SECONDS] if endpoints else []
    return max([*own, *(each.seconds for each in rules.models.values())], default=0) + SPARE_SECONDS


def gateway_priced(rules: Rules, function: GatewayFunction, region: str, table: PriceTable, payload: int) -> Priced:
    """The price of a gateway's function. What has no price in the region is named, and not in the figures.

    Args:
        rules: its models and customers.
        function: what is declared of the function.
        payload: bytes of a request with its response, which an answer that is kept has at most.
    """
    missing: list[Finding] = []

    def priced(service: str, sku: str) -> Price | None:
        row = table.find(service, sku, region)
        if row is None:
            missing.append(table.missing(service, sku, region))
        return row

    daily = any(each.cap_usd_per_day is not None for each in rules.customers.values())
    keeps = any(each.cache is not None for each in rules.models.values())
    writes = write_units(2 if daily else 1) + (math.ceil(payload / 1000) if keeps else 0)
    months = Decimal(KEPT_SECONDS) / (HOURS * HOUR)
    stored = RECORD_BYTES / GB * months
    used = [
        ("invocations", "lambda", "request", Decimal(1)),
        ("writes of the ledger", "dynamodb", "write-request", Decimal(writes)),
        ("records of usage", "dynamodb", "storage-gb-month", stored),
        ("their copies, to restore them", "dynamodb", "pitr-gb-month", stored),
        ("logs", "cloudwatch", "log-ingested-gb", LOG_BYTES / GB),
    ]
    if keeps:
        used.append(("looking for answers that are kept", "dynamodb", "read-request", Decimal(1)))
    if function.api is not None:
        used.append(("requests of the API", "apigateway", "rest-request", Decimal(1)))
    compute = priced("lambda", "gb-second")
    uses = [PerRequest(what, units, row) for what, service, sku, units in used if (row := priced(service, sku))]
    metrics = sum(len(each.metrics) for each in gateway_alarms())
    alarm = priced("cloudwatch", "alarm-month")
    items = (Item("metrics of its alarms", Decimal(metrics), alarm),) if alarm else ()
    cost = GatewayCost(function.memory_mb, function.concurrency, compute, tuple(uses), items)
    return Priced(cost, f"{function.memory_mb} MB x {function.concurrency}", unpriced=tuple(missing))
