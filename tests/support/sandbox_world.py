"""The embedded AWS and the runtime in this process, over containers whose behaviour a test chooses."""

import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from fake_containers import PROGRAM, archive, packed
from moto.moto_api._internal.models import moto_api_backend

from scaletozero import Submitted, result, submit
from scaletozero.sandbox.aws.server import Servers

REGION = "eu-central-1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serve:1"


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What `what` gives once it is true; fails after `seconds`, which is no measure, only an end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


SERVING = ("s3:GetObject", "s3:PutObject", "sns:Publish", "ecr:*", "logs:*")
"""What the role of the tests' models may do."""


@dataclass
class World:
    """The servers, and shorthands for what tests do to them."""

    servers: Servers
    state: Path
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, **config: Any) -> Any:
        key = service, repr(config)
        if key not in self.clients:
            self.clients[key] = self._client(service, **config)
        return self.clients[key]

    def _client(self, service: str, **config: Any) -> Any:
        url = self.servers.runtime_url if service == "sagemaker-runtime" else self.servers.aws_url
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=self.servers.credentials.access_key,
            aws_secret_access_key=self.servers.credentials.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=300, max_pool_connections=64, **config),
        )

    def allow(self, role: str, *actions: str, resource: str = "*") -> None:
        """Gives a role a policy of its own, in place of the one before."""
        statement = {"Sid": "Allowed", "Effect": "Allow", "Action": list(actions), "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").put_role_policy(RoleName=role, PolicyName="allowed", PolicyDocument=document)

    def model(self, name: str, **behaviour: Any) -> None:
        self.client("s3").put_object(Bucket="models", Key=f"{name}.tar.gz", Body=archive(**behaviour))
        self.client("sagemaker").create_model(
            ModelName=name,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/serve",
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": f"s3://models/{name}.tar.gz",
                "Environment": {"SCALETOZERO_GREETING": "hello"},
            },
        )

    def config(self, name: str, model: str, **serverless: int) -> None:
        self.client("sagemaker").create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "main",
                    "ModelName": model,
                    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 4} | serverless,
                }
            ],
        )

    def endpoint(self, name: str, *, maximum: int = 4, warm: int = 0, **behaviour: Any) -> None:
        """A model, a configuration and an endpoint, all of that name, settled."""
        self.model(name, **behaviour)
        self.config(name, name, MaxConcurrency=maximum, **({"ProvisionedConcurrency": warm} if warm else {}))
        self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settled(name)

    def asynchronous(self, name: str, *, instances: int = 1, concurrency: int = 1, **behaviour: Any) -> None:
        """An asynchronous endpoint with its model, configuration and topics; requests and answers are in `calls`."""
        self.model(name, **behaviour)
        topics = {
            what: self.client("sns").create_topic(Name=f"{name}-{what}")["TopicArn"] for what in ("answered", "failed")
        }
        self.client("sagemaker").create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "main",
                    "ModelName": name,
                    "InstanceType": "ml.g5.xlarge",
                    "InitialInstanceCount": instances,
                }
            ],
            AsyncInferenceConfig={
                "ClientConfig": {"MaxConcurrentInvocationsPerInstance": concurrency},
                "OutputConfig": {
                    "S3OutputPath": "s3://calls/answers",
                    "S3FailurePath": "s3://calls/failures",
                    "NotificationConfig": {"SuccessTopic": topics["answered"], "ErrorTopic": topics["failed"]},
                },
            },
        )
        self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settled(name)

    def submit(self, name: str, **request: Any) -> Submitted:
        """A request for an asynchronous endpoint, by the caller's own helper."""
        return submit(
            name,
            json.dumps(request).encode(),
            requests="s3://calls/requests",
            s3=self.client("s3"),
            runtime=self.client("sagemaker-runtime"),
        )

    def meeting(self, calls: int) -> dict[str, Any]:
        """What calls ask for that are only answered once so many of them are there."""
        return {"folder": tempfile.mkdtemp(dir=self.state.parent), "calls": calls}

    def result(self, submitted: Submitted, timeout: float = 300) -> dict[str, Any]:
        """Its answer."""
        return json.loads(result(submitted, timeout=timeout, s3=self.client("s3"), sleep=lambda _: time.sleep(0.02)))

    def settled(self, name: str) -> dict[str, Any]:
        client = self.client("sagemaker")

        def look() -> Any:
            found = client.describe_endpoint(EndpointName=name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        return wait_for(look)

    def invoke(self, name: str, **request: Any) -> dict[str, Any]:
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=json.dumps(request), ContentType="application/json"
        )
        return json.load(answer["Body"])

    def about(self, name: str) -> dict[str, Any]:
        return self.page("/_sandbox/status")["endpoints"][name]

    def page(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.servers.aws_url}{path}") as answer:
            return json.load(answer)

    wait_for = staticmethod(wait_for)
    packed = staticmethod(packed)

    def refused(self, service: str, operation: str, **parameters: Any) -> str:
        """The message with which the service refuses a call as invalid."""
        with pytest.raises(ClientError) as caught:
            getattr(self.client(service), operation)(**parameters)
        assert caught.value.response["Error"]["Code"].startswith("Validation")
        return caught.value.response["Error"]["Message"]

    def folders(self) -> list[Path]:
        return list((self.state / "instances").iterdir())


@pytest.fixture
def idle_seconds() -> float:
    """Longer than any test; those in which an instance is to go for want of work set their own."""
    return 600


@pytest.fixture
def speed() -> float:
    """How fast the clock of alarms and schedules runs; tests of them set their own."""
    return 1.0


@pytest.fixture
def world(tmp_path: Path, idle_seconds: float, speed: float) -> Iterator[World]:
    servers = Servers(tmp_path, 0, 0, idle_seconds, program=PROGRAM, speed=speed)
    world = World(servers, tmp_path)
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    moto_api_backend.reset()  # what another test left in this process
    world.client("iam").create_role(RoleName="serve", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    world.allow("serve", *SERVING)
    for bucket in ("models", "calls"):
        world.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield world
    servers.stop()
    assert world.folders() == []
