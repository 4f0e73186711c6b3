"""Encrypted values of a settings file become the sandbox's own, at any depth, and nothing else changes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scaletozero.environment.secure import replaced

SECURE = {"secure": "v1:iBkMLMQ2kGk=:AAAB"}


def test_every_encrypted_value_is_replaced_and_named() -> None:
    config = {
        "acme:token": SECURE,
        "acme:db": {"user": "me", "password": SECURE, "hosts": [{"key": SECURE}, "plain"]},
        "aws:region": "us-east-1",
    }
    assert replaced(config) == (
        {
            "acme:token": "sandbox-token",
            "acme:db": {"user": "me", "password": "sandbox-password", "hosts": [{"key": "sandbox-key"}, "plain"]},
            "aws:region": "us-east-1",
        },
        ["acme:token", "acme:db.password", "acme:db.hosts[0].key"],
    )


def test_a_mapping_with_more_than_that_key_is_the_programs_own() -> None:
    config = {"acme:mode": {"secure": "yes", "other": 1}}
    assert replaced(config) == (config, [])


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(SECURE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_nothing_encrypted_is_left_and_what_is_plain_stays(config: dict[str, Any]) -> None:
    once, paths = replaced(config)
    assert replaced(once) == (once, [])
    assert bool(paths) == (once != config)
