"""The permissions that an operation needs: actions, each on a resource.

Source: the Service Authorization Reference, for the services that the components use. An operation of another service
is an action of the same name, on all resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from scaletozero.partitions import arn, bucket_arn, iam_arn
from scaletozero.sandbox.aws.iam.operations import Operation


@dataclass(frozen=True)
class Demand:
    """A permission that a request needs: an action on a resource.

    Attributes:
        own: the action's own condition keys, in lower case, with their values.
    """

    action: str
    resource: str
    own: tuple[tuple[str, str], ...] = ()

    @property
    def context(self) -> Mapping[str, str]:
        return dict(self.own)


@dataclass(frozen=True)
class Place:
    """The partition, Region and account in which an operation takes place."""

    region: str
    account: str


def demands(operation: Operation, place: Place) -> list[Demand]:
    """Every permission that a request's operation needs."""
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
"""Operations whose action has a different name (Service Authorization Reference, Amazon S3)."""


def copied(operation: Operation) -> tuple[str, str] | None:
    """The bucket and the key of the object that an operation of S3 copies; None if it copies none."""
    source = operation.headers.get("x-amz-copy-source")
    if not source:
        return None
    bucket, _, key = unquote(source).lstrip("/").partition("?")[0].partition("/")
    return bucket, key


def _s3(operation: Operation, place: Place) -> Iterator[Demand]:
    action = f"s3:{_S3_ACTIONS.get(operation.name, operation.name)}"
    bucket, key = operation.parameters.get("Bucket", ""), operation.parameters.get("Key")
    whole = bucket_arn(place.region, bucket)
    if key is not None:
        encryption = operation.headers.get("x-amz-server-side-encryption")
        own = (("s3:x-amz-server-side-encryption", encryption),) if encryption else ()
        yield Demand(action, f"{whole}/{key}", own)
        if source := copied(operation):
            yield Demand("s3:GetObject", f"{bucket_arn(place.region, source[0])}/{source[1]}")
    elif operation.name == "DeleteObjects":
        # The keys are in the body; the permission is required for the whole bucket instead.
        yield Demand(action, f"{whole}/*")
    elif bucket:
        prefix = operation.parameters.get("prefix")
        yield Demand(action, whole, () if prefix is None else (("s3:prefix", str(prefix)),))
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
            yield Demand(f"sagemaker:{operation.name}", _arn("sagemaker", place, f"{kind}/{str(name).lower()}"))
            return
    yield Demand(f"sagemaker:{operation.name}", "*")


def _arn(service: str, place: Place, resource: str) -> str:
    return arn(service, place.region, place.account, resource)


def key_arn(place: Place, key: str) -> str:
    """The ARN of a KMS key or of an alias; an ARN is returned unchanged."""
    return key if key.startswith("arn:") else _arn("kms", place, key if "/" in key else f"key/{key}")


def _by(service: str, *parameters: str, named: Callable[[Place, str], str] | None = None) -> Callable[..., Any]:
    """Rules for operations on the resource that the first of the parameters names; `named` makes its ARN."""

    def build(operation: Operation, place: Place) -> Iterator[Demand]:
        value = next((operation.parameters[each] for each in parameters if operation.parameters.get(each)), None)
        resource = "*" if value is None else str(value)
        if resource != "*" and not resource.startswith("arn:") and named:
            resource = named(place, resource)
        action = _ACTIONS.get((service, operation.name), operation.name)
        yield Demand(f"{service}:{action}", resource)

    return build


def _secret_arn(place: Place, name: str) -> str:
    """The ARN of a secret that is asked for by its name: it ends in six characters that the service makes up, for which
    a policy has to have wildcards (Secrets Manager user guide, resources of policies)."""
    return _arn("secretsmanager", place, f"secret:{name}-000000")


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
        resource = _arn("logs", place, f"log-group:{group}:{f'log-stream:{stream}' if stream else '*'}")
    yield Demand(f"logs:{operation.name}", resource)


def _cloudwatch(operation: Operation, place: Place) -> Iterator[Demand]:
    if operation.name == "DescribeAlarms":
        yield Demand("cloudwatch:DescribeAlarms", _arn("cloudwatch", place, "alarm:*"))
        return
    namespace = operation.parameters.get("Namespace")
    own = (("cloudwatch:namespace", str(namespace)),) if namespace and operation.name == "PutMetricData" else ()
    yield Demand(f"cloudwatch:{operation.name}", "*", own)


_WRITES: Final[Mapping[str, str]] = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}  # fmt: skip
"""The parts of a transaction; each needs its own action."""


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
    return name if name.startswith("arn:") else _arn("dynamodb", place, f"table/{name}")


def _sqs(operation: Operation, place: Place) -> Iterator[Demand]:
    url = str(operation.parameters.get("QueueUrl") or "")
    resource = _arn("sqs", place, url.rpartition("/")[2]) if url else "*"
    yield Demand(f"sqs:{_ACTIONS.get(('sqs', operation.name), operation.name)}", resource)


def _scaling(operation: Operation, place: Place) -> Iterator[Demand]:
    parameters = operation.parameters
    pairs = (("service-namespace", "ServiceNamespace"), ("scalable-dimension", "ScalableDimension"))
    named = ((f"application-autoscaling:{key}", parameters.get(member)) for key, member in pairs)
    own = tuple((key, str(value)) for key, value in named if value)
    describes = operation.name.startswith("Describe")
    # The id of a target is not known to the caller: a policy names all of them.
    resource = "*" if describes else _arn("application-autoscaling", place, "scalable-target/*")
    yield Demand(f"application-autoscaling:{operation.name}", resource, own)


def _iam(operation: Operation, place: Place) -> Iterator[Demand]:
    name, policy = operation.parameters.get("RoleName"), operation.parameters.get("PolicyArn")
    resource = iam_arn(place.region, place.account, f"role/{name}") if name else str(policy or "*")
    own = (("iam:policyarn", str(policy)),) if name and policy else ()
    yield Demand(f"iam:{operation.name}", resource, own)


_SERVICES: Final[Mapping[str, Callable[..., Iterator[Demand]]]] = {
    "s3": _s3,
    "sagemaker": _sagemaker,
    "logs": _logs,
    "monitoring": _cloudwatch,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _by("sns", "TopicArn", "TargetArn"),
    "lambda": _by("lambda", "FunctionName", named=lambda place, name: _arn("lambda", place, f"function:{name}")),
    "kms": _by("kms", "KeyId", named=key_arn),
    "secretsmanager": _by("secretsmanager", "SecretId", named=_secret_arn),
    "sts": _by("sts", "RoleArn"),
    "iam": _iam,
    "application-autoscaling": _scaling,
    "ecr": _by("ecr", "repositoryName", named=lambda place, name: _arn("ecr", place, f"repository/{name}")),
}
