"""An asynchronous endpoint on the real engine: asked by an unmodified client, asleep, woken, and asleep again."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from clusters import eventually
from workbench import IMAGE, Workbench

from model_packaging import Artifact
from scaletozero import ModelError, Submitted, result, submit
from scaletozero.sandbox import daemon

NAME = "scaletozero-local-sentences-async"
QUESTION = {"inputs": ["A cold start is a number, not a hope."]}


def declare(workbench: Workbench, encoder: Artifact, **changes: Any) -> None:
    asynchronous = {
        "kind": "asynchronous",
        "artifact": str(encoder.path),
        "image": IMAGE,
        "instance_type": "ml.g5.xlarge",
        "scaling": {"max": 2, "idle_seconds": 900},
        "alarms": {},
        **changes,
    }
    workbench.declare(endpoints={"sentences": asynchronous})
    workbench.done("up")


def runtime(workbench: Workbench) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=workbench.sandbox().runtime_url,
        aws_access_key_id=workbench.sandbox().credentials.access_key,
        aws_secret_access_key=workbench.sandbox().credentials.secret_key,
    )


def outputs(workbench: Workbench) -> dict[str, Any]:
    return json.loads(workbench.run("status", "--json").stdout)["endpoints"]["sentences"]


def ask(workbench: Workbench, question: Any = QUESTION) -> Submitted:
    """A request by the caller's own helper."""
    found = outputs(workbench)
    return submit(
        found["name"],
        json.dumps(question).encode(),
        requests=found["requests"],
        s3=workbench.aws("s3"),
        runtime=runtime(workbench),
    )


def live(workbench: Workbench) -> dict[str, Any]:
    return daemon.status(workbench.sandbox())["endpoints"][NAME]


def test_from_nothing_to_an_answer_to_nothing(workbench: Workbench, encoder: Artifact) -> None:
    declare(workbench, encoder)
    scaling = workbench.aws("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 2)
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    kinds = {each["PolicyType"]: each for each in policies}
    assert set(kinds) == {"TargetTrackingScaling", "StepScaling"}
    alarms = workbench.aws("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    (wake,) = [each for each in alarms if each.get("MetricName") == "HasBacklogWithoutCapacity"]
    assert wake["AlarmActions"] == [kinds["StepScaling"]["PolicyARN"]]
    bucket = workbench.aws("s3").list_buckets()["Buckets"][0]["Name"]
    rules = workbench.aws("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {"old-versions", "answers", "unfinished-uploads"}

    answered = workbench.run("invoke", "sentences", json.dumps(QUESTION))
    assert answered.returncode == 0, answered.stderr
    (embedding,) = json.loads(answered.stdout)["embeddings"]
    assert len(embedding) > 100
    assert f"the result will be at s3://{bucket}/async/sentences/answers/" in answered.stderr

    wrong = workbench.run("invoke", "sentences", '{"input": []}')
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "ModelError: " in wrong.stderr
    assert "inputs" in wrong.stderr
    with pytest.raises(ClientError, match="is asynchronous"):
        runtime(workbench).invoke_endpoint(EndpointName=NAME, Body=json.dumps(QUESTION))

    table = workbench.run("status").stdout
    assert "ml.g5.xlarge" in table
    assert "backlog" in table
    assert "everything is deleted" in workbench.done("down")


@pytest.mark.long
def test_an_endpoint_becomes_one_of_another_kind_under_its_name(workbench: Workbench, encoder: Artifact) -> None:
    serverless = {"artifact": str(encoder.path), "image": IMAGE}
    workbench.declare(endpoints={"sentences": serverless})
    workbench.done("up")
    first = json.loads(workbench.run("invoke", "sentences", json.dumps(QUESTION)).stdout)
    declare(workbench, encoder)
    assert json.loads(workbench.run("invoke", "sentences", json.dumps(QUESTION)).stdout) == first
    assert workbench.left()["endpoints"] == workbench.left()["models"] == 1
    workbench.declare(endpoints={"sentences": serverless})
    workbench.done("up")
    assert json.loads(workbench.run("invoke", "sentences", json.dumps(QUESTION)).stdout) == first
    assert workbench.left()["endpoints"] == workbench.left()["models"] == 1


@pytest.mark.long
def test_other_instances_come_once_the_scaling_is_taken_away_as_the_guide_says(
    workbench: Workbench, encoder: Artifact
) -> None:
    declare(workbench, encoder)
    with pytest.raises(AssertionError, match="while it is registered as a scalable target"):
        declare(workbench, encoder, instance_type="ml.g5.2xlarge")
    workbench.stack().destroy(target=["**sentences-warm**"], target_dependents=True)
    declare(workbench, encoder, instance_type="ml.g5.2xlarge")
    assert "ml.g5.2xlarge" in workbench.run("status").stdout
    (target,) = workbench.aws("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 2)
    assert "nothing changes" in workbench.done("up")


@pytest.mark.long
def test_asleep_woken_and_asleep_again_as_long_as_all_pieces_are_there(workbench: Workbench, encoder: Artifact) -> None:
    declare(workbench, encoder, scaling={"max": 2, "idle_seconds": 60}, concurrency=2)
    first = json.loads(result(ask(workbench), s3=workbench.aws("s3"), timeout=300))
    assert live(workbench)["cold_start_count"] == 0
    eventually(lambda: live(workbench)["instances"] == [], every=0.5)
    assert "nothing changes" in workbench.done("up")  # how many there are is not the declaration's
    assert live(workbench)["instances"] == []

    # Through the command, from nothing: it waits for the alarm, the instance and the answer.
    woken = workbench.run("invoke", "sentences", json.dumps(QUESTION))
    assert json.loads(woken.stdout) == first, woken.stderr
    assert live(workbench)["cold_start_count"] == 1

    # The model's own words, and a request that isn't there.
    with pytest.raises(ModelError, match="inputs"):
        result(ask(workbench, {"input": []}), s3=workbench.aws("s3"), timeout=300)
    answer = runtime(workbench).invoke_endpoint_async(EndpointName=NAME, InputLocation="s3://nowhere/nothing")
    missing = Submitted(answer["InferenceId"], answer["OutputLocation"], answer["FailureLocation"])
    with pytest.raises(ModelError, match="Could not download the request from s3://nowhere/nothing"):
        result(missing, s3=workbench.aws("s3"), timeout=300)
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found"):
        runtime(workbench).invoke_endpoint_async(EndpointName="nobody", InputLocation="s3://nowhere/nothing")

    eventually(lambda: live(workbench)["instances"] == [], every=0.5)

    # One of the four pieces gone: it waits for more than the alarm's minute, and for ever.
    alarms = workbench.aws("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    wake = [each["AlarmName"] for each in alarms if each.get("MetricName") == "HasBacklogWithoutCapacity"]
    workbench.aws("cloudwatch").delete_alarms(AlarmNames=wake)
    waiting = ask(workbench)
    with pytest.raises(TimeoutError):
        result(waiting, s3=workbench.aws("s3"), timeout=100)
    assert live(workbench)["instances"] == []
    assert live(workbench)["backlog"]["waiting"] == 1

    # `up` puts it back, and what waited is answered.
    assert "1 created" in workbench.done("up")
    assert json.loads(result(waiting, s3=workbench.aws("s3"), timeout=300)) == first


@pytest.mark.long
def test_a_sandbox_that_is_stopped_with_a_queue_leaves_nobody_waiting(workbench: Workbench, encoder: Artifact) -> None:
    declare(workbench, encoder)
    workbench.aws("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=NAME, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    )
    eventually(lambda: live(workbench)["status"] == "InService" and live(workbench)["instances"] == [], every=0.5)
    waiting, s3 = ask(workbench), workbench.aws("s3")
    asking = workbench.start("invoke", "sentences", json.dumps(QUESTION))
    eventually(lambda: live(workbench)["backlog"]["waiting"] == 2, every=0.5)
    assert daemon.stop(workbench.root / ".scaletozero")
    with pytest.raises(BotoCoreError):
        result(waiting, s3=s3, timeout=60)
    _, said = asking.communicate(timeout=600)
    assert asking.returncode == 1
    assert "no response" in said
