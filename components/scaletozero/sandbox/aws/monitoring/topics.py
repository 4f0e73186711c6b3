"""Messages of services to the embedded SNS's topics."""

from __future__ import annotations

import json
from typing import Any

from moto.sns.models import sns_backends

from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError

DEFAULT_POLICY = "__default_policy_ID"
"""The id of the policy that SNS gives a new topic."""


def publish(
    roles: Roles, topic: str, region: str, service: str, source_arn: str, message: Any, subject: str | None = None
) -> None:
    """Publishes a message for a service.

    Args:
        service: the service principal's name.
        source_arn: the resource on whose behalf it publishes.

    Raises:
        AwsError: there is no such topic, or its policy does not let the service publish.
    """
    backend = sns_backends[ACCOUNT][region]
    found = backend.topics.get(topic)
    if found is None:
        raise AwsError("NotFound", f"the topic {topic} does not exist", 404)
    # The policy of a new topic lets the account publish, which a service does for its own account's resources.
    if json.loads(found.policy).get("Id") != DEFAULT_POLICY:
        roles.require_service(service, "sns:Publish", topic, region, source_arn)
    backend.publish(json.dumps(message), topic, subject=subject and subject[:100])
