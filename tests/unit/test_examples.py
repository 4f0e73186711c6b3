"""The example programs declare what they say they do."""

import runpy
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

EXAMPLES = Path(__file__).parents[2] / "examples"
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"
TOPIC = "arn:aws:sns:eu-central-1:111122223333:pager"


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


def test_the_serverless_one(run, make_artifact) -> None:
    program = example("serverless.py")
    done = run(lambda: program["main"](str(make_artifact().path), IMAGE, TOPIC).endpoint_arn)
    assert done.one(":Endpoint")["name"] == "acme-dev-sentences"
    capacities = sorted(each.inputs["scalableTargetAction"]["minCapacity"] for each in done.of(":ScheduledAction"))
    assert capacities == [1, 4]
    assert done.one(":CompositeAlarm")["alarmActions"] == [TOPIC]


def test_the_asynchronous_one(run, make_artifact) -> None:
    program = example("asynchronous.py")
    done = run(lambda: program["main"](str(make_artifact().path), IMAGE).endpoint_arn)
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert (variant["instanceType"], variant["initialInstanceCount"]) == ("ml.g5.xlarge", 1)
    assert len(done.of(":Policy")) == 2
    rules = {rule["id"] for rule in done.one(":BucketLifecycleConfiguration")["rules"]}
    assert rules == {"old-versions", "answers", "unfinished-uploads"}


def test_its_caller_gets_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key="async/documents/answers/1.out", Body=b"the answer")
        runtime = boto3.client("sagemaker-runtime")
        stub = Stubber(runtime)
        folder = "s3://models/async/documents"
        answer = {
            "InferenceId": "1",
            "OutputLocation": f"{folder}/answers/1.out",
            "FailureLocation": f"{folder}/failures/1.out",
        }
        stub.add_response("invoke_endpoint_async", answer)
        stub.activate()
        clients = {"s3": s3, "sagemaker-runtime": runtime}
        monkeypatch.setattr(boto3, "client", lambda service: clients[service])
        assert example("asynchronous.py")["ask"]("documents", f"{folder}/requests", b"{}") == b"the answer"
