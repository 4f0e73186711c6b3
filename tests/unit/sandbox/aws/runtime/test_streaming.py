"""Responses that arrive in parts, by an unmodified client, on both ports."""

import json
from typing import Any

import boto3
import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.runtime import event_stream

REGION = "eu-central-1"


def client(world: Any, url: str) -> Any:
    own = world.servers.credentials
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=own.access_key,
        aws_secret_access_key=own.secret_key,
    )


def parts(answer: Any) -> list[bytes]:
    return [each["PayloadPart"]["Bytes"] for each in answer["Body"]]


@pytest.mark.parametrize("port", ["aws_url", "runtime_url"])
def test_parts_come_before_the_response_is_over(world: Any, port: str) -> None:
    world.endpoint("a")
    runtime = client(world, getattr(world.servers, port))
    meeting = world.meeting(1)
    request = {"parts": ["one ", "two ", "three"], "wait_for": meeting["folder"]}
    answer = runtime.invoke_endpoint_with_response_stream(
        EndpointName="a", Body=json.dumps(request), ContentType="application/json", CustomAttributes="me"
    )
    assert answer["InvokedProductionVariant"] == "main"
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == "me"
    body = iter(answer["Body"])
    assert next(body)["PayloadPart"]["Bytes"] == b"one "
    world.invoke("a", meet=meeting)  # only now the container goes on
    assert b"".join(each["PayloadPart"]["Bytes"] for each in body) == b"two three"
    assert world.wait_for(lambda: [each["state"] for each in world.about("a")["instances"]] == ["idle", "idle"])


def test_an_error_of_the_model_and_an_endpoint_that_is_not_there(world: Any) -> None:
    world.endpoint("a")
    runtime = client(world, world.servers.aws_url)
    with pytest.raises(ClientError, match="as asked") as caught:
        runtime.invoke_endpoint_with_response_stream(EndpointName="a", Body=b'{"status": 418}')
    assert caught.value.response["OriginalStatusCode"] == 418
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found"):
        runtime.invoke_endpoint_with_response_stream(EndpointName="nobody", Body=b"{}")
    world.asynchronous("b")
    with pytest.raises(ClientError, match="is asynchronous"):
        runtime.invoke_endpoint_with_response_stream(EndpointName="b", Body=b"{}")


def test_a_container_that_ends_in_the_middle_is_an_error_of_the_stream(world: Any) -> None:
    world.endpoint("a")
    request = json.dumps({"parts": ["one", "two"], "crash_after": 1})
    answer = client(world, world.servers.aws_url).invoke_endpoint_with_response_stream(EndpointName="a", Body=request)
    with pytest.raises(EventStreamError, match="The container ended") as caught:
        parts(answer)
    assert caught.value.response["Error"]["Code"] == "ModelStreamError"
    assert world.invoke("a", echo=1)["echo"] == 1


def test_a_caller_that_goes_away_leaves_no_instance_busy(world: Any) -> None:
    world.endpoint("a", maximum=1)
    meeting = world.meeting(1)
    request = json.dumps({"parts": ["x" * 100_000], "times": 1000, "wait_for": meeting["folder"]})
    answer = client(world, world.servers.aws_url).invoke_endpoint_with_response_stream(EndpointName="a", Body=request)
    next(iter(answer["Body"]))
    answer["Body"].close()
    (world.state.parent / meeting["folder"] / "go").touch()
    world.wait_for(lambda: not any(each["state"] == "busy" for each in world.about("a")["instances"]))
    assert world.invoke("a", echo=2)["echo"] == 2


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), max_size=9))
def test_messages_are_those_that_botocore_reads(payload: bytes, cuts: list[int]) -> None:
    sent = event_stream.event("PayloadPart", payload) + event_stream.failure("ModelStreamError", b"{}")
    buffer, found = EventStreamBuffer(), []
    for cut in [*cuts, len(sent)]:
        buffer.add_data(sent[:cut])
        sent = sent[cut:]
        found += list(buffer)
    assert [each.payload for each in found] == [payload, b"{}"]
    assert found[0].headers[":event-type"] == "PayloadPart"
    assert found[1].headers[":exception-type"] == "ModelStreamError"
