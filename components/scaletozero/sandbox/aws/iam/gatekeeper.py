"""Authorises every signed request of a role or user, and makes boto3 clients that act for a role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scaletozero.partitions import arn, dns_suffix, find_partition, service_principal
from scaletozero.sandbox.aws.iam import attached
from scaletozero.sandbox.aws.iam.demands import Demand, Place, copied, demands, key_arn
from scaletozero.sandbox.aws.iam.operations import Operation, operation_of
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError, signed
from scaletozero.sandbox.credentials import Credentials
from scaletozero.sandbox.providers.clients import Clients

_ALWAYS_ALLOWED = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
"""Operations that need no permission (STS API reference)."""

_DENIED = {"s3": "AccessDenied", "iam": "AccessDenied", "sts": "AccessDenied", "monitoring": "AccessDenied",
           "sqs": "AccessDenied", "sns": "AuthorizationError"}  # fmt: skip
"""The error code by service; services with a JSON protocol use `AccessDeniedException`."""


class Gatekeeper:
    """Authorises requests.

    Args:
        roles: decides what roles and users may do.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    def __call__(self, environ: Mapping[str, Any], access_key: str, body: bytes) -> None:
        """Raises AwsError unless the owner of the access key may make the request."""
        caller = self._roles.caller(access_key)
        if caller is None:
            return
        scope = signed(environ)
        service, place = scope.service or "", Place(scope.region or "us-east-1", ACCOUNT)
        if find_partition(place.region) is None:
            raise AwsError("SignatureDoesNotMatch", "Credential should be scoped to a valid region.", 403)
        operation = operation_of(environ, service, body)
        if (service, operation.name) in _ALWAYS_ALLOWED:
            return
        try:
            self._roles.require(caller, [*demands(operation, place), *_key_demands(operation, place)], place)
        except AwsError as denied:
            if denied.code == "AccessDenied":
                denied.code = _DENIED.get(service, "AccessDeniedException")
            raise


def _key_demands(operation: Operation, place: Place) -> Iterator[Demand]:
    """The permissions on an object's KMS key that S3 needs from the caller."""
    if operation.service != "s3" or "Key" not in operation.parameters:
        return
    bucket, name = operation.parameters["Bucket"], operation.parameters["Key"]
    via = (("kms:viaservice", f"s3.{place.region}.{dns_suffix(place.region)}"),)
    read = (bucket, name) if operation.name in ("GetObject", "HeadObject") else copied(operation)
    if read and (key := attached.object_key(*read)):
        yield Demand("kms:Decrypt", key_arn(place, key), via)
    if operation.name in ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"):
        given = operation.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        if key := given or attached.bucket_key(bucket):
            yield Demand("kms:GenerateDataKey", key_arn(place, key), via)


class RoleClients:
    """boto3 clients that act for a role, as SageMaker acts for the role of a model.

    Args:
        roles: issues the role's credentials.
        connect: makes a client of the embedded AWS with given credentials.
    """

    def __init__(self, roles: Roles, connect: Callable[[Credentials], Clients]) -> None:
        self._roles, self._connect = roles, connect
        self._lock = threading.Lock()
        self._made: dict[str, Clients] = {}

    def __call__(self, role_arn: str, service: str, region: str, source: str) -> Any:
        """Makes a client of a service in a region.

        Args:
            source: the SageMaker resource on whose behalf it acts, for example `endpoint/sentences`.

        Raises:
            AwsError: SageMaker may not assume the role for it.
        """
        source_arn = arn("sagemaker", region, ACCOUNT, source)
        credentials = self._roles.session(role_arn, service_principal("sagemaker"), region, source_arn, "SageMaker")
        with self._lock:
            clients = self._made.get(role_arn) or self._connect(credentials)
            self._made[role_arn] = clients
        return clients(service, region)
