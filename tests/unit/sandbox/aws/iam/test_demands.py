"""Requests, as clients send them, and the permissions that they take."""

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from scaletozero.sandbox.aws.iam.demands import Place, demands
from scaletozero.sandbox.aws.iam.operations import operation_of

REGION, ACCOUNT = "eu-central-1", "123456789012"
HERE = f"{REGION}:{ACCOUNT}"
EVENT = {"timestamp": 1, "message": "m"}


def sent(service: str, operation: str, parameters: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """What the request of an unmodified client takes: action, resource, own condition keys."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    client = boto3.client(service, region_name=REGION, endpoint_url="http://127.0.0.1:9", config=config,
                          aws_access_key_id="a", aws_secret_access_key="b")  # fmt: skip
    seen: list[Any] = []
    client.meta.events.register("before-send.*", lambda request, **_: seen.append(request) or _StopError.stop())
    with pytest.raises(_StopError):
        getattr(client, operation)(**parameters)
    request = seen[0]
    parts = urlsplit(request.url)
    headers = {key.upper().replace("-", "_"): value for key, value in request.headers.items()}
    text = {key: value.decode() if isinstance(value, bytes) else str(value) for key, value in headers.items()}
    environ = {f"HTTP_{key}": value for key, value in text.items()}
    environ |= {"REQUEST_METHOD": request.method, "PATH_INFO": parts.path, "QUERY_STRING": parts.query,
                "CONTENT_TYPE": text.get("CONTENT_TYPE", "")}  # fmt: skip
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    name = client.meta.service_model.signing_name
    found = demands(operation_of(environ, name, body), Place(REGION, ACCOUNT))
    return [(each.action, each.resource, dict(each.context)) for each in found]


class _StopError(Exception):
    """Nothing is sent."""

    @classmethod
    def stop(cls) -> None:
        raise cls


@pytest.mark.parametrize(
    "service, operation, parameters, wanted",
    [
        ("s3", "get_object", {"Bucket": "b", "Key": "a/k"}, [("s3:GetObject", "arn:aws:s3:::b/a/k")]),
        ("s3", "head_object", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        ("s3", "put_object_tagging", {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": []}},
         [("s3:PutObjectTagging", "arn:aws:s3:::b/k")]),
        ("s3", "create_multipart_upload", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        ("s3", "abort_multipart_upload", {"Bucket": "b", "Key": "k", "UploadId": "u"},
         [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")]),
        ("s3", "copy_object", {"Bucket": "b", "Key": "k", "CopySource": "from/there"},
         [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::from/there")]),
        ("s3", "get_bucket_location", {"Bucket": "b"}, [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
        ("s3", "put_bucket_replication", {"Bucket": "b", "ReplicationConfiguration": {"Role": "r", "Rules": []}},
         [("s3:PutReplicationConfiguration", "arn:aws:s3:::b")]),
        ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "Name", "Body": b"{}"},
         [("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{HERE}:endpoint/name")]),
        ("sagemaker-runtime", "invoke_endpoint_async", {"EndpointName": "n", "InputLocation": "s3://b/k"},
         [("sagemaker:InvokeEndpointAsync", f"arn:aws:sagemaker:{HERE}:endpoint/n")]),
        ("sagemaker", "update_endpoint", {"EndpointName": "n", "EndpointConfigName": "c"},
         [("sagemaker:UpdateEndpoint", f"arn:aws:sagemaker:{HERE}:endpoint/n")]),
        ("sagemaker", "list_models", {}, [("sagemaker:ListModels", "*")]),
        ("sns", "publish", {"TopicArn": f"arn:aws:sns:{HERE}:t", "Message": "m"},
         [("sns:Publish", f"arn:aws:sns:{HERE}:t")]),
        ("sqs", "send_message", {"QueueUrl": "http://127.0.0.1:9/123456789012/q", "MessageBody": "m"},
         [("sqs:SendMessage", f"arn:aws:sqs:{HERE}:q")]),
        ("lambda", "invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:f")]),
        ("kms", "decrypt", {"KeyId": "k", "CiphertextBlob": b"c"}, [("kms:Decrypt", f"arn:aws:kms:{HERE}:key/k")]),
        ("secretsmanager", "get_secret_value", {"SecretId": f"arn:aws:secretsmanager:{HERE}:secret:s-1"},
         [("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:s-1")]),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "session"},
         [("sts:AssumeRole", "arn:aws:iam::123456789012:role/r")]),
        ("iam", "put_role_policy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": "{}"},
         [("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/r")]),
        ("dynamodb", "get_item", {"TableName": "t", "Key": {"k": {"S": "v"}}},
         [("dynamodb:GetItem", f"arn:aws:dynamodb:{HERE}:table/t")]),
        ("dynamodb", "query", {"TableName": "t", "IndexName": "ind", "KeyConditionExpression": "k = :v"},
         [("dynamodb:Query", f"arn:aws:dynamodb:{HERE}:table/t/index/ind")]),
        ("dynamodb", "transact_write_items",
         {"TransactItems": [{"Put": {"TableName": "a", "Item": {}}},
                            {"ConditionCheck": {"TableName": "b", "Key": {}, "ConditionExpression": "c"}}]},
         [("dynamodb:PutItem", f"arn:aws:dynamodb:{HERE}:table/a"),
          ("dynamodb:ConditionCheckItem", f"arn:aws:dynamodb:{HERE}:table/b")]),
        ("logs", "put_log_events", {"logGroupName": "/g", "logStreamName": "s", "logEvents": [EVENT]},
         [("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/g:log-stream:s")]),
        ("ecr", "batch_get_image", {"repositoryName": "rep", "imageIds": [{"imageTag": "1"}]},
         [("ecr:BatchGetImage", f"arn:aws:ecr:{HERE}:repository/rep")]),
    ],
)  # fmt: skip
def test_what_a_request_takes(
    service: str, operation: str, parameters: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert [(action, resource) for action, resource, _ in sent(service, operation, parameters)] == wanted


def test_condition_keys_of_the_actions_themselves() -> None:
    assert sent("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "home/"}) == [
        ("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "home/"})
    ]
    [(action, _, own)] = sent("cloudwatch", "put_metric_data", {"Namespace": "Own", "MetricData": []})
    assert (action, own) == ("cloudwatch:PutMetricData", {"cloudwatch:namespace": "Own"})
    encrypted = sent("s3", "put_object", {"Bucket": "b", "Key": "k", "ServerSideEncryption": "aws:kms"})
    assert encrypted[0][2] == {"s3:x-amz-server-side-encryption": "aws:kms"}
