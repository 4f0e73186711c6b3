"""The base of whatever a user declares: frozen, closed, silent about values; and its errors turned into findings."""

from __future__ import annotations

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
"""Key -> rule, consequence, fix: what somebody may well write here, and cannot have."""


class Settings(BaseModel):
    """A group of settings. Unknown keys are errors, nothing can be changed afterwards, values stay out of messages.

    Attributes:
        refused: keys that are no settings here, and what to say of them instead of the nearest known key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    refused: ClassVar[Refusals] = {}

    def conflicts(self) -> Iterable[Finding]:
        """What is wrong between settings that are each right by themselves; paths below this group."""
        return ()


def _whole(value: object) -> object:
    # A plugin's caller sends every number as a float; `True` and "2048" are no numbers that anybody meant.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool | str):
        reject("must be a whole number")
    return value


Int = Annotated[int, BeforeValidator(_whole)]
"""A whole number; `2048.0` is one, `true` and `"2048"` are not."""

Text = Annotated[str, StringConstraints(min_length=1)]
"""A string with something in it."""


class Later:
    """Stands for a value that another resource will give: it is checked once it is known."""


LATER = Later()


def _pass_later(value: object, check: ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, Later) else check(value)


may_be_later = WrapValidator(_pass_later)
"""Lets `LATER` through in place of a value. To stand last in an annotation."""

T = TypeVar("T", bound=Settings)


def reject(rule: str, consequence: str = "", fix: str = "", at: str = "") -> NoReturn:
    """Refuses the value under validation. To be called inside a validator.

    Args:
        rule: what has to hold.
        consequence: what would have happened.
        fix: what to write instead.
        at: the key below the validated group that is meant, where the whole group is validated.
    """
    raise PydanticCustomError("finding", "{rule}", {"rule": rule, "consequence": consequence, "fix": fix, "at": at})


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` is a misspelling of, or "" where that is not beyond doubt.

    Only one word may be that near, or be the beginning of the other, and it has the same digits: another number is
    another choice (a larger instance, another region), no misspelling.
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
    """How many letters have to be added, removed, changed or swapped with their neighbour; `most` + 1 if more."""
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
        path: where it stands, in the user's words; the root of every finding's path.

    Raises:
        FindingsError: with everything that is wrong, in the order of the fields.
    """
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        raise FindingsError([_finding(model, path, detail) for detail in details]) from None
    conflicts = [replace(finding, path=f"{path}.{finding.path}".lstrip(".")) for finding in settings.conflicts()]
    if conflicts:
        raise FindingsError(conflicts)
    return settings


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
        return Finding(path, "is not a setting that exists here", "", "it would have been ignored", fix)
    if kind == "missing":
        return Finding(path, "is required", "nothing", fix=f"add `{location[-1]}: ...`")
    if kind == "union_tag_invalid":
        known = str(context["expected_tags"]).replace("'", "").split(", ")
        guess = nearest(context["tag"], known)
        fix = f"write `{guess}`" if guess else ""
        return Finding(f"{path}.kind", f"must be one of {', '.join(known)}", context["tag"], "", fix)
    message = detail["msg"][:1].lower() + detail["msg"][1:]
    return Finding(path, _PLAIN.get(kind, message.replace("input should be", "must be")), show(detail["input"]))


_PLAIN = {
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
    """A value as it may appear in an error: scalars as written, everything else by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
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
    """The groups of settings that a location leads to; of a union those of the kind that is in it, if one is."""
    here = union = [model]
    parts = iter(location)
    for part in parts:
        fields = [m.model_fields[part] for m in here if part in m.model_fields]
        if fields:
            here = union = [inner for field in fields for inner in _models_in(field.annotation)]
            if any(_is_mapping(field.annotation) for field in fields):
                next(parts, None)  # a name that somebody chose, and that may be a setting's
        elif tagged := [m for m in union if part in _kinds(m)]:
            here = tagged
    return here


def _is_mapping(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return False
    return get_origin(annotation) is dict or any(_is_mapping(part) for part in get_args(annotation))


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    """The values of `kind` that stand for a group of settings."""
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(name for inner in _walk(model, location) for name in inner.model_fields))


def _without_tags(model: type[BaseModel], location: Sequence[Any]) -> list[Any]:
    # Pydantic puts the tag of a union into the location; the user never wrote it there.
    kept: list[Any] = []
    for part in location:
        tags = {value for inner in _walk(model, kept) for value in _kinds(inner)}
        if not (part in tags and kept and kept[-1] != "kind"):
            kept.append(part)
    return kept
