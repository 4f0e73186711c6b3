"""Every row of the table, applied to the embedded AWS: made, read back without drift, changed, taken away."""

import io
import json
import threading
import zipfile
from typing import Any

import pytest
from pulumi.runtime import rpc

from scaletozero.sandbox.providers.apply import Applier, Incomplete
from scaletozero.sandbox.providers.check import Settings, check
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.diff import changes
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.table import ResourceType
from scaletozero.sandbox.providers.values import Asset, Secret, plain

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/serve"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/serve:1"
TARGET = {
    "serviceNamespace": "sagemaker",
    "resourceId": "endpoint/there/variant/main",
    "scalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
}
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:there"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:there"


def document(resource: str = "*", **more: Any) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource} | more],
        }
    )


def trust(*services: str) -> str:
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": list(services)}}
    return json.dumps({"Version": "2012-10-17", "Statement": [who]})


def text(content: str) -> Asset:
    return Asset(rpc._special_asset_sig, (("text", content),))


def code(content: str) -> Asset:
    return Asset(rpc._special_archive_sig, (), (("index.py", text(content)),))


def expire(days: int) -> str:
    rule = {
        "rulePriority": 1,
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": days,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def everyone(resource: str, action: str) -> str:
    return document(resource, Action=action, Principal={"AWS": "*"})


VARIANT = {
    "variantName": "main",
    "modelName": "there",
    "serverlessConfig": {"memorySizeInMb": 2048, "maxConcurrency": 5},
}
QUERIES = [
    {"id": "e", "expression": "m / 100", "label": "share", "returnData": True},
    {
        "id": "m",
        "metric": {
            "metricName": "Invocations",
            "namespace": "AWS/SageMaker",
            "period": 60,
            "stat": "Sum",
            "dimensions": {"EndpointName": "there"},
        },
    },
]
WATCHED = {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 3}

SAMPLES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "Bucket": [({"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "3"}})],
    "BucketVersioning": [
        (
            {"bucket": "there", "versioningConfiguration": {"status": "Enabled"}},
            {"versioningConfiguration": {"status": "Suspended"}},
        )
    ],
    "BucketServerSideEncryptionConfiguration": [
        (
            {
                "bucket": "there",
                "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": True}],
            },
            {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"}}]},
        )
    ],
    "BucketPublicAccessBlock": [({"bucket": "there", "blockPublicAcls": True}, {"blockPublicPolicy": True})],
    "BucketOwnershipControls": [
        (
            {"bucket": "there", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
            {"rule": {"objectOwnership": "ObjectWriter"}},
        )
    ],
    "BucketPolicy": [
        (
            {"bucket": "there", "policy": everyone("arn:aws:s3:::there/*", "s3:GetObject")},
            {"policy": everyone("arn:aws:s3:::there/*", "s3:PutObject")},
        )
    ],
    "BucketLifecycleConfiguration": [
        (
            {
                "bucket": "there",
                "rules": [
                    {
                        "id": "old",
                        "status": "Enabled",
                        "filter": {"prefix": "models/"},
                        "noncurrentVersionExpiration": {"noncurrentDays": 30},
                        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                    }
                ],
            },
            {"rules": [{"id": "old", "status": "Disabled", "filter": {"prefix": ""}, "expiration": {"days": 9}}]},
        )
    ],
    "BucketObjectv2": [
        (
            {"bucket": "there", "key": "a/b", "source": text("one"), "tags": {"a": "1"}, "contentType": "text/plain"},
            {"source": text("two"), "tags": {"b": "2"}},
        ),
        (
            {"bucket": "there", "key": "c", "content": "one", "checksumAlgorithm": "SHA256", "metadata": {"k": "v"}},
            {"content": "two"},
        ),
    ],
    "Role": [
        (
            {"assumeRolePolicy": trust("sagemaker.amazonaws.com"), "description": "one", "tags": {"a": "1"}},
            {"assumeRolePolicy": trust("lambda.amazonaws.com"), "description": "two", "maxSessionDuration": 7200},
        ),
    ],
    "RolePolicy": [({"role": "serve", "policy": document()}, {"policy": document(Action="s3:PutObject")})],
    "Model": [
        (
            {
                "executionRoleArn": ROLE,
                "primaryContainer": {
                    "image": IMAGE,
                    "modelDataUrl": "s3://there/model.tar.gz",
                    "environment": {"LOWER_case": "1", "N": "2"},
                },
                "tags": {"a": "1"},
            },
            {"tags": {"b": "2"}},
        )
    ],
    "EndpointConfiguration": [
        ({"productionVariants": [VARIANT], "tags": {"a": "1"}}, {"tags": {"a": "2"}}),
        (
            {
                "productionVariants": [
                    {
                        "variantName": "main",
                        "modelName": "there",
                        "instanceType": "ml.g5.xlarge",
                        "initialInstanceCount": 1,
                    }
                ],
                "asyncInferenceConfig": {
                    "outputConfig": {
                        "s3OutputPath": "s3://there/out",
                        "notificationConfig": {
                            "successTopic": TOPIC,
                            "includeInferenceResponseIns": ["SUCCESS_NOTIFICATION_TOPIC"],
                        },
                    },
                    "clientConfig": {"maxConcurrentInvocationsPerInstance": 4},
                },
            },
            {"tags": {"a": "2"}},
        ),
    ],
    "Endpoint": [({"endpointConfigName": "there", "tags": {"a": "1"}}, {"endpointConfigName": "there-2"})],
    "LogGroup": [
        ({"retentionInDays": 14, "tags": {"a": "1", "b": "2"}}, {"retentionInDays": 30, "tags": {"a": "1"}}),
        ({"name": "/aws/x", "retentionInDays": 14}, {"retentionInDays": 0}),
    ],
    "Target": [({**TARGET, "minCapacity": 1, "maxCapacity": 5}, {"maxCapacity": 9})],
    "Policy": [
        (
            {
                **TARGET,
                "policyType": "TargetTrackingScaling",
                "targetTrackingScalingPolicyConfiguration": {
                    "targetValue": 0.7,
                    "scaleInCooldown": 300,
                    "predefinedMetricSpecification": {
                        "predefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"
                    },
                },
            },
            {
                "targetTrackingScalingPolicyConfiguration": {
                    "targetValue": 0.5,
                    "predefinedMetricSpecification": {
                        "predefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"
                    },
                },
            },
        ),
        (
            {
                **TARGET,
                "stepScalingPolicyConfiguration": {
                    "adjustmentType": "ChangeInCapacity",
                    "cooldown": 300,
                    "metricAggregationType": "Maximum",
                    "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": 1}],
                },
            },
            {
                "stepScalingPolicyConfiguration": {
                    "adjustmentType": "ChangeInCapacity",
                    "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": 2}],
                }
            },
        ),
    ],
    "ScheduledAction": [
        (
            {
                **TARGET,
                "schedule": "cron(0 8 ? * MON-FRI *)",
                "timezone": "Europe/Berlin",
                "scalableTargetAction": {"minCapacity": 3, "maxCapacity": 5},
            },
            {"schedule": "cron(0 9 ? * MON-FRI *)", "scalableTargetAction": {"minCapacity": 1, "maxCapacity": 5}},
        )
    ],
    "Topic": [({"displayName": "one", "tags": {"a": "1"}}, {"displayName": "two", "tags": {}})],
    "TopicPolicy": [
        ({"arn": TOPIC, "policy": everyone(TOPIC, "sns:Publish")}, {"policy": everyone(TOPIC, "sns:Subscribe")}),
    ],
    "Queue": [
        (
            {"visibilityTimeoutSeconds": 60, "messageRetentionSeconds": 1_209_600, "sqsManagedSseEnabled": True},
            {"visibilityTimeoutSeconds": 90, "tags": {"a": "1"}},
        )
    ],
    "MetricAlarm": [
        (
            {
                **WATCHED,
                "metricName": "Invocation5XXErrors",
                "namespace": "AWS/SageMaker",
                "period": 60,
                "statistic": "Sum",
                "threshold": 1,
                "dimensions": {"EndpointName": "there", "VariantName": "main"},
                "treatMissingData": "notBreaching",
                "alarmActions": [TOPIC],
                "okActions": [TOPIC],
                "tags": {"a": "1"},
            },
            {"threshold": 5, "dimensions": {"EndpointName": "there"}},
        ),
        ({**WATCHED, "metricQueries": QUERIES, "threshold": 0.5}, {"threshold": 0.6}),
    ],
    "CompositeAlarm": [
        (
            {"alarmName": "both", "alarmRule": "ALARM(one) AND ALARM(two)", "okActions": [TOPIC], "tags": {"a": "1"}},
            {"alarmRule": "ALARM(one) OR ALARM(two)"},
        )
    ],
    "ScheduleGroup": [({"tags": {"a": "1"}}, {"tags": {"a": "2"}})],
    "Schedule": [
        (
            {
                "groupName": "there",
                "scheduleExpression": "cron(55 7 ? * MON-FRI *)",
                "scheduleExpressionTimezone": "Europe/Berlin",
                "flexibleTimeWindow": {"mode": "OFF"},
                "target": {
                    "arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:warm",
                    "roleArn": ROLE,
                    "input": '{"n": 3}',
                    "retryPolicy": {"maximumRetryAttempts": 0},
                    "deadLetterConfig": {"arn": QUEUE},
                },
            },
            {"scheduleExpression": "rate(5 minutes)", "state": "DISABLED"},
        )
    ],
    "Repository": [
        (
            {
                "imageTagMutability": "IMMUTABLE",
                "imageScanningConfiguration": {"scanOnPush": True},
                "encryptionConfigurations": [{"encryptionType": "AES256"}],
                "tags": {"a": "1"},
            },
            {"imageTagMutability": "MUTABLE", "imageScanningConfiguration": {"scanOnPush": False}},
        )
    ],
    "LifecyclePolicy": [({"repository": "there", "policy": expire(7)}, {"policy": expire(9)})],
    "Key": [
        (
            {"description": "one", "enableKeyRotation": True, "deletionWindowInDays": 7, "tags": {"a": "1"}},
            {"description": "two", "enableKeyRotation": False},
        )
    ],
    "Alias": [({"targetKeyId": "@key"}, {"targetKeyId": "@other"})],
    "Function": [
        (
            {
                "role": ROLE,
                "runtime": "python3.12",
                "handler": "index.handler",
                "code": code("def handler(e, c): return 1"),
                "timeout": 60,
                "environment": {"variables": {"Endpoint_NAME": "there"}},
                "reservedConcurrentExecutions": 2,
                "tags": {"a": "1"},
            },
            {"code": code("def handler(e, c): return 2"), "timeout": 90},
        )
    ],
    "FunctionEventInvokeConfig": [
        (
            {"functionName": "there", "maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60},
            {"maximumRetryAttempts": 1},
        )
    ],
}  # fmt: skip

CASES = [
    pytest.param(row, inputs, change, id=f"{kind.split(':')[-1]}-{number}")
    for kind, row in TABLE.items()
    for number, (inputs, change) in enumerate(SAMPLES[kind.split(":")[-1]])
]


@pytest.fixture
def applier(world: Any) -> Applier:
    """An applier, and everything in the embedded AWS that the samples refer to."""
    settings = Settings(region=REGION, default_tags={"owner": "me"})
    world.client("s3").create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": REGION})
    world.client("s3").put_object(Bucket="there", Key="model.tar.gz", Body=b"x")
    return Applier(Clients(world.servers.aws_url), settings, threading.Event())


def zipped(name: str) -> bytes:
    """An archive with one empty file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "")
    return content.getvalue()


def prerequisites(world: Any, row: ResourceType) -> dict[str, str]:
    """What the row's samples refer to."""
    if row.service == "sagemaker" or row.service == "application-autoscaling":
        world.endpoint("there", warm=1)
        world.config("there-2", "there")
    if row.service == "sns":
        world.client("sns").create_topic(Name="there")
    if row.service == "scheduler":
        world.client("scheduler").create_schedule_group(Name="there")
    if row.service == "ecr":
        world.client("ecr").create_repository(repositoryName="there")
    if row.kind.endswith(":Policy") or row.kind.endswith(":ScheduledAction"):
        world.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId=TARGET["resourceId"],
            ScalableDimension=TARGET["scalableDimension"],
            MinCapacity=1,
            MaxCapacity=5,
        )
    if row.service == "cloudwatch":
        for name in ("one", "two"):
            world.client("cloudwatch").put_metric_alarm(
                AlarmName=name,
                ComparisonOperator="GreaterThanThreshold",
                EvaluationPeriods=1,
                MetricName="M",
                Namespace="N",
                Period=60,
                Statistic="Sum",
                Threshold=1,
            )
    if row.kind.endswith(":FunctionEventInvokeConfig"):
        world.client("lambda").create_function(
            FunctionName="there", Role=ROLE, Runtime="python3.12", Handler="a.b", Code={"ZipFile": zipped("a.py")}
        )
    if row.kind.endswith(":Alias"):
        keys = [world.client("kms").create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
        return {"@key": keys[0], "@other": keys[1]}
    return {}


def checked(row: ResourceType, inputs: dict[str, Any], olds: dict[str, Any], settings: Settings) -> dict[str, Any]:
    found, failures = check(row, inputs, olds, logical="Logical", seed=b"seed", settings=settings)
    assert failures == []
    return found


@pytest.mark.parametrize(("row", "inputs", "change"), CASES)
def test_a_resources_life(
    world: Any, applier: Applier, row: ResourceType, inputs: dict[str, Any], change: dict[str, Any]
) -> None:
    names = prerequisites(world, row)
    inputs = {key: names.get(str(value), value) for key, value in inputs.items()}
    change = {key: names.get(str(value), value) for key, value in change.items()}
    news = checked(row, inputs, {}, applier.settings)
    id_, state = applier.create(row, news)
    assert id_
    for prop, value in news.items():
        assert prop.startswith("__") or state[prop] == value
    assert changes(row, state, news, []) == []
    learnt = {prop for read in row.reads for prop in read.gives} | set(row.outputs)
    if "arn" in learnt:
        assert str(state["arn"]).startswith("arn:aws:")
    if row.id:
        assert id_ == row.id(applier.state(row, plain(news), None))

    found = applier.read(row, id_, state, news)
    assert found is not None
    assert changes(row, found[0], news, []) == [], "what was read differs from what was made"
    assert plain(found[0]) == plain(state)
    if row.tagging:
        assert found[0]["tagsAll"] == {"owner": "me", **inputs.get("tags", {})}

    next_news = checked(row, inputs | change, news, applier.settings)
    differences = changes(row, state, next_news, [])
    assert {d.prop for d in differences} >= set(change)
    if not any(difference.replaces for difference in differences):
        state = applier.update(row, id_, state, next_news, differences)
        assert changes(row, state, next_news, []) == []
        found = applier.read(row, id_, state, next_news)
        assert found is not None
        assert changes(row, found[0], next_news, []) == [], "what was read differs from what was changed"

    if row.from_id(id_) and row.kind != "aws:appautoscaling/target:Target":  # an import names the dimension, too
        assert applier.read(row, id_, {}, {}) is not None

    applier.delete(row, id_, state)
    applier.delete(row, id_, state)
    if not row.kind.endswith(("TopicPolicy", "BucketVersioning")):  # these have no absence, only another value
        assert applier.read(row, id_, state, next_news) is None


def test_a_secret_keeps_its_mark(world: Any, applier: Applier) -> None:
    row = TABLE["aws:cloudwatch/logGroup:LogGroup"]
    news = checked(row, {"name": "n", "tags": {"t": Secret("s")}}, {}, applier.settings)
    id_, state = applier.create(row, news)
    assert state["tags"] == {"t": Secret("s")}
    assert isinstance(state["tagsAll"], Secret)
    found = applier.read(row, id_, state, news)
    assert found is not None
    assert found[0]["tags"] == {"t": Secret("s")}
    assert isinstance(found[0]["tagsAll"], Secret)


def test_an_interrupt_keeps_what_was_made_and_the_next_update_finishes_it(world: Any, applier: Applier) -> None:
    row = TABLE["aws:sagemaker/endpoint:Endpoint"]
    world.model("slow", start_seconds=2)
    world.config("slow", "slow")
    news = checked(row, {"name": "e", "endpointConfigName": "slow"}, {}, applier.settings)
    applier.cancelled.set()
    with pytest.raises(Incomplete, match="interrupted while") as caught:
        applier.create(row, news)
    assert caught.value.id == "e"
    applier.cancelled.clear()
    state = applier.update(row, "e", caught.value.outputs, news, [])
    assert world.client("sagemaker").describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    assert changes(row, state, news, []) == []
    applier.delete(row, "e", state)
