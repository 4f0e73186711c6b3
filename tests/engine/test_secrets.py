"""What came as a secret is in clear in no state, no log and no error."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from scaletozero import ArtifactStore

REGION = "eu-central-1"


def test_a_secret_key_is_in_no_state_and_no_log(sandbox_stack: Any, tmp_path: Path) -> None:
    key = f"arn:aws:kms:{REGION}:123456789012:key/11111111-2222-3333-4444-very5secret6"
    given: list[str] = [key]

    def program() -> None:
        ArtifactStore("artifacts", {"region": REGION, "kms_key_arn": pulumi.Output.secret(given[0])})

    stack: auto.Stack = sandbox_stack(program)
    said: list[str] = []
    stack.up(on_output=said.append)
    (state,) = (tmp_path / "backend").rglob("stacks/acme/dev.json")
    assert "aws:s3/bucket:Bucket" in state.read_text()
    assert "very5secret6" not in state.read_text()
    assert "very5secret6" not in "".join(said)
    given[0] = key.replace(REGION, "us-east-1")
    said.clear()
    with pytest.raises(auto.errors.CommandError) as error:
        stack.up(on_output=said.append)
    assert "artifacts.kms_key_arn: must be" in str(error.value) + "".join(said)
    assert "very5secret6" not in str(error.value) + "".join(said)
