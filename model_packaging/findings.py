"""The form in which the packaging and the components report mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One mistake, in the caller's terms.

    Attributes:
        path: where it is, as the user wrote it (`endpoints.sentences.memory_mb`, a file, an argument).
        rule: what must hold (`must be one of 1024, 2048, ...`).
        got: what was given instead. Leave it empty if the value could be a secret.
        consequence: what would happen without this error.
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
    """Everything that is wrong with an input, one finding per line.

    Attributes:
        findings: the findings, at least one, in the order in which they were found.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        if not self.findings:
            raise ValueError("a FindingsError needs at least one finding")
        super().__init__("\n".join(map(str, self.findings)))


def refuse(path: str, rule: str, got: object = "", consequence: str = "", fix: str = "") -> FindingsError:
    """Makes the error for a single mistake."""
    return FindingsError([Finding(path, rule, str(got), consequence, fix)])
