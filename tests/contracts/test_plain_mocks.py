"""Every component can be made in a stack's unit test, under the mocks of Pulumi's guide, which make up no ARN."""

import asyncio
from typing import Any

import pulumi
import pytest
from component_samples import BUILD, IMAGE, REGION
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

import scaletozero


class PlainMocks(Mocks):
    """As in the guide: https://www.pulumi.com/docs/iac/guides/testing/unit/."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return args.name + "_id", args.inputs

    def call(self, args: MockCallArgs) -> Any:
        return {}


def declared(program: Any, *, preview: bool) -> None:
    """Runs a program to its end, with everything that it registers and all that follows from it."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    pulumi.runtime.set_mocks(PlainMocks(), project="acme", stack="dev", preview=preview)
    pulumi.runtime.test(program)()


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
@pytest.mark.parametrize("name", sorted(BUILD))
def test_a_component(name: str, preview: bool, make_artifact: Any) -> None:
    declared(lambda: BUILD[name](make_artifact, None), preview=preview)


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
@pytest.mark.parametrize("key", [None, f"arn:aws:kms:{REGION}:111122223333:key/1"])
def test_a_stack_of_several_that_hand_over_their_outputs(preview: bool, key: str | None, make_artifact: Any) -> None:
    def program() -> None:
        shared: Any = {"region": REGION, "kms_key_arn": key}
        store = scaletozero.ArtifactStore("artifacts", shared)
        common: Any = {**shared, "artifact": str(make_artifact().path), "bucket": store.bucket, "image": IMAGE}
        served: Any = {**common, "alarms": {}}
        sentences = scaletozero.ServerlessEndpoint("sentences", served)
        calls: Any = {
            **shared,
            "endpoint_name": sentences.endpoint_name,
            "endpoint_arn": sentences.endpoint_arn,
            "sample_input": '{"inputs": ["hello"]}',
            "schedule": [{"start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}],
            "cold_start_seconds": 1.0,
        }
        scaletozero.WarmCalls("calls", calls)
        queued: Any = {**common, "instance_type": "ml.g5.xlarge", "alarms": {}}
        scaletozero.AsyncEndpoint("documents", queued)

    declared(program, preview=preview)
