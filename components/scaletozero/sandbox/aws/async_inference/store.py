"""What asynchronous inference reads and writes: objects in the embedded S3, messages of the embedded SNS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.sandbox.aws.async_inference.calls import object_at
from scaletozero.sandbox.aws.runtime.deployment import Deployment


class DownloadError(RuntimeError):
    """A request cannot be had, with the reason."""


class Store:
    """Objects and messages.

    Args:
        client: gives a boto3 client that acts for a role, by role, service, region and what it is for.
    """

    def __init__(self, client: Callable[[str, str, str, str], Any]) -> None:
        self._client = client

    def get(self, owner: Deployment, address: str, limit: int) -> bytes:
        """The object at an address.

        Raises:
            DownloadError: it isn't there, or has more than `limit` bytes.
        """
        bucket, key = object_at(address)
        try:
            found = self._client(owner.role_arn, "s3", owner.region, owner.source).get_object(Bucket=bucket, Key=key)
            if found["ContentLength"] > limit:
                raise DownloadError(f"it has {found['ContentLength']} bytes, more than {limit}")
            return found["Body"].read()
        except ClientError as error:
            raise DownloadError(f"{error.response['Error']['Code']}: {error.response['Error']['Message']}") from error
        except BotoCoreError as error:
            raise DownloadError(str(error)) from error

    def put(self, owner: Deployment, address: str, body: bytes, content_type: str, key: str | None) -> None:
        """Writes an object, encrypted with `key` where given. Raises BotoCoreError or ClientError."""
        bucket, name = object_at(address)
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        client = self._client(owner.role_arn, "s3", owner.region, owner.source)
        client.put_object(Bucket=bucket, Key=name, Body=body, ContentType=content_type, **encrypted)

    def publish(self, owner: Deployment, topic: str, message: Mapping[str, Any]) -> None:
        """Tells a topic. Raises BotoCoreError or ClientError."""
        self._client(owner.role_arn, "sns", owner.region, owner.source).publish(
            TopicArn=topic, Message=json.dumps(message)
        )
