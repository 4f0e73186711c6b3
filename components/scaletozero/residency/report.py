"""The report: where each kind of an environment's data is stored and processed, by whom, and what enforces that.

Rows for people and auditors, JSON with a digest over its canonical form, CSV with columns of DORA's register of
information. Source: Implementing Regulation (EU) 2024/2956, Annex I, template B_02.02.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scaletozero.settings.geographies import AS_OF, COUNTRIES
from scaletozero.settings.residency import DoraRegister, Residency

OPERATOR = "Amazon Web Services"
DORA = {"provision": "B_02.02.0130", "storage": "B_02.02.0150", "processing": "B_02.02.0160"}
"""The location columns, as ISO 3166 codes."""

IDENTITY = {
    "contract": "B_02.02.0010",
    "entity": "B_02.02.0020",
    "provider": "B_02.02.0030",
    "provider code": "B_02.02.0040",
}
"""The columns that identify a row: the arrangement, the entity's LEI, the provider's code and the type of that code."""


@dataclass(frozen=True)
class Row:
    """Where one kind of an endpoint's data is.

    Attributes:
        endpoint: the endpoint's name; empty for data of the environment.
        data: the kind: `prompts`, `responses`, `artifact`, `logs`, `metrics`, `key`.
        rests_in: the Region in which it is stored; empty if it is not stored.
        passes: the services that it passes through.
        operator: who operates these services.
        key: the key that it is encrypted with.
        retention: how long it is kept.
        enforced_by: what keeps it in its Region.
        verify: the command with which to verify that.
    """

    endpoint: str
    data: str
    rests_in: str
    processed_in: str
    passes: str
    operator: str
    key: str
    retention: str
    enforced_by: str
    verify: str

    @property
    def countries(self) -> dict[str, str]:
        """The country columns of DORA's register."""
        rests, processed = COUNTRIES.get(self.rests_in, ""), COUNTRIES.get(self.processed_in, "")
        return {DORA["provision"]: processed, DORA["storage"]: rests, DORA["processing"]: processed}


def identity(residency: Residency) -> dict[str, str]:
    """The columns of DORA's register that identify the environment's rows; empty if they are not declared."""
    given = residency.dora_register or DoraRegister()
    values = {
        "contract": given.contract,
        "entity": given.entity_lei,
        "provider": given.provider_lei,
        "provider code": "LEI" if given.provider_lei else None,
    }
    return {IDENTITY[key]: value or "" for key, value in values.items()}


def as_json(environment: str, residency: Residency, rows: Iterable[Row]) -> dict[str, Any]:
    """The report as JSON data, with the SHA-256 of its canonical form (sorted keys, no white space) as `digest`."""
    columns = identity(residency) if residency.dora_register else {}
    report: dict[str, Any] = {
        "environment": environment,
        "regions": list(residency.allowed),
        "geography": residency.geography,
        "geographies_as_of": AS_OF.isoformat(),
        "covers": [each.value for each in residency.covers],
        "rows": [{**asdict(row), **columns, **row.countries} for row in rows],
        "exceptions": [each.model_dump(mode="json") for each in residency.exceptions],
        "attestations": [each.model_dump(mode="json") for each in residency.attestations],
    }
    return {**report, "digest": digest_of(report)}


def digest_of(report: Mapping[str, Any]) -> str:
    """The SHA-256 of a report's canonical form, without its `digest`."""
    body = {key: value for key, value in report.items() if key != "digest"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_csv(residency: Residency, rows: Iterable[Row]) -> str:
    """The report as CSV, one row for each kind of data of each endpoint."""
    text, columns = io.StringIO(), identity(residency)
    names = [*Row.__dataclass_fields__, *IDENTITY.values(), *DORA.values()]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    cells = ({**asdict(row), **columns, **row.countries} for row in rows)
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in cells)
    return text.getvalue()


def _cell(value: str) -> str:
    """Escapes a cell, so that no spreadsheet interprets it as a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
