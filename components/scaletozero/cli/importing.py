"""`import`: reads what other gateways are configured with, and writes it as an environment's gateway, with a report."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.files import require_writable
from model_packaging.findings import refuse
from model_packaging.validation import parse
from scaletozero.cli.output import (
    FAILED,
    counted,
    done,
    err,
    failed,
    findings_as_exit,
    out,
    print_json,
    say,
    table,
    write_file,
)
from scaletozero.environment.importing.helicone import import_helicone
from scaletozero.environment.importing.helicone_mentions import Mention, mentions
from scaletozero.environment.importing.litellm import import_litellm
from scaletozero.environment.importing.report import CUSTOMER, Imported, Outcome, Row
from scaletozero.environment.importing.sources import Skipped, sources
from scaletozero.environment.yaml_file import parse_yaml, read_yaml
from scaletozero.environment.yaml_text import yaml_text
from scaletozero.settings.amounts import LARGEST_CAP
from scaletozero.settings.gateway import Gateway
from scaletozero.spending.api_models import known_price

app = typer.Typer(
    help="Takes over the configuration of another gateway. Files are read, never run, and no key is copied.",
    no_args_is_help=True,
)

Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write the YAML to this file. Default: to stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the report as JSON, with the YAML's content if no file is written.")
]
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        help="What `GET /key/list?return_full_object=true` of the proxy answers, as JSON: each key becomes a customer.",
    ),
]
Cap = Annotated[
    str | None,
    typer.Option(
        "--cap-usd-per-month",
        help="What all callers together may cost in a month, in USD, where no budget or limit says it; with `--keys`,"
        " each of them.",
    ),
]

_HEAD = """\
# The gateway of an environment, taken over from {what}. It is a key of `scaletozero:environment`.
# Keys are not in it: providers' keys are read from variables, and customers' keys are made anew.
"""
_COLUMNS = ("field", "", "was", "here", "why")


@app.command()
def litellm(
    config: Annotated[Path, typer.Argument(help="LiteLLM's `config.yaml`.")],
    keys: Keys = None,
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
    cap_usd_per_month: Cap = None,
) -> None:
    """Writes the models of LiteLLM's proxy as an environment's gateway, and reports what became of every field.

    Example: scaletozero import litellm config.yaml --output gateway.yaml
    """
    with findings_as_exit():
        cap = _prepared(output, force, cap_usd_per_month)
        listed = None if keys is None else read_yaml(keys)
        imported = import_litellm(read_yaml(config), known_price, cap, listed)
    _show(imported, "LiteLLM's config.yaml", output, force, as_json)


@app.command()
def helicone(
    folder: Annotated[Path, typer.Argument(help="The folder of a program that calls Helicone.")],
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
    cap_usd_per_month: Cap = None,
) -> None:
    """Writes what a program's calls of Helicone amount to as an environment's gateway, and reports each of them.

    Example: scaletozero import helicone src --output gateway.yaml
    """
    with findings_as_exit():
        cap = _prepared(output, force, cap_usd_per_month)
        found: list[Mention] = []
        skipped: list[tuple[str, str]] = []
        read = 0
        for each in sources(folder):
            if isinstance(each, Skipped):
                skipped.append((each.path, each.reason))
            else:
                read += 1
                found += mentions(each.path, each.text)
        say(f"{read} source files read, {len(skipped)} files and folders not")
        if not any(each.near for each in found):
            rule = "must have a source file that names a host or a header of Helicone"
            raise refuse(str(folder), rule, f"none in {read} files", "there is nothing to take over")
        imported = import_helicone(found, known_price, cap)
    _show(Imported(imported.gateway, imported.rows, tuple(skipped)), "calls of Helicone", output, force, as_json)


def _prepared(output: Path | None, force: bool, cap: str | None) -> Decimal | None:
    """The cap, after everything that can be refused before the work is done."""
    if output is not None:
        require_writable("--output", output, new=not force)
    if cap is None:
        return None
    try:
        amount = Decimal(cap) if len(cap) <= 20 else Decimal("nan")
    except ArithmeticError:
        amount = Decimal("nan")
    if not amount.is_finite() or not Decimal("0.01") <= amount <= LARGEST_CAP:
        rule = f"must be a number of USD from 0.01 to {LARGEST_CAP:,}"
        raise refuse("--cap-usd-per-month", rule, cap[:40], "it would stop nothing, or all", "write `500`")
    return amount


def _show(imported: Imported, what: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Writes the block and its report."""
    if imported.gateway:
        text = _HEAD.format(what=what) + yaml_text({"gateway": imported.gateway})
        with findings_as_exit(FAILED):
            parse(Gateway, parse_yaml(text, "gateway")["gateway"], "gateway")
            if output is not None:
                write_file("--output", output, text, new=not force)
        if output is None and not as_json:
            print(text, end="")
    if as_json:
        print_json(_json(imported, with_block=output is None))
    else:
        to = out if output is not None else err
        table(_COLUMNS, map(_cells, imported.rows), to=to)
        if imported.skipped:
            table(("not read", "why"), imported.skipped, to=to)
    _end(imported, output)


def _cells(row: Row) -> tuple[str, ...]:
    return row.field, f"{row.outcome} !" if row.important else row.outcome, row.was, row.here, row.reason


def _json(imported: Imported, *, with_block: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"gateway": imported.gateway} if with_block else {}
    return found | {
        "counts": imported.counts,
        "fields": [asdict(row) for row in imported.rows],
        "skipped": [{"path": path, "reason": reason} for path, reason in imported.skipped],
        "variables": imported.variables,
    }


def _end(imported: Imported, output: Path | None) -> None:
    """Says what to do next, in the last line. Fails where something that counts was not taken over."""
    counts = imported.counts
    models, customers = (len(imported.gateway.get(each, ())) for each in ("models", "customers"))
    say(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    if not models:
        raise failed("Nothing was written: no model could be taken over. Declare models by hand (docs/gateway.md).")
    steps = [f"put {output or 'the block'} under `scaletozero:environment`"]
    steps.append(f"set {', '.join(imported.variables)}")
    if customers:
        whose = CUSTOMER if CUSTOMER in imported.gateway["customers"] else "NAME"
        steps.append(f"make keys with `scaletozero customers key {whose}`")
    else:
        steps.append("declare customers with caps")
    if counts[Outcome.UNKNOWN]:
        steps.append("look at what is unknown")
    line = f"{counted(models, 'model')}, {counted(customers, 'customer')}. Next: {'; '.join(steps)}."
    if imported.important:
        said = "what is marked with ! changes safety, money or the place of data, and was not taken over"
        raise failed(f"{line} But first: {said} ({len(imported.important)}).")
    done(line)
