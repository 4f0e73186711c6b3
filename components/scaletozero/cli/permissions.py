"""`status --permissions`: shows what each role may do, and which permissions were never used."""

from __future__ import annotations

from typing import Any

from model_packaging.findings import refuse
from scaletozero.cli.output import done, print_json, table
from scaletozero.sandbox import daemon


def show_permissions(environment: str, sandbox: daemon.Sandbox | None, *, as_json: bool) -> None:
    """Shows what the sandbox recorded since it was started.

    Raises:
        FindingsError: no sandbox is running. The use of roles on an account is not recorded here.
    """
    if sandbox is None:
        raise refuse(
            "--permissions",
            "needs a running sandbox",
            f"{environment}, which has none",
            "the use of roles is recorded only there",
            f"run `scaletozero up -e {environment}` in the sandbox; on an account ask IAM Access Analyzer",
        )
    report: dict[str, Any] = daemon.permissions(sandbox)
    if as_json:
        print_json(report)
        return
    rows = [
        (role, statement["name"], ", ".join(statement["actions"]), ", ".join(statement["unused"]) or "-")
        for role, about in report.items()
        for statement in about["statements"]
    ]
    table(("role", "statement", "allowed actions", "never used"), rows)
    unused = sum(row[-1] != "-" for row in rows)
    done(f"{environment}: {len(report)} roles; {unused} of {len(rows)} statements allow something that was never used.")
