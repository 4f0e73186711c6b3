"""Each permission of each role that the components declare is taken away: what needs it fails with AWS's error.

The policies are the components' own; the sandbox's services and a caller with the role's session act on them.
"""

import io
import json
import logging
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from fake_containers import archive
from role_permissions import (
    ASYNCHRONOUS,
    BUDGETS,
    FUNCTION,
    GATEWAY,
    GAUGE,
    GUARD,
    PERMISSIONS,
    SCHEDULER,
    SERVERLESS,
    Fails,
    Permission,
    Unused,
)

from model_packaging.findings import FindingsError
from scaletozero.endpoints import gauge_function
from scaletozero.endpoints.artifact_store import ANSWERS
from scaletozero.endpoints.async_client import Submitted, ready, submit
from scaletozero.endpoints.asynchronous import async_statements
from scaletozero.endpoints.guard_policies import budget_policy, closing_policy, measuring_policy
from scaletozero.endpoints.model import role_policy as model_policy
from scaletozero.gateway.cache.store import CacheStore, Kept
from scaletozero.gateway.ledger.accounts import Account
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.opening import Keys
from scaletozero.gateway.role_policy import gateway_policy
from scaletozero.kubernetes.manifests.identity import role_policy as pods_policy
from scaletozero.partitions import arn, iam_arn, service_principal
from scaletozero.policies import trust_policy
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.scaling import call_function
from scaletozero.scaling.warm_calls import RUNTIME, function_policy, scheduler_policy
from scaletozero.settings.gateway_targets import Provider

REGION, ACCOUNT = "eu-central-1", "123456789012"
ARCHIVE = "models/a/0a1b/model.tar.gz"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/serve:1"
VPC = {"Subnets": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-0123456789abcdef0"]}


@dataclass
class Stage:
    """A sandbox with one role, and what the operations need."""

    world: Any
    log: Any
    monkeypatch: pytest.MonkeyPatch

    def client(self, service: str) -> Any:
        return self.world.client(service)

    @cached_property
    def key(self) -> str:
        return self.client("kms").create_key()["KeyMetadata"]["Arn"]

    @cached_property
    def topics(self) -> tuple[str, str]:
        sns = self.client("sns")
        made = [sns.create_topic(Name=name)["TopicArn"] for name in ("answered", "failed")]
        return made[0], made[1]

    @cached_property
    def queue(self) -> str:
        return self.client("sqs").create_queue(QueueName="failures")["QueueUrl"]

    @cached_property
    def queue_arn(self) -> str:
        asked = {"QueueUrl": self.queue, "AttributeNames": ["QueueArn"]}
        return self.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"]

    @cached_property
    def logs(self) -> str:
        self.client("logs").create_log_group(logGroupName="/function")
        return arn("logs", REGION, ACCOUNT, "log-group:/function")

    def policy(self, role: str) -> dict[str, Any]:
        """The whole policy of a role, as its component makes it with everything that it can have."""
        if role in (SERVERLESS, ASYNCHRONOUS):
            logs = arn("logs", REGION, ACCOUNT, "log-group:/aws/sagemaker/Endpoints/a")
            network = {"subnet_ids": VPC["Subnets"], "security_group_ids": VPC["SecurityGroupIds"]}
            more = (
                async_statements(REGION, "a", "models", *self.topics, self.key, network) if role == ASYNCHRONOUS else ()
            )
            return json.loads(model_policy(REGION, IMAGE, "models", "models/a", logs, kms_key_arn=self.key, more=more))
        if role == FUNCTION:
            endpoint = arn("sagemaker", REGION, ACCOUNT, "endpoint/a")
            return json.loads(function_policy(endpoint, self.logs, self.queue_arn))
        if role == SCHEDULER:
            return json.loads(scheduler_policy(arn("lambda", REGION, ACCOUNT, "function:f"), self.queue_arn, self.key))
        closed = iam_arn(REGION, ACCOUNT, "policy/closed")
        callers = [iam_arn(REGION, ACCOUNT, "role/gateway")]
        if role == GUARD:
            endpoint = arn("sagemaker", REGION, ACCOUNT, "endpoint/a")
            return json.loads(
                closing_policy(REGION, self.logs, self.queue_arn, [endpoint], callers, [closed], "gateway")
            )
        if role == GAUGE:
            return json.loads(measuring_policy(REGION, self.logs, gauge_function.NAMESPACE))
        if role == BUDGETS:
            return json.loads(budget_policy(callers, [closed]))
        if role == GATEWAY:
            endpoint = arn("sagemaker", REGION, ACCOUNT, "endpoint/a")
            ledger, answers = (arn("dynamodb", REGION, ACCOUNT, f"table/{each}") for each in ("ledger", "answers"))
            asked = {"queues": [(endpoint, "s3://models/async/a/requests")], "models": ["amazon.nova-lite-v1:0"]}
            return json.loads(
                gateway_policy(REGION, self.logs, ledger, answers, [endpoint], ["openai-key"], self.key, **asked)
            )
        return pods_policy("models", "gpu/llm", REGION, self.key)

    def give(self, document: dict[str, Any]) -> None:
        document_ = json.dumps(document)
        self.client("iam").put_role_policy(RoleName="serve", PolicyName="allowed", PolicyDocument=document_)

    def as_role(self, service: str, principal: str, source: str) -> Any:
        """A client with a session of the role, which a service assumed for a resource."""
        role = iam_arn(REGION, ACCOUNT, "role/serve")
        self.trust(principal, source)
        credentials = Roles().session(role, service_principal(principal), REGION, source, "session")
        url = self.world.servers.runtime_url if service == "sagemaker-runtime" else self.world.servers.aws_url
        given = {"aws_access_key_id": credentials.access_key, "aws_secret_access_key": credentials.secret_key}
        return boto3.client(service, endpoint_url=url, region_name=REGION, **given)

    def trust(self, principal: str, source: str) -> None:
        document = trust_policy(service_principal(principal), ACCOUNT, source)
        self.client("iam").update_assume_role_policy(RoleName="serve", PolicyDocument=document)

    def store(self, key: str) -> None:
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key}
        self.client("s3").put_object(Bucket="models", Key=key, Body=archive(), **encrypted)

    @contextmanager
    def model(self, **more: Any) -> Iterator[None]:
        """The model `a`, encrypted with the key, for as long as it is needed."""
        self.store(ARCHIVE)
        self.trust("sagemaker", arn("sagemaker", REGION, ACCOUNT, "*"))
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://models/{ARCHIVE}"}
        role = iam_arn(REGION, ACCOUNT, "role/serve")
        sagemaker = self.client("sagemaker")
        sagemaker.create_model(ModelName="a", ExecutionRoleArn=role, PrimaryContainer=container, **more)
        try:
            yield
        finally:
            sagemaker.delete_model(ModelName="a")

    @contextmanager
    def endpoint(self, variant: dict[str, Any], **config: Any) -> Iterator[None]:
        """The endpoint `a`, in service."""
        sagemaker = self.client("sagemaker")
        with self.model():
            variants = [{"VariantName": "main", "ModelName": "a", **variant}]
            sagemaker.create_endpoint_config(EndpointConfigName="a", ProductionVariants=variants, **config)
            sagemaker.create_endpoint(EndpointName="a", EndpointConfigName="a")
            assert self.world.settled("a")["EndpointStatus"] == "InService"
            try:
                yield
            finally:
                sagemaker.delete_endpoint(EndpointName="a")
                self.world.wait_for(lambda: not sagemaker.list_endpoints()["Endpoints"])
                sagemaker.delete_endpoint_config(EndpointConfigName="a")

    def warned(self) -> str:
        """What the sandbox's log says since the last look: some services fail without telling anybody else."""
        said = "\n".join(record.getMessage() for record in self.log.records if record.levelno >= logging.WARNING)
        self.log.clear()
        return said


SERVERLESS_VARIANT = {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}


def create_the_model(stage: Stage) -> None:
    with stage.model():
        pass


def create_the_model_in_a_vpc(stage: Stage) -> None:
    with stage.model(VpcConfig=VPC):
        pass


def write_logs(stage: Stage) -> None:
    with stage.endpoint(SERVERLESS_VARIANT):
        stage.world.invoke("a")
        streams = stage.client("logs").describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/a")["logStreams"]
    if not streams:
        raise PermissionError(stage.warned())


def respond_to_a_request(stage: Stage) -> None:
    """Reads the request, writes the result and tells the topic."""
    at = f"{ANSWERS}/a"
    success, error = stage.topics
    for topic in stage.topics:
        stage.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=stage.queue_arn)
    output = {
        "S3OutputPath": f"s3://models/{at}/answers",
        "S3FailurePath": f"s3://models/{at}/failures",
        "KmsKeyId": stage.key,
        "NotificationConfig": {"SuccessTopic": success, "ErrorTopic": error},
    }
    variant = {"InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    with stage.endpoint(variant, AsyncInferenceConfig={"OutputConfig": output}):
        stage.client("s3").put_object(Bucket="models", Key=f"{at}/requests/r", Body=b"{}")
        stage.client("sagemaker-runtime").invoke_endpoint_async(
            EndpointName="a", InputLocation=f"s3://models/{at}/requests/r"
        )
        told = stage.world.wait_for(lambda: _received(stage) or stage.warned())
    if '"invocationStatus": "Completed"' not in told:
        raise PermissionError(told)


def _received(stage: Stage) -> str:
    sqs = stage.client("sqs")
    found = sqs.receive_message(QueueUrl=stage.queue).get("Messages", [])
    for each in found:
        sqs.delete_message(QueueUrl=stage.queue, ReceiptHandle=each["ReceiptHandle"])
    return json.loads(found[0]["Body"])["Message"] if found else ""


def call_the_endpoint(stage: Stage) -> None:
    """The function's own code, with its role."""
    client = stage.as_role("sagemaker-runtime", "lambda", arn("lambda", REGION, ACCOUNT, "function:f"))
    sample = stage.world.state / "sample_input"
    sample.write_text("{}")
    stage.monkeypatch.setattr(call_function, "SAMPLE", sample)
    stage.monkeypatch.setattr(call_function, "boto3", SimpleNamespace(client=lambda *_, **__: client))
    stage.monkeypatch.setenv("ENDPOINT_NAME", "a")
    # The endpoint has a role of its own.
    iam = stage.client("iam")
    if "own" not in {each["RoleName"] for each in iam.list_roles()["Roles"]}:
        who = trust_policy(service_principal("sagemaker"), ACCOUNT)
        iam.create_role(RoleName="own", AssumeRolePolicyDocument=who)
        stage.world.allow("own", "s3:*", "ecr:*", "logs:*")
        stage.client("s3").put_object(Bucket="models", Key="a.tar.gz", Body=archive())
        container = {"Image": IMAGE, "ModelDataUrl": "s3://models/a.tar.gz"}
        role = iam_arn(REGION, ACCOUNT, "role/own")
        stage.client("sagemaker").create_model(ModelName="a", ExecutionRoleArn=role, PrimaryContainer=container)
        stage.world.config("a", "a")
        stage.client("sagemaker").create_endpoint(EndpointName="a", EndpointConfigName="a")
        stage.world.settled("a")
    assert call_function.handler({"calls": 1}, None) == {"answered": 1, "throttled": 0}


def call_the_function(stage: Stage) -> None:
    """A dry run, which checks the permission."""
    if not stage.client("lambda").list_functions()["Functions"]:
        code = {"ZipFile": packed_function()}
        role = iam_arn(REGION, ACCOUNT, "role/serve")
        settings = {"Runtime": RUNTIME, "Handler": "call_function.handler", "Role": role, "Code": code}
        stage.client("lambda").create_function(FunctionName="f", **settings)
    scheduler = stage.as_role("lambda", "scheduler", arn("scheduler", REGION, ACCOUNT, "schedule-group/g"))
    scheduler.invoke(FunctionName="f", InvocationType="DryRun", Payload=b'{"calls": 1}')


def packed_function() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.write(call_function.__file__, "call_function.py")
    return out.getvalue()


def write_the_functions_logs(stage: Stage) -> None:
    logs = stage.as_role("logs", "lambda", arn("lambda", REGION, ACCOUNT, "function:f"))
    stream = {"logGroupName": "/function", "logStreamName": "s"}
    event = {"timestamp": 1, "message": "m"}
    logs.create_log_stream(**stream)
    logs.put_log_events(**stream, logEvents=[event])
    stage.client("logs").delete_log_stream(**stream)


def keep_a_failure(stage: Stage) -> None:
    stage.as_role("sqs", "lambda", "").send_message(QueueUrl=stage.queue, MessageBody="{}")


def measure_the_month(stage: Stage) -> None:
    """The gauge's own code, with its role."""
    client = stage.as_role("cloudwatch", "lambda", arn("lambda", REGION, ACCOUNT, "function:f"))
    stage.monkeypatch.setattr(gauge_function, "boto3", SimpleNamespace(client=lambda *_, **__: client))
    stage.monkeypatch.setenv("MEASURED", json.dumps([{"endpoint": "a", "variant": "main", "usd": "FILL(work, 0) * 2"}]))
    stage.monkeypatch.setenv("MEASURES", json.dumps({"work": ["AWS/SageMaker", "ModelLatency", "Sum", 1]}))
    assert gauge_function.handler({}, None) == {"a": 0}


def decrypt_a_schedule(stage: Stage) -> None:
    sealed = stage.client("kms").encrypt(KeyId=stage.key, Plaintext=b"schedule")["CiphertextBlob"]
    scheduler = stage.as_role("kms", "scheduler", arn("scheduler", REGION, ACCOUNT, "schedule-group/g"))
    assert scheduler.decrypt(KeyId=stage.key, CiphertextBlob=sealed)["Plaintext"] == b"schedule"


def load_the_model(stage: Stage) -> None:
    """Finds the model's files and reads them, as the engine in a pod does."""
    stage.store("gpu/llm/weights.safetensors")
    s3 = stage.as_role("s3", "pods.eks", "")
    files = s3.list_objects_v2(Bucket="models", Prefix="gpu/llm/")["Contents"]
    assert [s3.get_object(Bucket="models", Key=each["Key"])["Body"].read() for each in files] == [archive()]


def keep_the_ledger(stage: Stage) -> None:
    """A request that is held and settled, one that crashed, and what a customer has spent."""
    DynamoStore(stage.client("dynamodb"), "ledger").create_table()
    ledger = Ledger(DynamoStore(stage.as_role("dynamodb", "lambda", ""), "ledger"))
    for period in (f"M#{number}" for number in range(1000, 1002)):
        account = Account(f"acme{time.monotonic_ns()}", period, 1_000_000)
        lease = ledger.reserve(uuid.uuid4().hex, (account,), 10, 60)
        assert ledger.settle(lease, 5)
        assert ledger.balances((account,))[0][1].spent == 5
        assert ledger.expire(account.customer) == 0


def keep_an_answer(stage: Stage) -> None:
    CacheStore(stage.client("dynamodb"), "answers").create_table()
    answers = CacheStore(stage.as_role("dynamodb", "lambda", ""), "answers")
    answers.put("key", Kept(b"body", "text/plain", int(time.time())), 60, "acme")
    found = answers.get("key")
    assert found is not None
    assert found.body == b"body"


def read_a_providers_key(stage: Stage) -> None:
    secrets = stage.client("secretsmanager")
    if not secrets.list_secrets()["SecretList"]:
        secrets.create_secret(Name="openai-key", SecretString="a key")
    reader = stage.as_role("secretsmanager", "lambda", "")
    declared = Provider(base_url="https://api.openai.com/v1", model="m", secret="openai-key", price="openai/gpt-5-mini")
    try:
        assert Keys(lambda: reader, {}).key(declared, "small") == "a key"
    except FindingsError as error:
        raise PermissionError(str(error)) from error


def ask_the_queue(stage: Stage) -> None:
    """The gateway's own calls, of an endpoint that is not there and for a result that is not there yet."""
    function = arn("lambda", REGION, ACCOUNT, "function:f")
    s3, runtime = (stage.as_role(each, "lambda", function) for each in ("s3", "sagemaker-runtime"))
    try:
        submit("a", b"{}", requests="s3://models/async/a/requests", s3=s3, runtime=runtime)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"):
            raise
    at = "s3://models/async/a"
    assert ready(Submitted("i", f"{at}/answers/r", f"{at}/failures/r"), s3) is None


OPERATIONS: dict[str, Callable[[Stage], None]] = {
    "create the model": create_the_model,
    "create the model in a VPC": create_the_model_in_a_vpc,
    "write logs": write_logs,
    "respond to a request": respond_to_a_request,
    "call the endpoint": call_the_endpoint,
    "call the function": call_the_function,
    "write the function's logs": write_the_functions_logs,
    "keep a failure": keep_a_failure,
    "measure the month": measure_the_month,
    "decrypt a schedule": decrypt_a_schedule,
    "load the model": load_the_model,
    "keep the ledger": keep_the_ledger,
    "keep an answer": keep_an_answer,
    "read a provider's key": read_a_providers_key,
    "ask the queue": ask_the_queue,
}


def without(document: dict[str, Any], statement: str, action: str) -> dict[str, Any]:
    """The document without one action of one of its statements."""
    kept = []
    for each in document["Statement"]:
        actions = [each["Action"]] if isinstance(each["Action"], str) else each["Action"]
        left = [one for one in actions if (each["Sid"], one) != (statement, action)]
        kept += [{**each, "Action": left}] if left else []
    return {**document, "Statement": kept}


@pytest.fixture
def stage(world: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(world, caplog, monkeypatch)


TRIED = {each: row for each, row in PERMISSIONS.items() if isinstance(row, Fails)}


@pytest.mark.parametrize("permission", TRIED, ids=str)
def test_without_it_the_operation_fails_and_with_it_the_operation_passes(stage: Stage, permission: Permission) -> None:
    row, whole = TRIED[permission], stage.policy(permission.role)
    operation = OPERATIONS[row.operation]
    stage.give(whole)
    operation(stage)
    stage.give(without(whole, permission.statement, permission.action))
    wanted = row.error or f"is not authorized to perform: {permission.action} .*no identity-based policy allows"
    with pytest.raises((ClientError, PermissionError, RuntimeError), match=wanted):
        operation(stage)


@pytest.mark.parametrize("role", sorted({each.role for each in PERMISSIONS}))
def test_the_table_has_every_action_of_every_statement(stage: Stage, role: str) -> None:
    found = {
        Permission(role, statement["Sid"], action)
        for statement in stage.policy(role)["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert found == {each for each in PERMISSIONS if each.role == role}


@pytest.mark.parametrize("permission", [each for each, row in PERMISSIONS.items() if isinstance(row, Unused)], ids=str)
def test_what_nothing_in_the_sandbox_needs_says_why_it_is_there(permission: Permission) -> None:
    row = PERMISSIONS[permission]
    assert isinstance(row, Unused)
    assert "guide" in row.reason or "API" in row.reason
