import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.providers.kube.paths import (
    MISSING,
    Change,
    changes,
    format_path,
    look_up,
    parse_path,
    put,
    within,
)
from scaletozero.sandbox.providers.values import UNKNOWN

steps = st.lists(st.one_of(st.integers(0, 99), st.text(min_size=1, max_size=8)), min_size=1, max_size=5).map(tuple)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@given(steps)
def test_a_path_comes_back_as_it_was(path):
    assert parse_path(format_path(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.replicas", ("spec", "replicas")),
        ('metadata.annotations["a.b/c"]', ("metadata", "annotations", "a.b/c")),
        ("spec.containers[0].image", ("spec", "containers", 0, "image")),
        ('["a.b"].c', ("a.b", "c")),
    ],
)
def test_the_engines_spelling(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["a[", 'a["b]', "a]"])
def test_a_path_that_is_none(text):
    with pytest.raises(ValueError, match="not a property path"):
        parse_path(text)


@given(plain)
def test_nothing_differs_from_itself(value):
    assert [*changes(value, value)] == []


@given(plain, plain)
def test_every_difference_is_found_and_where_it_says(old, new):
    found = [*changes(old, new)]
    assert bool(found) == (old != new or repr(old) != repr(new))
    for change in found:
        there = (look_up(old, change.path) is not MISSING, look_up(new, change.path) is not MISSING)
        assert there == {"add": (False, True), "delete": (True, False), "update": (True, True)}[change.kind]


def test_an_unknown_value_may_differ():
    assert [*changes({"a": 1}, {"a": UNKNOWN})] == [Change(("a",), "update")]


def test_true_is_not_one():
    assert [*changes({"a": 1}, {"a": True})] == [Change(("a",), "update")]


def test_put_leaves_the_original_alone_and_makes_no_parents():
    value = {"spec": {"replicas": 1, "list": [{"a": 1}]}}
    assert put(value, ("spec", "replicas"), 5)["spec"]["replicas"] == 5
    assert "replicas" not in put(value, ("spec", "replicas"), MISSING)["spec"]
    assert put(value, ("spec", "list", 0, "a"), 2)["spec"]["list"] == [{"a": 2}]
    assert put(value, ("status", "phase"), "Ready") == value
    assert value == {"spec": {"replicas": 1, "list": [{"a": 1}]}}


def test_within():
    assert within(("spec", "replicas"), [("spec",)])
    assert not within(("spec",), [("spec", "replicas")])
