"""Markdown for comments on merge requests: text that others wrote stays text, on GitHub and on GitLab alike. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from scaletozero.cli.output import plain, printable

T = TypeVar("T")

LONGEST_CODE = 300
"""Characters of one name or value that are shown."""

_CODE = re.compile(r"`([^`]+)`")

# Letters and digits, with single marks between them. Anything else could be a mention, a reference to an issue or a
# commit, a link, an emphasis or an element of HTML.
_WORD = re.compile(r"(?!www\.|GH-|[0-9a-f]{7,40}\b)[^\W_]+(?:[-'’./,:;][^\W_]+)*")
_AROUND = re.compile(r"""(["'(]*)(.*?)(["').,:;?!]*)""")


def _as_it_is(cells: Any) -> Any:
    return cells


def line(text: str, most: int = LONGEST_CODE) -> str:
    """The text on one line, without colours, with control characters written out; shortened with an ellipsis."""
    # A text may be of any length, and this is done for each name of a report.
    first = text[: 4 * most]
    flat = " ".join(printable(plain(first)).split())
    return flat if len(flat) <= most and first == text else f"{flat[: most - 1]}…"


def code(text: object) -> str:
    """A name or a value, set as code, where no mark means anything and nobody is mentioned; `-` for nothing."""
    flat = line(str(text))
    if not flat:
        return "-"
    if "`" not in flat and "|" not in flat:
        return f"`{flat}`"
    # Neither can stand between backticks in a table.
    return f"<code>{''.join(e if e.isalnum() or e == ' ' else f'&#{ord(e)};' for e in flat)}</code>"


def prose(text: str, most: int = 2000) -> str:
    """A sentence of a finding: words as they are; what stands in backticks, and every other word, as code."""
    found: list[str] = []
    for part in re.split(r"(`[^`]+`)", line(text, most)):
        quoted = _CODE.fullmatch(part)
        found.append(code(quoted[1]) if quoted else re.sub(r"\S+", lambda match: _word(match[0]), part))
    return "".join(found)


def _word(word: str) -> str:
    around = _AROUND.fullmatch(word)
    before, inside, after = around.groups() if around else ("", word, "")
    if not inside:
        # Only marks, which could begin a list or close a span.
        return code(word) if len(word) > 1 else word
    return f"{before}{inside if _WORD.fullmatch(inside) else code(inside)}{after}"


def block(text: str, most: int) -> str:
    """Several lines as they are, such as an error of the engine, in a fence that they cannot close."""
    shown = printable(plain(text)).strip("\n")
    shown = shown if len(shown) <= most else f"{shown[:most]}\n…"
    fence = "`" * max(3, 1 + max((len(each) for each in re.findall("`+", shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def table(
    columns: Sequence[str],
    rows: Sequence[T],
    cells: Callable[[T], Sequence[str]] = _as_it_is,
    *,
    right: Iterable[int] = (),
    most: int,
) -> str:
    """A table; a line says how many rows did not fit.

    Args:
        columns: the titles.
        rows: what each row is of.
        cells: makes a row's cells, Markdown already. Only rows that may fit are made.
        right: the columns of numbers.
        most: how many characters its rows may have.
    """
    numbers = set(right)
    rule = ["---:" if at in numbers else "---" for at in range(len(columns))]
    shown, left = fitting(rows, lambda each: _row(cells(each)), most)
    more = f"\n\nAnd {left:,} more." if left else ""
    return "\n".join([_row(columns), _row(rule), *shown]) + more


def items(things: Sequence[T], line_of: Callable[[T], str], most: int) -> str:
    """A list of lines that `line_of` makes, Markdown already; the last one says how many did not fit."""
    shown, left = fitting(things, lambda each: f"- {line_of(each)}", most)
    return "\n".join([*shown, *([f"- And {left:,} more."] if left else [])])


def details(summary: str, text: str) -> str:
    """A part that is folded until it is clicked."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def fitting(things: Sequence[T], line_of: Callable[[T], str], most: int) -> tuple[list[str], int]:
    """The first lines that have no more characters than `most` together, and how many are left, which are not made."""
    shown: list[str] = []
    for each in things:
        made = line_of(each)
        most -= len(made) + 1
        if most < 0:
            break
        shown.append(made)
    return shown, len(things) - len(shown)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
