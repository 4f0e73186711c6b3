"""The state of a composite alarm by its rule. Pure.

`ALARM("name")`, `OK(...)`, `INSUFFICIENT_DATA(...)`, `TRUE`, `FALSE`, `AND`, `OR`, `NOT` and parentheses (CloudWatch
API reference, PutCompositeAlarm).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from scaletozero.sandbox.monitoring.alarm import ALARM, OK
from scaletozero.sandbox.monitoring.expressions import UnsupportedError

_TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\(\s*(?:"([^"]+)"|'([^']+)'|([^\s"'()]+))\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE|\(|\)))""",
)


def composite_state(rule: str, states: Mapping[str, str]) -> str:
    """ALARM or OK.

    Args:
        rule: the alarm's rule.
        states: the name of an alarm -> its state.

    Raises:
        UnsupportedError: the rule is not valid, or names an alarm that is not there.
    """
    tokens, at = list[bool | str](), 0
    while at < len(rule.rstrip()):
        found = _TOKEN.match(rule, at)
        if not found:
            raise UnsupportedError(f"the rule {rule!r} is not understood at {rule[at : at + 20]!r}")
        at = found.end()
        if found["word"]:
            tokens.append(found["word"])
            continue
        name = (found[2] or found[3] or found[4]).rpartition(":alarm:")[2]
        if name not in states:
            raise UnsupportedError(f"the rule names the alarm {name!r}, which does not exist")
        tokens.append(states[name] == found["state"])
    value, rest = _either(tokens)
    if rest:
        raise UnsupportedError(f"the rule {rule!r} does not end where it should")
    return ALARM if value else OK


_Parsed = tuple[bool, list[bool | str]]


def _either(tokens: list[bool | str]) -> _Parsed:
    value, tokens = _both(tokens)
    while tokens[:1] == ["OR"]:
        other, tokens = _both(tokens[1:])
        value = value or other
    return value, tokens


def _both(tokens: list[bool | str]) -> _Parsed:
    value, tokens = _one(tokens)
    while tokens[:1] == ["AND"]:
        other, tokens = _one(tokens[1:])
        value = value and other
    return value, tokens


def _one(tokens: list[bool | str]) -> _Parsed:
    match tokens:
        case ["NOT", *rest]:
            value, rest = _one(rest)
            return not value, rest
        case ["(", *rest]:
            value, rest = _either(rest)
            if rest[:1] != [")"]:
                raise UnsupportedError("the rule has a parenthesis that is not closed")
            return value, rest[1:]
        case [("TRUE" | "FALSE") as word, *rest]:
            return word == "TRUE", rest
        case [bool() as value, *rest]:
            return value, rest
    raise UnsupportedError("the rule ends where an alarm should be")
