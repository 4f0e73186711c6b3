"""`preview --format markdown`: prints a comment when a preview has ended, also of one that fails."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from pulumi import automation as auto

from model_packaging.files import read_json
from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.cli.comment import Change, PreviewReport, comment
from scaletozero.cli.deployed import Deployed
from scaletozero.cli.engine import UNHANDLED
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.project import find_project
from scaletozero.environment.settings import Environment
from scaletozero.spending.estimate import FIGURES, Estimate
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import Assumptions


class Format(StrEnum):
    """How a preview's result is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"


# The engine's directives for colours, which its events have where its own display has colours.
_DIRECTIVE = re.compile(r"<\{%[^%]*%\}>")

# Steps of which others tell: the two halves of a replacement, and what only reads.
_QUIET = frozenset(
    {"same", "create-replacement", "delete-replaced", "read", "read-replacement", "discard-replaced", "refresh"}
)

_LARGEST = 64 << 20

_MOST = 1e15


class Heard(Deployed):
    """Listens to a preview for everything that its comment says.

    Attributes:
        settings: the environment, where it could be read and may be deployed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.settings: Environment | None = None
        self._changes: list[Change] = []
        self._unchanged = 0
        self._findings: list[Finding] = []
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def refused(self, error: FindingsError) -> None:
        """Hears findings, for which a command ends."""
        self._findings += error.findings

    def failed(self, verdict: str) -> None:
        """Hears why the engine could not begin, or ended."""
        self._errors.append(verdict)

    def __call__(self, event: auto.EngineEvent) -> None:
        super().__call__(event)
        if event.resource_pre_event:
            self._step(event.resource_pre_event.metadata)
        if said := event.diagnostic_event:
            self._said(said.severity, said.message)
        if said := event.policy_event:
            severity = "error" if said.enforcement_level == "mandatory" else "warning"
            self._said(severity, f"{said.policy_name}: {said.message}")

    def _step(self, step: Any) -> None:
        kind = str(getattr(step.op, "value", step.op))
        if kind == "same":
            self._unchanged += 1
        elif kind not in _QUIET:
            keys = tuple(step.diffs or step.keys or ()) if kind in ("update", "replace") else ()
            self._changes.append(Change(kind, step.urn.rpartition("::")[2], short_type(step.type), keys))

    def _said(self, severity: str, message: str) -> None:
        # The job's log has the traceback, and the second time that the engine says the same.
        text = _DIRECTIVE.sub("", message).removeprefix(UNHANDLED).partition("\nTraceback (most")[0].strip()
        kept = {"error": self._errors, "warning": self._warnings}.get(severity)
        if text and kept is not None:
            kept.append(text)

    def report(self, environment: str, *, before: Mapping[str, Any] | None, on_sandbox: bool, failed: bool) -> str:
        """The comment on what was heard.

        Args:
            environment: its name.
            before: what it is compared with; None compares it with what is deployed.
            on_sandbox: whether it was asked to run in the sandbox.
            failed: whether it failed.
        """
        settings = self.settings or _ungated(environment, on_sandbox=on_sandbox)
        return comment(
            PreviewReport(
                environment=environment,
                project=_project(),
                region=settings.region if settings else "",
                on_sandbox=on_sandbox or bool(settings and settings.sandbox),
                changes=tuple(self._changes),
                unchanged=self._unchanged,
                findings=tuple(self._findings),
                errors=tuple(self._errors),
                warnings=tuple(self._warnings),
                failed=failed,
                estimate=_estimate(settings),
                before=before or self.estimate,
            )
        )


def short_type(token: str) -> str:
    """A resource's type as the engine displays it: `aws:sagemaker:Endpoint` for `aws:sagemaker/endpoint:Endpoint`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    return ":".join(each for each in (package, module.partition("/")[0], name) if each)


@contextlib.contextmanager
def commented(heard: Heard, environment: str, *, before: Mapping[str, Any] | None, on_sandbox: bool) -> Iterator[None]:
    """Prints the comment when the block ends: with success, or with an exit, which goes on."""
    try:
        yield
    except typer.Exit as ended:
        failed = ended.exit_code != 0
        print(heard.report(environment, before=before, on_sandbox=on_sandbox, failed=failed), end="")
        raise
    print(heard.report(environment, before=before, on_sandbox=on_sandbox, failed=False), end="")


def _project() -> str:
    try:
        return find_project().name
    except FindingsError:
        return ""


def _ungated(environment: str, *, on_sandbox: bool) -> Environment | None:
    """The environment of a preview that was refused, where it can be read: one above its cap can."""
    try:
        return find_project().environment(environment, on_sandbox=on_sandbox, gated=False)
    except FindingsError:
        return None


def _estimate(settings: Environment | None) -> Estimate | None:
    return estimate_environment(settings, Assumptions(), prices()) if settings else None


def read_before(path: Path | None) -> Mapping[str, Any] | None:
    """An estimate to compare with, as `scaletozero estimate --json` wrote it; None without a file.

    Raises:
        FindingsError: it cannot be read, or is none.
    """
    if path is None:
        return None
    rule, fix = "must be an estimate in JSON", "write it with `scaletozero estimate --json`"
    found = read_json(path, _LARGEST, rule, fix)
    total, endpoints = (found.get("total"), found.get("endpoints")) if isinstance(found, dict) else (None, None)
    if not isinstance(total, dict) or not isinstance(endpoints, dict):
        raise refuse(str(path)[:200], rule, "something else", "there would be nothing to compare with", fix)
    for each in (total, *endpoints.values()):
        if not isinstance(each, dict) or any(not _is_figure(each.get(key)) for key in FIGURES):
            raise refuse(str(path)[:200], rule, "a figure that is no amount", "the change would be wrong", fix)
    return found


def _is_figure(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST
