"""Checks of the names of objects."""

from __future__ import annotations

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import Settings, parse
from scaletozero.settings.cluster import DnsLabel


class _Named(Settings):
    name: DnsLabel


def name_findings(name: str, *, room: int = 0) -> tuple[Finding, ...]:
    """What is invalid in the name of objects.

    Args:
        name: the name.
        room: number of characters that are added to it for other names.
    """
    try:
        parse(_Named, {"name": name})
    except FindingsError as error:
        return error.findings
    if len(name) + room > 63:
        rule = f"must have at most {63 - room} characters"
        return (
            Finding(
                "name", rule, str(len(name)), "the API server would refuse names that are made from it", "shorten it"
            ),
        )
    return ()
