"""The base of all settings and manifests: frozen, without unknown keys, with errors as findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, NoReturn, TypeAlias, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from model_packaging.findings import Finding, FindingsError

Refusals: TypeAlias = Mapping[str, tuple[str, str, str]]
"""Key -> rule, consequence, fix: keys that users are likely to try, but that do not exist."""


class Settings(BaseModel):
    """A group of settings. Unknown keys are errors, values are immutable, and pydantic's messages do not contain them.

    Attributes:
        refused: keys that do not exist here, with the finding for each instead of the nearest known key.
    """

    # Validators are built when a group is first read: nearly all are parts of others, which build them again.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True, defer_build=True
    )

    refused: ClassVar[Refusals] = {}

    def conflicts(self) -> Iterable[Finding]:
        """Findings on settings that are valid alone but contradict each other; paths are relative to this group."""
        return ()


def _whole(value: object) -> object:
    # A plugin's caller sends every number as a float; `True` and "2048" are not numbers.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | str):
        reject("must be a whole number")
    return value


Int = Annotated[int, BeforeValidator(_whole)]
"""A whole number: `2048.0` is accepted, `true` and `"2048"` are not."""

Text = Annotated[str, StringConstraints(min_length=1)]
"""A string that is not empty."""


class Later:
    """Stands for an output of another resource, which is checked once its value is known."""


LATER = Later()


def _pass_later(value: object, check: ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, Later) else check(value)


may_be_later = WrapValidator(_pass_later)
"""Accepts `LATER` in place of a value. Must be the last entry of an annotation."""

T = TypeVar("T", bound=Settings)


def reject(rule: str, consequence: str = "", fix: str = "", at: str = "") -> NoReturn:
    """Refuses the value under validation. Call it inside a validator.

    Args:
        rule: what must hold.
        consequence: what would happen otherwise.
        fix: what to write instead.
        at: in a validator of a group, the key that the finding is about.
    """
    raise PydanticCustomError("finding", "{rule}", {"rule": rule, "consequence": consequence, "fix": fix, "at": at})


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word of which `word` is a misspelling, or "" if that is uncertain.

    Exactly one known word must be that close, or be a prefix of the other, and it must have the same digits: another
    number is another choice (a larger instance, another region) instead of a misspelling.
    """
    known, most = list(known), max(1, len(word) // 4)
    digits = _digits(word)
    near = [(distance, each) for each in set(known) if (distance := _edits(word.lower(), each.lower(), most)) <= most]
    least = min((distance for distance, _ in near), default=0)
    best = [each for distance, each in near if distance == least]
    if not best and len(word) >= 3:
        best = [each for each in set(known) if len(each) >= 3 and (each.startswith(word) or word.startswith(each))]
    return best[0] if len(best) == 1 and _digits(best[0]) == digits else ""


def _digits(word: str) -> str:
    return "".join(character for character in word if character.isdigit())


def _edits(word: str, other: str, most: int) -> int:
    """The number of letters to add, remove, change or swap with a neighbour, at most `most` + 1."""
    if abs(len(word) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                best = min(best, last[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
    return row[-1]


def parse(model: type[T], data: object, path: str = "") -> T:
    """Validates `data` as `model`.

    Args:
        model: the group of settings.
        data: what the user wrote, a mapping.
        path: where the user wrote it: the root of every finding's path.

    Raises:
        FindingsError: everything that is wrong, in the order of the fields.
    """
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        raise FindingsError(findings_of(error, model, path)) from None
    conflicts = [replace(finding, path=f"{path}.{finding.path}".lstrip(".")) for finding in settings.conflicts()]
    if conflicts:
        raise FindingsError(conflicts)
    return settings


def findings_of(error: ValidationError, model: type[BaseModel], path: str = "") -> list[Finding]:
    """Turns pydantic's errors on `model` into findings.

    Args:
        path: the root of every finding's path.
    """
    return [_finding(model, path, detail) for detail in error.errors(include_url=False, include_context=True)]


def _finding(model: type[BaseModel], root: str, detail: ErrorDetails) -> Finding:
    context: Mapping[str, Any] = detail.get("ctx", {})
    kind, location = detail["type"], [part for part in detail["loc"] if part != "[key]"]
    if context.get("at"):
        location.append(context["at"])
    path = ".".join([*([root] if root else []), *map(str, _without_tags(model, location))]) or "(settings)"
    if kind == "finding":
        value = detail["input"]
        if context["at"] and isinstance(value, Mapping | BaseModel):
            value = value.get(context["at"]) if isinstance(value, Mapping) else getattr(value, context["at"], None)
        return Finding(path, context["rule"], show(value), context["consequence"], context["fix"])
    if kind == "extra_forbidden":
        word, known = str(location[-1]), _fields_at(model, location[:-1])
        for group in _walk(model, _without_tags(model, location[:-1])):
            if issubclass(group, Settings) and word in group.refused:
                rule, consequence, fix = group.refused[word]
                return Finding(path, rule, show(detail["input"]), consequence, fix)
        guess = nearest(word, known)
        fix = f"write `{guess}`" if guess else f"remove it; known here: {', '.join(sorted(known))}"
        return Finding(path, "is not a setting that exists here", "", "it would be ignored", fix)
    if kind == "missing":
        return Finding(path, "is required", "nothing", fix=f"add `{location[-1]}: ...`")
    if kind == "union_tag_invalid":
        known = str(context["expected_tags"]).replace("'", "").split(", ")
        guess = nearest(context["tag"], known)
        fix = f"write `{guess}`" if guess else ""
        return Finding(f"{path}.kind", f"must be one of {', '.join(known)}", context["tag"], "", fix)
    if kind == "literal_error":
        return Finding(
            path, _rule(detail), show(detail["input"]), "", _nearest_of(context["expected"], detail["input"])
        )
    return Finding(path, _rule(detail), show(detail["input"]))


def _rule(detail: ErrorDetails) -> str:
    """The rule that was broken, in this project's words instead of pydantic's."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_too_short" and context.get("min_length") != 1:
        return "must have at least {min_length} characters".format(**context)
    if kind in _PLAIN:
        return _PLAIN[kind].format(**context)
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message[:1].lower() + message[1:]
    return re.sub(r"^(?:input|value|string|list|tuple|set|dictionary) should ", "must ", message)


def _nearest_of(expected: str, given: object) -> str:
    """The fix for a misspelling of one of the `expected` values, which pydantic lists as `'a', 'b' or 'c'`."""
    guess = nearest(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
    return f"write `{guess}`" if guess else ""


_PLAIN = {
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "int_parsing_size": "must be a smaller number",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_unicode": "must be valid Unicode",
    "string_sub_type": "must be a string",
    "bytes_type": "must be bytes",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "iterable_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "none_required": "must be left out",
    "invalid_key": "a key must be a string",
    "recursion_loop": "must not contain itself",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of settings",
    "model_attributes_type": "must be a mapping of settings",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "union_tag_not_found": "needs a `kind`",
}


def show(value: object, limit: int = 80) -> str:
    """A value for an error message: scalars as written, everything else by its type."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**limit:
        return "a whole number of many digits"  # Python refuses to print thousands of digits
    if isinstance(value, int | float | str):
        text = str(value) if not isinstance(value, str) or value.strip() == value != "" else repr(value)
        return text if len(text) <= limit else f"{text[: limit - 1]}…"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence):
        return "a list"
    return f"a {type(value).__name__}"


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _walk(model: type[BaseModel], location: Sequence[Any]) -> list[type[BaseModel]]:
    """The groups of settings at a location; in a union, those of the kind that the location names, if any."""
    here = union = [model]
    parts = iter(location)
    for part in parts:
        fields = [m.model_fields[part] for m in here if part in m.model_fields]
        if fields:
            here = union = [inner for field in fields for inner in _models_in(field.annotation)]
            if any(_is_mapping(field.annotation) for field in fields):
                next(parts, None)  # a name that the user chose, which may be equal to a setting's
        elif tagged := [m for m in union if part in _kinds(m)]:
            here = tagged
    return here


def _is_mapping(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return False
    return get_origin(annotation) is dict or any(_is_mapping(part) for part in get_args(annotation))


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    """The values of `kind` that select a group of settings."""
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(name for inner in _walk(model, location) for name in inner.model_fields))


def _without_tags(model: type[BaseModel], location: Sequence[Any]) -> list[Any]:
    # Pydantic adds the tag of a union to the location; the user did not write it there.
    kept: list[Any] = []
    for part in location:
        tags = {value for inner in _walk(model, kept) for value in _kinds(inner)}
        if not (part in tags and kept and kept[-1] != "kind"):
            kept.append(part)
    return kept
