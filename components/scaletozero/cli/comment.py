"""A preview as a comment on a merge request: what changes, what it costs, what is refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from model_packaging.findings import Finding
from scaletozero.cli.estimate_table import amount, estimate_notes, estimate_table
from scaletozero.cli.markdown import block, code, details, items, prose, table
from scaletozero.cli.output import counted
from scaletozero.spending.estimate import Estimate
from scaletozero.spending.money import LONGEST_MONTH, MICRO, bound, dollars
from scaletozero.spending.traffic import Assumptions

LONGEST = 65_536
"""Characters of a comment that GitHub accepts; GitLab accepts a million
(https://docs.gitlab.com/administration/instance_limits)."""

_PART = 12_000
"""Characters of one of the at most five parts whose length others decide."""

KINDS = ("create", "update", "replace", "delete")
"""What the engine does with a resource, in the order in which it is shown; anything else follows."""


@dataclass(frozen=True)
class Change:
    """What a preview would do with one resource.

    Attributes:
        kind: the engine's word, such as `create` or `replace`.
        name, type: of the resource.
        properties: those that differ, of an update or a replacement.
    """

    kind: str
    name: str
    type: str
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreviewReport:
    """What is known of a preview, whether it succeeded or not.

    Attributes:
        environment: its name, as it was asked for.
        project: the project's name; empty where there is no project.
        region: empty where the environment cannot be read.
        on_sandbox: whether it ran on the embedded AWS, where nothing is deployed.
        changes, unchanged: the resources.
        findings: what the environment was refused for, before the engine ran.
        errors, warnings: the engine's words, of the program, of a policy pack or of AWS.
        failed: whether it failed or was refused.
        estimate: None where it cannot be estimated.
        assumed: the traffic of the estimate.
        before: the estimate of what is deployed, or of what it is compared with; None where there is none.
    """

    environment: str
    project: str = ""
    region: str = ""
    on_sandbox: bool = False
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    findings: tuple[Finding, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: bool = False
    estimate: Estimate | None = None
    assumed: Assumptions = field(default_factory=Assumptions)
    before: Mapping[str, Any] | None = None


def marker(report: PreviewReport) -> str:
    """The first line of each comment on this environment, which readers do not see and by which it is found again."""
    names = "/".join(
        quote(each[:250], safe="", errors="replace") for each in (report.project, report.environment) if each
    )
    # Two hyphens would end the comment of HTML early.
    return f"<!-- scaletozero preview: {names.replace('--', '-%2D')} -->"


def comment(report: PreviewReport) -> str:
    """The comment, in Markdown: at most as long as GitHub accepts, whatever is in the report."""
    parts = [f"{marker(report)}\n### {_title(report)}", *_refused(report), *_changed(report), *_cost(report)]
    if report.warnings:
        parts.append(f"#### Warnings\n\n{items([*dict.fromkeys(report.warnings)], prose, _PART)}")
    parts.append(_last(report))
    return "\n\n".join(parts) + "\n"


def _title(report: PreviewReport) -> str:
    where = f" in {code(report.region)}" if report.region else ""
    return f"Preview of {code(report.environment)}{where}{': it would fail' if report.failed else ''}"


def _refused(report: PreviewReport) -> Iterator[str]:
    if report.findings:
        shown = items(report.findings, lambda each: f"{code(each.path)}: {prose(_words(each))}", _PART)
        yield f"#### Refused\n\n{shown}"
    if report.errors:
        yield f"#### Errors\n\n{block(chr(10).join(dict.fromkeys(report.errors)), _PART)}"


def _words(finding: Finding) -> str:
    """A finding without its path, the value that was given set as code."""
    got = f", got {_quoted(finding.got)}" if finding.got else ""
    return str(Finding("", f"{finding.rule}{got}", "", finding.consequence, finding.fix)).removeprefix(": ")


def _quoted(value: str) -> str:
    return value if "`" in value else f"`{value}`"


def _changed(report: PreviewReport) -> Iterator[str]:
    if report.failed:
        # What was found before it failed is not all of it.
        return
    if not report.changes:
        yield f"**Nothing changes**, {report.unchanged:,} resources are as declared."
        return
    kinds = [each.kind for each in report.changes]
    order = [*KINDS, *dict.fromkeys(kinds)]
    counts = [f"{kinds.count(kind):,} to {prose(kind)}" for kind in sorted(dict.fromkeys(kinds), key=order.index)]
    yield f"**{', '.join(counts)}**, {report.unchanged:,} unchanged."
    changes = sorted(report.changes, key=lambda each: (order.index(each.kind), each.type, each.name))
    columns = ("", "resource", "type", "what differs")
    yield details(counted(len(changes), "change"), table(columns, changes, _cells, most=_PART))


def _cells(change: Change) -> tuple[str, str, str, str]:
    return prose(change.kind), code(change.name), code(change.type), _properties(change)


def _properties(change: Change) -> str:
    shown = ", ".join(map(code, change.properties[:5]))
    return f"{shown} and {len(change.properties) - 5} more" if len(change.properties) > 5 else shown


def _cost(report: PreviewReport) -> Iterator[str]:
    found = report.estimate
    if found is None or not (found.endpoints or found.unpriced or report.before):
        return
    was = (report.before or {}).get("total") or {}
    expected = _before(was.get("expected_usd_per_month"), found.expected), found.expected
    fixed = _before(was.get("fixed_usd_per_month"), found.fixed), found.fixed
    hour = _before(was.get("worst_usd_per_hour"), found.worst_per_hour), found.worst_per_hour
    month = hour[0] and hour[0] * LONGEST_MONTH, hour[1] * LONGEST_MONTH
    rows = [
        _figure("expected a month", dollars, *expected),
        _figure("without a request, a month", dollars, *fixed),
        _figure("worst an hour", bound, *hour),
        _figure("worst in a month of 31 days", bound, *month),
    ]
    if found.cap is not None or was.get("cap_usd_per_month") is not None:
        before = amount(was.get("cap_usd_per_month"))
        now = "none" if found.cap is None else code(dollars(found.cap))
        rows.append(("cap a month", "none" if before is None else code(dollars(before)), now, ""))
    yield "#### Cost\n\n" + table(("", "before", "after", "change"), rows, right=(1, 2, 3), most=_PART)
    columns, cells = estimate_table(found, report.before)
    if cells:
        text = table(columns, cells, lambda row: [code(row[0]), *map(prose, row[1:])], most=_PART)
        notes = items([*estimate_notes(found, report.assumed, report.before)], prose, _PART)
        count = len(found.endpoints) + len(found.unpriced)
        yield details(counted(count, "endpoint"), f"{text}\n\n{notes}")


def _before(kept: object, after: Decimal) -> Decimal | None:
    """What a figure was; the same as it is where they differ by less than what was kept is rounded to."""
    before = amount(kept)
    return after if before is not None and abs(after - before) <= MICRO else before


def _figure(
    title: str, shown: Callable[[Decimal], str], before: Decimal | None, after: Decimal
) -> tuple[str, str, str, str]:
    if before is None:
        return title, "-", code(shown(after)), "-"
    more = after - before
    change = code(f"{'+' if more > 0 else '-'}{shown(abs(more))}") if more else "none"
    return title, code(shown(before)), code(shown(after)), change


def _last(report: PreviewReport) -> str:
    if report.failed:
        return "Nothing was deployed. The job's log has every line of it."
    name = code(report.environment)
    if report.on_sandbox and not report.unchanged and all(each.kind == "create" for each in report.changes):
        return f"Previewed on the embedded AWS, where nothing of {name} is deployed yet: every resource is new there."
    return f"Nothing was deployed: {code(f'scaletozero up -e {report.environment}')} does it."
