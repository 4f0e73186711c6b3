# ruff: noqa: E501 - a case is a line
"""What holds each seeded leak without Pulumi: the call that would make it, the API server, or why nothing can."""

from __future__ import annotations

from dataclasses import dataclass, field

from residency_leaks import ACCOUNT, HERE, THERE, at


@dataclass(frozen=True)
class Call:
    """A call to AWS that the boundary and the organisation's policy have to deny.

    Attributes:
        action: as policies name it.
        region: of the call: `aws:RequestedRegion`.
        context: more condition keys.
        note: what the denial does not hold; empty where it holds all of it.
    """

    action: str
    region: str = THERE
    context: dict[str, str] = field(default_factory=dict)
    note: str = ""


EXISTING = "one that exists there already is not seen"
PROFILE = f"arn:aws:bedrock:{HERE}:{ACCOUNT}:inference-profile/"
VAULT = {"backup:copytargets": at("backup", THERE, "backup-vault:v")}


def inside(action: str, note: str = "", **context: str) -> Call:
    return Call(action, HERE, {key.replace("__", ":"): value for key, value in context.items()}, note)


CALLS: dict[str, Call] = {
    "a provider in another Region": Call("sqs:CreateQueue"),
    "a resource with a Region of its own": Call("sns:CreateTopic"),
    "a Region known only after deployment": Call("sqs:CreateQueue"),
    "no Region at all": Call("sqs:CreateQueue"),
    "a bucket that replicates out": inside("s3:PutReplicationConfiguration"),
    "replication to a bucket that nobody declared": inside("s3:PutReplicationConfiguration"),
    "inline replication": inside("s3:PutReplicationConfiguration"),
    "a Multi-Region Access Point": inside("s3:CreateMultiRegionAccessPoint"),
    "access logs": Call("s3:CreateBucket", note=EXISTING),
    "an inventory": Call("s3:CreateBucket", note=EXISTING),
    "registry replication": inside("ecr:PutReplicationConfiguration"),
    "a pull-through cache": inside("ecr:CreatePullThroughCacheRule"),
    "a multi-Region key": inside("kms:ReplicateKey", "the key may exist; no replica of it can"),
    "a replica key": inside("kms:ReplicateKey"),
    "a global table's replica": inside("dynamodb:CreateTableReplica"),
    "a table's export": Call("s3:CreateBucket", note=EXISTING),
    "a secret's replica": inside("secretsmanager:ReplicateSecretToRegions"),
    "a backup's copy": Call("backup:StartCopyJob", HERE, VAULT),
    "an image's copy": inside("ec2:CopyImage"),
    "a snapshot's copy": inside("ec2:CopySnapshot"),
    "a database snapshot's copy": inside("rds:CopyDBSnapshot"),
    "a database over Regions": inside("rds:CreateGlobalCluster"),
    "a cache over Regions": inside("elasticache:CreateGlobalReplicationGroup"),
    "an event's target": Call("events:CreateEventBus", note=EXISTING),
    "a schedule's target": Call("lambda:CreateFunction", note=EXISTING),
    "a pipe's target": Call("sqs:CreateQueue", note=EXISTING),
    "a subscription of a queue elsewhere": Call("sqs:CreateQueue", note=EXISTING),
    "a log subscription": Call("logs:PutDestination", note=EXISTING),
    "log centralisation": inside("observabilityadmin:CreateCentralizationRuleForOrganization"),
    "a metric stream": Call("firehose:CreateDeliveryStream", note=EXISTING),
    "a dashboard's widget": Call("cloudwatch:GetMetricData"),
    "a trail's bucket": Call("s3:CreateBucket", note=EXISTING),
    "a billing export": Call("bcm-data-exports:CreateExport"),
    "a distribution": inside("cloudfront:CreateDistribution"),
    "an accelerator": inside("globalaccelerator:CreateAccelerator"),
    "a peering": Call("ec2:AcceptVpcPeeringConnection", note="the other side may be another account's, which the organisation's policy holds too if it is a member"),
    "an ARN in a type that no row has": Call("kms:Decrypt"),
    "serverless: an image of another Region": Call("ecr:BatchGetImage"),
    "serverless: an archive elsewhere": Call("s3:GetObject"),
    "serverless: an alarm's topic": Call("sns:CreateTopic", note=EXISTING),
    "serverless: a key of another Region": Call("kms:GenerateDataKey"),
    "serverless: an endpoint of another Region": Call("sagemaker:CreateEndpoint"),
    "serverless: a warm pool of another Region": Call("application-autoscaling:RegisterScalableTarget"),
    "serverless: calls from another Region": Call("lambda:CreateFunction"),
    "serverless: an alarm of another Region": Call("cloudwatch:PutMetricAlarm"),
    "serverless: a registry of another Region": Call("ecr:CreateRepository"),
    "asynchronous: an image of another Region": Call("ecr:BatchGetImage"),
    "asynchronous: an alarm's topic": Call("sns:CreateTopic", note=EXISTING),
    "asynchronous: a key of another Region": Call("kms:GenerateDataKey"),
    "asynchronous: an endpoint of another Region": Call("sagemaker:CreateEndpoint"),
    "asynchronous: results elsewhere": Call("s3:PutObject"),
    "asynchronous: failures elsewhere": Call("s3:PutObject"),
    "asynchronous: a topic elsewhere": Call("sns:Publish"),
    "asynchronous: captured requests elsewhere": Call("s3:PutObject"),
    "an inference router": inside("sagemaker:CreateInferenceRouter"),
    "gpu: an image of another Region": Call("ecr:BatchGetImage", note="nodes pull images: the boundary has to be on their role"),
    "gpu: weights elsewhere": Call("s3:GetObject"),
    "gpu: a service outside": Call("bedrock:InvokeModel"),
    "gpu: a pool's zone": Call("ec2:RunInstances", note="the boundary has to be on Karpenter's role"),
    "gpu: a pool's key of another Region": Call("kms:CreateGrant", note="the boundary has to be on Karpenter's role"),
    "gpu: a group of nodes of another Region": Call("eks:CreateNodegroup"),
    "gpu: a cluster of another Region": Call("eks:CreatePodIdentityAssociation"),
    "gpu: a key of another Region": Call("kms:GenerateDataKey"),
    "gpu: metrics of another Region": Call("aps:QueryMetrics", note="the boundary has to be on KEDA's role"),
    "a global Bedrock profile": inside("bedrock:InvokeModel", bedrock__inferenceprofilearn=f"{PROFILE}global.anthropic.claude"),
    "another geography's Bedrock profile": inside("bedrock:InvokeModel", bedrock__inferenceprofilearn=f"{PROFILE}us.amazon.nova-pro-v1:0"),
    "a Bedrock model with no Region": Call("bedrock:InvokeModel", "unspecified"),
    "a host of a partition that names no Region": Call("sts:AssumeRole"),
}  # fmt: skip
"""Case -> the call that would make the leak, or that would use it."""

ADMISSION = {
    "gpu: nodes of another Region",
    "gpu: nodes of any Region but one",
    "gpu: a node selector",
}
"""What the API server refuses by the policies of `ClusterPrerequisites` (`tests/cluster/test_residency.py`)."""

AT_UPDATE = (
    "a provider in another Region",
    "a resource with a Region of its own",
    "no Region at all",
    "replication to a bucket that nobody declared",
    "a multi-Region key",
    "a backup's copy",
    "a cache over Regions",
    "an event sent to a host",
    "a log subscription",
    "a dashboard's widget",
    "a distribution",
    "serverless: an image of another Region",
    "asynchronous: results elsewhere",
    "asynchronous: an endpoint of another Region",
    "gpu: nodes of another Region",
    "gpu: metrics of another Region",
    "a global Bedrock profile",
)
"""What the policy pack also denies at an update through the engine, which ends at the first of them: one of each
coverage and of each kind of endpoint (`tests/extras/test_policy_engine.py`)."""

_HOST = "no condition key of AWS names the host"
_EGRESS = "a NetworkPolicy knows addresses only; host names need EKS Auto Mode's ApplicationNetworkPolicy or Cilium"
_EDGE = "the call is made inside; an organisation can add a deny on `apigateway:Request/EndpointType`"
REASONS = {
    "an event sent to a host": _HOST,
    "a subscription by mail": "the call is made inside; an organisation can add a deny on `sns:Protocol`",
    "a subscription of a host": "the call is made inside; an organisation can add a deny on `sns:Protocol` or `sns:Endpoint`",
    "a delivery to a host": _HOST,
    "an edge-optimised API": _EDGE,
    "an API that is edge-optimised by default": _EDGE,
    "a Local Zone": "its calls are those of its Region; do not opt the account in to the zone's group",
    "a role's ARN of another partition": "no call crosses a partition: AWS refuses it, so nothing has to deny it",
    "an endpoint that serves other Regions": "the call is made inside, and no condition key names the setting",
    "gpu: an image of a public registry": "nodes pull images, not pods: their network has to let ECR through only",
    "gpu: a fallback's host": _EGRESS,
    "gpu: a fallback's host of the geography, not attested": _EGRESS,
    "gpu: a host that pods may reach": "the policy is what lets the host through: without it, pods reach none",
    "gpu: a webhook outside": "the API server calls it, which no policy of the cluster limits",
}  # fmt: skip
"""Case -> why nothing here holds it without Pulumi."""
