"""For every resource type that the sandbox knows: inputs that AWS takes, and a change of them."""

import json
from typing import Any

from pulumi.runtime import rpc

from scaletozero.sandbox.providers.values import Asset

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
KEYS = [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{n * 8}-1111-4111-8111-111111111111" for n in "12"]


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


def board(text: str) -> str:
    widget = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": text}}
    return json.dumps({"widgets": [widget]})


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
    "PodIdentityAssociation": [
        (
            {
                "clusterName": "prod",
                "namespace": "models",
                "serviceAccount": "llm",
                "roleArn": ROLE,
                "tags": {"a": "1"},
            },
            {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/other", "disableSessionTags": True, "tags": {"b": "2"}},
        ),
        (
            {"clusterName": "prod", "namespace": "models", "serviceAccount": "llm", "roleArn": ROLE},
            {"serviceAccount": "other"},
        ),
    ],
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
    "BucketLogging": [
        (
            {"bucket": "there", "targetBucket": "access-logs", "targetPrefix": "there/"},
            {"targetPrefix": "elsewhere/"},
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
    "iam/policy:Policy": [
        (
            {"policy": document(), "description": "one", "path": "/boundaries/", "tags": {"a": "1"}},
            {"policy": document(Action="s3:PutObject"), "tags": {"b": "2"}},
        )
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
        ({"kmsKeyId": KEYS[0]}, {"kmsKeyId": KEYS[1]}),
        ({"kmsKeyId": KEYS[0]}, {"kmsKeyId": None}),
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
    "Topic": [
        ({"displayName": "one", "tags": {"a": "1"}}, {"displayName": "two", "tags": {}}),
        ({"kmsMasterKeyId": KEYS[0]}, {"kmsMasterKeyId": KEYS[1]}),
    ],
    "TopicPolicy": [
        ({"arn": TOPIC, "policy": everyone(TOPIC, "sns:Publish")}, {"policy": everyone(TOPIC, "sns:Subscribe")}),
    ],
    "Queue": [
        (
            {"visibilityTimeoutSeconds": 60, "messageRetentionSeconds": 1_209_600, "sqsManagedSseEnabled": True},
            {"visibilityTimeoutSeconds": 90, "tags": {"a": "1"}},
        ),
        ({"kmsMasterKeyId": KEYS[0]}, {"kmsMasterKeyId": KEYS[1]}),
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
    "Dashboard": [
        (
            {"dashboardName": "there", "dashboardBody": board("one")},
            {"dashboardBody": board("two")},
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
                "kmsKeyArn": KEYS[0],
            },
            {"scheduleExpression": "rate(5 minutes)", "state": "DISABLED", "kmsKeyArn": KEYS[1]},
        )
    ],
    "EventRule": [
        ({"scheduleExpression": "rate(5 minutes)", "tags": {"a": "1"}}, {"scheduleExpression": "rate(1 hour)"}),
        (
            {"eventPattern": '{"source": ["aws.cloudwatch"]}', "description": "one"},
            {"eventPattern": '{"source": ["aws.s3"]}', "description": "two", "state": "DISABLED"},
        ),
    ],
    "EventTarget": [
        (
            {"rule": "there", "targetId": "close", "arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:there"},
            {"arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other", "input": "{}"},
        )
    ],
    "Permission": [
        (
            {
                "function": "there",
                "statementId": "clock",
                "action": "lambda:InvokeFunction",
                "principal": "events.amazonaws.com",
                "sourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/there",
            },
            {"sourceArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/other"},
        )
    ],
    "LayerVersion": [
        (
            {"layerName": "there", "description": "one", "code": code("a")},
            {"code": code("b")},
        )
    ],
    "FunctionUrl": [
        (
            {"functionName": "there", "authorizationType": "NONE", "invokeMode": "RESPONSE_STREAM"},
            {"authorizationType": "AWS_IAM"},
        )
    ],
    "Table": [
        (
            {
                "billingMode": "PAY_PER_REQUEST",
                "attributes": [{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
                "hashKey": "pk",
                "rangeKey": "sk",
                "ttl": {"attributeName": "ttl", "enabled": True},
                "pointInTimeRecovery": {"enabled": True},
                "serverSideEncryption": {"enabled": True, "kmsKeyArn": KEYS[0]},
                "tags": {"a": "1"},
            },
            {"pointInTimeRecovery": {"enabled": False}, "tableClass": "STANDARD_INFREQUENT_ACCESS", "tags": {"b": "2"}},
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
                "kmsKeyArn": KEYS[0],
                "tags": {"a": "1"},
            },
            {"code": code("def handler(e, c): return 2"), "timeout": 90, "kmsKeyArn": KEYS[1]},
        )
    ],
    "FunctionEventInvokeConfig": [
        (
            {"functionName": "there", "maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60},
            {"maximumRetryAttempts": 1},
        )
    ],
}  # fmt: skip


def samples(kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Those of a type; where two types of different services share a name, by the whole type."""
    return SAMPLES.get(kind.removeprefix("aws:")) or SAMPLES[kind.split(":")[-1]]
