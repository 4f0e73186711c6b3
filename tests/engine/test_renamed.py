"""A component that gets another name keeps what it deployed: by an alias, and by arguments that keep the names."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
from older_stacks import REGION, STATES, environment
from pulumi import automation as auto
from small_artifact import small_artifact

from scaletozero import AsyncEndpoint, ServerlessEndpoint


def test_a_renamed_component_with_an_alias_replaces_nothing(sandbox_stack: Any, tmp_path: Path) -> None:
    """The endpoints `warm` and `queue` of a stack, with their alarms and pools, under other names."""
    deployment = json.loads(STATES[0].read_text())
    there = {each["urn"]: each.get("outputs", {}) for each in deployment["resources"]}
    declared = environment()
    renamed = {
        "warm": (ServerlessEndpoint, {}),
        # The old model had a network, and requests lie below the old name.
        "queue": (AsyncEndpoint, {"folder": "queue", "network_isolation": False}),
    }
    artifacts = {old: str(small_artifact(tmp_path, old).path) for old in renamed}

    def was(kind: str, name: str, key: str) -> Any:
        (found,) = (outputs for urn, outputs in there.items() if urn.endswith(f"aws:{kind}::{name}"))
        return found[key]

    def program() -> None:
        provider = aws.Provider("aws", region=REGION)
        for old, (component, more) in renamed.items():
            given = {key: value for key, value in declared["endpoints"][old].items() if key != "kind"}
            alarm = was("cloudwatch/compositeAlarm:CompositeAlarm", f"{old}-alarms", "alarmName")
            args: Any = {
                **given,
                "artifact": artifacts[old],
                "bucket": was("s3/bucket:Bucket", "artifacts", "bucket"),
                "region": REGION,
                "tags": declared["tags"],
                "kms_key_arn": declared["artifacts"]["kms_key_arn"],
                "endpoint_name": was("sagemaker/endpoint:Endpoint", old, "name"),
                "alarms": {**given["alarms"], "name": alarm},
                **more,
            }
            opts = pulumi.ResourceOptions(aliases=[pulumi.Alias(name=old)], providers=[provider])
            component(f"renamed-{old}", args, opts)

    stack: auto.Stack = sandbox_stack(program, project="scaletozero", stack="prod")
    stack.import_stack(auto.Deployment(3, deployment))
    events: list[Any] = []
    stack.preview(on_event=events.append)

    planned = [event.resource_pre_event.metadata for event in events if event.resource_pre_event]
    ours = {step.urn: step.op.value for step in planned if "::renamed-" in step.urn}
    assert {urn: op for urn, op in ours.items() if op not in ("same", "update")} == {}
    kept = [urn for urn in there if urn.rpartition("::")[2].partition("-")[0] in renamed]
    assert len(ours) == len(kept) > 30
