"""The SageMaker Runtime API over processes: an unmodified boto3 client gets the service's answers and errors."""

import contextlib
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError


def error(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_first_request_starts_a_process_and_the_next_uses_it(world: Any) -> None:
    world.endpoint("a")
    assert world.about("a")["instances"] == []
    first, second = world.invoke("a", echo="é"), world.invoke("a")
    assert first["echo"] == "é"
    assert first["pid"] == second["pid"]
    about = world.about("a")
    assert (about["cold_start_count"], about["invocations"]) == (1, 2)
    phases = about["cold_starts"][0]["phases"]
    assert list(phases) == ["download", "unpack", "process", "imports", "load", "canary"]
    assert sum(phases.values()) <= about["cold_starts"][0]["total_ms"] + 1


@pytest.mark.parametrize("idle_seconds", [1])
def test_an_idle_process_goes_with_its_folder_and_the_next_request_starts_another(world: Any) -> None:
    world.endpoint("a")
    pid = world.invoke("a")["pid"]
    world.wait_for(lambda: not world.about("a")["instances"] and not alive(pid) and not world.folders())
    assert world.invoke("a")["pid"] != pid


def test_a_container_gets_the_contract_and_no_credentials(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    monkeypatch.setenv("SOME_TOKEN", "do-not-leak")
    world.endpoint("a")
    environment = world.invoke("a", environment=True)
    assert environment["SCALETOZERO_GREETING"] == "hello"
    assert environment["SCALETOZERO_BIND_HOST"] == "127.0.0.1"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert "do-not-leak" not in environment.values()
    assert not any(name.startswith("AWS_") for name in environment)


def test_custom_attributes_and_the_variant_pass_through(world: Any) -> None:
    world.endpoint("a")
    answer = world.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="a", Body=b"{}", ContentType="application/json", CustomAttributes="trace=1"
    )
    assert (answer["CustomAttributes"], answer["InvokedProductionVariant"]) == ("trace=1", "main")
    assert answer["ContentType"] == "application/json"


def test_an_endpoint_that_does_not_exist(world: Any) -> None:
    response = error(lambda: world.invoke("nobody"))
    assert response["Error"]["Code"] == "ValidationError"
    assert response["Error"]["Message"] == "Endpoint nobody of account 123456789012 not found."
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(("status", "whose"), [(400, "client"), (503, "server")])
def test_a_containers_error_is_a_model_error(world: Any, status: int, whose: str) -> None:
    world.endpoint("a")
    response = error(lambda: world.invoke("a", status=status))
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert json.loads(response["OriginalMessage"]) == {"error": "as asked"}
    assert response["Error"]["Message"].startswith(f"Received {whose} error ({status}) from primary")


def test_a_crash_is_one_error_and_the_next_request_starts_afresh(world: Any) -> None:
    world.endpoint("a")
    pid = world.invoke("a")["pid"]
    response = error(lambda: world.invoke("a", crash=True))
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 500)
    assert world.invoke("a")["pid"] != pid


def test_a_process_that_was_killed_while_idle_costs_no_request(world: Any) -> None:
    world.endpoint("a")
    pid = world.invoke("a")["pid"]
    os.kill(pid, 9)
    world.wait_for(lambda: all(i["pid"] != pid for i in world.about("a")["instances"]) or not alive(pid))
    assert world.invoke("a")["pid"] != pid


def test_a_payload_over_the_limit(world: Any) -> None:
    world.endpoint("a")
    limit = 4 * 1024 * 1024
    client = world.client("sagemaker-runtime")
    body = b'{"much": "' + b"x" * (limit - 12) + b'"}'
    assert len(body) == limit
    client.invoke_endpoint(EndpointName="a", Body=body, ContentType="application/json")
    response = error(lambda: client.invoke_endpoint(EndpointName="a", Body=body + b" ", ContentType="application/json"))
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert response["Error"]["Code"] == "413"


def test_an_answer_over_the_limit(world: Any) -> None:
    world.endpoint("a")
    response = error(lambda: world.invoke("a", padding=4 * 1024 * 1024))
    assert response["Error"]["Code"] == "ModelError"
    assert "exceeded maximum allowed" in response["OriginalMessage"]


def test_exactly_the_excess_is_throttled(world: Any) -> None:
    world.endpoint("a", maximum=3)
    callers = 10
    meeting = world.meeting(callers)

    def call(number: int) -> str:
        try:
            return "answered" if world.invoke("a", meet=meeting, echo=number)["echo"] == number else "wrong"
        except ClientError as caught:
            (Path(meeting["folder"]) / str(number)).touch()
            assert caught.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            return caught.response["Error"]["Code"]

    with ThreadPoolExecutor(callers) as pool:
        outcomes = Counter(pool.map(call, range(callers)))
    assert outcomes == {"answered": 3, "ThrottlingException": 7}
    assert len(world.about("a")["instances"]) == 3


def test_fifty_callers_lose_nothing(world: Any) -> None:
    world.endpoint("a", maximum=50)

    def call(number: int) -> bool:
        return all(world.invoke("a", echo=[number, turn])["echo"] == [number, turn] for turn in range(3))

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(call, range(50)))
    assert world.about("a")["invocations"] == 150


def test_an_update_under_load_loses_nothing(world: Any) -> None:
    world.endpoint("a", maximum=8)
    world.model("b", version=2)
    world.config("b", "b", MaxConcurrency=8)
    finished = threading.Event()
    versions: Counter[int] = Counter()

    def call() -> None:
        while not finished.is_set():
            versions[world.invoke("a", sleep=0.05)["version"]] += 1

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(4)]
        world.wait_for(lambda: versions[1] > 8)
        world.client("sagemaker").update_endpoint(EndpointName="a", EndpointConfigName="b")
        world.settled("a")
        world.wait_for(lambda: versions[2] > 8)
        finished.set()
        for done in calls:
            done.result()
    assert set(versions) == {1, 2}
    world.wait_for(lambda: len(world.folders()) == len(world.about("a")["instances"]))


def test_provisioned_instances_are_warm_from_the_start_and_stay(world: Any) -> None:
    world.endpoint("a", warm=2)
    pids = {instance["pid"] for instance in world.about("a")["instances"]}
    assert len(pids) == 2
    meeting = world.meeting(2)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: world.invoke("a", meet=meeting)["pid"], range(2)))
    assert set(answers) == pids
    assert world.about("a")["cold_start_count"] == 0
    # A third at the same time is beyond it.
    meeting = world.meeting(3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: world.invoke("a", meet=meeting), range(3)))

    def counted(name: str) -> float:
        points = world.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=f"ServerlessProvisionedConcurrency{name}",
            Dimensions=[{"Name": "EndpointName", "Value": "a"}, {"Name": "VariantName", "Value": "main"}],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(each["Sum"] for each in points)

    world.wait_for(lambda: (counted("Invocations"), counted("SpilloverInvocations")) == (4, 1))
    os.kill(answers[0], 9)
    world.wait_for(lambda: answers[0] not in {i["pid"] for i in world.about("a")["instances"]})
    assert len(world.about("a")["instances"]) >= 2


def test_metrics_are_the_services(world: Any) -> None:
    world.endpoint("a")
    world.invoke("a")
    world.invoke("a")
    error(lambda: world.invoke("a", status=400))
    cloudwatch = world.client("cloudwatch")
    dimensions = [{"Name": "EndpointName", "Value": "a"}, {"Name": "VariantName", "Value": "main"}]

    def statistics(name: str) -> Any:
        now = datetime.now(UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=3600,
            Statistics=["Sum", "SampleCount", "Average"],
        )["Datapoints"]
        return points[0] if points else {"Sum": 0, "SampleCount": 0}

    world.wait_for(lambda: statistics("Invocations")["Sum"] == 3)
    assert statistics("ModelSetupTime")["SampleCount"] == 1
    assert statistics("ModelSetupTime")["Average"] > statistics("ModelLatency")["Average"]
    assert statistics("ModelSetupTime")["Unit"] == "Microseconds"
    assert statistics("Invocation4XXErrors")["Sum"] == 1
    assert statistics("Invocation5XXErrors")["Sum"] == 0
    assert statistics("OverheadLatency")["SampleCount"] == 3


def test_no_room_to_unpack_is_an_error_and_leaves_nothing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.endpoint("a")
    from scaletozero.sandbox.aws.runtime import instance

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", "model.onnx")

    with monkeypatch.context() as patch:
        patch.setattr(instance, "safe_extract", full)
        response = error(lambda: world.invoke("a"))
    assert response["Error"]["Code"] == "ModelError"
    assert "No space left on device" in response["OriginalMessage"]
    assert world.folders() == []
    assert world.invoke("a")["version"] == 1


@pytest.mark.parametrize("idle_seconds", [1])
def test_processes_killed_at_random_cost_their_own_request_and_no_other(world: Any) -> None:
    world.endpoint("a", maximum=4)
    chance, finished = random.Random(7), threading.Event()
    outcomes: Counter[str] = Counter()

    def call(caller: int) -> None:
        for turn in range(25):
            try:
                assert world.invoke("a", echo=[caller, turn], sleep=0.02)["echo"] == [caller, turn]
                outcomes["answered"] += 1
            except ClientError as caught:
                outcomes[caught.response["Error"]["Code"]] += 1

    def kill() -> None:
        while not finished.wait(chance.uniform(0.05, 0.3)):
            for instance in world.about("a")["instances"][:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(instance["pid"], 9)

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(call, range(3)))
    finished.set()
    killer.join()
    assert sum(outcomes.values()) == 75
    assert set(outcomes) <= {"answered", "ModelError"}
    assert world.invoke("a", echo=1)["echo"] == 1
    world.wait_for(lambda: not world.folders())
    assert world.about("a")["instances"] == []


def test_deleting_an_endpoint_ends_its_processes(world: Any) -> None:
    world.endpoint("a", warm=1)
    pid = world.about("a")["instances"][0]["pid"]
    world.client("sagemaker").delete_endpoint(EndpointName="a")
    world.wait_for(lambda: not alive(pid))
    assert error(lambda: world.invoke("a"))["Error"]["Code"] == "ValidationError"
