"""Whether objects can be named so."""

from __future__ import annotations

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import Settings, parse
from scaletozero.settings.cluster import DnsLabel


class _Named(Settings):
    name: DnsLabel


def name_findings(name: str, *, room: int = 0) -> tuple[Finding, ...]:
    """What is wrong with a name of objects.

    Args:
        name: the name.
        room: characters that have to be left for what is added to it.
    """
    try:
        parse(_Named, {"name": name})
    except FindingsError as error:
        return error.findings
    if len(name) + room > 63:
        rule = f"may have at most {63 - room} characters"
        return (Finding("name", rule, str(len(name)), "the names made from it would be refused", "shorten it"),)
    return ()
