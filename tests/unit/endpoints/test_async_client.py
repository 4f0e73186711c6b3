"""Both sides of a call that nobody waits for: the caller of an asynchronous endpoint, and the function that warms."""

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from model_packaging.findings import FindingsError
from scaletozero import ModelError, Submitted, result, submit
from scaletozero.endpoints.async_client import LONGEST_PAUSE
from scaletozero.scaling import call_function

BUCKET = "models"
REQUESTS = f"s3://{BUCKET}/async/speech/requests"
WAITING = Submitted("id-1", f"s3://{BUCKET}/async/speech/answers/1.out", f"s3://{BUCKET}/async/speech/failures/1.out")


@pytest.fixture
def s3() -> Any:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket=BUCKET)
        yield client


class Waiting:
    """A clock that only goes while somebody sleeps, and does something at a moment."""

    def __init__(self, at: float = float("inf"), then: Any = None) -> None:
        self.now, self.pauses, self._at, self._then = 0.0, [], at, then

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if self.now >= self._at and self._then:
            self._then, then = None, self._then
            then()


def put(s3: Any, address: str, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=address.removeprefix(f"s3://{BUCKET}/"), Body=body)


def test_a_request_is_uploaded_and_given_to_the_endpoint(s3) -> None:
    runtime = boto3.client("sagemaker-runtime", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    seen: dict[str, Any] = {}
    runtime.meta.events.register(
        "provide-client-params.sagemaker-runtime.InvokeEndpointAsync", lambda params, **_: seen.update(params)
    )
    with Stubber(runtime) as stub:
        answer = {"InferenceId": "id-1", "OutputLocation": WAITING.answer, "FailureLocation": WAITING.failure}
        stub.add_response("invoke_endpoint_async", answer)
        found = submit("speech", b"body", requests=REQUESTS + "/", content_type="audio/flac", s3=s3, runtime=runtime)
    assert found == WAITING
    assert seen["EndpointName"] == "speech"
    assert (seen["ContentType"], seen["InvocationTimeoutSeconds"]) == ("audio/flac", 3600)
    assert seen["InputLocation"].startswith(f"{REQUESTS}/")
    stored = s3.get_object(Bucket=BUCKET, Key=seen["InputLocation"].removeprefix(f"s3://{BUCKET}/"))
    assert (stored["Body"].read(), stored["ContentType"]) == (b"body", "audio/flac")


@pytest.mark.parametrize("seconds, right", [(0, False), (1, True), (3600, True), (3601, False)])
def test_how_long_a_request_may_be_worked_on(s3, seconds: int, right: bool) -> None:
    runtime = boto3.client("sagemaker-runtime", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(runtime) as stub:
        stub.add_response(
            "invoke_endpoint_async", {"InferenceId": "i", "OutputLocation": "s3://b/o", "FailureLocation": "s3://b/f"}
        )
        if right:
            assert submit("e", b"", requests=REQUESTS, seconds=seconds, s3=s3, runtime=runtime)
        else:
            with pytest.raises(FindingsError, match="seconds: must be from 1 to 3600"):
                submit("e", b"", requests=REQUESTS, seconds=seconds, s3=s3, runtime=runtime)
            assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET), "nothing was uploaded"


@pytest.mark.parametrize("requests", ["https://models/x", "models/x", "s3://", ""])
def test_requests_go_to_a_bucket(s3, requests: str) -> None:
    with pytest.raises(FindingsError, match="must be an s3:// address"):
        submit("e", b"", requests=requests, s3=s3, runtime=object())


def test_a_request_that_is_too_large_is_refused_before_the_upload(s3, monkeypatch) -> None:
    monkeypatch.setattr("scaletozero.endpoints.async_client.MAX_BYTES", 3)
    with pytest.raises(FindingsError, match="may have at most 3 bytes, got 4"):
        submit("e", b"1234", requests=REQUESTS, s3=s3, runtime=object())


def test_an_answer_that_is_there_is_given_at_once(s3) -> None:
    put(s3, WAITING.answer, b"text")
    waiting = Waiting()
    assert result(WAITING, s3=s3, sleep=waiting.sleep, clock=waiting.clock) == b"text"
    assert waiting.pauses == []


def test_an_answer_is_looked_for_less_and_less_often(s3) -> None:
    waiting = Waiting(at=300, then=lambda: put(s3, WAITING.answer, b"late"))
    assert result(WAITING, timeout=900, s3=s3, sleep=waiting.sleep, clock=waiting.clock) == b"late"
    assert waiting.pauses[0] < 1
    assert max(waiting.pauses) <= LONGEST_PAUSE * 1.2
    assert len(waiting.pauses) < 40


def test_the_model_s_own_error_is_raised(s3) -> None:
    put(s3, WAITING.failure, b"CUDA out of memory\n")
    with pytest.raises(ModelError, match=r"^CUDA out of memory$"):
        result(WAITING, s3=s3)


def test_a_failure_without_words_says_so(s3) -> None:
    put(s3, WAITING.failure, b"")
    with pytest.raises(ModelError, match="gave no reason"):
        result(WAITING, s3=s3)


def test_what_does_not_come_in_time_can_be_waited_for_again(s3) -> None:
    waiting = Waiting()
    with pytest.raises(TimeoutError, match="id-1 has no result after 10 s"):
        result(WAITING, timeout=10, s3=s3, sleep=waiting.sleep, clock=waiting.clock)
    assert waiting.now == pytest.approx(10)
    put(s3, WAITING.answer, b"text")
    assert result(WAITING, timeout=10, s3=s3, sleep=waiting.sleep, clock=waiting.clock) == b"text"


def test_a_bucket_that_is_not_there_is_no_reason_to_wait(s3) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        result(Submitted("i", "s3://nowhere/a", "s3://nowhere/b"), s3=s3)


class Endpoint:
    """An endpoint's client that answers once all the calls that are to come at a time are there."""

    def __init__(self, together: int, codes: list[str]) -> None:
        self.barrier, self.codes, self.lock = threading.Barrier(together, timeout=300), list(codes), threading.Lock()
        self.asked: list[dict[str, Any]] = []

    def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
        self.barrier.wait()
        with self.lock:
            self.asked.append(asked)
            code = self.codes.pop()
        if code != "answered":
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "InvokeEndpoint")
        return {"Body": io.BytesIO(b"[]")}


def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codes: list[str]) -> tuple[Any, Endpoint, dict[str, Any]]:
    endpoint, made = Endpoint(len(codes), codes), {}

    def client(service: str, config: Any) -> Endpoint:
        made.update(service=service, config=config)
        return endpoint

    monkeypatch.setattr(call_function.boto3, "client", client)
    monkeypatch.setitem(os.environ, "ENDPOINT_NAME", "acme-dev-sentences")
    monkeypatch.setattr(call_function, "SAMPLE", tmp_path / "sample_input")
    call_function.SAMPLE.write_text(json.dumps({"inputs": ["hello"]}))
    return call_function.handler({"calls": len(codes)}, None), endpoint, made


def test_as_many_calls_are_made_at_the_same_time_as_are_to_be_warm(monkeypatch, tmp_path) -> None:
    answer, endpoint, made = call(monkeypatch, tmp_path, ["answered"] * 8)
    assert answer == {"answered": 8, "throttled": 0}
    assert {asked["EndpointName"] for asked in endpoint.asked} == {"acme-dev-sentences"}
    assert {asked["Body"] for asked in endpoint.asked} == {b'{"inputs": ["hello"]}'}
    assert made["service"] == "sagemaker-runtime"
    assert made["config"].retries == {"total_max_attempts": 1}
    assert made["config"].max_pool_connections == 8


def test_a_throttled_call_is_no_failure_for_then_everything_is_warm(monkeypatch, tmp_path) -> None:
    answer, _, _ = call(monkeypatch, tmp_path, ["answered", "ThrottlingException", "answered"])
    assert answer == {"answered": 2, "throttled": 1}


def test_a_call_that_fails_fails_the_event(monkeypatch, tmp_path) -> None:
    with pytest.raises(RuntimeError, match=r"acme-dev-sentences: .*ModelError"):
        call(monkeypatch, tmp_path, ["answered", "ModelError"])
