"""The conditions of a statement.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from scaletozero.sandbox.aws.iam.patterns import Context, arn_matches, expression, literal

Test = Callable[[str, str, Context | None], bool]
"""(the policy's value, the request's value, the variables' values) -> whether they match."""


class UnknownOperatorError(ValueError):
    """A condition operator that IAM does not know; the text is its name."""


def _string(policy: str, request: str, context: Context | None) -> bool:
    return literal(policy, context) == request


def _string_ignoring_case(policy: str, request: str, context: Context | None) -> bool:
    text = literal(policy, context)
    return text is not None and text.lower() == request.lower()


def _like(policy: str, request: str, context: Context | None) -> bool:
    found = expression(policy, context)
    return bool(found and found.fullmatch(request))


def _boolean(policy: str, request: str, context: Context | None) -> bool:
    text = literal(policy, context)
    return text is not None and text.lower() == request.lower() and text.lower() in ("true", "false")


def _binary(policy: str, request: str, _: Context | None) -> bool:
    try:
        return base64.b64decode(policy, validate=True) == base64.b64decode(request, validate=True)
    except binascii.Error:
        return False


def _address(policy: str, request: str, _: Context | None) -> bool:
    try:
        return ipaddress.ip_address(request) in ipaddress.ip_network(policy, strict=False)
    except ValueError:
        return False


def _ordered(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Test:
    def test(policy: str, request: str, context: Context | None) -> bool:
        text = literal(policy, context)
        try:
            return text is not None and compare(parse(request), parse(text))
        except (ValueError, OverflowError):
            return False

    return test


def _moment(text: str) -> float:
    """Seconds since the epoch, from a date in ISO 8601 or a number."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text) and len(text) != 4:
        return float(text)
    date = datetime.fromisoformat(f"{text}-01-01" if len(text) == 4 else text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda request, policy: request == policy,
    "LessThan": lambda request, policy: request < policy,
    "LessThanEquals": lambda request, policy: request <= policy,
    "GreaterThan": lambda request, policy: request > policy,
    "GreaterThanEquals": lambda request, policy: request >= policy,
}

_POSITIVE: dict[str, Test] = {
    "StringEquals": _string,
    "StringEqualsIgnoreCase": _string_ignoring_case,
    "StringLike": _like,
    "Bool": _boolean,
    "BinaryEquals": _binary,
    "IpAddress": _address,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    **{f"Numeric{name}": _ordered(float, compare) for name, compare in _COMPARISONS.items()},
    **{f"Date{name}": _ordered(_moment, compare) for name, compare in _COMPARISONS.items()},
}
_NEGATED: dict[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
OPERATORS: Final = frozenset({*_POSITIVE, *_NEGATED, "Null"})
"""The condition operators, without the suffix `IfExists` and the qualifiers of multivalued keys."""

_SPELLED: Mapping[str, str] = {name.lower(): name for name in OPERATORS}


@dataclass(frozen=True)
class Condition:
    """One key of one operator.

    Attributes:
        operator: one of `OPERATORS`.
        key: in lower case.
        values: the policy's values. One must match; with a negated operator, none may.
        if_exists: the condition holds if the request does not have the key.
        each: `any` or `all` for `ForAnyValue:` and `ForAllValues:`, over the values of the request.
    """

    operator: str
    key: str
    values: tuple[str, ...]
    if_exists: bool = False
    each: str = ""

    @classmethod
    def read(cls, operator: str, key: str, values: tuple[str, ...]) -> Condition:
        """Reads a condition as it is written in a policy.

        Raises:
            UnknownOperatorError: IAM has no such operator.
        """
        qualifier, _, name = operator.rpartition(":")
        if_exists = name.lower().endswith("ifexists")
        plain = _SPELLED.get(name[: -len("IfExists")].lower() if if_exists else name.lower())
        each = {"": "", "foranyvalue": "any", "forallvalues": "all"}.get(qualifier.lower())
        if plain is None or each is None or (plain == "Null" and if_exists):
            raise UnknownOperatorError(operator)
        return cls(plain, key.lower(), values, if_exists, each)

    def holds(self, context: Context, *, variables: bool) -> bool:
        """Whether the condition holds for a request.

        Args:
            variables: whether `${...}` in the values is replaced with a value of the request.
        """
        given = context.get(self.key)
        if self.operator == "Null":
            return any((given is None) == (value.lower() == "true") for value in self.values)
        if given is None or given == ():
            # A missing key satisfies "all values", and a negated operator finds nothing to match.
            return self.each == "all" or (self.each != "any" and (self.if_exists or self.operator in _NEGATED))
        requested = (given,) if isinstance(given, str) else given
        replaced = context if variables else None
        matches = [self._matches(value, replaced) for value in requested]
        if self.each == "all":
            return all(matches)
        if self.each == "any":
            return any(matches)
        return all(matches) if self.operator in _NEGATED else any(matches)

    def _matches(self, requested: str, context: Context | None) -> bool:
        test = _POSITIVE[_NEGATED.get(self.operator, self.operator)]
        found = any(test(value, requested, context) for value in self.values)
        return not found if self.operator in _NEGATED else found
