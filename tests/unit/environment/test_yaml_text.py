"""What is written as YAML is read as what was meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.environment.yaml_file import parse_yaml
from scaletozero.environment.yaml_text import yaml_text

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
VALUES = st.recursive(
    PLAIN | st.integers(-(2**63), 2**63 - 1) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    "text", ["yes", "010", "1_000", "0x1F", "2026-11-29", "null", "~", "", "<<", "true", "1e3", ".inf"]
)
def test_a_string_stays_one(text: str) -> None:
    assert parse_yaml(yaml_text({"a": text, text: [text]}), "x") == {"a": text, text: [text]}


@given(st.dictionaries(PLAIN, VALUES, max_size=4))
def test_whatever_is_written_is_read_again(content: dict[str, Any]) -> None:
    assert parse_yaml(yaml_text(content), "x") == content
