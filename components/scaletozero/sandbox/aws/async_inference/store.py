"""The objects in the embedded S3 and the messages of the embedded SNS that asynchronous inference uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.sandbox.aws.async_inference.calls import object_at
from scaletozero.sandbox.aws.runtime.deployment import Deployment


class DownloadError(RuntimeError):
    """A request cannot be downloaded; the text is the reason."""


class Store:
    """Reads and writes objects, and publishes messages.

    Args:
        client: returns a boto3 client that acts for a role, by role, service, region and purpose.
    """

    def __init__(self, client: Callable[[str, str, str, str], Any]) -> None:
        self._client = client

    def get(self, owner: Deployment, address: str, limit: int) -> bytes:
        """Reads the object at an address.

        Raises:
            DownloadError: the object does not exist, or has more than `limit` bytes.
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
        """Writes an object, encrypted with `key` if given. Raises BotoCoreError or ClientError."""
        bucket, name = object_at(address)
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        client = self._client(owner.role_arn, "s3", owner.region, owner.source)
        client.put_object(Bucket=bucket, Key=name, Body=body, ContentType=content_type, **encrypted)

    def publish(self, owner: Deployment, topic: str, message: Mapping[str, Any]) -> None:
        """Publishes a message to a topic. Raises BotoCoreError or ClientError."""
        self._client(owner.role_arn, "sns", owner.region, owner.source).publish(
            TopicArn=topic, Message=json.dumps(message)
        )
