"""Asynchronous endpoints over processes: an unmodified boto3 client, and the caller's own helpers."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from scaletozero import ModelError, Submitted


def told(world: Any, name: str, what: str) -> Callable[[], list[dict[str, Any]]]:
    """Subscribes a queue to a topic of the endpoint; gives what reads it."""
    sqs, sns = world.client("sqs"), world.client("sns")
    url = sqs.create_queue(QueueName=f"{name}-{what}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=f"{name}-{what}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def read() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(each["Body"])["Message"]) for each in messages]

    return read


def refused(world: Any, **call: Any) -> str:
    return world.refused("sagemaker-runtime", "invoke_endpoint_async", **call)


def test_a_request_becomes_an_answer_where_the_call_said(world: Any) -> None:
    world.asynchronous("a")
    read = told(world, "a", "answered")
    submitted = world.submit("a", echo="é")
    assert submitted.answer.startswith("s3://calls/answers/")
    assert submitted.answer.endswith(".out")
    assert submitted.failure == submitted.answer.replace("/answers/", "/failures/").replace(".out", "-error.out")
    assert world.result(submitted)["echo"] == "é"
    (message,) = world.wait_for(read)
    assert (message["invocationStatus"], message["inferenceId"]) == ("Completed", submitted.inference_id)
    assert message["responseParameters"]["outputLocation"] == submitted.answer


def test_what_the_call_says_of_the_request_reaches_the_container(world: Any) -> None:
    world.asynchronous("a")
    answer = world.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="a",
        Body=json.dumps({"headers": True}).encode(),
        ContentType="application/x-own",
        Accept="text/plain",
        CustomAttributes="trace=1",
        InferenceId="mine",
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "mine"
    seen = world.result(Submitted("mine", answer["OutputLocation"], answer["FailureLocation"]))
    assert seen["Content-Type"] == "application/x-own"
    assert seen["Accept"] == "text/plain"
    assert seen["X-Amzn-SageMaker-Custom-Attributes"] == "trace=1"
    assert seen["X-Amzn-SageMaker-Inference-Id"] == "mine"


@pytest.mark.parametrize(("status", "whose"), [(400, "client"), (500, "server")])
def test_the_models_own_error_reaches_the_caller(world: Any, status: int, whose: str) -> None:
    world.asynchronous("a")
    read = told(world, "a", "failed")
    submitted = world.submit("a", status=status)
    with pytest.raises(ModelError, match='"error": "as asked"'):
        world.result(submitted)
    (message,) = world.wait_for(read)
    assert message["invocationStatus"] == "Failed"
    assert message["failureReason"].startswith(f"ClientError: Received {whose} error ({status}) from model.")
    assert message["responseParameters"]["failureLocation"] == submitted.failure


def test_a_request_that_is_not_there_fails_when_it_is_its_turn(world: Any) -> None:
    world.asynchronous("a")
    answer = world.client("sagemaker-runtime").invoke_endpoint_async(EndpointName="a", InputLocation="s3://calls/no")
    with pytest.raises(ModelError, match="Could not download the request from s3://calls/no: NoSuchKey"):
        world.result(Submitted(answer["InferenceId"], answer["OutputLocation"], answer["FailureLocation"]))


def test_what_is_refused_at_once(world: Any) -> None:
    world.asynchronous("a")
    world.endpoint("b")
    there = {"InputLocation": "s3://calls/x"}
    assert refused(world, EndpointName="no", **there) == "Endpoint no of account 123456789012 not found."
    assert "has no AsyncInferenceConfig" in refused(world, EndpointName="b", **there)
    assert "Exactly one of InputLocation and Body" in refused(world, EndpointName="a")
    assert "Exactly one of InputLocation and Body" in refused(world, EndpointName="a", Body=b"{}", **there)
    assert "'body' failed to satisfy" in refused(world, EndpointName="a", Body=b"x" * 128_001)
    message = refused(world, EndpointName="a", RequestTTLSeconds=21_601, InvocationTimeoutSeconds=3601, **there)
    assert message.startswith("2 validation errors detected: ")
    message = world.refused("sagemaker-runtime", "invoke_endpoint", EndpointName="a", Body=b"{}")
    assert message.endswith("is asynchronous: invoke it with InvokeEndpointAsync.")


def test_configurations_that_cannot_be(world: Any) -> None:
    world.model("a")
    # The client knows some of the rules itself; here the service has to.
    client = world.client("sagemaker", parameter_validation=False)
    instances = {"InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    answers = {"NotificationConfig": {"IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}}
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({**instances, "InitialInstanceCount": 0}, {}, "valid min value: 1"),
        ({"InstanceType": "ml.g5.xlarge"}, {}, "greater than or equal to 1"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, {}, "not supported for a serverless"),
        (instances, answers, "do not include responses"),
    ]
    for variant, output, reason in cases:
        with pytest.raises(ClientError, match=reason):
            client.create_endpoint_config(
                EndpointConfigName="a",
                ProductionVariants=[{"VariantName": "main", "ModelName": "a", **variant}],
                AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://calls/answers", **output}},
            )


@pytest.mark.parametrize(("instances", "concurrency"), [(1, 1), (2, 2)])
def test_an_instance_works_on_as_many_as_it_may_and_no_more(world: Any, instances: int, concurrency: int) -> None:
    world.asynchronous("a", instances=instances, concurrency=concurrency)
    most = instances * concurrency
    meetings = [world.meeting(most) for _ in range(3)]
    asked = [world.submit("a", meet=meetings[i // most], sleep=0.3, echo=i) for i in range(most * 3)]
    answers = [world.result(each) for each in asked]
    assert [each["echo"] for each in answers] == list(range(len(asked)))
    assert len({each["pid"] for each in answers}) == instances
    assert max(each["most"] for each in answers) == concurrency
    world.wait_for(lambda: world.about("a")["backlog"] == {"size": 0, "waiting": 0, "oldest_s": 0})


def test_one_that_takes_too_long_and_one_that_ends_its_container_fail_alone(world: Any) -> None:
    world.asynchronous("a")
    pid = world.result(world.submit("a"))["pid"]
    answer = world.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="a", Body=b'{"sleep": 600}', InvocationTimeoutSeconds=1
    )
    slow = Submitted(answer["InferenceId"], answer["OutputLocation"], answer["FailureLocation"])
    with pytest.raises(ModelError, match="worked on for longer than 1 seconds"):
        world.result(slow)
    # One at a time, and the old one is still at it: another instance takes the next.
    crashed, good = world.submit("a", crash=True), world.submit("a", echo=1)
    with pytest.raises(ModelError, match="The container ended"):
        world.result(crashed)
    assert world.result(good)["echo"] == 1
    assert world.result(good)["pid"] != pid


TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/a/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
ALARM = {
    "AlarmName": "wake",
    "Namespace": "AWS/SageMaker",
    "MetricName": "HasBacklogWithoutCapacity",
    "Dimensions": [{"Name": "EndpointName", "Value": "a"}],
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "Threshold": 1.0,
}


class Clock:
    """Scaling's time, which a test moves on."""

    def __init__(self, world: Any) -> None:
        self.world, self.now = world, datetime.now(UTC)
        self.scaling = world.servers._scaling
        self.scaling.stop()

    def pass_(self, seconds: int) -> int:
        """So many seconds go by; the instances there are then."""
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.scaling.step(self.now)
        return len(self.world.about("a")["instances"])


def test_an_endpoint_that_scales_keeps_its_instances(world: Any) -> None:
    world.asynchronous("a")
    sagemaker = world.client("sagemaker")
    was = sagemaker.describe_endpoint_config(EndpointConfigName="a")
    (variant,) = was["ProductionVariants"]
    sagemaker.create_endpoint_config(
        EndpointConfigName="b",
        ProductionVariants=[{**variant, "InstanceType": "ml.g5.2xlarge"}],
        AsyncInferenceConfig=was["AsyncInferenceConfig"],
    )
    client = world.client("application-autoscaling")
    client.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=2)
    said = world.refused("sagemaker", "update_endpoint", EndpointName="a", EndpointConfigName="b")
    assert "from ml.g5.xlarge to ml.g5.2xlarge while it is registered as a scalable target" in said
    client.deregister_scalable_target(**TARGET)
    sagemaker.update_endpoint(EndpointName="a", EndpointConfigName="b")
    assert world.settled("a")["EndpointConfigName"] == "b"


def follow_backlog(world: Any, most: int = 3) -> None:
    client = world.client("application-autoscaling")
    client.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=most)
    client.put_scaling_policy(
        **TARGET,
        PolicyName="follow",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "ScaleInCooldown": 300,
            "ScaleOutCooldown": 60,
            "CustomizedMetricSpecification": {
                "Namespace": "AWS/SageMaker",
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Dimensions": [{"Name": "EndpointName", "Value": "a"}],
                "Statistic": "Average",
            },
        },
    )


def wake(world: Any, cooldown: int = 300) -> str:
    """The step policy's ARN."""
    return world.client("application-autoscaling").put_scaling_policy(
        **TARGET,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "Cooldown": cooldown,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )["PolicyARN"]


def test_to_zero_and_back_and_to_zero(world: Any) -> None:
    clock = Clock(world)
    world.asynchronous("a")
    follow_backlog(world)
    arn = wake(world, cooldown=60)
    world.client("cloudwatch").put_metric_alarm(**ALARM, AlarmActions=[arn])
    assert wake(world) == arn  # changed, it is still the one that the alarm calls
    assert clock.pass_(300) == 1  # a first instance stays for the cooldown
    assert clock.pass_(2) == 0
    assert world.folders() == []
    assert world.settled("a")["ProductionVariants"][0]["CurrentInstanceCount"] == 0

    submitted = world.submit("a", echo=1)
    with pytest.raises(TimeoutError):
        world.result(submitted, timeout=0.6)
    assert world.about("a")["backlog"]["waiting"] == 1
    assert clock.pass_(59) == 0
    assert clock.pass_(1) == 1
    (alarm,) = world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"
    assert world.result(submitted)["echo"] == 1
    assert world.about("a")["cold_start_count"] == 1

    world.wait_for(lambda: world.about("a")["backlog"]["size"] == 0)
    assert clock.pass_(290) == 1
    assert clock.pass_(15) == 0
    (alarm,) = world.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == "OK"


def test_with_a_piece_missing_it_never_sleeps_or_never_wakes(world: Any) -> None:
    world.asynchronous("a")
    client, cloudwatch = world.client("application-autoscaling"), world.client("cloudwatch")
    clock = Clock(world)
    assert clock.pass_(900) == 1  # no target
    client.register_scalable_target(**TARGET, MinCapacity=0, MaxCapacity=3)
    assert clock.pass_(900) == 1  # no target tracking
    follow_backlog(world)
    assert clock.pass_(61) == 0
    submitted = world.submit("a")
    assert clock.pass_(600) == 0  # no step policy, no alarm
    arn = wake(world)
    assert clock.pass_(600) == 0  # no alarm
    other = arn.replace("policyName/wake", "policyName/other")
    variant = [*ALARM["Dimensions"], {"Name": "VariantName", "Value": "main"}]
    for change in (
        {"AlarmActions": []},
        {"AlarmActions": [other]},
        {"AlarmActions": [arn], "ActionsEnabled": False},
        {"AlarmActions": [arn], "Dimensions": variant},
    ):
        cloudwatch.put_metric_alarm(**{**ALARM, **change})
        assert clock.pass_(180) == 0
    assert world.about("a")["backlog"]["waiting"] == 1
    cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[arn])
    assert clock.pass_(1) == 1  # all four are there
    world.result(submitted)


def test_a_long_backlog_brings_as_many_instances_as_it_takes_up_to_the_most(world: Any) -> None:
    world.asynchronous("a")
    follow_backlog(world, most=2)
    clock = Clock(world)
    meeting = world.meeting(16)
    asked = [world.submit("a", meet=meeting, echo=i) for i in range(16)]
    assert clock.pass_(61) == 2
    for i in range(16):
        (Path(meeting["folder"]) / str(i)).touch()
    assert {world.result(each)["echo"] for each in asked} == set(range(16))


def test_what_waits_outlives_another_configuration(world: Any) -> None:
    world.asynchronous("a")
    world.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="a", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 0}]
    )
    world.settled("a")
    submitted = world.submit("a", echo=1)
    world.model("b", version=2)
    client = world.client("sagemaker")
    config = client.describe_endpoint_config(EndpointConfigName="a")
    variant = config["ProductionVariants"][0] | {"ModelName": "b"}
    client.create_endpoint_config(
        EndpointConfigName="b", ProductionVariants=[variant], AsyncInferenceConfig=config["AsyncInferenceConfig"]
    )
    client.update_endpoint(EndpointName="a", EndpointConfigName="b")
    assert world.result(submitted) | {"pid": 0} == {"version": 2, "echo": 1, "most": 1, "pid": 0, "padding": ""}


def test_one_that_waits_too_long_fails_without_an_instance(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.asynchronous("a")
    follow_backlog(world)
    assert Clock(world).pass_(302) == 0
    read = told(world, "a", "failed")
    submitted = world.submit("a")
    monkeypatch.setattr(world.servers._runtime._async, "_clock", lambda: time.time() + 21_601)
    with pytest.raises(ModelError, match="waited for longer than 21600 seconds"):
        world.result(submitted)
    (message,) = world.wait_for(read)
    assert message["invocationStatus"] == "Expired"


def test_an_endpoint_that_is_deleted_takes_its_queue_with_it(world: Any) -> None:
    world.asynchronous("a")
    asked = [world.submit("a", sleep=60), world.submit("a")]
    world.wait_for(lambda: world.about("a")["backlog"] | {"oldest_s": 0} == {"size": 2, "waiting": 1, "oldest_s": 0})
    world.client("sagemaker").delete_endpoint(EndpointName="a")
    world.wait_for(lambda: not world.client("sagemaker").list_endpoints()["Endpoints"])
    assert "not found" in refused(world, EndpointName="a", InputLocation="s3://calls/x")
    with pytest.raises(TimeoutError):
        world.result(asked[0], timeout=0.1)
    world.wait_for(lambda: not [each for each in threading.enumerate() if each.name == "backlog of a"])


def test_a_sandbox_that_stops_fails_what_is_under_way_and_drops_what_waits(world: Any) -> None:
    world.asynchronous("a")
    under_way, waiting = world.submit("a", sleep=60), world.submit("a")
    world.wait_for(lambda: world.about("a")["backlog"]["waiting"] == 1)
    world.servers.stop()
    keys = s3_backends["123456789012"]["aws"].buckets["calls"].keys
    assert b"The sandbox was stopped" in keys[under_way.failure.removeprefix("s3://calls/")].value
    assert waiting.failure.removeprefix("s3://calls/") not in keys
    assert not [each for each in threading.enumerate() if each.name == "backlog of a"]
    assert world.folders() == []


def test_a_sandbox_that_stops_waits_for_the_notifications_of_a_deleted_endpoint(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published later, it would go to the topics of the next sandbox in this process."""
    begun, goes_on, published = (threading.Event() for _ in range(3))

    def publish(*_: Any) -> None:
        begun.set()
        assert goes_on.wait(300)
        published.set()

    monkeypatch.setattr(world.servers._runtime._async._store, "publish", publish)
    world.asynchronous("a")
    world.submit("a")
    assert begun.wait(300)
    world.client("sagemaker").delete_endpoint(EndpointName="a")
    world.wait_for(lambda: not world.client("sagemaker").list_endpoints()["Endpoints"])
    threading.Timer(1, goes_on.set).start()
    world.servers.stop()
    assert published.is_set()
