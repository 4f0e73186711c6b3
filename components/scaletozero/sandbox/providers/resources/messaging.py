"""Topics and queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from scaletozero.partitions import dns_suffix
from scaletozero.sandbox.providers.rules import policy_document
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, State, Step, Tagging

_NO_TOPIC = ("NotFound", "NotFoundException", "Topic does not exist")
_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "The specified queue does not exist")


def _attributes(names: Mapping[str, str]) -> Callable[[State], dict[str, str] | None]:
    """Properties that both services take as strings in one map."""

    def collect(state: State) -> dict[str, str] | None:
        return {name: _text(state[prop]) for prop, name in names.items() if state.get(prop) is not None} or None

    return collect


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(names: Mapping[str, str], local: Mapping[str, type], prop: str, attributes: Mapping[str, str]) -> Any:
    text = attributes.get(names[prop])
    if text is None or local[prop] is str:
        return text
    return text == "true" if local[prop] is bool else int(text)


def _lifted(names: Mapping[str, str], local: Mapping[str, type]) -> Callable[[Any, State], Any]:
    """The response, with each attribute under its property's name and with its type."""

    def pick(response: Any, _state: State) -> Any:
        attributes = response.get("Attributes") or {}
        found = {prop: _typed(names, local, prop, attributes) for prop in names}
        return attributes | {prop: value for prop, value in found.items() if value not in (None, "")}

    return pick


_TOPIC = {
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "deliveryPolicy": "DeliveryPolicy",
    "policy": "Policy",
    "fifoTopic": "FifoTopic",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
_TOPIC_TYPES: dict[str, type] = {
    **dict.fromkeys(_TOPIC, str),
    "fifoTopic": bool,
    "contentBasedDeduplication": bool,
    "signatureVersion": int,
}
_TOPIC_COMPUTED = frozenset({"policy", "signatureVersion", "tracingConfig"})


def _set_topic(client: Any, state: State) -> None:
    for prop, name in _TOPIC.items():
        if prop != "fifoTopic" and (state.get(prop) is not None or prop not in _TOPIC_COMPUTED):
            value = _text(state.get(prop) if state.get(prop) is not None else "")
            client.set_topic_attributes(TopicArn=state["@id"], AttributeName=name, AttributeValue=value)


def _default_policy(client: Any, state: State) -> None:
    """The policy of a topic that declares none, which the service sets: its owner may do everything."""
    arn = state["@id"]
    owner = {"StringEquals": {"AWS:SourceOwner": arn.split(":")[4]}}
    actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
    ]
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in [*actions, "ListSubscriptionsByTopic", "Publish"]],
        "Resource": arn,
        "Condition": owner,
    }
    policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    client.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy))


_QUEUE = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "maxMessageSize": "MaximumMessageSize",
    "delaySeconds": "DelaySeconds",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "policy": "Policy",
    "redrivePolicy": "RedrivePolicy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "fifoQueue": "FifoQueue",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
}
_QUEUE_TYPES: dict[str, type] = {
    **dict.fromkeys(_QUEUE, str),
    **dict.fromkeys(("fifoQueue", "contentBasedDeduplication", "sqsManagedSseEnabled"), bool),
    **dict.fromkeys(
        (
            "visibilityTimeoutSeconds", "messageRetentionSeconds", "maxMessageSize", "delaySeconds",
            "receiveWaitTimeSeconds", "kmsDataKeyReusePeriodSeconds",
        ),
        int,
    ),
}  # fmt: skip
_QUEUE_LIMITS = {
    "visibilityTimeoutSeconds": (0, 43_200),
    "messageRetentionSeconds": (60, 1_209_600),
    "maxMessageSize": (1_024, 1_048_576),
    "delaySeconds": (0, 900),
    "receiveWaitTimeSeconds": (0, 20),
    "kmsDataKeyReusePeriodSeconds": (60, 86_400),
}
"""SetQueueAttributes, API reference."""


def _queue_url(state: State) -> str:
    return f"https://sqs.{state['@region']}.{dns_suffix(state['@region'])}/{state['@account']}/{state['name']}"


_set_queue = Step(
    "set_queue_attributes",
    {"QueueUrl": "@id", "Attributes": _attributes({p: n for p, n in _QUEUE.items() if p != "fifoQueue"})},
    on=tuple(prop for prop in _QUEUE if prop != "fifoQueue"),
)

ROWS = (
    ResourceType(
        kind="aws:sns/topic:Topic",
        service="sns",
        naming=Naming(limit=80, prefix="namePrefix", trailing=lambda s: ".fifo" if s.get("fifoTopic") else ""),
        id=lambda s: f"arn:{s['@partition']}:sns:{s['@region']}:{s['@account']}:{s['name']}",
        from_id=lambda i: {"name": i.rpartition(":")[2]},
        gone=_NO_TOPIC,
        create=(Step("create_topic", {"Name": "name", "Attributes": _attributes(_TOPIC)}),),
        update=(Hook(_set_topic, on=tuple(prop for prop in _TOPIC if prop != "fifoTopic")),),
        reads=(
            Read(
                "get_topic_attributes",
                {"TopicArn": "@id"},
                {prop: prop for prop in _TOPIC} | {"arn": "TopicArn", "owner": "Owner"},
                pick=_lifted(_TOPIC, _TOPIC_TYPES),
            ),
        ),
        delete=(Step("delete_topic", {"TopicArn": "@id"}),),
        replaces=frozenset({"name", "namePrefix", "fifoTopic"}),
        defaults={"fifoTopic": False, "contentBasedDeduplication": False},
        local=_TOPIC_TYPES,
        computed=_TOPIC_COMPUTED,
        json=frozenset({"policy", "deliveryPolicy"}),
        rules=(policy_document("policy", principal=True, resource=True),),
        refused={
            **dict.fromkeys(
                ("archivePolicy", "fifoThroughputScope", "maximumMessageSize"), "leave it out in the sandbox"
            ),
            **{
                f"{channel}{what}": "leave it out; the embedded AWS delivers nothing, so there is no delivery to log"
                for channel in ("application", "firehose", "http", "lambda", "sqs")
                for what in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
            },
        },
        tagging=Tagging("tag_resource", "untag_resource", "list_tags_for_resource", "Tags", {"ResourceArn": "@id"}),
    ),
    ResourceType(
        kind="aws:sns/topicPolicy:TopicPolicy",
        service="sns",
        id=lambda s: s["arn"],
        from_id=lambda i: {"arn": i},
        gone=_NO_TOPIC,
        create=(
            put := Step(
                "set_topic_attributes",
                {"TopicArn": "arn", "AttributeName": lambda _: "Policy", "AttributeValue": "policy"},
                on=("policy",),
            ),
        ),
        update=(put,),
        reads=(
            Read(
                "get_topic_attributes",
                {"TopicArn": "@id"},
                {"policy": "Policy", "owner": "Owner", "arn": "TopicArn"},
                pick=lambda response, _: response["Attributes"],
            ),
        ),
        delete=(Hook(_default_policy),),
        replaces=frozenset({"arn"}),
        required=("policy",),
        json=frozenset({"policy"}),
        rules=(policy_document("policy", principal=True, resource=True),),
    ),
    ResourceType(
        kind="aws:sqs/queue:Queue",
        service="sqs",
        naming=Naming(limit=80, prefix="namePrefix", trailing=lambda s: ".fifo" if s.get("fifoQueue") else ""),
        id=_queue_url,
        from_id=lambda i: {"name": i.rpartition("/")[2]},
        gone=_NO_QUEUE,
        create=(Step("create_queue", {"QueueName": "name", "Attributes": _attributes(_QUEUE)}),),
        update=(_set_queue,),
        reads=(
            Read(
                "get_queue_attributes",
                {"QueueUrl": "@id", "AttributeNames": lambda _: ["All"]},
                {prop: prop for prop in _QUEUE} | {"arn": "QueueArn"},
                pick=_lifted(_QUEUE, _QUEUE_TYPES),
            ),
        ),
        delete=(Step("delete_queue", {"QueueUrl": "@id"}),),
        replaces=frozenset({"name", "namePrefix", "fifoQueue"}),
        defaults={
            "visibilityTimeoutSeconds": 30,
            "messageRetentionSeconds": 345_600,
            "delaySeconds": 0,
            "receiveWaitTimeSeconds": 0,
            "fifoQueue": False,
            "contentBasedDeduplication": False,
        },
        local=_QUEUE_TYPES,
        computed=frozenset(
            {
                "policy", "redrivePolicy", "redriveAllowPolicy", "kmsDataKeyReusePeriodSeconds", "maxMessageSize",
                "sqsManagedSseEnabled", "deduplicationScope", "fifoThroughputLimit",
            }
        ),
        outputs={"url": "{@id}"},
        json=frozenset({"policy", "redrivePolicy", "redriveAllowPolicy"}),
        rules=(policy_document("policy", principal=True, resource=True),),
        tagging=Tagging(
            "tag_queue",
            "untag_queue",
            "list_queue_tags",
            "Tags",
            {"QueueUrl": "@id"},
            at_create="tags",
            style="map",
        ),
    ),
)  # fmt: skip
