"""`residency`: reports where an environment's data is, and prints the policies that enforce it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.files import require_writable
from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table, write_file
from scaletozero.environment.project import find_project
from scaletozero.environment.residency_report import rows_of
from scaletozero.residency import guard as documents
from scaletozero.residency.map import svg as drawn
from scaletozero.residency.report import DORA, as_csv, as_json
from scaletozero.settings.residency import Residency


class Guard(StrEnum):
    """A policy document that enforces a residency."""

    BOUNDARY = "boundary"
    SCP = "scp"


def residency(
    environment: EnvironmentName = "local",
    as_json_: Annotated[
        bool, typer.Option("--json", help="Print JSON, with a digest over its canonical form.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with columns of DORA's register.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write a map of the data flows to this SVG file.")] = None,
    guard: Annotated[
        Guard | None,
        typer.Option(
            help="Print an AWS policy instead: a permissions boundary, or an organisation's service control policy."
        ),
    ] = None,
) -> None:
    """Shows where each kind of an environment's data is stored and processed, what enforces it, and how to verify it.

    Example: scaletozero residency -e prod-eu
    """
    with findings_as_exit():
        if svg:
            require_writable("--svg", svg)
        if sum((as_json_, csv, guard is not None)) > 1:
            raise refuse("--json", "and --csv and --guard exclude each other", "several", fix="give one of them")
        settings = find_project().environment(environment, with_artifacts=False)
        held = settings.residency
        if held is None:
            fix = "add `residency: {regions: [...]}` to it (docs/residency.md)"
            raise refuse(f"environment {environment}", "must have a `residency`", "none", "nothing enforces it", fix)
    rows = rows_of(settings)
    if svg:
        with findings_as_exit():
            write_file("--svg", svg, drawn(environment, held, rows))
        say(f"map: {svg}")
    if guard is not None:
        print_json(_document(guard, held))
    elif as_json_:
        print_json(as_json(environment, held, rows))
    elif csv:
        print(as_csv(held, rows), end="")
    else:
        _show(environment, held, rows)


def _document(guard: Guard, held: Residency) -> dict[str, Any]:
    return documents.boundary(held) if guard is Guard.BOUNDARY else documents.service_control_policy(held)


def _show(environment: str, held: Residency, rows: Any) -> None:
    columns = ("endpoint", "data", "rests in", "processed in", "passes", "key", "retention", "held by")
    table(
        columns,
        [
            (
                row.endpoint or "(all)",
                row.data,
                f"{row.rests_in} ({row.countries[DORA['storage']]})" if row.rests_in else "nowhere",
                f"{row.processed_in} ({row.countries[DORA['processing']]})",
                row.passes or "-",
                row.key,
                row.retention,
                row.enforced_by,
            )
            for row in rows
        ],
        f"{environment}: {held}",
    )
    if held.exceptions:
        shown = [(each.allow, each.reason, each.approver, each.expires.isoformat()) for each in held.exceptions]
        table(("exception", "reason", "approver", "expires"), shown)
    digest = as_json(environment, held, rows)["digest"]
    done(f"sha256 {digest} (of the canonical form of --json). How to verify each row: --json.")
