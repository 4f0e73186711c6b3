"""Exactly what an asynchronous endpoint declares, as an update and as a preview."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from endpoint_declarations import KEY, OFFICE, REGION, TOPIC, WEEKDAYS, args, kinds

from scaletozero import AsyncEndpoint


def test_an_asynchronous_endpoint_has_all_four_pieces_of_scaling_to_zero(run, packaged) -> None:
    given = args(packaged, instance_type="ml.g5.xlarge", concurrency=2, scaling={"max": 3, "idle_seconds": 900})
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert kinds(done) == [
        "appautoscaling/policy:Policy",
        "appautoscaling/policy:Policy",
        "appautoscaling/target:Target",
        "cloudwatch/logGroup:LogGroup",
        "cloudwatch/metricAlarm:MetricAlarm",
        "iam/role:Role",
        "iam/rolePolicy:RolePolicy",
        "s3/bucketObjectv2:BucketObjectv2",
        "sagemaker/endpoint:Endpoint",
        "sagemaker/endpointConfiguration:EndpointConfiguration",
        "sagemaker/model:Model",
        "sns/topic:Topic",
        "sns/topic:Topic",
    ]
    target = done.one(":Target")
    assert (target["minCapacity"], target["maxCapacity"]) == (0, 3)
    assert target["scalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    tracking, waking = (each.inputs for each in sorted(done.of(":Policy"), key=lambda each: each.name))
    assert tracking["targetTrackingScalingPolicyConfiguration"] == {
        "customizedMetricSpecification": {
            "namespace": "AWS/SageMaker",
            "metricName": "ApproximateBacklogSizePerInstance",
            "dimensions": [{"name": "EndpointName", "value": "acme-dev-speech-async"}],
            "statistic": "Average",
        },
        "targetValue": 10,
        "scaleInCooldown": 900,
        "scaleOutCooldown": 300,
    }
    assert waking["policyType"] == "StepScaling"
    assert waking["stepScalingPolicyConfiguration"] == {
        "adjustmentType": "ChangeInCapacity",
        "metricAggregationType": "Average",
        "cooldown": 300,
        "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": 1}],
    }
    alarm = done.one(":MetricAlarm")
    assert alarm["metricName"] == "HasBacklogWithoutCapacity"
    assert (alarm["threshold"], alarm["comparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert alarm["dimensions"] == {"EndpointName": "acme-dev-speech-async"}
    assert [arn.rsplit(":", 1)[-1] for arn in alarm["alarmActions"]] == ["speech-warm-wake-0123abc"]
    configuration = done.one(":EndpointConfiguration")
    assert configuration["productionVariants"] == [
        {
            "variantName": "AllTraffic",
            "modelName": "speech-model-0123abc",
            "instanceType": "ml.g5.xlarge",
            "initialInstanceCount": 1,
        }
    ]
    asynchronous = configuration["asyncInferenceConfig"]
    assert asynchronous["clientConfig"] == {"maxConcurrentInvocationsPerInstance": 2}
    output = asynchronous["outputConfig"]
    assert output["s3OutputPath"] == "s3://models/async/speech/answers"
    assert output["s3FailurePath"] == "s3://models/async/speech/failures"
    assert "kmsKeyId" not in output
    told = output["notificationConfig"]
    assert told["successTopic"].endswith("speech-answered-0123abc")
    assert told["errorTopic"].endswith("speech-failed-0123abc")


@pytest.mark.parametrize("instance_type, disk", [("ml.g5.xlarge", None), ("ml.m5.large", KEY)])
def test_an_asynchronous_endpoint_encrypts_with_the_key_what_can_be(run, packaged, instance_type, disk) -> None:
    given = args(packaged, instance_type=instance_type, kms_key_arn=KEY)
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    configuration = done.one(":EndpointConfiguration")
    assert configuration.get("kmsKeyArn") == disk
    assert configuration["asyncInferenceConfig"]["outputConfig"]["kmsKeyId"] == KEY
    assert {each.inputs["kmsMasterKeyId"] for each in done.of(":Topic")} == {KEY}
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    assert statements["EncryptResults"]["Resource"] == KEY


def test_an_asynchronous_endpoint_in_a_network_may_attach_to_it_and_no_other(run, packaged) -> None:
    vpc = {"subnet_ids": [pulumi.Output.from_input("subnet-01234567")], "security_group_ids": ["sg-01234567"]}
    given = args(packaged, instance_type="ml.g5.xlarge", vpc=vpc)
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert done.one(":Model")["vpcConfig"] == {"subnets": ["subnet-01234567"], "securityGroupIds": ["sg-01234567"]}
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    interfaces, subnet = (
        f"arn:aws:ec2:{REGION}:*:{each}" for each in ("network-interface/*", "subnet/subnet-01234567")
    )
    create, rest = statements["CreateNetworkInterfaces"], statements["AttachAndDeleteNetworkInterfaces"]
    assert create["Action"] == "ec2:CreateNetworkInterface"
    assert create["Resource"] == [interfaces, subnet, f"arn:aws:ec2:{REGION}:*:security-group/sg-01234567"]
    # Interfaces of other networks are not its to delete.
    assert "ec2:DeleteNetworkInterface" in rest["Action"]
    assert rest["Condition"] == {"ArnEquals": {"ec2:Subnet": [subnet]}}
    assert rest["Resource"] == interfaces
    assert statements["ReadRequests"]["Resource"] == "arn:aws:s3:::models/async/speech/requests/*"
    assert statements["ListRequests"]["Condition"] == {"StringLike": {"s3:prefix": "async/speech/*"}}
    assert len(statements["PublishNotifications"]["Resource"]) == 2


NETWORK = {"subnet_ids": ["subnet-01234567", "subnet-89abcdef"], "security_group_ids": ["sg-01234567"]}


LATE: dict[str, Callable[[], Any]] = {
    "plain": lambda: NETWORK,
    "all": lambda: pulumi.Output.from_input(NETWORK),
    "subnets": lambda: {**NETWORK, "subnet_ids": pulumi.Output.from_input(NETWORK["subnet_ids"])},
    "both lists": lambda: {key: pulumi.Output.from_input(value) for key, value in NETWORK.items()},
    "one group": lambda: {**NETWORK, "security_group_ids": [pulumi.Output.from_input("sg-01234567")]},
}


@pytest.mark.parametrize("what", sorted(LATE))
def test_a_network_may_come_from_other_resources_as_a_whole_or_in_parts(run, packaged, what) -> None:
    given = args(packaged, instance_type="ml.g5.xlarge", vpc=LATE[what]())
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert done.one(":Model")["vpcConfig"] == {
        "subnets": NETWORK["subnet_ids"],
        "securityGroupIds": NETWORK["security_group_ids"],
    }
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    condition = statements["AttachAndDeleteNetworkInterfaces"]["Condition"]
    assert [arn.rsplit("/", 1)[1] for arn in condition["ArnEquals"]["ec2:Subnet"]] == NETWORK["subnet_ids"]


@pytest.mark.parametrize(
    "late, said",
    [
        ([], r"speech\.vpc\.subnet_ids: must be from 1 to 16"),
        (["vpc-1"], r"speech\.vpc\.subnet_ids\.0: must be an id such as"),
        ("subnet-01234567", r"speech\.vpc\.subnet_ids: "),
        (None, r"speech\.vpc\.subnet_ids: "),
    ],
)
def test_a_list_of_networks_that_turns_out_wrong_is_refused(run, packaged, late, said) -> None:
    vpc = {**NETWORK, "subnet_ids": pulumi.Output.from_input(late)}
    with pytest.raises(Exception, match=said):
        run(lambda: AsyncEndpoint("speech", args(packaged, instance_type="ml.g5.xlarge", vpc=vpc)).endpoint_arn)


def test_topics_may_come_as_a_whole(run, packaged) -> None:
    alarms = {"notify": pulumi.Output.from_input([TOPIC])}
    given = args(packaged, instance_type="ml.g5.xlarge", alarms=alarms)
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert done.one(":CompositeAlarm")["alarmActions"] == [TOPIC]


@pytest.mark.parametrize("isolated", [None, True, False])
def test_containers_have_no_network_unless_they_are_given_one(run, packaged, isolated) -> None:
    given = args(packaged, instance_type="ml.g5.xlarge", network_isolation=isolated)
    model = run(lambda: AsyncEndpoint("speech", given).endpoint_arn).one(":Model")
    assert model.get("enableNetworkIsolation") == (None if isolated is False else True)


def test_requests_and_results_keep_their_folder_where_a_component_is_renamed(run, packaged) -> None:
    given = args(packaged, instance_type="ml.g5.xlarge", endpoint_name="acme-dev-speech-async", folder="speech")
    done = run(lambda: AsyncEndpoint("voices", given).requests)
    output = done.one(":EndpointConfiguration")["asyncInferenceConfig"]["outputConfig"]
    assert output["s3OutputPath"] == "s3://models/async/speech/answers"
    assert done.one(":Endpoint")["name"] == "acme-dev-speech-async"
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    assert statements["ReadRequests"]["Resource"] == "arn:aws:s3:::models/async/speech/requests/*"


def test_a_network_that_comes_late_and_is_wrong_is_refused_too(run, packaged) -> None:
    vpc = {"subnet_ids": [pulumi.Output.from_input("vpc-1")], "security_group_ids": ["sg-01234567"]}
    with pytest.raises(Exception, match=r"speech.vpc.subnet_ids.0: must be an id such as"):
        run(lambda: AsyncEndpoint("speech", args(packaged, instance_type="ml.g5.xlarge", vpc=vpc)).endpoint_arn)


def test_an_asynchronous_endpoint_starts_with_its_floor_and_keeps_its_windows(run, packaged) -> None:
    given = args(
        packaged,
        instance_type="ml.g5.xlarge",
        scaling={"min": 2, "max": 6},
        schedule=[OFFICE],
        alarms={"notify": [TOPIC]},
    )
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert done.one(":EndpointConfiguration")["productionVariants"][0]["initialInstanceCount"] == 2
    # Ten minutes for an instance, two for the service.
    assert sorted(each.inputs["schedule"] for each in done.of(":ScheduledAction")) == [
        f"cron(0 18 ? * {WEEKDAYS} *)",
        f"cron(48 7 ? * {WEEKDAYS} *)",
    ]
    names = {each.name for each in done.of(":MetricAlarm")}
    assert names == {"speech-warm-backlog-without-capacity", "speech-alarms-errors", "speech-alarms-backlog-age"}
