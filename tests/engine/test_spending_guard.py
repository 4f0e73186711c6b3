"""A runaway on the real engine: the sandbox's own metrics, alarm, rule and function close the endpoint at its cap."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from clusters import eventually
from workbench import Workbench, endpoint

from model_packaging import Artifact
from scaletozero.settings.names import VARIANT
from scaletozero.spending.guard import REPAIR_SECONDS

NAME, SPEED, CALLERS = "scaletozero-local-sentences", 15, 8
CALLER = "arn:aws:iam::123456789012:role/gateway"
QUESTION = json.dumps({"inputs": ["A cold start is a number, not a hope."] * 8}).encode()


WINDOW: dict[str, Any] = {"window_hours": 1}
MONTH: dict[str, Any] = {"over": "month"}


def declare(workbench: Workbench, encoder: Artifact, cap: float, over: dict[str, Any] = WINDOW) -> dict[str, Any]:
    """Deploys an endpoint under a guard. Returns its estimate, as preview prints it."""
    guard = {"callers": [CALLER], "emails": ["team@example.com"], **over}
    workbench.declare(
        endpoints={"sentences": endpoint(encoder, memory_mb=2048, scaling={"max": 2})},
        spending={"cap_usd_per_month": 100, "endpoints": {"sentences": cap}, "guard": guard},
    )
    workbench.done("up", "--speed", str(SPEED))
    return json.loads(workbench.run("estimate", "--json").stdout)["endpoints"]["sentences"]


def caller(workbench: Workbench) -> Callable[[], Any]:
    """Makes clients that act for the role that may invoke the endpoint."""
    iam = workbench.aws("iam")
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    may = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_role_policy(RoleName="gateway", PolicyName="invoke", PolicyDocument=document)
    given = workbench.aws("sts").assume_role(RoleArn=CALLER, RoleSessionName="test")["Credentials"]

    def client() -> Any:
        return boto3.client(
            "sagemaker-runtime",
            region_name="us-east-1",
            endpoint_url=workbench.sandbox().runtime_url,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
        )

    return client


def call(client: Any) -> str:
    """What comes of a request: `answered`, or the error's code."""
    try:
        client.invoke_endpoint(EndpointName=NAME, Body=QUESTION, ContentType="application/json")["Body"].read()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "answered"


@contextmanager
def runaway(clients: Callable[[], Any]) -> Iterator[list[str]]:
    """Callers without pause. What they get is in the list; each ends when it is denied."""
    seen, over = list[str](), threading.Event()

    def run() -> None:
        client = clients()
        while not over.is_set():
            seen.append(call(client))
            if seen[-1] == "AccessDeniedException":
                return

    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(CALLERS):
            pool.submit(run)
        try:
            yield seen
        finally:
            over.set()


def spent(workbench: Workbench) -> float:
    """USD by the endpoint's metrics: seconds of work and of starts times 2 GB, and 5,000 bytes a call."""

    def total(metric: str) -> float:
        found = workbench.aws("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": NAME}, {"Name": "VariantName", "Value": VARIANT}],
            StartTime=time.time() - 7200,
            EndTime=time.time() + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return sum(each["Sum"] for each in found["Datapoints"])

    seconds = (total("ModelLatency") + total("ModelSetupTime")) / 1e6
    return seconds * 2 * 0.00002 + total("Invocations") * 5_000 / 1e9 * 0.016


def state(workbench: Workbench) -> str:
    """What `status` says of the endpoint."""
    said = workbench.run("status", "--json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)["spending"]["sentences"]["state"]


def attached(workbench: Workbench) -> list[str]:
    found = workbench.aws("iam").list_attached_role_policies(RoleName="gateway")["AttachedPolicies"]
    return [each["PolicyName"] for each in found]


def capacity(workbench: Workbench) -> int:
    found = workbench.aws("sagemaker").describe_endpoint(EndpointName=NAME)
    return found["ProductionVariants"][0]["CurrentServerlessConfig"]["MaxConcurrency"]


def test_a_runaway_is_closed_within_what_preview_printed_and_opened_by_command(
    workbench: Workbench, encoder: Artifact
) -> None:
    estimate = declare(workbench, encoder, 0.05)
    clients = caller(workbench)
    began = time.monotonic()
    with runaway(clients) as seen:
        eventually(lambda: seen.count("AccessDeniedException") == CALLERS, patience=120)
        seconds = (time.monotonic() - began) * SPEED
    assert "answered" in seen
    assert seconds <= estimate["detector_seconds"]
    assert 0.05 / 744 < spent(workbench) <= 0.05 / 744 + estimate["overshoot_usd"]
    eventually(lambda: capacity(workbench) == 1, patience=30)
    assert len(attached(workbench)) == 1
    # `status` says so, and what it has cost.
    now = json.loads(workbench.run("status", "--json").stdout)["spending"]["sentences"]
    assert (now["state"], now["cap_usd"]) == ("closed", 0.05)
    assert now["usd"] >= 0.05 / 744
    assert re.search(r"sentences +\$0\.\d+ +\$0\.05 +closed", workbench.run("status").stdout)
    # Closed it stays, also after another `up`, and while its alarm stands.
    refused = workbench.run("reopen", "sentences")
    assert refused.returncode != 0
    assert "an alarm that still stands" in refused.stderr
    declare(workbench, encoder, 50)
    assert call(clients()) == "AccessDeniedException"
    # With the higher cap the alarm is over at its next evaluation.
    alarms = workbench.aws("cloudwatch")
    eventually(lambda: not alarms.describe_alarms(StateValue="ALARM")["MetricAlarms"], patience=60)
    assert "may invoke it" in workbench.done("reopen", "sentences")
    assert attached(workbench) == []
    eventually(lambda: capacity(workbench) == 2, patience=30)
    assert call(clients()) == "answered"
    assert state(workbench) == "open"


def test_a_runaway_is_closed_by_the_month_s_gauge_alone(workbench: Workbench, encoder: Artifact) -> None:
    cap = 0.002
    estimate = declare(workbench, encoder, cap, MONTH)
    clients, alarms = caller(workbench), workbench.aws("cloudwatch")
    names = [each["AlarmName"] for each in alarms.describe_alarms()["MetricAlarms"]]
    month = next(each for each in names if each.endswith(".month"))
    assert month.removesuffix(".month") not in names  # no alarm on a window could have closed it
    left = alarms.describe_alarms(AlarmNames=[month])["MetricAlarms"][0]["Threshold"]
    assert 0 < left <= cap
    with runaway(clients) as seen:
        began = eventually(lambda: spent(workbench) > left and time.monotonic(), patience=120)
        eventually(lambda: seen.count("AccessDeniedException") == CALLERS, patience=120)
        seconds = (time.monotonic() - began) * SPEED
    assert "answered" in seen
    assert seconds <= estimate["detector_seconds"]
    assert left < spent(workbench) <= left + estimate["overshoot_usd"]
    eventually(lambda: capacity(workbench) == 1, patience=30)
    assert len(attached(workbench)) == 1
    assert state(workbench) == "closed"
    # Neither time nor another `up` opens it: the month's alarm stands until the month or the cap is another one.
    refused = workbench.run("reopen", "sentences")
    assert refused.returncode != 0
    assert "until the month has passed" in refused.stderr
    declare(workbench, encoder, 50, MONTH)
    assert call(clients()) == "AccessDeniedException"
    eventually(lambda: not alarms.describe_alarms(StateValue="ALARM")["MetricAlarms"], patience=60)
    assert "may invoke it" in workbench.done("reopen", "sentences")
    eventually(lambda: capacity(workbench) == 2, patience=30)
    assert call(clients()) == "answered"
    # A person closes it by the same function, without an alarm, and opens it at once.
    assert "is closed" in workbench.done("close", "sentences")
    assert state(workbench) == "closed"
    assert call(clients()) == "AccessDeniedException"
    assert "may invoke it" in workbench.done("reopen", "sentences")
    assert call(clients()) == "answered"


@pytest.mark.long  # CloudWatch has a sample of an instance a minute, also where the clock runs faster
def test_a_runaway_of_an_asynchronous_endpoint_ends_with_no_instance(workbench: Workbench, encoder: Artifact) -> None:
    cap = 0.2  # of which some minutes of instances are left for requests
    asynchronous = {"kind": "asynchronous", "instance_type": "ml.g5.xlarge", "scaling": {"max": 2, "idle_seconds": 900}}
    workbench.declare(
        endpoints={"sentences": endpoint(encoder, **asynchronous)},
        spending={
            "cap_usd_per_month": 100,
            "endpoints": {"sentences": cap},
            "guard": {"callers": [CALLER], "emails": ["team@example.com"], **MONTH},
        },
    )
    workbench.done("up", "--speed", str(SPEED))
    estimate = json.loads(workbench.run("estimate", "--json").stdout)["endpoints"]["sentences"]
    clients, s3 = caller(workbench), workbench.aws("s3")
    sagemaker, scaling = workbench.aws("sagemaker"), workbench.aws("application-autoscaling")
    about = json.loads(workbench.run("status", "--json").stdout)["endpoints"]["sentences"]
    name, requests = about["name"], about["requests"]
    bucket, _, folder = requests.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{folder.rstrip('/')}/same", Body=QUESTION)

    def ask() -> str:
        try:
            clients().invoke_endpoint_async(
                EndpointName=name, InputLocation=f"{requests.rstrip('/')}/same", ContentType="application/json"
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "queued"

    def usd() -> float:
        """By the endpoint's metrics: minutes of instances, and those that wait for the first one as the most."""
        named = [{"Name": "EndpointName", "Value": name}]
        of_variant = [*named, {"Name": "VariantName", "Value": VARIANT}]

        def total(namespace: str, metric: str, dimensions: list[dict[str, str]], statistic: str) -> float:
            found = workbench.aws("cloudwatch").get_metric_statistics(
                Namespace=namespace,
                MetricName=metric,
                Dimensions=dimensions,
                StartTime=time.time() - 7200,
                EndTime=time.time() + 60,
                Period=60,
                Statistics=[statistic],
            )
            return sum(each[statistic] for each in found["Datapoints"])

        running = total("/aws/sagemaker/Endpoints", "CPUUtilization", of_variant, "SampleCount")
        waking = total("AWS/SageMaker", "HasBacklogWithoutCapacity", named, "Sum")
        return (running + 2 * waking) / 60 * 1.408

    def instances() -> int:
        return sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]["CurrentInstanceCount"]

    alarms = workbench.aws("cloudwatch").describe_alarms()["MetricAlarms"]
    left = next(each["Threshold"] for each in alarms if each["AlarmName"].endswith(".month"))
    seen, began = list[str](), 0.0
    while not seen or seen[-1] == "queued":
        began = began or (time.monotonic() if usd() > left else 0.0)
        seen.append(ask())
        time.sleep(0.2)
    assert seen[0] == "queued"
    assert seen[-1] == "AccessDeniedException"
    eventually(lambda: instances() == 0, patience=60)
    assert (time.monotonic() - began) * SPEED <= estimate["detector_seconds"]
    assert left < usd() <= left + estimate["overshoot_usd"]
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert set(target["SuspendedState"].values()) == {True}
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 2)
    # What still waits in its queue wakes nothing.
    time.sleep(20)
    assert instances() == 0
    assert ask() == "AccessDeniedException"
    assert state(workbench) == "closed"


def test_a_function_that_fails_three_times_closes_it_once_it_can(workbench: Workbench, encoder: Artifact) -> None:
    declare(workbench, encoder, 0.05)
    clients = caller(workbench)
    iam, alarms, sqs = workbench.aws("iam"), workbench.aws("cloudwatch"), workbench.aws("sqs")
    role = next(each["RoleName"] for each in iam.list_roles()["Roles"] if "spending-function" in each["RoleName"])
    # What somebody may do to an account by hand: the function may not attach the denial any more.
    no = {"Effect": "Deny", "Action": "iam:AttachRolePolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [no]})
    iam.put_role_policy(RoleName=role, PolicyName="mistake", PolicyDocument=document)
    queue = next(each for each in sqs.list_queues()["QueueUrls"] if "spending-failures" in each)
    with runaway(clients) as seen:
        kept = eventually(
            lambda: sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages"), patience=180
        )[0]
        assert "iam:AttachRolePolicy" in kept["MessageAttributes"]["ErrorMessage"]["StringValue"]
        # It has taken its other steps, and people are told.
        assert capacity(workbench) == 1
        assert "AccessDeniedException" not in seen
        stood = [each["AlarmName"] for each in alarms.describe_alarms(StateValue="ALARM")["MetricAlarms"]]
        assert any("spending-failed" in each for each in stood)
        iam.delete_role_policy(RoleName=role, PolicyName="mistake")
        mended = time.monotonic()
        eventually(lambda: seen.count("AccessDeniedException") == CALLERS, patience=120)
        # The next run by the clock closes it: the alarm has not changed since.
        assert (time.monotonic() - mended) * SPEED <= 2 * REPAIR_SECONDS
    assert len(attached(workbench)) == 1
