"""Functions in the embedded AWS: processes with their own environment, under their roles."""

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sandbox_world import REGION, World, wait_for

ROLE = "arn:aws:iam::123456789012:role/runner"

Deploy = Callable[..., str]


def zipped(code: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("work.py", code)
    return out.getvalue()


@pytest.fixture
def speed() -> float:
    return 60.0


@pytest.fixture
def deploy(world: World) -> Deploy:
    """Makes a function, and returns its ARN."""
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    world.client("iam").create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    world.allow("runner", "logs:*", "sqs:SendMessage")

    def make(code: str, **more: Any) -> str:
        made = world.client("lambda").create_function(
            FunctionName="work",
            Runtime="python3.13",
            Handler="work.handler",
            Role=ROLE,
            Code={"ZipFile": zipped(code)},
            Timeout=30,
            **more,
        )
        return made["FunctionArn"]

    return make


def invoke(world: World, event: Any, **more: Any) -> tuple[Any, str | None]:
    answer = world.client("lambda").invoke(FunctionName="work", Payload=json.dumps(event), **more)
    return json.loads(answer["Payload"].read() or "null"), answer.get("FunctionError")


def counted(world: World, metric: str) -> float:
    found = world.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": "work"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=60,
        Statistics=["Sum"],
    )
    return sum(each["Sum"] for each in found["Datapoints"])


def test_it_answers_and_prints_to_its_log(world: World, deploy: Deploy) -> None:
    deploy("def handler(event, context):\n    print('seen', event)\n    return {'twice': 2 * event['n']}\n")
    assert invoke(world, {"n": 21}) == ({"twice": 42}, None)
    logs = world.client("logs")
    streams = logs.describe_log_streams(logGroupName="/aws/lambda/work")["logStreams"]
    events = logs.get_log_events(logGroupName="/aws/lambda/work", logStreamName=streams[0]["logStreamName"])["events"]
    lines = [each["message"] for each in events]
    assert "seen {'n': 21}" in lines
    assert [line.split()[0] for line in lines] == ["START", "seen", "END", "REPORT"]
    wait_for(lambda: (counted(world, "Invocations"), counted(world, "Errors")) == (1, 0))


def test_its_environment_is_its_own(world: World, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    code = "import os, sys\ndef handler(event, context):\n    return [dict(os.environ), sys.path, os.getcwd()]\n"
    variables = {"ENDPOINTS": "{}", "PYTHONSTARTUP": "/x", "LD_PRELOAD": "/x", "AWS_ENDPOINT_URL": "http://elsewhere"}
    deploy(code, Environment={"Variables": variables})
    (environment, path, folder), _ = invoke(world, {})
    assert {name for name in environment if not name.startswith("AWS_")} == {"ENDPOINTS", "HOME", "LANG", "TMPDIR"} | (
        environment.keys() & {"LC_CTYPE"}
    )
    assert environment["AWS_ENDPOINT_URL"] == world.servers.aws_url
    assert environment["AWS_ACCESS_KEY_ID"] != world.servers.credentials.access_key
    assert environment["HOME"] not in (os.environ.get("HOME"), "")
    assert "/nowhere" not in path
    assert not os.path.exists(folder)  # noqa: PTH110 - it is deleted after the invocation


def test_it_may_do_what_its_role_may(world: World, deploy: Deploy) -> None:
    deploy(
        "import boto3\ndef handler(event, context):\n"
        "    return boto3.client('s3').list_buckets()['Buckets'][0]['Name']\n"
    )
    error, failed = invoke(world, {})
    assert failed == "Unhandled"
    assert error["errorType"] == "AccessDenied"
    assert "AccessDenied" in error["errorMessage"]
    assert "assumed-role/runner/work is not authorized to perform: s3:ListAllMyBuckets" in error["errorMessage"]
    world.allow("runner", "s3:ListAllMyBuckets", "logs:*")
    assert invoke(world, {})[0] in ("calls", "models")


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("def handler(event, context):\n    raise ValueError('no')\n", "ValueError", "no"),
        ("import os\ndef handler(event, context):\n    os._exit(7)\n", "Runtime.ExitError", "exited"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError", "nothing_of_that_name"),
        ("def other(event, context):\n    pass\n", "AttributeError", "handler"),
        ("def handler(event, context):\n    return {1, 2}\n", "TypeError", "JSON"),
        ("import time\ndef handler(event, context):\n    time.sleep(60)\n", "Sandbox.Timedout", "1.00 seconds"),
    ],
)
def test_its_failures_are_answers(world: World, deploy: Deploy, code: str, kind: str, text: str) -> None:
    deploy(code)
    world.client("lambda").update_function_configuration(
        FunctionName="work", Timeout=1 if kind == "Sandbox.Timedout" else 30
    )
    error, failed = invoke(world, {})
    assert (error["errorType"], failed) == (kind, "Unhandled")
    assert text in error["errorMessage"]
    wait_for(lambda: counted(world, "Errors") == 1)


def test_another_runtime_is_refused(world: World, deploy: Deploy) -> None:
    deploy(
        "",
    )
    world.client("lambda").update_function_configuration(FunctionName="work", Runtime="nodejs22.x")
    error, _ = invoke(world, {})
    assert "Python only, not nodejs22.x" in error["errorMessage"]


FAILS = """
import os
def handler(event, context):
    with open(event['file'], 'a') as file:
        file.write('x')
    if os.path.getsize(event['file']) <= event['failures']:
        raise RuntimeError('not yet')
"""


def test_an_event_is_tried_three_times_and_then_kept(world: World, deploy: Deploy) -> None:
    queue = world.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    dead = f"arn:aws:sqs:{REGION}:123456789012:failures"
    deploy(FAILS, DeadLetterConfig={"TargetArn": dead})
    file, began = world.state / "tries", time.monotonic()
    invoke(world, {"file": str(file), "failures": 3}, InvocationType="Event")
    message = wait_for(
        lambda: world.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages")
    )[0]
    assert json.loads(message["Body"]) == {"file": str(file), "failures": 3}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "not yet"
    assert file.read_text() == "xxx"
    assert time.monotonic() - began >= 3  # a minute and two, at sixty times the speed
    wait_for(lambda: counted(world, "Errors") == 3)


def test_an_event_whose_retry_succeeds_is_not_kept(world: World, deploy: Deploy) -> None:
    queue = world.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    deploy(FAILS, DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:123456789012:failures"})
    file = world.state / "tries"
    invoke(world, {"file": str(file), "failures": 2}, InvocationType="Event")
    wait_for(lambda: counted(world, "Invocations") == 3)
    assert counted(world, "Errors") == 2
    assert "Messages" not in world.client("sqs").receive_message(QueueUrl=queue)


def test_without_retries_a_record_goes_to_the_destination(world: World, deploy: Deploy) -> None:
    queue = world.client("sqs").create_queue(QueueName="records")["QueueUrl"]
    deploy(FAILS)
    to = {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:123456789012:records"}}
    world.client("lambda").put_function_event_invoke_config(
        FunctionName="work", MaximumRetryAttempts=0, DestinationConfig=to
    )
    invoke(world, {"file": str(world.state / "tries"), "failures": 9}, InvocationType="Event")
    message = wait_for(lambda: world.client("sqs").receive_message(QueueUrl=queue).get("Messages"))[0]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorMessage"] == "not yet"


def test_a_queue_that_its_role_may_not_write_to_is_counted(world: World, deploy: Deploy) -> None:
    world.client("sqs").create_queue(QueueName="failures")
    deploy(FAILS, DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:123456789012:failures"})
    world.allow("runner", "logs:*")
    invoke(world, {"file": str(world.state / "tries"), "failures": 9}, InvocationType="Event")
    wait_for(lambda: counted(world, "DeadLetterErrors") == 1)


def test_one_that_may_not_run_at_once_is_throttled(world: World, deploy: Deploy) -> None:
    deploy("def handler(event, context):\n    pass\n")
    world.client("lambda").put_function_concurrency(FunctionName="work", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        invoke(world, {})
    world.client("lambda").delete_function_concurrency(FunctionName="work")
    assert invoke(world, {}) == (None, None)


def test_a_function_ends_with_the_sandbox(world: World, deploy: Deploy) -> None:
    code = (
        "import os, time\ndef handler(event, context):\n"
        "    open(event['file'], 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    )
    deploy(code)
    file = world.state / "pid"
    invoke(world, {"file": str(file)}, InvocationType="Event")
    pid = int(wait_for(lambda: file.exists() and file.read_text()))
    world.servers.stop()

    def ended() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_for(ended, 20)
