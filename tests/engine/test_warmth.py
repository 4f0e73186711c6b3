"""Endpoints that are kept warm, on the real engine: scaled, scheduled, changed, failed and loaded."""

import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from workbench import Workbench, endpoint

from model_packaging import Artifact
from scaletozero.sandbox import daemon
from scaletozero.scaling.simulation import Endpoint, Floor, replay
from scaletozero.scaling.trace import Trace

NAME = "scaletozero-local-sentences"
RESOURCE = f"endpoint/{NAME}/variant/AllTraffic"
OFFICE = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 3}
QUESTION = json.dumps({"inputs": ["A cold start is a number, not a hope."]}).encode()


def live(workbench: Workbench) -> dict[str, Any]:
    return daemon.status(workbench.sandbox())["endpoints"][NAME]


def asker(workbench: Workbench) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=workbench.sandbox().runtime_url,
        aws_access_key_id=workbench.sandbox().credentials.access_key,
        aws_secret_access_key=workbench.sandbox().credentials.secret_key,
        config=Config(read_timeout=120, retries={"total_max_attempts": 1}, max_pool_connections=64),
    )


def ask(client: Any, question: bytes = QUESTION) -> list[list[float]]:
    answer = client.invoke_endpoint(EndpointName=NAME, ContentType="application/json", Body=question)
    return json.load(answer["Body"])["embeddings"]


def serverless_config(workbench: Workbench) -> dict[str, int]:
    described = workbench.aws("sagemaker").describe_endpoint(EndpointName=NAME)
    assert described["EndpointStatus"] == "InService"
    return described["ProductionVariants"][0]["CurrentServerlessConfig"]


def scalable(workbench: Workbench) -> list[dict[str, Any]]:
    return workbench.aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]


def scheduled(workbench: Workbench) -> dict[str, tuple[int, int]]:
    found = workbench.aws("application-autoscaling").describe_scheduled_actions(ServiceNamespace="sagemaker")
    return {
        each["Schedule"]: (each["ScalableTargetAction"]["MinCapacity"], each["ScalableTargetAction"]["MaxCapacity"])
        for each in found["ScheduledActions"]
    }


@pytest.mark.long
def test_scaling_and_schedules_are_added_changed_and_taken_away(workbench: Workbench, encoder: Artifact) -> None:
    def up(**changes: Any) -> str:
        workbench.declare(endpoints={"sentences": endpoint(encoder, **changes)})
        return workbench.done("up")

    up(scaling={"max": 4})
    assert scalable(workbench) == []

    up(scaling={"min": 1, "buffer": 1, "max": 4})
    (target,) = scalable(workbench)
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (RESOURCE, 1, 4)
    assert serverless_config(workbench)["ProvisionedConcurrency"] == 1
    policies = workbench.aws("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    (policy,) = policies["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 0.5

    said = up(scaling={"min": 1, "buffer": 1, "max": 4}, schedule=[OFFICE])
    assert "2 created" in said
    cold = encoder.manifest.cold_start.total_ms / 1000
    early = 60 - 2 - max(1, -(-int(cold * 1000) // 60_000))
    days = "MON,TUE,WED,THU,FRI"
    assert scheduled(workbench) == {f"cron({early} 7 ? * {days} *)": (3, 4), f"cron(0 18 ? * {days} *)": (1, 4)}

    up(scaling={"min": 2, "buffer": 1, "max": 5}, schedule=[{**OFFICE, "end": "19:00"}])
    assert scheduled(workbench) == {f"cron({early} 7 ? * {days} *)": (3, 5), f"cron(0 19 ? * {days} *)": (2, 5)}
    assert serverless_config(workbench)["MaxConcurrency"] == 5

    up(scaling={"min": 2, "buffer": 1, "max": 5})
    assert scheduled(workbench) == {}
    assert "nothing changes" in workbench.done("up")

    up(scaling={"max": 5}, memory_mb=3072)
    assert scalable(workbench) == []
    assert serverless_config(workbench) == {"MemorySizeInMB": 3072, "MaxConcurrency": 5}
    workbench.done("down")


@pytest.mark.long
def test_an_artifact_that_does_not_start_leaves_the_old_one_serving_warm(
    workbench: Workbench, encoder: Artifact, other_encoder: Artifact, broken_encoder: Artifact
) -> None:
    kept = {"scaling": {"min": 1, "buffer": 0, "max": 3}}
    workbench.declare(endpoints={"sentences": endpoint(encoder, **kept)})
    workbench.done("up")
    first = ask(asker(workbench))

    workbench.declare(endpoints={"sentences": endpoint(broken_encoder, **kept)})
    failed = workbench.run("up")
    assert failed.returncode == 1
    assert "SageMaker returned to" in failed.stderr
    assert ask(asker(workbench)) == first
    assert live(workbench)["cold_start_count"] == 0

    workbench.declare(endpoints={"sentences": endpoint(other_encoder, **kept)})
    workbench.done("up")
    assert ask(asker(workbench)) == first

    # Pinning the digest before it brings the first one back.
    workbench.declare(endpoints={"sentences": endpoint(encoder, **kept)})
    workbench.done("up")
    outputs = json.loads(workbench.run("status", "--json").stdout)["endpoints"]["sentences"]
    assert outputs["digest"] == encoder.digest
    assert live(workbench)["status"] == "InService"


@pytest.mark.long
def test_fifty_callers_over_a_max_of_twenty(workbench: Workbench, encoder: Artifact) -> None:
    """As many as are allowed are answered, exactly the others are throttled, and every answer is the right one."""
    workbench.declare(endpoints={"sentences": endpoint(encoder, scaling={"max": 20})})
    workbench.done("up")
    client = asker(workbench)
    # Work that takes far longer than it takes fifty calls to come in, on a machine that is busy with both.
    texts = [" ".join(["A cold start is a number, not a hope."] * 12)] * 128
    question = json.dumps({"inputs": texts}).encode()
    together = threading.Barrier(50)

    def call(_: int) -> list[list[float]] | str:
        together.wait()
        try:
            return ask(client, question)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(call, range(50)))
    assert outcomes.count("ThrottlingException") == 30
    answers = [each for each in outcomes if not isinstance(each, str)]
    right = ask(client, question)
    assert len(answers) == 20
    assert all(each == right for each in answers)
    assert live(workbench)["invocations"] == 51


def test_two_that_are_warm_answer_the_first_two_calls_without_a_cold_start(
    workbench: Workbench, encoder: Artifact
) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder, scaling={"min": 2, "buffer": 0, "max": 5})})
    workbench.done("up")
    client, together = asker(workbench), threading.Barrier(2)

    def call(_: int) -> list[list[float]]:
        together.wait()
        return ask(client)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(call, range(2))
    assert one == other
    assert live(workbench)["cold_start_count"] == 0
    assert len(live(workbench)["instances"]) == 2


@pytest.mark.long
def test_the_simulation_agrees_with_the_sandbox_about_cold_starts(workbench: Workbench, encoder: Artifact) -> None:
    """The same bursts through both: apart by more or less than the idle time, and wider than what is warm."""
    idle = 6.0
    workbench.declare(
        endpoints={"sentences": endpoint(encoder, scaling={"min": 1, "buffer": 0, "max": 9})},
        sandbox={"aws_port": 0, "runtime_port": 0, "idle_seconds": idle},
    )
    workbench.done("up")
    client = asker(workbench)
    # Work that takes far longer than it takes a burst to come in, so that calls that are made together do meet.
    question = json.dumps({"inputs": [" ".join(["A cold start is a number, not a hope."] * 12)] * 32}).encode()

    def call(together: threading.Barrier) -> tuple[float, float]:
        together.wait()
        at = time.time()
        ask(client, question)
        return at, time.time() - at

    work = statistics.median(call(threading.Barrier(1))[1] for _ in range(5))
    # (seconds after the burst before it, calls at the same time)
    bursts = [(0.0, 3), (1.5, 3), (12.0, 4), (1.5, 2), (12.0, 3), (12.0, 1), (1.5, 3), (1.5, 3), (12.0, 4)]
    starts: list[float] = []
    with ThreadPoolExecutor(8) as pool:
        for pause, width in bursts:
            time.sleep(pause)
            together = threading.Barrier(width)
            starts += [at for at, _ in pool.map(call, [together] * width)]
    shown = live(workbench)
    seconds = statistics.median(each["total_ms"] for each in shown["cold_starts"]) / 1000
    trace = Trace(sorted(starts), [work] * len(starts))
    found = replay(trace, Endpoint(9, seconds, idle), [Floor(trace.starts[0], 1)])
    assert shown["cold_start_count"] >= 10
    assert found.cold_starts == pytest.approx(shown["cold_start_count"], rel=0.1)


@pytest.mark.long
def test_kept_warm_by_calls_and_watched(workbench: Workbench, encoder: Artifact) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:pager"
    workbench.declare(
        endpoints={
            "sentences": endpoint(
                encoder,
                scaling={"max": 5, "warm_by": "calls"},
                schedule=[OFFICE],
                alarms={"p99_ms": 250, "notify": [topic]},
            )
        }
    )
    said = workbench.done("up")
    assert "kept warm by calls" in said
    assert "by provisioned concurrency it would be" in said
    groups = workbench.aws("scheduler").list_schedule_groups()["ScheduleGroups"]
    (group,) = [each["Name"] for each in groups if each["Name"] != "default"]
    schedules = workbench.aws("scheduler").list_schedules(GroupName=group)["Schedules"]
    assert len(schedules) == 2
    function = workbench.aws("lambda").list_functions()["Functions"][0]
    assert function["Environment"]["Variables"] == {"ENDPOINT_NAME": NAME}
    deployed = workbench.stack().export_stack().deployment
    assert deployed
    resources = deployed["resources"]
    (declared,) = (each["inputs"] for each in resources if each["type"] == "aws:lambda/function:Function")
    # moto keeps no dead-letter queue of a function.
    assert ":sqs:" in declared["deadLetterConfig"]["targetArn"]
    sample = declared["code"]["assets"]["sample_input"]["text"]
    # The question that the function asks is one that the model takes.
    answer = asker(workbench).invoke_endpoint(EndpointName=NAME, ContentType="application/json", Body=sample.encode())
    assert len(json.load(answer["Body"])["embeddings"]) == 1
    alarms = workbench.aws("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert len(alarms["MetricAlarms"]) == 4
    (whole,) = alarms["CompositeAlarms"]
    assert whole["AlarmActions"] == [topic]
    said = workbench.done("up")
    assert "nothing changes" in said, said
    assert "everything is deleted" in workbench.done("down")
