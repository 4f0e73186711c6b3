"""InvokeEndpointAsync, pure: what a call asks for, where answers go, what topics are told, and who is next."""

import string
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.async_inference.backlog import Backlog, ClosedBacklogError
from scaletozero.sandbox.aws.async_inference.calls import (
    AsyncCall,
    Outcome,
    accept,
    locations,
    notification,
    object_at,
    parameters,
)
from scaletozero.sandbox.aws.middleware import AwsError
from scaletozero.sandbox.aws.runtime import metrics
from scaletozero.sandbox.aws.runtime.deployment import AsyncOutput

OUTPUT = AsyncOutput("s3://b/answers", "s3://b/failures")
NAMES = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)


def call(given: dict[str, str] | None = None, body: bytes = b"", output: AsyncOutput = OUTPUT) -> AsyncCall:
    asked = {"InputLocation": "s3://b/in"} if given is None else given
    return accept(asked, body, endpoint="e", region="eu-central-1", output=output, now=1000.0, fresh="new")


def test_a_call_with_everything() -> None:
    found = call(
        {
            "InputLocation": "s3://b/in/put",
            "ContentType": "audio/flac",
            "Accept": "text/plain",
            "CustomAttributes": "trace=1",
            "InferenceId": "mine",
            "RequestTTLSeconds": "60",
            "InvocationTimeoutSeconds": "3600",
            "S3OutputPathExtension": "/today/",
            "Filename": "flac.json",
        }
    )
    assert found.headers == {
        "Content-Type": "audio/flac",
        "Accept": "text/plain",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "X-Amzn-SageMaker-Inference-Id": "mine",
    }
    assert (found.ttl, found.timeout) == (60, 3600)
    assert found.output == "s3://b/answers/today/flac.json"
    assert found.failure == "s3://b/failures/today/flac-error.out"


def test_a_call_with_nothing_but_its_request_gets_the_services_defaults() -> None:
    found = call()
    assert (found.ttl, found.timeout) == (21600, 900)
    assert (found.output, found.failure) == ("s3://b/answers/new.out", "s3://b/failures/new-error.out")
    assert found.inference_id
    assert found.headers == {"X-Amzn-SageMaker-Inference-Id": found.inference_id}
    assert found.inference_id != call().inference_id


def test_an_endpoint_without_a_place_for_failures_has_none() -> None:
    assert call(output=AsyncOutput("s3://b/answers")).failure is None


def test_parameters_are_read_from_their_headers_and_nothing_else_is() -> None:
    environ = {
        "HTTP_X_AMZN_SAGEMAKER_INPUTLOCATION": "s3://b/in",
        "HTTP_X_AMZN_SAGEMAKER_REQUESTTTLSECONDS": "60",
        "HTTP_X_CUSTOMER": "stripped",
        "CONTENT_TYPE": "of the call, not of the request",
    }
    assert parameters(environ) == {"InputLocation": "s3://b/in", "RequestTTLSeconds": "60"}


@pytest.mark.parametrize(
    ("name", "value", "constraint"),
    [
        ("InvocationTimeoutSeconds", "0", "Member must have value greater than or equal to 1"),
        ("InvocationTimeoutSeconds", "3601", "Member must have value less than or equal to 3600"),
        ("InvocationTimeoutSeconds", "soon", "Member must be a number"),
        ("RequestTTLSeconds", "59", "Member must have value greater than or equal to 60"),
        ("RequestTTLSeconds", "21601", "Member must have value less than or equal to 21600"),
        ("InferenceId", "x" * 65, "Member must have length less than or equal to 64"),
        ("InferenceId", " x", r"Member must satisfy regular expression pattern: \A\S[\p{Print}]*\z"),
        ("InputLocation", "ftp://b/k", "Member must satisfy regular expression pattern: ^(https|s3)://([^/]+)/?(.*)$"),
        ("CustomAttributes", "x" * 1025, "Member must have length less than or equal to 1024"),
        ("ContentType", "é", r"Member must satisfy regular expression pattern: \p{ASCII}*"),
        ("S3OutputPathExtension", "s3://x", "Member must satisfy regular expression pattern: ^(?!s3:|https:)"),
        ("Filename", "x" * 33, "Member must have length less than or equal to 32"),
        ("Filename", "a.b.c", "Member must satisfy regular expression pattern: ^(?!.*\\..*\\.)"),
    ],
)
def test_a_limit_of_the_service_model(name: str, value: str, constraint: str) -> None:
    with pytest.raises(AwsError) as caught:
        call({"InputLocation": "s3://b/in", name: value})
    member = name[0].lower() + name[1:]
    start = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)
    assert caught.value.message.startswith(start)


@pytest.mark.parametrize(
    ("name", "values"), [("InvocationTimeoutSeconds", (1, 3600)), ("RequestTTLSeconds", (60, 21600))]
)
def test_a_limit_itself_is_taken(name: str, values: tuple[int, int]) -> None:
    for value in values:
        call({"InputLocation": "s3://b/in", name: str(value)})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(AwsError, match=r"2 validation errors detected: .*requestTTLSeconds.*; .*"):
        call({"InputLocation": "s3://b/in", "RequestTTLSeconds": "1", "InvocationTimeoutSeconds": "0"})


def test_a_request_is_in_s3_or_in_the_call() -> None:
    assert call({}, b"{}").body == b"{}"
    for given_, body in (({}, b""), ({"InputLocation": "s3://b/in"}, b"{}")):
        with pytest.raises(AwsError, match="Exactly one of InputLocation and Body"):
            call(given_, body)
    with pytest.raises(AwsError, match=r"Value at 'body' failed .* less than or equal to 128000"):
        call({}, b"x" * 128_001)
    call({}, b"x" * 128_000)
    with pytest.raises(AwsError, match="not the address of an object"):
        call({"InputLocation": "s3://bucket"})


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://b/k/e%20y", ("b", "k/e%20y")),
        ("s3://b/a?b#c", ("b", "a?b#c")),
        ("https://b.s3.eu-central-1.amazonaws.com/k/e%20y", ("b", "k/e y")),
        ("https://b.s3-eu-west-1.amazonaws.com/k", ("b", "k")),
        ("https://s3.eu-central-1.amazonaws.com/b/k/y", ("b", "k/y")),
    ],
)
def test_an_objects_address(address: str, expected: tuple[str, str]) -> None:
    assert object_at(address) == expected


@given(NAMES, NAMES, st.one_of(st.none(), NAMES), st.booleans())
def test_no_two_requests_share_a_place(one: str, other: str, extension: str | None, slash: bool) -> None:
    output = AsyncOutput("s3://b/a" + "/" * slash, "s3://b/f" + "/" * slash)
    places = [*locations(output, one, extension), *locations(output, other, extension)]
    assert len(set(places)) == (2 if one == other else 4)
    for place in places:
        assert place
        assert "//" not in place.removeprefix("s3://")
        assert object_at(place)[0] == "b"


def test_what_the_topic_of_answers_is_told() -> None:
    asked = call({"InputLocation": "s3://b/in", "ContentType": "application/json", "InferenceId": "mine"})
    assert notification(asked, Outcome("Completed", b"{}", "application/json"), 1001.5) == {
        "awsRegion": "eu-central-1",
        "eventTime": "1970-01-01T00:16:41.500Z",
        "receivedTime": "1970-01-01T00:16:40.000Z",
        "invocationStatus": "Completed",
        "requestParameters": {
            "contentType": "application/json",
            "endpointName": "e",
            "inputLocation": "s3://b/in",
        },
        "responseParameters": {"contentType": "application/json", "outputLocation": "s3://b/answers/new.out"},
        "inferenceId": "mine",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def test_what_the_topic_of_failures_is_told() -> None:
    told = notification(call(), Outcome("Failed", b"no", "text/plain", "ClientError: no"), 1001.0)
    assert (told["invocationStatus"], told["failureReason"]) == ("Failed", "ClientError: no")
    assert told["responseParameters"] == {
        "contentType": "text/plain",
        "failureLocation": "s3://b/failures/new-error.out",
    }


def waiting(received: float, ttl: int = 60) -> AsyncCall:
    return AsyncCall("e", "r", "i", "s3://b/k", None, {}, "s3://b/o", None, received, ttl)


MOVES = st.lists(st.sampled_from(["put", "take", "done", "back", "expire"]), max_size=60)


@given(MOVES)
def test_nothing_is_lost_and_nobody_is_passed_over(moves: list[str]) -> None:
    """Against a plain model: who waits, in which order, who is worked on, and how old the oldest is."""
    backlog, now = Backlog(), 0.0
    queue: list[AsyncCall] = []
    working: list[AsyncCall] = []
    for move in moves:
        now += 10
        if move == "put":
            queue.append(waiting(now))
            backlog.put(queue[-1])
        elif move == "take":
            taken = backlog.take()
            assert taken is (queue[0] if queue else None)
            working += [queue.pop(0)] if queue else []
        elif move == "done" and working:
            backlog.done(working.pop())
        elif move == "back" and working:
            queue.insert(0, working.pop())
            backlog.put_back(queue[0])
        elif move == "expire":
            late = [each for each in queue if now - each.received > 60]
            assert backlog.take_expired(now) == late
            queue = [each for each in queue if each not in late]
            working += late
        assert (backlog.waiting, backlog.size) == (len(queue), len(queue) + len(working))
        assert backlog.age(now) == max((now - each.received for each in [*queue, *working]), default=0)


def test_one_that_waits_as_long_as_it_may_is_not_too_old() -> None:
    backlog = Backlog()
    backlog.put(waiting(0, 60))
    assert backlog.take_expired(60.0) == []
    assert len(backlog.take_expired(60.1)) == 1


def test_a_closed_backlog_takes_no_more_and_lets_go() -> None:
    backlog = Backlog()
    one, other = waiting(0), waiting(1)
    backlog.put(one)
    backlog.put(other)
    assert backlog.take() is one
    assert backlog.close() == 1
    with pytest.raises(ClosedBacklogError):
        backlog.put(other)
    assert not backlog.settle(0.01)
    backlog.put_back(one)  # its instance is gone, too: nobody will take it again
    assert backlog.settle(0.01)
    assert (backlog.size, backlog.wait(10), backlog.take()) == (0, False, None)


def test_every_metric_has_the_services_unit() -> None:
    def unit(name: str) -> Any:
        return metrics._datum(name, 1.0, (("EndpointName", "e"),), datetime(2026, 1, 1))["Unit"]

    assert unit("ApproximateBacklogSize") == "Count"
    assert unit("ApproximateAgeOfOldestRequest") == "Seconds"
    assert unit("TimeInBacklog") == "Microseconds"
    assert unit("TotalProcessingTime") == "Milliseconds"
