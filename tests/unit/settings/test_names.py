"""Names: within the limit, of the right characters, and never the same for two different things."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.settings.names import logical_name, safe_name

parts = st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=3).map(tuple)
names = st.from_regex(r"[a-z](-?[a-z0-9]){0,98}", fullmatch=True)


@given(parts, st.integers(min_value=12, max_value=63))
def test_a_name_is_one_that_sagemaker_takes(some: tuple[str, ...], limit: int) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", safe_name(*some, limit=limit))
    assert len(safe_name(*some, limit=limit)) <= limit


@given(parts, parts)
def test_two_names_are_the_same_only_for_the_same_thing(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (safe_name(*one, limit=30) == safe_name(*other, limit=30)) == (one == other)


@given(names, names)
def test_names_that_agree_beyond_the_limit_stay_apart(one: str, other: str) -> None:
    long = "x" * 40
    assert (safe_name("p", "s", long + one, limit=63) == safe_name("p", "s", long + other, limit=63)) == (one == other)


def test_what_can_be_read_back_is_left_as_it_is() -> None:
    assert safe_name("acme", "dev", "sentences", limit=63) == "acme-dev-sentences"


def test_a_hyphen_that_could_stand_between_two_parts_is_told_apart() -> None:
    assert safe_name("acme", "dev-eu", "x", limit=63) != safe_name("acme", "dev", "eu-x", limit=63)


def test_no_room_for_a_hash_is_an_error() -> None:
    with pytest.raises(ValueError, match="no room"):
        safe_name("a", limit=9)


@given(names, st.sampled_from(["", "role", "configuration"]))
def test_a_child_s_name_leaves_the_provider_room_for_its_suffix(name: str, suffix: str) -> None:
    assert len(logical_name(name, suffix, limit=63)) <= 63 - 8


@given(names, names)
def test_children_of_two_components_stay_apart(one: str, other: str) -> None:
    assert (logical_name(one, "role", limit=64) == logical_name(other, "role", limit=64)) == (one == other)


def test_the_primary_child_has_the_component_s_name() -> None:
    assert logical_name("sentences") == "sentences"
    assert logical_name("sentences", "role", limit=64) == "sentences-role"
