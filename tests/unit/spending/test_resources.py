"""Plain resources of any stack: what has a price, what is charged by use, and what cannot be priced."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pulumi_aws

from scaletozero.residency.resource import UNKNOWN, DeclaredResource
from scaletozero.spending.prices import shipped
from scaletozero.spending.resources import BY_USE, FREE, PRICED, price_resources

US = "us-east-1"
TABLE = shipped()
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"


def resource(
    type_: str, name: str = "it", region: str = US, depends: Any = None, **properties: Any
) -> DeclaredResource:
    return DeclaredResource(type_, name, properties, region, urn=f"urn:{name}", depends=depends or {})


def test_the_types_are_those_of_the_provider() -> None:
    known = set(re.findall(r'"(aws:\w+/\w+:\w+)": "\w+"', Path(pulumi_aws.__file__).read_text()))
    assert {*PRICED, *BY_USE} <= known
    for prefix in FREE:
        if prefix.startswith("aws:"):
            assert any(each.startswith(prefix) for each in known), prefix


def test_an_endpoint_on_instances_costs_its_instances() -> None:
    variants = [{"variantName": "a", "instanceType": "ml.g5.xlarge", "initialInstanceCount": 2}]
    stack = [
        resource(CONFIGURATION, "config", name_="c", productionVariants=variants),
        resource(ENDPOINT, depends={"endpointConfigName": ["urn:config"]}),
    ]
    found = price_resources(stack, TABLE)
    (priced,) = found.priced
    assert (priced.name, priced.what) == ("it", "instances ml.g5.xlarge")
    assert priced.per_month == Decimal("2055.68")  # 2 x 730 x 1.408
    assert priced.worst_per_hour == Decimal("2.816")
    assert (found.by_use, found.unpriced, found.free) == ((), (), 1)


def test_scaling_changes_how_many_there_are() -> None:
    variants = [{"variantName": "a", "instanceType": "ml.g5.xlarge", "initialInstanceCount": 1}]
    stack = [
        DeclaredResource(CONFIGURATION, "config", {"name": "c", "productionVariants": variants}, US, urn="urn:config"),
        DeclaredResource(ENDPOINT, "it", {"name": "it", "endpointConfigName": "c"}, US, urn="urn:it"),
        resource(
            "aws:appautoscaling/target:Target",
            "target",
            resourceId="endpoint/it/variant/a",
            scalableDimension="sagemaker:variant:DesiredInstanceCount",
            minCapacity=0,
            maxCapacity=4,
        ),
    ]
    (priced,) = price_resources(stack, TABLE).priced
    assert priced.per_month == 0
    assert priced.worst_per_hour == Decimal("5.632")


def test_a_serverless_endpoint_is_bounded_by_its_concurrency() -> None:
    serverless = {"memorySizeInMb": 4096, "maxConcurrency": 20, "provisionedConcurrency": 1}
    stack = [
        resource(CONFIGURATION, "config", productionVariants=[{"serverlessConfig": serverless}]),
        resource(ENDPOINT, depends={"endpointConfigName": ["urn:config"]}),
    ]
    called, kept = price_resources(stack, TABLE).priced
    assert (called.per_month, called.worst_per_hour) == (0, Decimal("5.76"))
    assert kept.per_month == Decimal("52.56")


def test_nodes_a_cluster_a_gateway_an_instance_and_alarms() -> None:
    stack = [
        resource("aws:eks/cluster:Cluster", "cluster"),
        resource(
            "aws:eks/nodeGroup:NodeGroup",
            "nodes",
            instanceTypes=["m6i.large"],
            scalingConfig={"desiredSize": 2, "minSize": 1, "maxSize": 5},
        ),
        resource("aws:eks/nodeGroup:NodeGroup", "default", scalingConfig={"desiredSize": 1, "maxSize": 1}),
        resource("aws:ec2/natGateway:NatGateway", "nat"),
        resource("aws:ec2/instance:Instance", "bastion", instanceType="t3.micro"),
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", metricName="Invocations"),
        resource(
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            "rate",
            metricQueries=[{"id": "a", "metric": {}}, {"id": "b", "metric": {"metricName": "b"}},
                           {"id": "c", "metric": {"metricName": "c"}}, {"id": "e", "expression": "b / c"}],
        ),
    ]  # fmt: skip
    found = price_resources(stack, TABLE)
    assert {each.name: each.per_month for each in found.priced} == {
        "cluster": Decimal("73"),
        "nodes": Decimal("140.16"),  # 2 x 730 x 0.096
        "default": Decimal("30.368"),  # a t3.medium
        "nat": Decimal("32.85"),
        "bastion": Decimal("7.592"),
        "alarm": Decimal("0.1"),
        "rate": Decimal("0.2"),
    }
    assert {each.name: each.worst_per_hour for each in found.priced}["nodes"] == Decimal("0.48")
    assert found.per_month == Decimal("284.27")


def test_what_cannot_be_priced_says_why() -> None:
    stack = [
        resource(ENDPOINT, "alone"),
        resource("aws:eks/nodeGroup:NodeGroup", "template", launchTemplate={"id": "lt-1"}),
        resource("aws:eks/nodeGroup:NodeGroup", "unknown", instanceTypes=UNKNOWN),
        resource("aws:ec2/instance:Instance", "elsewhere", region="eu-south-1", instanceType="t3.micro"),
        resource("aws:ec2/instance:Instance", "mainframe", instanceType="z9.huge"),
        resource("aws:rds/instance:Instance", "database"),
        DeclaredResource("aws:ec2/natGateway:NatGateway", "nowhere", {}, None),
    ]
    found = price_resources(stack, TABLE)
    assert found.priced == ()
    assert {each.name: each.why.partition(",")[0] for each in found.unpriced} == {
        "alone": "endpoint: its configuration is not in the stack",
        "template": "nodes: its instance type stands in a launch template",
        "unknown": "nodes: its instance type stands in a launch template",
        "elsewhere": "price of ec2 t3.micro: must have a row for eu-south-1",
        "mainframe": "price of ec2 z9.huge: must have a row for us-east-1",
        "database": "no price is known of aws:rds/instance:Instance",
        "nowhere": "NAT gateway",
    }
    assert found.as_json()["unpriced"][0]["name"] == "alone"


def test_what_is_charged_by_use_and_what_is_free() -> None:
    stack = [
        resource("aws:s3/bucket:Bucket", "bucket"),
        resource("aws:s3/bucketVersioning:BucketVersioning", "versions"),
        resource("aws:cloudwatch/logGroup:LogGroup", "logs"),
        resource("aws:iam/role:Role", "role"),
        resource("kubernetes:apps/v1:Deployment", "pods"),
        resource("pulumi:providers:aws", "provider"),
    ]
    found = price_resources(stack, TABLE)
    assert [(each.name, each.why) for each in found.by_use] == [
        ("bucket", "stored GB and requests"),
        ("logs", "GB of logs"),
    ]
    assert (found.priced, found.unpriced, found.free) == ((), (), 4)
