"""Stacks that were deployed by earlier versions update without a replacement.

`states/0.1.json` is the state of `declarations(...)` as version 0.1 deployed it, exported by the engine: endpoints of
every kind with all that can belong to them. Paths of that machine are `/project`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from older_stacks import ACCOUNT, REGION, STATES, WINDOW, environment
from pulumi import automation as auto
from small_artifact import small_artifact
from small_checkpoint import small_checkpoint

from scaletozero import ServingImage, WarmCalls
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment

REPLACED = {"queue-model", "queue-configuration"}
"""Models and configurations are immutable, and that of an asynchronous endpoint now has network isolation: the endpoint
moves to new ones."""


def declarations(folder: Path) -> None:
    declare_environment(read_environment(environment(), folder), folder)
    WarmCalls(
        "caller",
        {
            "endpoint_name": "sentences",
            "endpoint_arn": f"arn:aws:sagemaker:{ACCOUNT}:endpoint/sentences",
            "region": REGION,
            "sample_input": '{"inputs":["a"]}',
            "cold_start_seconds": 1.5,
            "schedule": [{**WINDOW, "min": 2}],  # pyright: ignore[reportArgumentType] - the support's plain dict
        },
    )
    ServingImage("image", {"region": REGION})


@pytest.mark.parametrize("state", STATES, ids=[path.stem for path in STATES])
def test_a_stack_of_an_earlier_version_updates_without_a_replacement(
    state: Path, sandbox_stack: Any, tmp_path: Path
) -> None:
    small_artifact(tmp_path, "small")
    small_artifact(tmp_path, "batch")
    small_checkpoint(tmp_path / "checkpoint")
    stack: auto.Stack = sandbox_stack(lambda: declarations(tmp_path), project="scaletozero", stack="prod")
    deployment = json.loads(state.read_text())
    stack.import_stack(auto.Deployment(3, deployment))

    events: list[Any] = []
    stack.preview(on_event=events.append)

    planned = [event.resource_pre_event.metadata for event in events if event.resource_pre_event]
    others = [step for step in planned if step.op.value not in ("same", "update", "create", "read")]
    gone = [(step.op.value, step.urn) for step in others if _name(step.urn) not in REPLACED]
    assert gone == []
    kept = {step.urn for step in planned if step.op.value in ("same", "update")} | {step.urn for step in others}
    (moved,) = (step.op.value for step in planned if step.urn.endswith("Endpoint::queue") and "aws:" in step.urn)
    assert moved == "update"
    assert len(kept) == len(deployment["resources"])


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
