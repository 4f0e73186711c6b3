"""Encrypted values of a settings file become the sandbox's own, at any depth, and nothing else changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import Later, parse
from scaletozero.environment.residency_report import rows_of
from scaletozero.environment.secure import KMS_KEY, replaced, undecrypted
from scaletozero.environment.settings import Environment

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


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-central-1", "aws"), ("eusc-de-east-1", "aws-eusc"), ("nowhere", "aws"), (5, "aws")]
)
def test_an_encrypted_key_is_a_key_in_the_sandbox(region: Any, partition: str) -> None:
    environment = {"region": region, "artifacts": {"kms_key_arn": SECURE}}
    named = region if isinstance(region, str) else "us-east-1"
    wanted = f"arn:{partition}:kms:{named}:123456789012:key/sandbox-kms-key-arn"
    assert replaced(environment) == ({"region": region, "artifacts": {"kms_key_arn": wanted}}, [KMS_KEY])
    whole, paths = replaced({"acme:kms_key_arn": SECURE, "acme:environment": environment})
    assert (whole["acme:kms_key_arn"], paths[0]) == (wanted, "acme:kms_key_arn")
    assert replaced({"acme:kms_key_arn": SECURE, "aws:region": "eu-west-1"})[0]["acme:kms_key_arn"].startswith(
        "arn:aws:kms:eu-west-1:"
    )


def test_on_an_account_an_encrypted_key_is_known_later() -> None:
    found = undecrypted(
        {"region": "eu-central-1", "artifacts": {"kms_key_arn": SECURE}, "endpoints": {}}, "environment"
    )
    environment = parse(Environment, found, "environment")
    assert isinstance(environment.artifacts.kms_key_arn, Later)
    rows = rows_of(environment)
    assert "KMS key (encrypted in the settings)" in {row.key for row in rows}
    assert not [row for row in rows if "Later" in repr(row)]


def test_on_an_account_nothing_else_may_be_encrypted() -> None:
    written = {"region": SECURE, "endpoints": {"a": {"vpc": {"subnet_ids": [SECURE]}}}}
    with pytest.raises(FindingsError) as error:
        undecrypted(written, "environment")
    assert [each.path for each in error.value.findings] == [
        "environment.region",
        "environment.endpoints.a.vpc.subnet_ids[0]",
    ]
    assert "artifacts.kms_key_arn" in str(error.value)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(SECURE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_nothing_encrypted_is_left_and_what_is_plain_stays(config: dict[str, Any]) -> None:
    once, paths = replaced(config)
    assert replaced(once) == (once, [])
    assert bool(paths) == (once != config)
