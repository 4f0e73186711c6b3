# ruff: noqa: E501 - a case is a line
"""Declarations that lead out of a residency, and such as do not: plain resources and every kind of endpoint's."""

from __future__ import annotations

import json
from typing import Any

from scaletozero.partitions import arn, dns_suffix
from scaletozero.residency.resource import UNKNOWN, DeclaredResource

HERE, THERE, ACCOUNT = "eu-central-1", "us-east-1", "111122223333"

Leak = tuple[list[DeclaredResource], str]


def of(kind: str, name: str = "x", region: Any = HERE, **properties: Any) -> DeclaredResource:
    """One resource, with its provider in the Region."""
    if kind.startswith("kubernetes:"):
        region = None
    urn = f"urn:pulumi:prod::own::{kind}::{name}"
    return DeclaredResource(kind, name, properties, region, urn=urn)


def at(service: str, region: str, resource: str) -> str:
    return arn(service, region, ACCOUNT, resource)


def bucket(name: str, region: str) -> DeclaredResource:
    return of("aws:s3/bucket:Bucket", name, region, bucket=name)


def ecr(region: str) -> str:
    return f"{ACCOUNT}.dkr.ecr.{region}.{dns_suffix(region)}/serving:1"


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "m", "image": ecr(HERE)}], **spec}}}}


def container(**more: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "m", "image": ecr(HERE), **more}])


DEPLOYMENT = "kubernetes:apps/v1:Deployment"
MODEL = "aws:sagemaker/model:Model"
CONFIG = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
LAMBDA = "aws:lambda/function:Function"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
URI = "s3://reports-us/results"


def output(**config: Any) -> dict[str, Any]:
    return {"asyncInferenceConfig": {"outputConfig": {"s3OutputPath": "s3://models-eu/a", **config}}}


LOCATIONS = {"reports-us": THERE, "models-eu": HERE}
"""What the residency of the cases says of buckets that they do not declare."""


def _terms(key: str, operator: str, *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return pod(affinity={"nodeAffinity": required})


def _widgets(*regions: str) -> str:
    return json.dumps({"widgets": [{"type": "metric", "properties": {"region": each}} for each in regions]})


def _replication(target: str) -> dict[str, Any]:
    return {"bucket": "models-eu", "rules": [{"status": "Enabled", "destination": {"bucket": target}}]}


PLAIN: dict[str, Leak] = {
    "a provider in another Region": ([of("aws:sqs/queue:Queue", region=THERE)], "x.region"),
    "a resource with a Region of its own": ([DeclaredResource("aws:sns/topic:Topic", "t", {"region": THERE}, HERE, urn="urn:t")], "t.region"),
    "a Region known only after deployment": ([of("aws:sqs/queue:Queue", region=UNKNOWN)], "x.region"),
    "no Region at all": ([of("aws:sqs/queue:Queue", region=None)], "x.region"),
    "a bucket that replicates out": ([bucket("copy", THERE), of("aws:s3/bucketReplicationConfig:BucketReplicationConfig", **_replication("arn:aws:s3:::copy"))], "x.rules[0].destination.bucket"),
    "replication to a bucket that nobody declared": ([of("aws:s3/bucketReplicationConfig:BucketReplicationConfig", **_replication("arn:aws:s3:::elsewhere"))], "x.rules[0].destination.bucket"),
    "inline replication": ([of("aws:s3/bucket:Bucket", replicationConfiguration={"rules": [{"destination": {"bucket": "arn:aws:s3:::reports-us"}}]})], "x.replicationConfiguration"),
    "a Multi-Region Access Point": ([of("aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint", details={"name": "m", "regions": [{"bucket": "models-eu"}, {"bucket": "reports-us"}]})], "x.details.regions[1].bucket"),
    "access logs": ([of("aws:s3/bucketLogging:BucketLogging", bucket="models-eu", targetBucket="reports-us")], "x.targetBucket"),
    "an inventory": ([of("aws:s3/inventory:Inventory", destination={"bucket": {"bucketArn": "arn:aws:s3:::reports-us"}})], "x.destination.bucket.bucketArn"),
    "registry replication": ([of("aws:ecr/replicationConfiguration:ReplicationConfiguration", replicationConfiguration={"rules": [{"destinations": [{"region": THERE, "registryId": ACCOUNT}]}]})], "x.replicationConfiguration.rules[0].destinations[0].region"),
    "a pull-through cache": ([of("aws:ecr/pullThroughCacheRule:PullThroughCacheRule", upstreamRegistryUrl="registry-1.docker.io")], "x.upstreamRegistryUrl"),
    "a multi-Region key": ([of("aws:kms/key:Key", multiRegion=True)], "x.multiRegion"),
    "a replica key": ([of("aws:kms/replicaKey:ReplicaKey", primaryKeyArn=at("kms", THERE, "key/1"))], "x"),
    "a global table's replica": ([of("aws:dynamodb/table:Table", replicas=[{"regionName": THERE}])], "x.replicas[0].regionName"),
    "a table's export": ([of("aws:dynamodb/tableExport:TableExport", s3Bucket="reports-us")], "x.s3Bucket"),
    "a secret's replica": ([of("aws:secretsmanager/secret:Secret", replicas=[{"region": THERE}])], "x.replicas[0].region"),
    "a backup's copy": ([of("aws:backup/plan:Plan", rules=[{"copyActions": [{"destinationVaultArn": at("backup", THERE, "backup-vault:v")}]}])], "x.rules[0].copyActions[0].destinationVaultArn"),
    "an image's copy": ([of("aws:ec2/amiCopy:AmiCopy", sourceAmiRegion=THERE)], "x.sourceAmiRegion"),
    "a snapshot's copy": ([of("aws:ebs/snapshotCopy:SnapshotCopy", sourceRegion=THERE)], "x.sourceRegion"),
    "a database snapshot's copy": ([of("aws:rds/snapshotCopy:SnapshotCopy", destinationRegion=THERE)], "x.destinationRegion"),
    "a database over Regions": ([of("aws:rds/globalCluster:GlobalCluster")], "x"),
    "a cache over Regions": ([of("aws:elasticache/globalReplicationGroup:GlobalReplicationGroup")], "x"),
    "an event's target": ([of("aws:cloudwatch/eventTarget:EventTarget", arn=at("events", THERE, "event-bus/b"))], "x.arn"),
    "an event sent to a host": ([of("aws:cloudwatch/eventApiDestination:EventApiDestination", invocationEndpoint="https://hooks.example.com/a")], "x.invocationEndpoint"),
    "a schedule's target": ([of("aws:scheduler/schedule:Schedule", target={"arn": at("lambda", THERE, "function:f")})], "x.target.arn"),
    "a pipe's target": ([of("aws:pipes/pipe:Pipe", source=at("sqs", HERE, "q"), target=at("sqs", THERE, "q"))], "x.target"),
    "a subscription of a queue elsewhere": ([of("aws:sns/topicSubscription:TopicSubscription", protocol="sqs", endpoint=at("sqs", THERE, "q"))], "x.endpoint"),
    "a subscription by mail": ([of("aws:sns/topicSubscription:TopicSubscription", protocol="email", endpoint="ops@example.com")], "x.endpoint"),
    "a subscription of a host": ([of("aws:sns/topicSubscription:TopicSubscription", protocol="https", endpoint="https://pager.example.com")], "x.endpoint"),
    "a log subscription": ([of("aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter", destinationArn=at("logs", THERE, "destination:d"))], "x.destinationArn"),
    "log centralisation": ([of("aws:observabilityadmin/centralizationRuleForOrganization:CentralizationRuleForOrganization", rule={"destination": {"region": THERE}})], "x.rule.destination.region"),
    "a metric stream": ([of("aws:cloudwatch/metricStream:MetricStream", firehoseArn=at("firehose", THERE, "deliverystream/s"))], "x.firehoseArn"),
    "a delivery to a host": ([of("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", httpEndpointConfiguration={"url": "https://metrics.example.com"})], "x.httpEndpointConfiguration.url"),
    "a dashboard's widget": ([of("aws:cloudwatch/dashboard:Dashboard", dashboardBody=_widgets(HERE, THERE))], "x.dashboardBody"),
    "a trail's bucket": ([of("aws:cloudtrail/trail:Trail", s3BucketName="reports-us")], "x.s3BucketName"),
    "a billing export": ([of("aws:bcmdata/export:Export", export={"destinationConfigurations": [{"s3Destinations": [{"s3Bucket": "models-eu", "s3Region": THERE}]}]})], "x.export.destinationConfigurations[0].s3Destinations[0].s3Region"),
    "a distribution": ([of("aws:cloudfront/distribution:Distribution")], "x"),
    "an accelerator": ([of("aws:globalaccelerator/accelerator:Accelerator")], "x"),
    "an edge-optimised API": ([of("aws:apigateway/restApi:RestApi", endpointConfiguration={"types": "EDGE"})], "x"),
    "an API that is edge-optimised by default": ([of("aws:apigateway/restApi:RestApi")], "x"),
    "a peering": ([of("aws:ec2/vpcPeeringConnection:VpcPeeringConnection", peerRegion=THERE)], "x.peerRegion"),
    "a Local Zone": ([of("aws:ec2/subnet:Subnet", availabilityZone="eu-central-1-waw-1a")], "x.availabilityZone"),
    "a role's ARN of another partition": ([of(LAMBDA, role="arn:aws-cn:iam::111122223333:role/r")], "x.role"),
    "an ARN in a type that no row has": ([of("aws:codepipeline/pipeline:Pipeline", key=at("kms", THERE, "key/1"))], "x.key"),
}  # fmt: skip
"""Resources that belong to no endpoint."""

SERVERLESS: dict[str, Leak] = {
    "serverless: an image of another Region": ([of(MODEL, primaryContainer={"image": ecr(THERE)})], "x.primaryContainer.image"),
    "serverless: an archive elsewhere": ([of(MODEL, primaryContainer={"image": ecr(HERE), "modelDataUrl": URI})], "x.primaryContainer.modelDataUrl"),
    "serverless: an alarm's topic": ([of(ALARM, alarmActions=[at("sns", THERE, "ops")])], "x.alarmActions[0]"),
    "serverless: a key of another Region": ([of("aws:s3/bucketObjectv2:BucketObjectv2", kmsKeyId=at("kms", THERE, "key/1"))], "x.kmsKeyId"),
    "serverless: an endpoint of another Region": ([of(ENDPOINT, region=THERE)], "x.region"),
    "serverless: a warm pool of another Region": ([of("aws:appautoscaling/target:Target", region=THERE)], "x.region"),
    "serverless: calls from another Region": ([of(LAMBDA, region=THERE)], "x.region"),
    "serverless: an alarm of another Region": ([of(ALARM, region=THERE)], "x.region"),
    "serverless: a registry of another Region": ([of("aws:ecr/repository:Repository", region=THERE)], "x.region"),
}  # fmt: skip
ASYNCHRONOUS: dict[str, Leak] = {
    "asynchronous: an image of another Region": ([of(MODEL, containers=[{"image": ecr(THERE)}])], "x.containers[0].image"),
    "asynchronous: an alarm's topic": ([of(ALARM, alarmActions=[at("sns", HERE, "ops"), at("sns", THERE, "ops")])], "x.alarmActions[1]"),
    "asynchronous: a key of another Region": ([of("aws:sns/topic:Topic", kmsMasterKeyId=at("kms", THERE, "key/1"))], "x.kmsMasterKeyId"),
    "asynchronous: an endpoint of another Region": ([DeclaredResource(ENDPOINT, "x", {"region": THERE}, HERE, urn="urn:x")], "x.region"),
    "asynchronous: results elsewhere": ([of(CONFIG, **output(s3OutputPath=URI))], "x.asyncInferenceConfig.outputConfig.s3OutputPath"),
    "asynchronous: failures elsewhere": ([of(CONFIG, **output(s3FailurePath=URI))], "x.asyncInferenceConfig.outputConfig.s3FailurePath"),
    "asynchronous: a topic elsewhere": ([of(CONFIG, **output(notificationConfig={"errorTopic": at("sns", THERE, "e")}))], "x.asyncInferenceConfig.outputConfig.notificationConfig.errorTopic"),
    "asynchronous: captured requests elsewhere": ([of(CONFIG, dataCaptureConfig={"destinationS3Uri": URI})], "x.dataCaptureConfig.destinationS3Uri"),
    "an inference router": ([of("aws-native:sagemaker:InferenceRouter", destinations=[{"resourceArn": at("sagemaker", THERE, "endpoint/e")}])], "x.destinations[0].resourceArn"),
    "an endpoint that serves other Regions": ([of("aws-native:sagemaker:Endpoint", crossRegionTrafficConfig={"maxCrossRegionPercentPerEndpoint": 10})], "x.crossRegionTrafficConfig"),
}  # fmt: skip
GPU: dict[str, Leak] = {
    "gpu: an image of another Region": ([of(DEPLOYMENT, **container(image=ecr(THERE)))], "x.spec.template.spec.containers[0].image"),
    "gpu: an image of a public registry": ([of(DEPLOYMENT, **container(image="vllm/vllm-openai:v0.11"))], "x.spec.template.spec.containers[0].image"),
    "gpu: weights elsewhere": ([of(DEPLOYMENT, **container(args=["--model=s3://reports-us/m"]))], "x.spec.template.spec.containers[0].args[0]"),
    "gpu: a fallback's host": ([of(DEPLOYMENT, **container(env=[{"name": "F", "value": "https://api.openai.com/v1"}]))], "x.spec.template.spec.containers[0].env[0].value"),
    "gpu: a fallback's host of the geography, not attested": ([of(DEPLOYMENT, **container(env=[{"name": "F", "value": "https://eu.api.openai.com/v1"}]))], "x.spec.template.spec.containers[0].env[0].value"),
    "gpu: a service outside": ([of("kubernetes:core/v1:Service", spec={"externalName": f"bedrock-runtime.{THERE}.{dns_suffix(THERE)}"})], "x.spec.externalName"),
    "gpu: a host that pods may reach": ([of("kubernetes:cilium.io/v2:CiliumNetworkPolicy", spec={"egress": [{"toFQDNs": [{"matchName": f"sqs.{THERE}.{dns_suffix(THERE)}"}]}]})], "x.spec.egress[0].toFQDNs[0].matchName"),
    "gpu: a webhook outside": ([of("kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration", webhooks=[{"clientConfig": {"url": "https://hooks.example.com"}}])], "x.webhooks[0].clientConfig.url"),
    "gpu: nodes of another Region": ([of(DEPLOYMENT, **_terms("topology.kubernetes.io/region", "In", THERE))], "x.spec.template.spec.affinity"),
    "gpu: nodes of any Region but one": ([of(DEPLOYMENT, **_terms("topology.kubernetes.io/region", "NotIn", HERE))], "x.spec.template.spec.affinity"),
    "gpu: a node selector": ([of(DEPLOYMENT, **pod(nodeSelector={"topology.kubernetes.io/region": THERE}))], "x.spec.template.spec.nodeSelector"),
    "gpu: a pool's zone": ([of("kubernetes:karpenter.sh/v1:NodePool", spec={"template": {"spec": {"requirements": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}]}}})], "x.spec.template.spec.requirements[0]"),
    "gpu: a pool's key of another Region": ([of("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", spec={"blockDeviceMappings": [{"ebs": {"kmsKeyID": at("kms", THERE, "key/1")}}]})], "x.spec.blockDeviceMappings[0].ebs.kmsKeyID"),
    "gpu: a group of nodes of another Region": ([of("aws:eks/nodeGroup:NodeGroup", region=THERE)], "x.region"),
    "gpu: a cluster of another Region": ([of("aws:eks/podIdentityAssociation:PodIdentityAssociation", region=THERE)], "x.region"),
    "gpu: a key of another Region": ([of("aws:s3/bucketObjectv2:BucketObjectv2", bucket="models-eu", kmsKeyId=at("kms", THERE, "key/2"))], "x.kmsKeyId"),
    "gpu: metrics of another Region": ([of("kubernetes:keda.sh/v1alpha1:ScaledObject", spec={"triggers": [{"type": "prometheus", "metadata": {"serverAddress": f"https://aps-workspaces.{THERE}.{dns_suffix(THERE)}/workspaces/ws-1", "awsRegion": HERE}}]})], "x.spec.triggers[0].metadata.serverAddress"),
    "a global Bedrock profile": ([of(LAMBDA, environment={"variables": {"MODEL": "global.anthropic.claude-sonnet-4-5-20250929-v1:0"}})], "x.environment.variables.MODEL"),
    "another geography's Bedrock profile": ([of("aws:bedrock/inferenceProfile:InferenceProfile", modelSource={"copyFrom": at("bedrock", HERE, "inference-profile/us.amazon.nova-pro-v1:0")})], "x.modelSource.copyFrom"),
    "a Bedrock model with no Region": ([of(LAMBDA, environment={"variables": {"M": "arn:aws:bedrock:::foundation-model/amazon.nova-pro-v1:0"}})], "x.environment.variables.M"),
    "a host of a partition that names no Region": ([of(LAMBDA, environment={"variables": {"STS": f"https://sts.{dns_suffix(THERE)}"}})], "x.environment.variables.STS"),
}  # fmt: skip

LEAKS: dict[str, Leak] = {**PLAIN, **SERVERLESS, **ASYNCHRONOUS, **GPU}
"""Every case: the resources, and the path of the finding that names the way out."""


def clean(region: str) -> list[DeclaredResource]:
    """What one environment with an endpoint of every kind declares."""
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [f"{region}a", f"{region}b"]}
    sts = f"https://sts.{region}.{dns_suffix(region)}"
    return [
        bucket("models", region),
        of("aws:s3/bucketLogging:BucketLogging", "log", region, bucket="models", targetBucket="models"),
        of("aws:kms/key:Key", "key", region, multiRegion=False),
        of("aws:iam/role:Role", "role", THERE, assumeRolePolicy="{}"),
        of("aws:budgets/budget:Budget", "budget", THERE),
        of("aws:iam/rolePolicy:RolePolicy", "policy", region, policy='{"Resource": "arn:aws:s3:us-east-1:::x"}'),
        of(MODEL, "model", region, primaryContainer={"image": ecr(region), "modelDataUrl": "s3://models/a"}),
        of(CONFIG, "configuration", region, **output(s3OutputPath="s3://models/a")),
        of("aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", region, alarmActions=[at("sns", region, "ops")]),
        of("aws:cloudwatch/dashboard:Dashboard", "board", region, dashboardBody=_widgets(region)),
        of("aws:apigateway/restApi:RestApi", "api", region, endpointConfiguration={"types": "REGIONAL"}),
        of("aws:sns/topicSubscription:TopicSubscription", "s", region, protocol="sqs", endpoint=at("sqs", region, "q")),
        of(LAMBDA, "f", region, environment={"variables": {"STS": sts, "MODEL": "amazon.nova-pro-v1:0"}}),
        of("kubernetes:karpenter.sh/v1:NodePool", "p", spec={"template": {"spec": {"requirements": [zone]}}}),
        of(DEPLOYMENT, "d", **_terms("topology.kubernetes.io/region", "In", region)),
        of("kubernetes:core/v1:Service", "svc", spec={"externalName": "gateway.models.svc.cluster.local"}),
    ]
