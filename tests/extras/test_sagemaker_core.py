"""sagemaker-core's own clients against the embedded AWS, as they are: they are told where it is, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from fake_containers import PROGRAM, archive
from sagemaker.core.resources import Endpoint, EndpointConfig, Model  # pyright: ignore[reportMissingImports] - an extra
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant  # pyright: ignore[reportMissingImports] - an extra
from sagemaker.core.utils.utils import SageMakerClient  # pyright: ignore[reportMissingImports] - an extra

from scaletozero.sandbox.aws.server import Servers
from scaletozero.settings.framework_images import framework_image

REGION = "eu-central-1"


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """An embedded AWS with a bucket and a role, which the environment points every client at."""
    servers = Servers(tmp_path, 0, 0, 600, program=PROGRAM)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", servers.aws_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.credentials.secret_key)
    SageMakerClient.reset()  # which is kept for the whole process
    boto3.setup_default_session()
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="models", Key="chat.tar.gz", Body=archive())
    iam: Any = boto3.client("iam")
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    iam.create_role(RoleName="serve", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "ecr:*", "logs:*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="serve", PolicyName="allowed", PolicyDocument=document)
    yield servers
    servers.stop()
    SageMakerClient.reset()


@pytest.mark.usefixtures("servers")
def test_its_resources_are_created_invoked_and_deleted() -> None:
    image = framework_image("pytorch", "2.6", REGION)
    model = Model.create(
        model_name="chat",
        primary_container=ContainerDefinition(image=image, model_data_url="s3://models/chat.tar.gz"),
        execution_role_arn="arn:aws:iam::123456789012:role/serve",
    )
    assert model
    assert model.primary_container.image == image
    # On an instance: sagemaker-core 2.27 sends MemorySizeInMb for a serverless variant, which botocore itself refuses.
    variant = ProductionVariant(
        variant_name="main", model_name="chat", instance_type="ml.m5.large", initial_instance_count=1
    )
    configuration = EndpointConfig.create(endpoint_config_name="chat", production_variants=[variant])
    assert configuration
    assert configuration.production_variants[0].instance_type == "ml.m5.large"

    with pytest.raises(ClientError) as refused:
        Endpoint.create(endpoint_name="chat", endpoint_config_name="nothing")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    endpoint = Endpoint.create(endpoint_name="chat", endpoint_config_name="chat")
    assert endpoint
    endpoint.wait_for_status("InService", poll=1)
    assert Endpoint.get("chat").endpoint_status == "InService"
    assert [each.endpoint_name for each in Endpoint.get_all()] == ["chat"]

    said = endpoint.invoke(body=json.dumps({"x": 1}), content_type="application/json", accept="application/json")
    assert said.invoked_production_variant == "main"
    assert json.loads(said.body.read())["version"] == 1
    with pytest.raises(ClientError) as refused:
        endpoint.invoke(body=json.dumps({"status": 400}), content_type="application/json")
    assert refused.value.response["Error"]["Code"] == "ModelError"

    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    configuration.delete()
    model.delete()
    assert [*Endpoint.get_all(), *EndpointConfig.get_all(), *Model.get_all()] == []
