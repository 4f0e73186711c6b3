"""An environment's page without an engine: endpoints as a stack's state has them, and metrics in moto's CloudWatch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import boto3
from moto import mock_aws

from scaletozero.endpoints.reopen import Closable
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.page.snapshot import Snapshots, Source
from scaletozero.sandbox.aws.moto_patches import patch_moto
from scaletozero.settings.names import VARIANT

REGION = "us-east-1"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"

Deployed: TypeAlias = Mapping[str, Mapping[str, Any]]

DEPLOYED: Deployed = {
    "sentences": {"kind": "serverless", "name": "acme-sentences", "region": REGION, "memory_mb": 2048},
    "images": {"kind": "asynchronous", "name": "acme-images", "region": REGION, "instance_type": "ml.g5.xlarge"},
    "llm": {"kind": "gpu", "name": "llm", "region": REGION},
}


def environment(**more: Any) -> Environment:
    """An environment of the sandbox with one endpoint, `sentences`, that has alarms and a cap."""
    endpoint = {"artifact": "artifacts/a", "image": IMAGE, "alarms": {"p99_ms": 250}}
    spending = {"cap_usd_per_month": 50, "endpoints": {"sentences": 20}, "enforce": "warn"}
    declared = {"region": REGION, "endpoints": {"sentences": endpoint}, "sandbox": {}, "spending": spending}
    return read_environment({**declared, **more}, None)


@contextmanager
def cloudwatch() -> Iterator[Any]:
    """A client of moto's CloudWatch, with the sandbox's GetMetricData."""
    patch_moto()
    with mock_aws():
        yield boto3.client("cloudwatch", region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret")


def put(client: Any, metric: str, *values: float, endpoint: str = "acme-sentences", minutes_ago: float = 0.02) -> None:
    """Puts values of an endpoint's metric. Default: a second ago, because CloudWatch's last second is before now."""
    named = {"EndpointName": endpoint, "VariantName": VARIANT}
    dimensions = [{"Name": key, "Value": value} for key, value in named.items()]
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    data = [{"MetricName": metric, "Dimensions": dimensions, "Timestamp": at, "Value": each} for each in values]
    client.put_metric_data(Namespace="AWS/SageMaker", MetricData=data)


def source(
    client: Any,
    settings: Environment | None = None,
    deployed: Deployed = DEPLOYED,
    guards: Mapping[str, Closable] | None = None,
) -> Source:
    """What the command would find; services other than CloudWatch are moto's."""

    def made(service: str, region: str, config: Any) -> Any:
        if service == "cloudwatch":
            return client
        return boto3.client(service, region_name=region, aws_access_key_id="key", aws_secret_access_key="secret")

    return Source(settings or environment(), deployed, made, guards or {})


def snapshots(
    client: Any,
    settings: Environment | None = None,
    deployed: Deployed = DEPLOYED,
    *,
    minutes: int = 60,
    guards: Mapping[str, Closable] | None = None,
) -> Snapshots:
    """The page's data of what is deployed."""
    found = source(client, settings, deployed, guards)
    return Snapshots("local", lambda: found, found, minutes=minutes)


def guarded() -> Closable:
    """The guard of `sentences`, whose callers it has denied in moto's IAM."""
    iam = boto3.client("iam", region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret")
    document = '{"Version": "2012-10-17", "Statement": []}'
    iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=document)
    deny = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}'
    policy = iam.create_policy(PolicyName="closed", PolicyDocument=deny)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="gateway", PolicyArn=policy)
    return Closable("acme-sentences", "acme-sentences", VARIANT, policy, ("gateway",))


def allow(guard: Closable) -> None:
    """Opens it again."""
    iam = boto3.client("iam", region_name=REGION, aws_access_key_id="key", aws_secret_access_key="secret")
    iam.detach_role_policy(RoleName="gateway", PolicyArn=guard.policy)
