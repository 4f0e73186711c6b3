"""Markdown of groups of settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel

from generator.fields import Block, Field, args_below, block_of, nested
from generator.rules import Rule

Places = Mapping[type[BaseModel], str]
"""A group of settings -> the address of its description."""

Titles = Mapping[type[BaseModel], str]
"""A group of settings -> the title of its section on the page."""


def slug(text: str) -> str:
    """The anchor of a title."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")


def cell(text: str) -> str:
    """Escapes text for a table's cell."""
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, without columns that are empty in every row."""
    rows = [[cell(each) for each in row] for row in rows]
    kept = [index for index, title in enumerate(head) if index == 0 or any(row[index] for row in rows)]
    lines = [[head[index] for index in kept], ["---"] * len(kept), *([row[index] for index in kept] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def block_sections(model: type[BaseModel], args: type | None, elsewhere: Places, level: int = 2) -> str:
    """A group of settings and those below it, each in its own section, except those described elsewhere."""
    first = block_of(model, args)
    waiting, described = [(first, args)], {model: f"#{slug(first.title)}"}
    titles: dict[type[BaseModel], str] = {model: first.title}
    sections: list[str] = []
    while waiting:
        block, given = waiting.pop(0)
        for field, below in nested(block):
            if below in elsewhere or below in described:
                continue
            below_args = args_below(given, field.name) if len(field.type.blocks) == 1 else None
            inner = block_of(below, below_args)
            described[below], titles[below] = f"#{slug(inner.title)}", inner.title
            waiting.append((inner, below_args))
        sections.append(_section(block, {**elsewhere, **described}, titles, level))
        level = 2 if level == 1 else level
    return "\n".join(sections)


def _section(block: Block, places: Places, titles: Titles, level: int) -> str:
    parts = [f"{'#' * level} {block.title} {{ #{slug(block.title)} }}\n", f"{block.description}\n"]
    if block.fields:
        head = ("Name", "Type and unit", "Default", "Meaning", "Rule")
        parts.append(table(head, (_row(field, places, titles) for field in block.fields)))
    if block.rules:
        parts.append("Rules between settings:\n")
        parts.append("\n".join(f"- {_between(rule)}" for rule in block.rules) + "\n")
    if block.refused:
        parts.append("Refused, because it does not exist here:\n")
        rows = ((f"`{key}`", *each) for key, each in block.refused.items())
        parts.append(table(("Name", "Reason", "What would happen", "Instead"), rows))
    return "\n".join(parts)


def _row(field: Field, places: Places, titles: Titles) -> tuple[str, ...]:
    default = "**required**" if field.required else field.default or "none"
    meaning = field.description + (" May be an output of another resource." if field.output else "")
    rules = "<br>".join(rule[:1].upper() + rule[1:] + "." for rule in field.rules)
    kind = _linked(field, places, titles) + (f" ({field.unit})" if field.unit else "")
    return f"`{field.name}`", kind, default, meaning, rules


def _linked(field: Field, places: Places, titles: Titles) -> str:
    """The type of a field; a group is linked by the title of its section, which programs write, where it has one."""
    text = field.type.text
    for model in field.type.blocks:
        name = model.__name__.removesuffix("Settings")
        # The underscore of a private name must not be shown in a link's text.
        shown = titles.get(model, name)
        text = re.sub(rf"(?<![\[`\w]){name}\b", f"[{shown}]({places[model]})", text) if model in places else text
    return text


def _between(rule: Rule) -> str:
    path = f"`{rule.path}` " if rule.path else ""
    return f"{path}{rule}."
