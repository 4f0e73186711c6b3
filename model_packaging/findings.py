"""The one form in which a mistake is reported, by the packaging and by the components alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One mistake, in the words of whoever made it.

    Attributes:
        path: where it stands, as the user wrote it (`endpoints.sentences.memory_mb`, a file, an argument).
        rule: what has to hold (`must be one of 1024, 2048, ...`).
        got: what was given instead. Never a secret: leave it empty where the value could be one.
        consequence: what would have happened had it been let through.
        fix: what to write instead.
    """

    path: str
    rule: str
    got: str = ""
    consequence: str = ""
    fix: str = ""

    def __str__(self) -> str:
        got = f", got {self.got}" if self.got else ""
        consequence = f"; {self.consequence}" if self.consequence else ""
        fix = f". Fix: {self.fix}" if self.fix else ""
        return f"{self.path}: {self.rule}{got}{consequence}{fix}"


class FindingsError(ValueError):
    """Everything wrong with one input, all at once, one finding a line.

    Attributes:
        findings: the findings, at least one, in the order in which they were met.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        if not self.findings:
            raise ValueError("a FindingsError needs at least one finding")
        super().__init__("\n".join(map(str, self.findings)))


def refuse(path: str, rule: str, got: object = "", consequence: str = "", fix: str = "") -> FindingsError:
    """The error for a single mistake, to be raised where it was met."""
    return FindingsError([Finding(path, rule, str(got), consequence, fix)])
