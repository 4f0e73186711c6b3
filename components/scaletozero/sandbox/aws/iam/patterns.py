"""Wildcards and variables of policies.

Source: IAM User Guide, "IAM policy elements: Variables and tags" and "Resource" (wildcards).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

ESCAPES: Final = {"${*}": "*", "${?}": "?", "${$}": "$"}
"""Predefined variables for characters that have a meaning of their own."""

Context = Mapping[str, str | tuple[str, ...]]
"""Condition key in lower case -> the request's value, or the values of a multivalued key."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"\s*([^,]+?)\s*,\s*'([^']*)'\s*")


def expression(
    text: str, context: Context | None, *, wildcards: bool = True, ignore_case: bool = False
) -> re.Pattern[str] | None:
    """Compiles a policy's pattern to a regular expression for the whole value.

    Args:
        text: the pattern. `*` matches any characters and `?` one, unless they are part of a variable's value.
        context: the values of the variables; None if the document's version has no variables.
        wildcards: whether `*` and `?` are wildcards.

    Returns:
        The expression; None if a variable has no value in the request, so that nothing matches.
    """
    parts, end = [], 0
    for match in _VARIABLE.finditer(text) if context is not None else ():
        value = _value(match, context or {})
        if value is None:
            return None
        parts += [_glob(text[end : match.start()], wildcards), re.escape(value)]
        end = match.end()
    parts.append(_glob(text[end:], wildcards))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def literal(text: str, context: Context | None) -> str | None:
    """The text with its variables replaced; None if one has no value in the request."""
    if context is None:
        return text
    missing = False

    def put(match: re.Match[str]) -> str:
        nonlocal missing
        value = _value(match, context)
        missing = missing or value is None
        return value or ""

    put_in = _VARIABLE.sub(put, text)
    return None if missing else put_in


def _value(match: re.Match[str], context: Context) -> str | None:
    if match[0] in ESCAPES:
        return ESCAPES[match[0]]
    default = _DEFAULT.fullmatch(match[1])
    name = default[1] if default else match[1].strip()
    value = context.get(name.lower())
    if isinstance(value, str):
        return value
    # A multivalued key cannot be a variable.
    return default[2] if default and value is None else None


def _glob(text: str, wildcards: bool) -> str:
    escaped = re.escape(text)
    return escaped.replace(r"\*", ".*").replace(r"\?", ".") if wildcards else escaped


def arn_matches(pattern: str, value: str, context: Context | None) -> bool:
    """Whether an ARN matches the pattern of `ArnLike`: each of its six parts separately."""
    wanted, got = pattern.split(":", 5), value.split(":", 5)
    if len(wanted) != 6 or len(got) != 6:
        return False
    expressions = [expression(each, context) for each in wanted]
    return all(each and each.fullmatch(part) for each, part in zip(expressions, got, strict=True))
