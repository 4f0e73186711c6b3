"""The catalogue: the properties of resources that can lead out of a residency, how to test them, and how to fix them.

The closure, the policy pack, the report and the guide read this one table. Types and properties are those of pulumi_aws
(`tests/unit/residency/test_catalogue.py` compares them) and of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scaletozero.residency import judges
from scaletozero.residency.judges import Judge
from scaletozero.settings.residency import Coverage

C = Coverage


@dataclass(frozen=True)
class Row:
    """One way out of a residency.

    Attributes:
        type: the type of the resource.
        at: the path of the property (`rules[].destination.bucket`); empty if the resource itself is tested.
        judge: the test.
        covers: the part of a residency that it belongs to.
        consequence: what would happen otherwise.
        fix: what to do instead.
    """

    type: str
    at: str
    judge: Judge
    covers: Coverage
    consequence: str
    fix: str

    @property
    def rule(self) -> str:
        """Its name in policies and reports."""
        return f"{self.type}{'.' if self.at else ''}{self.at}"


_INSIDE = "name one in an allowed Region"


def _rows() -> Iterator[Row]:
    a, b = "aws:", judges.bucket
    copy = "every object would be copied there"
    for of, path in (
        ("s3/bucket:Bucket", "replicationConfiguration.rules[].destination.bucket"),
        ("s3/bucketReplicationConfig:BucketReplicationConfig", "rules[].destination.bucket"),
        ("s3control/multiRegionAccessPoint:MultiRegionAccessPoint", "details.regions[].bucket"),
    ):
        yield Row(a + of, path, b, C.ARTIFACTS, copy, "replicate to a bucket in an allowed Region, or remove it")
    for of, path in (
        ("s3/bucket:Bucket", "logging.targetBucket"),
        ("s3/bucketLogging:BucketLogging", "targetBucket"),
        ("s3/inventory:Inventory", "destination.bucket.bucketArn"),
        (
            "s3/analyticsConfiguration:AnalyticsConfiguration",
            "storageClassAnalysis.dataExport.destination.s3BucketDestination.bucketArn",
        ),
        ("cloudtrail/trail:Trail", "s3BucketName"),
        ("cfg/deliveryChannel:DeliveryChannel", "s3BucketName"),
        (
            "bedrockmodel/invocationLoggingConfiguration:InvocationLoggingConfiguration",
            "loggingConfig.s3Config.bucketName",
        ),
        ("synthetics/canary:Canary", "artifactS3Location"),
    ):
        yield Row(a + of, path, b, C.LOGS, "names of objects, callers and requests would rest there", _INSIDE)
    for of, path in (
        ("dynamodb/tableExport:TableExport", "s3Bucket"),
        ("cur/reportDefinition:ReportDefinition", "s3Bucket"),
        ("bcmdata/export:Export", "export.destinationConfigurations[].s3Destinations[].s3Bucket"),
        ("athena/workgroup:Workgroup", "configuration.resultConfiguration.outputLocation"),
        ("kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", "extendedS3Configuration.bucketArn"),
        ("sagemaker/model:Model", "primaryContainer.modelDataUrl"),
        ("sagemaker/model:Model", "containers[].modelDataUrl"),
    ):
        yield Row(a + of, path, b, C.ARTIFACTS, "the data would rest there", _INSIDE)
    config = "sagemaker/endpointConfiguration:EndpointConfiguration"
    asynchronous = "asyncInferenceConfig.outputConfig"
    for path in (f"{asynchronous}.s3OutputPath", f"{asynchronous}.s3FailurePath", "dataCaptureConfig.destinationS3Uri"):
        yield Row(a + config, path, b, C.ARTIFACTS, "requests and responses would rest there", _INSIDE)
    yield from _copies()
    yield from _events()
    yield from _routing()
    yield from _models()
    yield from _kubernetes()


def _copies() -> Iterator[Row]:
    a, r = "aws:", judges.region
    for of, path, covers in (
        (
            "ecr/replicationConfiguration:ReplicationConfiguration",
            "replicationConfiguration.rules[].destinations[].region",
            C.ARTIFACTS,
        ),
        ("dynamodb/table:Table", "replicas[].regionName", C.ARTIFACTS),
        ("dynamodb/globalTable:GlobalTable", "replicas[].regionName", C.ARTIFACTS),
        ("secretsmanager/secret:Secret", "replicas[].region", C.KEYS),
        ("efs/replicationConfiguration:ReplicationConfiguration", "destination.region", C.BACKUPS),
        ("rds/snapshotCopy:SnapshotCopy", "destinationRegion", C.BACKUPS),
        ("rds/clusterSnapshotCopy:ClusterSnapshotCopy", "destinationRegion", C.BACKUPS),
        ("redshift/snapshotCopy:SnapshotCopy", "destinationRegion", C.BACKUPS),
        (
            "observabilityadmin/centralizationRuleForOrganization:CentralizationRuleForOrganization",
            "rule.destination.region",
            C.LOGS,
        ),
        ("ssmincidents/replicationSet:ReplicationSet", "regions[].name", C.EVENTS),
        ("cur/reportDefinition:ReportDefinition", "s3Region", C.ARTIFACTS),
        ("bcmdata/export:Export", "export.destinationConfigurations[].s3Destinations[].s3Region", C.ARTIFACTS),
    ):
        yield Row(
            a + of, path, r, covers, "a copy would be kept there", "copy to an allowed Region, or remove the copy"
        )
    for of, path in (("ec2/amiCopy:AmiCopy", "sourceAmiRegion"), ("ebs/snapshotCopy:SnapshotCopy", "sourceRegion")):
        yield Row(a + of, path, r, C.BACKUPS, "the original is outside", "copy from an allowed Region")
    for of, path in (
        ("backup/plan:Plan", "rules[].copyActions[].destinationVaultArn"),
        ("rds/instance:Instance", "replicateSourceDb"),
        ("rds/cluster:Cluster", "replicationSourceIdentifier"),
        (
            "rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
            "sourceDbInstanceArn",
        ),
    ):
        yield Row(a + of, path, judges.address, C.BACKUPS, "backups would be kept on both sides", _INSIDE)
    said = "remove `multiRegion`: it cannot be changed later, so create a new key"
    for of in ("kms/key:Key", "kms/externalKey:ExternalKey"):
        yield Row(a + of, "multiRegion", judges.switched_on, C.KEYS, "the key could be copied to any Region", said)
    for of in ("kms/replicaKey:ReplicaKey", "kms/replicaExternalKey:ReplicaExternalKey"):
        yield Row(
            a + of, "", judges.present, C.KEYS, "the same key would be in two Regions", "create a single-Region key"
        )
    for of in (
        "rds/globalCluster:GlobalCluster",
        "docdb/globalCluster:GlobalCluster",
        "neptune/globalCluster:GlobalCluster",
        "elasticache/globalReplicationGroup:GlobalReplicationGroup",
        "memorydb/multiRegionCluster:MultiRegionCluster",
        "msk/replicator:Replicator",
    ):
        covers = C.CACHE if of.startswith(("elasticache", "memorydb")) else C.BACKUPS
        yield Row(a + of, "", judges.present, covers, "it spans Regions", "use a cluster of one Region")


def _events() -> Iterator[Row]:
    a, there = "aws:", "the events and their contents would be sent there"
    for of, path, covers in (
        ("cloudwatch/eventTarget:EventTarget", "arn", C.EVENTS),
        ("pipes/pipe:Pipe", "target", C.EVENTS),
        ("pipes/pipe:Pipe", "source", C.EVENTS),
        ("pipes/pipe:Pipe", "enrichment", C.EVENTS),
        ("scheduler/schedule:Schedule", "target.arn", C.EVENTS),
        ("cloudwatch/metricAlarm:MetricAlarm", "alarmActions[]", C.EVENTS),
        (
            "sagemaker/endpointConfiguration:EndpointConfiguration",
            "asyncInferenceConfig.outputConfig.notificationConfig.successTopic",
            C.EVENTS,
        ),
        (
            "sagemaker/endpointConfiguration:EndpointConfiguration",
            "asyncInferenceConfig.outputConfig.notificationConfig.errorTopic",
            C.EVENTS,
        ),
        ("dynamodb/kinesisStreamingDestination:KinesisStreamingDestination", "streamArn", C.EVENTS),
        ("cloudwatch/logSubscriptionFilter:LogSubscriptionFilter", "destinationArn", C.LOGS),
        ("cloudwatch/logDestination:LogDestination", "targetArn", C.LOGS),
        ("cloudwatch/logDelivery:LogDelivery", "deliveryDestinationArn", C.LOGS),
        (
            "cloudwatch/logDeliveryDestination:LogDeliveryDestination",
            "deliveryDestinationConfiguration.destinationResourceArn",
            C.LOGS,
        ),
        ("oam/link:Link", "sinkIdentifier", C.LOGS),
        ("cloudwatch/metricStream:MetricStream", "firehoseArn", C.METRICS),
    ):
        yield Row(a + of, path, judges.address, covers, there, _INSIDE)
    yield Row("aws:sns/topicSubscription:TopicSubscription", "endpoint", judges.subscription, C.EVENTS, there, _INSIDE)
    for of, path, covers in (
        ("cloudwatch/eventApiDestination:EventApiDestination", "invocationEndpoint", C.EVENTS),
        ("kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", "httpEndpointConfiguration.url", C.METRICS),
        ("kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", "splunkConfiguration.hecEndpoint", C.LOGS),
    ):
        yield Row(a + of, path, judges.url, covers, there, "send it to a host in an allowed Region")
    dashboard = "its widgets would fetch metrics from there; the body itself is stored in no Region of yours"
    yield Row("aws:cloudwatch/dashboard:Dashboard", "dashboardBody", judges.widgets, C.METRICS, dashboard, _INSIDE)


def _routing() -> Iterator[Row]:
    a, edge = "aws:", "requests and responses would pass, and be cached, at edge locations anywhere"
    regional = "write `endpointConfiguration: {types: REGIONAL}`"
    for of in ("apigateway/restApi:RestApi", "apigateway/domainName:DomainName"):
        yield Row(a + of, "", judges.edge, C.ROUTING, "TLS would end at an edge location anywhere", regional)
    for of in (
        "cloudfront/distribution:Distribution",
        "globalaccelerator/accelerator:Accelerator",
        "globalaccelerator/customRoutingAccelerator:CustomRoutingAccelerator",
        "globalaccelerator/endpointGroup:EndpointGroup",
        "sesv2/multiRegionEndpoint:MultiRegionEndpoint",
    ):
        yield Row(a + of, "", judges.present, C.ROUTING, edge, "let callers reach the Region itself")
    for of in (
        "ec2/vpcPeeringConnection:VpcPeeringConnection",
        "ec2transitgateway/peeringAttachment:PeeringAttachment",
    ):
        yield Row(
            a + of, "peerRegion", judges.region, C.ROUTING, "traffic would be routed there", "peer within the Region"
        )
    yield Row(
        a + "ec2/vpcEndpoint:VpcEndpoint", "serviceRegion", judges.region, C.ROUTING, "calls would go there", _INSIDE
    )
    for of in ("ec2/subnet:Subnet", "ebs/volume:Volume", "ec2/instance:Instance"):
        yield Row(a + of, "availabilityZone", judges.zone, C.COMPUTE, "it would be there", "use a zone of the Region")
    router = "callers' requests would be spread to other Regions"
    for path in ("destinations[].resourceArn", "Destinations[].ResourceArn"):
        yield Row("aws-native:sagemaker:InferenceRouter", path, judges.address, C.ROUTING, router, _INSIDE)
    for of in ("aws-native:sagemaker:Endpoint", "aws-native:sagemaker:EndpointConfig"):
        serves = "it would serve requests of other Regions"
        yield Row(of, "crossRegionTrafficConfig", judges.switched_on, C.ROUTING, serves, "remove it")
    for path in ("upstreamRegistryUrl",):
        yield Row(
            a + "ecr/pullThroughCacheRule:PullThroughCacheRule",
            path,
            judges.image_host,
            C.ARTIFACTS,
            "images would come from there, and each pull would reveal which",
            "copy the images into a repository of the Region",
        )


def _models() -> Iterator[Row]:
    a, pulled = "aws:", "it would be pulled from there"
    mirror = "copy it to a repository in an allowed Region"
    for path in ("primaryContainer.image", "containers[].image"):
        yield Row(a + "sagemaker/model:Model", path, judges.image, C.ARTIFACTS, pulled, mirror)
    yield Row(a + "lambda/function:Function", "imageUri", judges.image, C.ARTIFACTS, pulled, mirror)
    elsewhere = "prompts and responses would be processed in other Regions"
    in_region = "use the model in the Region itself"
    for of, path in (
        ("bedrock/inferenceProfile:InferenceProfile", "modelSource.copyFrom"),
        ("bedrock/agentAgent:AgentAgent", "foundationModel"),
    ):
        yield Row(a + of, path, judges.profile, C.FALLBACKS, elsewhere, in_region)
    sent = "requests would be sent there"
    for of, path in (
        ("lambda/function:Function", "environment.variables.*"),
        ("sagemaker/model:Model", "primaryContainer.environment.*"),
        ("sagemaker/model:Model", "containers[].environment.*"),
    ):
        yield Row(a + of, path, judges.address_in_text, C.FALLBACKS, sent, _INSIDE)


WORKLOADS = {
    "kubernetes:core/v1:Pod": "spec",
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
}
"""Kind -> the path of its pod specification."""


def _kubernetes() -> Iterator[Row]:
    sent = "requests would be sent there"
    for kind, pod in WORKLOADS.items():
        for containers in ("containers[]", "initContainers[]"):
            at = f"{pod}.{containers}"
            pulled, mirror = "each node would pull it from there", "copy it to a repository in an allowed Region"
            yield Row(kind, f"{at}.image", judges.image, C.ARTIFACTS, pulled, mirror)
            for path in (f"{at}.env[].value", f"{at}.args[]", f"{at}.command[]"):
                yield Row(kind, path, judges.address_in_text, C.FALLBACKS, sent, _INSIDE)
        selected = "the pods would run there"
        yield Row(kind, f"{pod}.nodeSelector", judges.node_selector, C.COMPUTE, selected, _INSIDE)
        terms = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]"
        path = f"{pod}.{terms}.matchExpressions[]"
        yield Row(kind, path, judges.requirement, C.COMPUTE, selected, _INSIDE)
    yield Row("kubernetes:core/v1:Service", "spec.externalName", judges.host_name_of, C.FALLBACKS, sent, _INSIDE)
    for of, path in (
        ("networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy", "spec.egress[].to[].domainNames[]"),
        ("cilium.io/v2:CiliumNetworkPolicy", "spec.egress[].toFQDNs[].matchName"),
        ("cilium.io/v2:CiliumNetworkPolicy", "spec.egress[].toFQDNs[].matchPattern"),
    ):
        allowed = "the pods may send requests there"
        yield Row(f"kubernetes:{of}", path, judges.host_name_of, C.FALLBACKS, allowed, _INSIDE)
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        of = f"kubernetes:admissionregistration.k8s.io/v1:{kind}"
        whole = "every object of the cluster would be sent there"
        yield Row(of, "webhooks[].clientConfig.url", judges.url, C.ROUTING, whole, "use a service of the cluster")
    scaled, trigger = "kubernetes:keda.sh/v1alpha1:ScaledObject", "spec.triggers[].metadata"
    for path, judge in (("serverAddress", judges.known_host), ("awsRegion", judges.region)):
        read = "the metrics that it scales on would be kept there"
        yield Row(scaled, f"{trigger}.{path}", judge, C.METRICS, read, _INSIDE)
    for version in ("v1", "v1beta1"):
        pools = f"kubernetes:karpenter.sh/{version}:NodePool"
        path = "spec.template.spec.requirements[]"
        yield Row(pools, path, judges.requirement, C.COMPUTE, "nodes would be provisioned there", _INSIDE)


ROWS = tuple(_rows())
"""The catalogue."""

GLOBAL_SERVICES = frozenset(
    (
        "account", "billing", "budgets", "chatbot", "cloudfront", "costexplorer", "globalaccelerator", "iam",
        "networkmanager", "organizations", "route53", "route53domains", "savingsplans", "shield", "waf",
    )
)  # fmt: skip
"""Services with one endpoint for all Regions (botocore's endpoints): their data is about resources and is in no
Region of yours. Calls to them run in us-east-1 or us-west-2, regardless of the environment's Region."""

SERVICE_COVERS = {
    "s3": C.ARTIFACTS,
    "s3control": C.ARTIFACTS,
    "ecr": C.ARTIFACTS,
    "efs": C.ARTIFACTS,
    "fsx": C.ARTIFACTS,
    "dynamodb": C.ARTIFACTS,
    "rds": C.ARTIFACTS,
    "kms": C.KEYS,
    "secretsmanager": C.KEYS,
    "backup": C.BACKUPS,
    "ebs": C.BACKUPS,
    "elasticache": C.CACHE,
    "memorydb": C.CACHE,
    "sns": C.EVENTS,
    "sqs": C.EVENTS,
    "scheduler": C.EVENTS,
    "pipes": C.EVENTS,
    "kinesis": C.EVENTS,
    "apigateway": C.ROUTING,
    "apigatewayv2": C.ROUTING,
    "lb": C.ROUTING,
}
"""Service -> the coverage of its resources. Default: compute."""
