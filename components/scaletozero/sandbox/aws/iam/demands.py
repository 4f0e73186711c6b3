"""What a role must be allowed to do for an operation: actions, each on a resource.

Source: the Service Authorization Reference, for the services that the components use. An operation of another service
is an action of the same name, on all resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scaletozero.sandbox.aws.iam.operations import Operation


@dataclass(frozen=True)
class Demand:
    """An action on a resource.

    Attributes:
        own: the condition keys that are the action's own, in lower case, with their values.
    """

    action: str
    resource: str
    own: tuple[tuple[str, str], ...] = ()

    @property
    def context(self) -> Mapping[str, str]:
        return dict(self.own)


@dataclass(frozen=True)
class Place:
    """Where an operation takes place."""

    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def demands(operation: Operation, place: Place) -> list[Demand]:
    """Everything that the caller must be allowed to do."""
    build = _SERVICES.get(operation.service, _other)
    return list(build(operation, place))


def _other(operation: Operation, _: Place) -> Iterator[Demand]:
    yield Demand(f"{operation.service}:{operation.name}", "*")


_S3_ACTIONS: Final[Mapping[str, str]] = {
    "HeadObject": "GetObject", "GetObjectAttributes": "GetObjectAttributes", "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject", "ListParts": "ListMultipartUploadParts", "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads", "ListBuckets": "ListAllMyBuckets",
    "DeleteObjects": "DeleteObject", "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration", "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration", "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}  # fmt: skip
"""Operations whose action has another name (Service Authorization Reference, Amazon S3)."""


def _s3(operation: Operation, place: Place) -> Iterator[Demand]:
    action = f"s3:{_S3_ACTIONS.get(operation.name, operation.name)}"
    bucket, key = operation.parameters.get("Bucket", ""), operation.parameters.get("Key")
    arn = f"arn:{place.partition}:s3:::{bucket}"
    if key is not None:
        encryption = operation.headers.get("x-amz-server-side-encryption")
        own = (("s3:x-amz-server-side-encryption", encryption),) if encryption else ()
        yield Demand(action, f"{arn}/{key}", own)
        if source := operation.headers.get("x-amz-copy-source"):
            yield Demand("s3:GetObject", f"arn:{place.partition}:s3:::{source.lstrip('/').partition('?')[0]}")
    elif operation.name == "DeleteObjects":
        # The keys stand in the body; all of the bucket's is asked for instead.
        yield Demand(action, f"{arn}/*")
    elif bucket:
        prefix = operation.parameters.get("prefix")
        yield Demand(action, arn, () if prefix is None else (("s3:prefix", str(prefix)),))
    else:
        yield Demand(action, "*")


def _sagemaker(operation: Operation, place: Place) -> Iterator[Demand]:
    for parameter, kind in (
        ("EndpointName", "endpoint"),
        ("EndpointConfigName", "endpoint-config"),
        ("ModelName", "model"),
    ):
        if name := operation.parameters.get(parameter):
            # The service's ARNs are in lower case.
            yield Demand(f"sagemaker:{operation.name}", place.arn("sagemaker", f"{kind}/{str(name).lower()}"))
            return
    yield Demand(f"sagemaker:{operation.name}", "*")


def _by(service: str, *parameters: str, arn: Callable[[Place, str], str] | None = None) -> Callable[..., Any]:
    """Operations on the resource that the first of the parameters names."""

    def build(operation: Operation, place: Place) -> Iterator[Demand]:
        value = next((operation.parameters[each] for each in parameters if operation.parameters.get(each)), None)
        resource = "*" if value is None else str(value)
        if resource != "*" and not resource.startswith("arn:") and arn:
            resource = arn(place, resource)
        action = _ACTIONS.get((service, operation.name), operation.name)
        yield Demand(f"{service}:{action}", resource)

    return build


_ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sns", "PublishBatch"): "Publish",
}


def _logs(operation: Operation, place: Place) -> Iterator[Demand]:
    group, stream = operation.parameters.get("logGroupName"), operation.parameters.get("logStreamName")
    resource = "*"
    if group:
        # A stream's actions are on the stream, and a group's own ARN ends with `:*`.
        resource = place.arn("logs", f"log-group:{group}:{f'log-stream:{stream}' if stream else '*'}")
    yield Demand(f"logs:{operation.name}", resource)


def _cloudwatch(operation: Operation, _: Place) -> Iterator[Demand]:
    namespace = operation.parameters.get("Namespace")
    own = (("cloudwatch:namespace", str(namespace)),) if namespace and operation.name == "PutMetricData" else ()
    yield Demand(f"cloudwatch:{operation.name}", "*", own)


_WRITES: Final[Mapping[str, str]] = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}  # fmt: skip
"""The parts of a transaction, each of which needs the action of its own."""


def _dynamodb(operation: Operation, place: Place) -> Iterator[Demand]:
    parameters = operation.parameters
    for item in parameters.get("TransactItems") or []:
        for kind, about in item.items():
            yield Demand(f"dynamodb:{_WRITES.get(kind, kind)}", _table(place, str(about.get("TableName"))))
    for table in parameters.get("RequestItems") or {}:
        yield Demand(f"dynamodb:{operation.name}", _table(place, str(table)))
    if table := parameters.get("TableName"):
        index = f"/index/{parameters['IndexName']}" if parameters.get("IndexName") else ""
        yield Demand(f"dynamodb:{operation.name}", f"{_table(place, str(table))}{index}")
    elif not ({"TransactItems", "RequestItems"} & parameters.keys()):
        yield Demand(f"dynamodb:{operation.name}", "*")


def _table(place: Place, name: str) -> str:
    return name if name.startswith("arn:") else place.arn("dynamodb", f"table/{name}")


def _sqs(operation: Operation, place: Place) -> Iterator[Demand]:
    url = str(operation.parameters.get("QueueUrl") or "")
    resource = place.arn("sqs", url.rpartition("/")[2]) if url else "*"
    yield Demand(f"sqs:{_ACTIONS.get(('sqs', operation.name), operation.name)}", resource)


_SERVICES: Final[Mapping[str, Callable[..., Iterator[Demand]]]] = {
    "s3": _s3,
    "sagemaker": _sagemaker,
    "logs": _logs,
    "monitoring": _cloudwatch,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _by("sns", "TopicArn", "TargetArn"),
    "lambda": _by("lambda", "FunctionName", arn=lambda place, name: place.arn("lambda", f"function:{name}")),
    "kms": _by("kms", "KeyId", arn=lambda place, key: place.arn("kms", key if "/" in key else f"key/{key}")),
    "secretsmanager": _by(
        "secretsmanager", "SecretId", arn=lambda place, name: place.arn("secretsmanager", f"secret:{name}")
    ),
    "sts": _by("sts", "RoleArn"),
    "iam": _by("iam", "RoleName", arn=lambda place, name: f"arn:{place.partition}:iam::{place.account}:role/{name}"),
    "ecr": _by("ecr", "repositoryName", arn=lambda place, name: place.arn("ecr", f"repository/{name}")),
}
