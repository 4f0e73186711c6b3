"""Strategies of inputs that are wrong in some way: what somebody, or some program, may well hand over."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import strategies as st

NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1e308, float("inf"), float("nan"), 2**63, 2**64, 10**400, -0.0, 0.1),
    *("", " ", "\0", "a\0b", "\x1b[31mred\x1b]0;t\x07", "\u202e", "\ud800", "x" * 5000, "9" * 5000, "-1", "1e999"),
    *("2026-02-30", "9999-12-31", "0001-01-01", "24:00", "34:08", "[bold]", "{}", "${x}", "%s", "../..", "~", "*"),
    *([], {}, [[]], [None], {"": None}, {"a": {"a": {"a": []}}}, [{"a": 1}] * 50, "mon-fri", "us-east-1", b"\xff"),
]

WORDS = st.text(st.characters(exclude_characters="/", exclude_categories=()), max_size=12)

VALUES = st.recursive(
    st.sampled_from(NASTY) | WORDS | st.integers() | st.floats(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=3),
    max_leaves=6,
).map(deepcopy)  # what is drawn is damaged in turn, and must not be the next draw's


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*at, key)
        yield from places(each, (*at, key))


@st.composite
def damaged(draw: st.DrawFn, right: Any) -> Any:
    """A document that was right, with a few places in it replaced, removed, renamed or added to."""
    whole = {"root": deepcopy(right)}
    for _ in range(draw(st.integers(1, 4))):
        *groups, last = draw(st.sampled_from(list(places(whole)) or [("root",)]))
        at: Any = whole
        for key in groups:
            at = at[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"])):
            case "replace":
                at[last] = draw(VALUES)
            case "remove" if groups:
                del at[last]
            case "rename" if isinstance(at, dict) and groups:
                at[draw(WORDS)] = at.pop(last)
            case "add" if isinstance(at[last], dict):
                at[last][draw(WORDS)] = draw(VALUES)
            case "add" if isinstance(at[last], list):
                at[last].append(draw(VALUES))
    return whole.get("root")


@st.composite
def documents(draw: st.DrawFn, right: Any) -> bytes:
    """A YAML file: a document that was damaged, and then perhaps its text."""
    content = draw(damaged(right))
    try:
        text = yaml.safe_dump(content, allow_unicode=draw(st.booleans()), default_flow_style=draw(st.booleans()))
    except (yaml.YAMLError, ValueError):
        text = repr(content)
    written = text.encode(errors="surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(written)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4))
        written = written[:at] + piece + written[at + draw(st.integers(0, 8)) :]
    return written


PIECES = [
    *(b"\t", b"\n", b": ", b"- ", b"&a ", b"*a", b"<<: ", b"!!int ", b"!x ", b"|\n", b">\n", b"'", b'"', b"[", b"{"),
    *(b"}", b"]", b"#", b"%YAML 1.2\n---\n", b"---\n", b"...\n", b"? ", b"@", b"`", b"\r", b"\0", b"\xff", b"[" * 3000),
]
