"""Changes to a YAML file: what is meant by the rest of it stays."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from scaletozero.environment.yaml_edit import edited
from scaletozero.environment.yaml_file import parse_yaml
from scaletozero.environment.yaml_text import yaml_text

SCALARS = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(-1e9, 1e9), st.booleans(),
    st.sampled_from(["yes", "012", "1_000", "2027-01-02", "a: b", "#", "", "null", "1e3", "é", "- x", "0x1F", "~"]),
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", "c", "on", "12", "true"])
CONTENT = st.dictionaries(
    KEYS, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
)


@given(CONTENT, st.dictionaries(KEYS, SCALARS, min_size=1, max_size=3))
def test_only_what_is_named_changes(content: dict[str, Any], changes: dict[str, Any]) -> None:
    text = yaml_text({**content, "path": {"here": {"x": 1}}})
    before = parse_yaml(text, "x")
    after = parse_yaml(edited(text, "x", ("path", "here"), changes), "x")
    assert after == {**before, "path": {"here": {"x": 1, **changes}}}


@pytest.mark.parametrize("indent", ["- ", "  - ", "    - "])
def test_lists_keep_their_indentation(indent: str) -> None:
    text = f"keys:\n{indent}one  # first\n{indent}two\nother: {{}}\n"
    assert edited(text, "x", ("other",), {"a": ["three"]}).startswith(text.partition("other")[0])


def test_mappings_that_are_missing_are_added() -> None:
    assert parse_yaml(edited("a:\n", "x", ("a", "b", "c"), {"d": "12"}), "x") == {"a": {"b": {"c": {"d": "12"}}}}


@pytest.mark.parametrize("text", ["a: 1", "a: [1]", "a: text"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(FindingsError, match="must be a mapping"):
        edited(text, "x", ("a", "b"), {"c": 1})
