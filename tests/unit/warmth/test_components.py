"""Exactly what warm pools, calls, alarms and the endpoints around them declare, as an update and as a preview."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from model_packaging.archive import scan, write_archive
from model_packaging.artifact import Artifact, open_artifact
from model_packaging.findings import FindingsError
from scaletozero import AsyncEndpoint, EndpointAlarms, ServerlessEndpoint, WarmCalls, WarmPool
from scaletozero.endpoints.model import own_image
from scaletozero.observability.plan import alarms_of
from scaletozero.settings.alarms import Alarms, EndpointKind
from scaletozero.settings.pools import WarmUnit

REGION = "eu-central-1"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/serving:1.2.3"
KEY = f"arn:aws:kms:{REGION}:111122223333:key/abc"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:pager"
OFFICE = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
POOL = (
    "appautoscaling/target:Target",
    "appautoscaling/policy:Policy",
    "appautoscaling/scheduledAction:ScheduledAction",
)
WEEKDAYS = "MON,TUE,WED,THU,FRI"


@pytest.fixture
def packaged(make_artifact) -> Artifact:
    return make_artifact(recommended_mb=2048)


@pytest.fixture
def carded(packaged, tmp_path) -> Artifact:
    """The same with a card in its archive, and in it the question that the packaging asked."""
    folder, files = tmp_path / "carded", tmp_path / "carded.files"
    folder.mkdir()
    files.mkdir()
    (files / "model.onnx").write_bytes(b"weights")
    (files / "card.json").write_text(json.dumps({"canary": {"text": "a canary"}}))
    archive = folder / "model.tar.gz"
    write_archive(files, archive, level=0)
    manifest = json.loads((packaged.path / "manifest.json").read_text())
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    manifest["archive"] |= {"size": archive.stat().st_size, "sha256": sha256}
    roles = {"model.onnx": "graph", "card.json": "card"}
    manifest["files"] = [
        {"path": m.path, "size": m.size, "sha256": m.sha256, "role": roles[m.path]} for m in scan(archive)
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return open_artifact(folder)


def args(artifact: Artifact, /, **changes: Any) -> Any:
    return {"artifact": str(artifact.path), "bucket": "models", "image": IMAGE, "region": REGION, **changes}


def kinds(done: Any) -> list[str]:
    return [name.removeprefix("aws:") for name in done.types()]


def test_an_endpoint_without_a_floor_has_no_pool_and_no_alarms(run, packaged) -> None:
    done = run(lambda: ServerlessEndpoint("sentences", args(packaged)).endpoint_arn)
    assert len(done.types()) == 7
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert "provisionedConcurrency" not in variant["serverlessConfig"]


def test_a_floor_that_stays_is_the_configuration_s_alone(run, packaged) -> None:
    given = args(packaged, scaling={"min": 2, "buffer": 0, "max": 20})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert len(done.types()) == 7
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    expected = {"memorySizeInMb": 2048, "maxConcurrency": 20, "provisionedConcurrency": 2}
    assert variant["serverlessConfig"] == expected


def test_a_floor_with_headroom_follows_its_use(run, packaged) -> None:
    given = args(packaged, scaling={"min": 2, "buffer": 1, "max": 20}, tags={"team": "search"})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert len(done.types()) == 9
    assert done.one(":Target") == {
        "region": REGION,
        "serviceNamespace": "sagemaker",
        "scalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
        "resourceId": "endpoint/acme-dev-sentences/variant/AllTraffic",
        "minCapacity": 2,
        "maxCapacity": 20,
        "tags": {"managed-by": "scaletozero", "stack": "acme/dev", "endpoint": "sentences", "team": "search"},
    }
    policy = done.one(":Policy")
    assert policy["policyType"] == "TargetTrackingScaling"
    assert policy["targetTrackingScalingPolicyConfiguration"] == {
        "predefinedMetricSpecification": {"predefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"},
        "targetValue": 0.667,
        "scaleInCooldown": 300,
        "scaleOutCooldown": 60,
    }
    assert policy["resourceId"] == done.one(":Target")["resourceId"]


def test_a_schedule_is_a_pair_of_actions_opened_early(run, packaged, monkeypatch) -> None:
    given = args(packaged, scaling={"min": 1, "max": 20}, schedule=[OFFICE])
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert len(done.types()) == 11
    found = {each.inputs["schedule"]: each.inputs for each in done.of(":ScheduledAction")}
    # The manifest's cold start of 1 ms is a minute, and the service takes two.
    opening, closing = found[f"cron(57 7 ? * {WEEKDAYS} *)"], found[f"cron(0 18 ? * {WEEKDAYS} *)"]
    assert opening["scalableTargetAction"] == {"minCapacity": 4, "maxCapacity": 20}
    assert closing["scalableTargetAction"] == {"minCapacity": 1, "maxCapacity": 20}
    for each in found.values():
        assert each["timezone"] == "Europe/Berlin"
        assert each["resourceId"] == "endpoint/acme-dev-sentences/variant/AllTraffic"
        assert each["serviceNamespace"] == "sagemaker"
        assert each["scalableDimension"] == "sagemaker:variant:DesiredProvisionedConcurrency"
        assert each["region"] == REGION


def test_a_floor_that_does_not_follow_use_is_also_taken_back_after_a_window(run, packaged) -> None:
    """Without a policy nothing scales in: the ceiling has to come down with the floor."""
    given = args(packaged, scaling={"min": 1, "buffer": 0, "max": 20}, schedule=[OFFICE])
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert not done.of(":Policy")
    capacities = sorted(
        (each.inputs["scalableTargetAction"]["minCapacity"], each.inputs["scalableTargetAction"]["maxCapacity"])
        for each in done.of(":ScheduledAction")
    )
    assert capacities == [(1, 1), (4, 4)]


def test_an_update_in_the_middle_of_a_window_leaves_its_floor(run) -> None:
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    window = {
        "on": begin.date().isoformat(),
        "start": f"{begin:%H:%M}",
        "end": f"{end:%H:%M}",
        "overnight": end.date() != begin.date(),
        "timezone": "UTC",
        "min": 6,
    }
    done = run(lambda: WarmPool("warm", pool(schedule=[window])).resource_id)
    assert done.one(":Target")["minCapacity"] == 6
    (closing,) = done.of(":ScheduledAction")  # the opening is past: the service would refuse it
    assert closing.inputs["scalableTargetAction"]["minCapacity"] == 1


def pool(**changes: Any) -> Any:
    return {
        "endpoint_name": "e",
        "region": REGION,
        "unit": WarmUnit.PROVISIONED_CONCURRENCY,
        "scaling": {"min": 1, "max": 9},
        "cold_start_seconds": 5.0,
        **changes,
    }


def test_a_pool_of_its_own_takes_the_endpoint_s_name_from_another_resource(run) -> None:
    def program() -> Any:
        endpoint = aws.sagemaker.Endpoint("mine", endpoint_config_name="c")
        return WarmPool("warm", pool(endpoint_name=endpoint.name, variant="blue")).resource_id

    done = run(program)
    assert done.one(":Target")["resourceId"] == "endpoint/mine-0123abc/variant/blue"


@pytest.mark.parametrize(
    "change, path",
    [
        ({"scaling": {"min": 0, "max": 9}}, "warm.scaling.min"),
        ({"scaling": {"min": 1, "max": 9, "idle_seconds": 60}}, "warm.scaling.idle_seconds"),
        ({"unit": "replicas"}, "warm.unit"),
        ({"cold_start_seconds": -1}, "warm.cold_start_seconds"),
        ({"cold_start_seconds": 3601}, "warm.cold_start_seconds"),
        ({"cold_start_seconds": "5"}, "warm.cold_start_seconds"),
        ({"unit": WarmUnit.INSTANCES, "scaling": {"min": 0, "max": 2, "buffer": 1}}, "warm.scaling.buffer"),
        ({"schedule": [{**OFFICE, "min": 10}]}, "warm.schedule.0.min"),
        (
            {
                "schedule": [
                    {**OFFICE, "end": "12:00"},
                    {**OFFICE, "start": "11:01", "end": "12:00", "timezone": "Europe/London"},
                ]
            },
            "warm.schedule.1",
        ),
    ],
)
def test_pools_that_could_not_be_kept(run, change, path) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: WarmPool("warm", pool(**change)))
    assert path in [found.path for found in error.value.findings]


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
            "dimensions": [{"name": "EndpointName", "value": "acme-dev-speech"}],
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
    assert alarm["dimensions"] == {"EndpointName": "acme-dev-speech"}
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
    assert statements["EncryptAnswers"]["Resource"] == KEY


def test_an_asynchronous_endpoint_in_a_network_may_attach_to_it_and_no_other(run, packaged) -> None:
    vpc = {"subnet_ids": [pulumi.Output.from_input("subnet-01234567")], "security_group_ids": ["sg-01234567"]}
    given = args(packaged, instance_type="ml.g5.xlarge", vpc=vpc)
    done = run(lambda: AsyncEndpoint("speech", given).endpoint_arn)
    assert done.one(":Model")["vpcConfig"] == {"subnets": ["subnet-01234567"], "securityGroupIds": ["sg-01234567"]}
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    attach = statements["Attach"]["Resource"]
    assert attach == [
        f"arn:aws:ec2:{REGION}:*:network-interface/*",
        f"arn:aws:ec2:{REGION}:*:subnet/subnet-01234567",
        f"arn:aws:ec2:{REGION}:*:security-group/sg-01234567",
    ]
    assert statements["TakeRequests"]["Resource"] == "arn:aws:s3:::models/async/speech/requests/*"
    assert statements["FindRequests"]["Condition"] == {"StringLike": {"s3:prefix": "async/speech/*"}}
    assert len(statements["Tell"]["Resource"]) == 2


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


def calls(**changes: Any) -> Any:
    return {
        "endpoint_name": "e",
        "endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/e",
        "region": REGION,
        "sample_input": '{"inputs": ["hello"]}',
        "schedule": [OFFICE],
        "cold_start_seconds": 5.0,
        **changes,
    }


def test_calls_are_a_function_its_schedules_and_a_queue_for_what_fails(run) -> None:
    done = run(lambda: WarmCalls("warm", calls()).failures)
    assert kinds(done) == [
        "cloudwatch/logGroup:LogGroup",
        "iam/role:Role",
        "iam/role:Role",
        "iam/rolePolicy:RolePolicy",
        "iam/rolePolicy:RolePolicy",
        "lambda/function:Function",
        "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        "scheduler/schedule:Schedule",
        "scheduler/schedule:Schedule",
        "scheduler/scheduleGroup:ScheduleGroup",
        "sqs/queue:Queue",
    ]
    function = done.one(":Function")
    assert function["environment"] == {"variables": {"ENDPOINT_NAME": "e", "SAMPLE_INPUT": '{"inputs": ["hello"]}'}}
    assert (function["timeout"], function["handler"]) == (300, "call_function.handler")
    queue = done.of(":Queue")[0]
    queue_arn = f"arn:aws:test:{queue.typ}:{queue.name}-0123abc"
    never = done.one(":FunctionEventInvokeConfig")
    assert never["maximumRetryAttempts"] == 0
    assert never["destinationConfig"] == {"onFailure": {"destination": queue_arn}}
    expressions = {each.inputs["scheduleExpression"] for each in done.of(":Schedule")}
    assert expressions == {f"cron(55 7 ? * {WEEKDAYS} *)", f"cron(0/5 8,9,10,11,12,13,14,15,16,17 ? * {WEEKDAYS} *)"}
    for schedule in done.of(":Schedule"):
        assert schedule.inputs["scheduleExpressionTimezone"] == "Europe/Berlin"
        assert schedule.inputs["flexibleTimeWindow"] == {"mode": "OFF"}
        target = schedule.inputs["target"]
        assert target["retryPolicy"] == {"maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60}
        assert target["deadLetterConfig"] == {"arn": queue_arn}
        assert json.loads(target["input"]) == {"calls": 4}


def test_calls_may_ask_this_endpoint_and_nothing_else(run) -> None:
    done = run(lambda: WarmCalls("warm", calls()).failures)
    policies = {each.name: json.loads(each.inputs["policy"])["Statement"] for each in done.of(":RolePolicy")}
    asking = {each["Sid"]: each for each in policies["warm-function-permissions"]}
    assert asking["AskEndpoint"]["Resource"] == calls()["endpoint_arn"]
    assert asking["AskEndpoint"]["Action"] == "sagemaker:InvokeEndpoint"
    calling = {each["Sid"]: each for each in policies["warm-scheduler-permissions"]}
    assert calling["CallFunction"]["Resource"].endswith("warm-function-0123abc")
    assert all(each["Resource"] != "*" for statements in policies.values() for each in statements)
    trusted = [json.loads(each.inputs["assumeRolePolicy"])["Statement"][0]["Principal"] for each in done.of(":Role")]
    assert sorted(each["Service"] for each in trusted) == ["lambda.amazonaws.com", "scheduler.amazonaws.com"]


@pytest.mark.parametrize(
    "change, path",
    [
        ({"schedule": []}, "warm.schedule"),
        ({"schedule": [{**OFFICE, "min": 201}]}, "warm.schedule.0.min"),
        ({"schedule": [{**OFFICE, "min": 0}]}, "warm.schedule.0.min"),
        ({"sample_input": ""}, "warm.sample_input"),
    ],
)
def test_calls_that_would_warm_nothing(run, change, path) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: WarmCalls("warm", calls(**change)))
    assert [found.path for found in error.value.findings] == [path]


def test_an_endpoint_that_is_kept_warm_by_calls_asks_what_the_packaging_asked(run, carded) -> None:
    given = args(carded, scaling={"max": 9, "warm_by": "calls"}, schedule=[OFFICE])
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    variables = done.one(":Function")["environment"]["variables"]
    assert json.loads(variables["SAMPLE_INPUT"]) == {"inputs": ["a canary"]}
    assert variables["ENDPOINT_NAME"] == "acme-dev-sentences"
    assert not done.of(":Target")
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert "provisionedConcurrency" not in variant["serverlessConfig"]


def test_an_artifact_without_a_question_cannot_be_kept_warm_by_calls(run, packaged) -> None:
    given = args(packaged, scaling={"warm_by": "calls"}, schedule=[OFFICE])
    with pytest.raises(FindingsError, match="must hold a sample input"):
        run(lambda: ServerlessEndpoint("sentences", given))


def test_the_alarms_of_a_serverless_endpoint(run, packaged) -> None:
    given = args(packaged, scaling={"min": 2, "max": 20}, alarms={"p99_ms": 250, "notify": [TOPIC]})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    found = {each.name.removeprefix("sentences-alarms-"): each.inputs for each in done.of(":MetricAlarm")}
    assert set(found) == {"errors", "latency", "cold-starts", "concurrency", "spillover"}
    both = {"EndpointName": "acme-dev-sentences", "VariantName": "AllTraffic"}
    share, failed, all_ = found["errors"]["metricQueries"]
    assert share == {"id": "result", "expression": "100 * part / whole", "label": "errors", "returnData": True}
    assert failed["metric"] == {
        "namespace": "AWS/SageMaker",
        "metricName": "Invocation5XXErrors",
        "dimensions": both,
        "stat": "Sum",
        "period": 300,
    }
    assert all_["metric"]["metricName"] == "Invocations"
    latency = found["latency"]
    assert (latency["metricName"], latency["extendedStatistic"], latency["threshold"]) == (
        "ModelLatency",
        "p99",
        250_000,
    )
    assert (latency["evaluationPeriods"], latency["datapointsToAlarm"]) == (3, 2)
    cold = found["cold-starts"]
    assert (cold["metricName"], cold["statistic"], cold["period"]) == ("ModelSetupTime", "SampleCount", 3600)
    spilled = found["spillover"]
    assert (spilled["metricName"], spilled["threshold"]) == ("ServerlessProvisionedConcurrencySpilloverInvocations", 0)
    for name, alarm in found.items():
        assert alarm["treatMissingData"] == "notBreaching"
        assert alarm["comparisonOperator"] == "GreaterThanThreshold"
        assert alarm["alarmDescription"].endswith(f"Runbook: docs/runbooks/{name}.md")
        assert "alarmActions" not in alarm
    whole = done.one(":CompositeAlarm")
    assert whole["alarmRule"].count("ALARM(") == 5
    assert 'ALARM("sentences-alarms-errors-0123abc") OR ' in whole["alarmRule"]
    assert whole["alarmActions"] == whole["okActions"] == [TOPIC]
    assert whole["alarmName"] == "acme-dev-sentences-alarms"


def told(topic: Any) -> Any:
    kind = EndpointKind.SERVERLESS
    return {"endpoint_name": "e", "region": REGION, "kind": kind, "alarms": {"notify": [topic]}}


def test_who_is_told_can_come_from_another_resource(run) -> None:
    def program() -> Any:
        topic = pulumi.Output.from_input(TOPIC)
        return EndpointAlarms("e", told(topic)).arn

    assert run(program).one(":CompositeAlarm")["alarmActions"] == [TOPIC]


def test_nobody_is_told_by_an_email_address(run) -> None:
    topic = pulumi.Output.from_input("me@example.com")
    with pytest.raises(Exception, match=r"e.alarms.notify.0: must be the ARN of an SNS topic"):
        run(lambda: EndpointAlarms("e", told(topic)).arn)


@pytest.mark.parametrize("kind", list(EndpointKind))
@pytest.mark.parametrize("provisioned", [False, True])
def test_every_alarm_has_a_metric_that_its_kind_publishes_and_a_runbook(kind, provisioned) -> None:
    runbooks = Path(__file__).parents[3] / "docs" / "runbooks"
    published = {
        EndpointKind.SERVERLESS: {
            "Invocations",
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "ModelLatency",
            "OverheadLatency",
            "ModelSetupTime",
            "ServerlessConcurrentExecutionsUtilization",
            "ServerlessProvisionedConcurrencyExecutions",
            "ServerlessProvisionedConcurrencyUtilization",
            "ServerlessProvisionedConcurrencyInvocations",
            "ServerlessProvisionedConcurrencySpilloverInvocations",
        },
        EndpointKind.ASYNCHRONOUS: {
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "ModelLatency",
            "InvocationsProcessed",
            "InvocationFailures",
            "ApproximateAgeOfOldestRequest",
            "ApproximateBacklogSize",
            "ExpiredRequests",
            "TimeInBacklog",
            "TotalProcessingTime",
        },
    }
    for alarm in alarms_of(Alarms(p99_ms=100), kind=kind, provisioned=provisioned):
        assert set(alarm.metrics.values()) <= published[kind]
        assert (runbooks / f"{alarm.name}.md").is_file()
        assert alarm.breaching <= alarm.periods
        assert alarm.seconds * alarm.periods <= 86_400
        assert len(alarm.description) <= 1024


def test_an_image_of_another_account_is_refused_once_the_account_is_known() -> None:
    role = "arn:aws:iam::444455556666:role/r"
    with pytest.raises(
        FindingsError, match=r"x.image: must be in the account that is deployed to, 444455556666"
    ) as error:
        own_image("x.image", IMAGE, role)
    assert "444455556666.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3" in error.value.findings[0].fix
    assert own_image("x.image", IMAGE, role.replace("444455556666", "111122223333")) == IMAGE
    framework = "763104351884.dkr.ecr.eu-central-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
    assert own_image("x.image", framework, role) == framework
    older = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
    assert own_image("x.image", older, role) == older


@pytest.mark.parametrize("length", [63 - len("acme-dev-"), 64 - len("acme-dev-"), 100])
def test_an_endpoint_s_name_of_63_characters_is_kept_and_a_longer_one_cut_with_a_hash(run, packaged, length) -> None:
    names = ["x" * (length - 1) + end for end in "ab"]
    given = [
        run(lambda n=n: ServerlessEndpoint(n, args(packaged)).endpoint_arn).one(":Endpoint")["name"] for n in names
    ]
    assert all(len(name) <= 63 for name in given)
    assert given[0] != given[1]
    assert (given[0] == f"acme-dev-{names[0]}") == (length == 54)
