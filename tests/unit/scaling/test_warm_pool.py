"""Exactly what warm pools, calls and serverless endpoints around them declare, as an update and as a preview."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from endpoint_declarations import IMAGE, KEY, OFFICE, REGION, WEEKDAYS, args, kinds

from model_packaging.artifact.archive import scan, write_archive
from model_packaging.artifact.reader import Artifact, open_artifact
from model_packaging.findings import FindingsError
from scaletozero import ServerlessEndpoint, WarmCalls, WarmPool
from scaletozero.endpoints import serverless
from scaletozero.endpoints.model import own_image
from scaletozero.settings.pools import WarmUnit


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
        "date": begin.date().isoformat(),
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
    assert function["environment"] == {"variables": {"ENDPOINT_NAME": "e"}}
    assert sample_of(function) == {"inputs": ["hello"]}
    assert function["reservedConcurrentExecutions"] == 2
    assert (function["timeout"], function["handler"]) == (300, "call_function.handler")
    queue = done.of(":Queue")[0]
    queue_arn = f"arn:aws:test:{queue.typ}:{queue.name}-0123abc"
    never = done.one(":FunctionEventInvokeConfig")
    assert never["maximumRetryAttempts"] == 0
    assert function["deadLetterConfig"] == {"targetArn": queue_arn}
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
    trusted = [json.loads(each.inputs["assumeRolePolicy"])["Statement"][0] for each in done.of(":Role")]
    conditions = {each["Principal"]["Service"]: each["Condition"] for each in trusted}
    account = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    (group,) = (each.inputs.get("name") or f"{each.name}-0123abc" for each in done.of(":ScheduleGroup"))
    group_arn = f"arn:aws:test:aws:scheduler/scheduleGroup:ScheduleGroup:{group}"
    assert conditions == {
        "lambda.amazonaws.com": account,
        "scheduler.amazonaws.com": account | {"ArnLike": {"aws:SourceArn": group_arn}},
    }


def sample_of(function: dict[str, Any]) -> Any:
    return json.loads(function["code"].assets["sample_input"].text)


@pytest.mark.parametrize("key", [None, KEY])
def test_calls_are_logged_and_scheduled_under_the_environment_s_key(run, key) -> None:
    done = run(lambda: WarmCalls("warm", calls(kms_key_arn=key, log_retention_days=365)).failures)
    logs = done.one(":LogGroup")
    assert (logs["retentionInDays"], logs.get("kmsKeyId")) == (365, key)
    assert [each.inputs.get("kmsKeyArn") for each in done.of(":Schedule")] == [key, key]
    policies = {each.name: json.loads(each.inputs["policy"])["Statement"] for each in done.of(":RolePolicy")}
    may = [(each["Action"], each["Resource"]) for each in policies["warm-scheduler-permissions"]]
    assert (("kms:Decrypt", key) in may) == bool(key)


def test_calls_reserve_nothing_where_the_account_has_nothing_to_spare(run, carded) -> None:
    done = run(lambda: WarmCalls("warm", calls(reserve_concurrency=False)).failures)
    assert "reservedConcurrentExecutions" not in done.one(":Function")
    scaling = {"max": 9, "warm_by": "calls", "reserve_concurrency": False}
    given = args(carded, scaling=scaling, schedule=[OFFICE], kms_key_arn=KEY, log_retention_days=90)
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert "reservedConcurrentExecutions" not in done.one(":Function")
    assert {each.inputs["kmsKeyId"] for each in done.of(":LogGroup")} == {KEY}
    assert {each.inputs["retentionInDays"] for each in done.of(":LogGroup")} == {90}


def test_concurrency_is_reserved_for_calls_only(run, packaged) -> None:
    given = args(packaged, scaling={"min": 1, "reserve_concurrency": False})
    with pytest.raises(FindingsError, match=r"sentences\.scaling\.reserve_concurrency: applies to the function"):
        run(lambda: ServerlessEndpoint("sentences", given))


@pytest.mark.parametrize(
    "change, path",
    [
        ({"schedule": []}, "warm.schedule"),
        ({"schedule": [{**OFFICE, "min": 201}]}, "warm.schedule.0.min"),
        ({"schedule": [{**OFFICE, "min": 0}]}, "warm.schedule.0.min"),
        ({"sample_input": ""}, "warm.sample_input"),
        ({"sample_input": "hello"}, "warm.sample_input"),
        ({"sample_input": "[" * 100_000}, "warm.sample_input"),
        ({"sample_input": json.dumps("x" * 10_000_000)}, "warm.sample_input"),
        ({"sample_input": json.dumps("x" * (4 * 1024 * 1024 - 1))}, "warm.sample_input"),
        ({"endpoint_arn": "e"}, "warm.endpoint_arn"),
        ({"endpoint_arn": ""}, "warm.endpoint_arn"),
        ({"endpoint_arn": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/e"}, "warm.endpoint_arn"),
        ({"endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/f"}, "warm.endpoint_arn"),
        ({"endpoint_arn": f"arn:aws-cn:sagemaker:{REGION}:111122223333:endpoint/e"}, "warm.endpoint_arn"),
        ({"endpoint_name": "an endpoint"}, "warm.endpoint_name"),
        ({"kms_key_arn": KEY.replace(REGION, "us-east-1")}, "warm.kms_key_arn"),
        ({"log_retention_days": 2}, "warm.log_retention_days"),
    ],
)
def test_calls_that_would_warm_nothing(run, change, path) -> None:
    with pytest.raises(FindingsError) as error:
        run(lambda: WarmCalls("warm", calls(**change)))
    assert [found.path for found in error.value.findings] == [path]


def test_an_endpoint_that_is_kept_warm_by_calls_asks_what_the_packaging_asked(run, carded) -> None:
    given = args(carded, scaling={"max": 9, "warm_by": "calls"}, schedule=[OFFICE])
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    function = done.one(":Function")
    assert sample_of(function) == {"inputs": ["a canary"]}
    assert function["environment"] == {"variables": {"ENDPOINT_NAME": "acme-dev-sentences"}}
    assert not done.of(":Target")
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert "provisionedConcurrency" not in variant["serverlessConfig"]


def test_calls_have_the_residency_of_the_endpoint(run, carded, monkeypatch: pytest.MonkeyPatch) -> None:
    given = args(carded, scaling={"max": 9, "warm_by": "calls"}, schedule=[OFFICE], residency=[REGION])
    seen: list[Any] = []
    monkeypatch.setattr(serverless, "WarmCalls", lambda name, args, opts: seen.append(args))
    run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert [each["residency"] for each in seen] == [[REGION]]


def test_a_model_of_tensors_is_kept_warm_with_the_sample_in_its_manifest(run, packaged) -> None:
    path = packaged.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["io"]["sample"] = '{"inputs": [[0.5, 0.25]]}'
    path.write_text(json.dumps(manifest))
    given = args(packaged, scaling={"max": 9, "warm_by": "calls"}, schedule=[OFFICE])
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert sample_of(done.one(":Function")) == {"inputs": [[0.5, 0.25]]}


def test_an_artifact_without_a_question_cannot_be_kept_warm_by_calls(run, packaged) -> None:
    given = args(packaged, scaling={"warm_by": "calls"}, schedule=[OFFICE])
    with pytest.raises(FindingsError, match="must have a sample request"):
        run(lambda: ServerlessEndpoint("sentences", given))


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


def test_an_image_of_another_account_is_only_warned_of_in_the_sandbox(monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.warn", said.append)
    assert own_image("x.image", IMAGE, "arn:aws:iam::123456789012:role/r") == IMAGE
    assert said == [f"x.image: {IMAGE} is in another account than the sandbox, which pulls no images"]


@pytest.mark.parametrize("late", [False, True])
def test_a_second_pool_on_an_endpoint_is_refused_with_both_names(run, late) -> None:
    def program() -> Any:
        name = pulumi.Output.from_input("e") if late else "e"
        first, second = (WarmPool(each, pool(endpoint_name=name)) for each in ("one", "two"))
        return pulumi.Output.all(first.resource_id, second.resource_id)

    with pytest.raises(Exception, match=r"e, which (one|two) keeps warm") as error:
        run(program)
    assert "one" in str(error.value)
    assert "two" in str(error.value)


def test_a_second_pool_on_an_endpoint_that_keeps_itself_warm_is_refused(run, packaged) -> None:
    def program() -> Any:
        endpoint = ServerlessEndpoint("sentences", args(packaged, scaling={"min": 1, "max": 9}))
        return WarmPool("more", pool(endpoint_name=endpoint.endpoint_name)).resource_id

    with pytest.raises(Exception, match=r"(sentences-warm and more|more and sentences-warm) would overwrite"):
        run(program)


def test_pools_of_other_endpoints_variants_and_regions_do_not_meet(run) -> None:
    def program() -> Any:
        others = [pool(), pool(endpoint_name="f"), pool(variant="other"), pool(region="eu-west-1")]
        return pulumi.Output.all(*(WarmPool(f"p{i}", each).resource_id for i, each in enumerate(others)))

    assert len(run(program).of(":Target")) == 4
