"""`check`: checks a stack's exported state against a residency, without the engine or the cloud."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.findings import refuse
from model_packaging.validation import parse
from scaletozero.cli.output import done, failed, findings_as_exit, print_json, table
from scaletozero.environment.project import find_project
from scaletozero.residency.closure import Leak, expired, leaks
from scaletozero.residency.resource import DeclaredResource
from scaletozero.residency.state import resources_of
from scaletozero.settings.geographies import GEOGRAPHIES
from scaletozero.settings.residency import Residency

State = Annotated[
    Path, typer.Argument(metavar="state", help="A file written by `pulumi stack export`; `-` reads stdin.")
]
Where = Annotated[
    str | None, typer.Option("--residency", "-r", help="A geography such as `eu`, or Regions separated by commas.")
]
Of = Annotated[str | None, typer.Option("--environment", "-e", help="Use the residency of this environment.")]


def check(
    state: State,
    residency: Where = None,
    environment: Of = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Checks a stack's exported state for data that would leave the allowed Regions.

    It works on any stack, even one that uses none of these components. The exit code is 1 if any data would leave.

    Example: pulumi stack export | scaletozero check - --residency eu
    """
    with findings_as_exit():
        held = _residency(residency, environment)
        resources = resources_of(read_state(state), str(state))
    today = datetime.now(UTC).date()
    over, found = expired(held, today), leaks(resources, held, today)
    if as_json:
        print_json(
            {
                "residency": list(held.allowed),
                "resources": len([each for each in resources if _counts(each)]),
                "expired": [asdict(each) for each in over],
                "leaks": [_row(each) for each in found],
            }
        )
    else:
        _show(found)
        for each in over:
            failed(f"error: {each}")
    if over or found:
        ways = "1 way" if len(found) == 1 else f"{len(found)} ways"
        by = ", ".join(f"{count} {what}" for what, count in Counter(each.covers.value for each in found).most_common())
        raise failed(f"{ways} out of {', '.join(held.allowed)}{f': {by}' if by else ''}.")
    if not as_json:
        done(f"{len([each for each in resources if _counts(each)])} resources, all within {', '.join(held.allowed)}.")


def _counts(resource: DeclaredResource) -> bool:
    return not resource.type.startswith("pulumi:")


def _residency(written: str | None, environment: str | None) -> Residency:
    if (written is None) == (environment is None):
        raise refuse(
            "--residency",
            "or --environment is required, and only one of them",
            "nothing" if written is None else "both",
            "it would be unclear which residency to check against",
            "write `--residency eu`, or `-e prod-eu`",
        )
    if environment is not None:
        found = find_project().environment(environment, with_artifacts=False).residency
        if found is None:
            fix = "add `residency: {regions: [...]}` to it, or give --residency"
            raise refuse(
                f"environment {environment}",
                "must have a `residency`",
                "none",
                "there is no residency to check against",
                fix,
            )
        return found
    names = [each.strip() for each in str(written).split(",") if each.strip()]
    one = names[0] if len(names) == 1 else ""
    geography = one in GEOGRAPHIES or (one and "-" not in one)
    return parse(Residency, {"geography": one} if geography else {"regions": names}, "--residency")


def read_state(path: Path) -> Any:
    """What was exported of a stack, as JSON has it.

    Raises:
        FindingsError: it cannot be read.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no JSON"
        fix = "write it with `pulumi stack export --file state.json`"
        raise refuse(str(path)[:200], "must be a file with a stack's exported state", reason, fix=fix) from None


def _row(leak: Leak) -> dict[str, Any]:
    return {
        **asdict(leak.finding),
        "type": leak.type,
        "name": leak.name,
        "urn": leak.urn,
        "rule_name": leak.rule,
        "covers": leak.covers.value,
    }


def _show(found: list[Leak]) -> None:
    if found:
        rows = [(each.covers.value, each.finding.path, each.finding.got, each.finding.fix) for each in found]
        table(("covers", "where", "leads to", "how to close it"), rows)
