"""What a function's gateway does, as one file: what was declared, what is deployed, and the prices that it needs. Pure.

The program has nothing else of its environment: neither the stack's state nor a project's own price table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from model_packaging.validation import parse
from scaletozero.gateway.targets import Served, priced_rows
from scaletozero.settings.gateway import Rules
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import PriceTable
from scaletozero.spending.token_rates import TokenTariff

FILE = "SCALETOZERO_GATEWAY"
"""The variable that names the file."""

PORT = "AWS_LWA_PORT"
"""The variable with the port on which the adapter finds the program."""

CONTAINER_PORT = "SCALETOZERO_PORT"
"""The variable with the port on which a cluster finds it."""


@dataclass(frozen=True)
class Contents:
    """What a function's gateway does.

    Attributes:
        rules: what was declared.
        region: where it runs.
        served: endpoint -> what is deployed of it.
        table: the prices of its endpoints' seconds and bytes.
        ledger: the ledger's table.
        cache: the table of answers that are kept; empty if no model keeps any.
        tariffs: the prices of models behind an API, by their names in genai-prices, of which the function has nothing:
            to load its 2,330 models would take longer than all else that the program does before its first answer.
        regions: where answers may be made; all are allowed if there is none.
        ledger_down: what is admitted while the ledger does not answer; nothing by default, and never in a function.
    """

    rules: Rules
    region: str
    served: Mapping[str, Served]
    table: PriceTable
    ledger: str
    cache: str = ""
    tariffs: Mapping[str, TokenTariff] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    ledger_down: LedgerDown | None = None

    def text(self) -> str:
        """The file."""
        rules, down = self.rules, self.ledger_down
        return json.dumps(
            {
                "rules": {name: _plain(getattr(rules, name)) for name in ("models", "customers")},
                "region": self.region,
                "served": {name: asdict(each) for name, each in self.served.items()},
                "prices": [
                    row.shown()
                    for service, sku in priced_rows(True, (each.instance_type for each in self.served.values()))
                    if (row := self.table.find(service, sku, self.region)) is not None
                ],
                "ledger": self.ledger,
                "cache": self.cache,
                "tariffs": {name: each.kept() for name, each in self.tariffs.items()},
                "regions": list(self.regions),
                **({"ledger_down": down.model_dump(mode="json")} if down is not None else {}),
            },
            sort_keys=True,
        )


def read_contents(text: str) -> Contents:
    """The contents of a file that `Contents.text` made.

    Raises:
        FindingsError: another release made it, with other settings.
    """
    found = json.loads(text)
    rows = [parse(Price, row, f"prices.{index}") for index, row in enumerate(found["prices"])]
    return Contents(
        parse(Rules, found["rules"], "gateway"),
        found["region"],
        {name: Served(**each) for name, each in found["served"].items()},
        PriceTable.of(rows),
        found["ledger"],
        found["cache"],
        {name: TokenTariff.of(each) for name, each in found["tariffs"].items()},
        tuple(found["regions"]),
        parse(LedgerDown, found["ledger_down"], "ledger_down") if "ledger_down" in found else None,
    )


def _plain(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings as they were written, without what nobody wrote."""
    return {name: each.model_dump(mode="json", exclude_unset=True) for name, each in settings.items()}  # pyright: ignore[reportAttributeAccessIssue]
