"""The spending guard: its alarm, its denials, its budgets, and every argument with which it would keep nothing."""

import json
from decimal import Decimal
from typing import Any

import pytest
from own_prices import own_price
from service_clients import Clients, model

from model_packaging.findings import FindingsError
from scaletozero import SpendingGuard
from scaletozero.sandbox.providers.check import check
from scaletozero.sandbox.providers.configuration import Settings
from scaletozero.sandbox.providers.resources import TABLE

US = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/service/gateway"
TOPIC = f"arn:aws:sns:{US}:123456789012:spending"
NAMED = {"endpoint_name": "there", "endpoint_arn": f"arn:aws:sagemaker:{US}:123456789012:endpoint/there"}
SENTENCES: dict[str, Any] = {
    **NAMED,
    "name": "sentences",
    "kind": "serverless",
    "memory_mb": 2048,
    "max": 10,
    "cap_usd_per_month": 31.0,
}
DOCUMENTS: dict[str, Any] = {
    **NAMED,
    "name": "documents",
    "kind": "asynchronous",
    "instance_type": "ml.g5.xlarge",
    "max": 3,
    "cap_usd_per_month": 310,
}
ARGS: dict[str, Any] = {"region": US, "endpoints": [SENTENCES], "callers": [ROLE], "emails": ["team@example.com"]}


def guard(**changes: Any) -> SpendingGuard:
    args: Any = {**ARGS, **changes}
    return SpendingGuard("it", args)


def refused(**changes: Any) -> list[str]:
    with pytest.raises(FindingsError) as caught:
        guard(**changes)
    return [str(each) for each in caught.value.findings]


def test_the_alarm_sums_a_day_s_cost_and_is_set_off_above_a_day_of_the_cap(run) -> None:
    done = run(lambda: guard(topic_arn=TOPIC))
    alarm = next(each.inputs for each in done.of(":MetricAlarm") if "metricQueries" in each.inputs)
    shown, *metrics = alarm["metricQueries"]
    assert shown["expression"] == ("(FILL(work, 0) + FILL(setup, 0)) / 1000000 * 0.00004 + FILL(calls, 0) * 0.00000008")
    assert [each["metric"]["metricName"] for each in metrics] == ["ModelLatency", "ModelSetupTime", "Invocations"]
    assert {each["metric"]["period"] for each in metrics} == {86400}
    assert {each["metric"]["stat"] for each in metrics} == {"Sum"}
    assert alarm["threshold"] == 1.0  # $31 / 31 days
    assert alarm["evaluationPeriods"] == 1
    assert alarm["treatMissingData"] == "notBreaching"
    assert alarm["alarmActions"] == [TOPIC]
    assert "0.00002 USD/GB-s" in alarm["alarmDescription"]
    assert "2023-10-09" in alarm["alarmDescription"]


def test_a_month_s_fixed_part_is_taken_off_first(run) -> None:
    # $1 of storage for 730 h is $1.019178 in 31 days; 2 x 2 GB x 744 h x 3,600 s x $0.000005 are $53.568.
    paid = {"cap_usd_per_month": 100, "other_usd_per_month": 1, "provisioned": 2}
    done = run(lambda: guard(endpoints=[{**SENTENCES, **paid}], window_hours=12))
    alarm = next(each.inputs for each in done.of(":MetricAlarm") if "metricQueries" in each.inputs)
    assert alarm["threshold"] == 0.732464  # half of ($100 - $54.587178) / 31, rounded down


def test_its_outputs_say_how_long_closing_takes_and_what_is_spent_until_then(run) -> None:
    found: dict[str, Any] = {}

    def program() -> None:
        made = guard(endpoints=[SENTENCES, DOCUMENTS])
        made.seconds_to_close.apply(lambda known: found.update(seconds=known))
        made.overshoot_usd.apply(lambda known: found.update(overshoot=known))

    run(program)
    assert found["seconds"] == {"sentences": 545.0, "documents": 4385.0}
    # 545 s of 10 x 2 GB at $0.00002, and of the data of 10 requests a second; 4,385 s of 3 x $1.408 an hour.
    assert found["overshoot"]["sentences"] == pytest.approx(545 * 10 * (0.00004 + 5000e-9 * 0.016), abs=1e-6)
    assert found["overshoot"]["documents"] == pytest.approx(4385 * 3 * 1.408 / 3600, abs=1e-6)


def test_the_function_knows_its_endpoints_and_may_do_no_more(run) -> None:
    done = run(lambda: guard(endpoints=[SENTENCES, DOCUMENTS]))
    function = done.one("lambda/function:Function")
    guarded = json.loads(function["environment"]["variables"]["ENDPOINTS"])
    assert sorted(guarded) == ["acme-dev-it-documents", "acme-dev-it-sentences"]
    assert {each["endpoint"] for each in guarded.values()} == {"there"}
    assert json.loads(function["environment"]["variables"]["ROLES"]) == ["gateway"]
    assert len(json.dumps(function["environment"]["variables"])) < 4096
    policies = [each.inputs["policy"] for each in done.of("iam/rolePolicy:RolePolicy")]
    attach = [s for each in policies for s in json.loads(each)["Statement"] if s["Sid"] == "DenyCallers"]
    assert {action for each in attach for action in _many(each["Action"])} == {
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
    }
    assert all(each["Resource"] == [ROLE] and each["Condition"]["ArnEquals"]["iam:PolicyARN"] for each in attach)
    denial = json.loads(done.of("iam/policy:Policy")[0].inputs["policy"])["Statement"][0]
    assert (denial["Effect"], denial["Resource"]) == ("Deny", NAMED["endpoint_arn"])


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_ten_endpoints_with_the_longest_names_fit_in_the_function_s_environment(run) -> None:
    arn = f"arn:aws:sagemaker:{US}:123456789012:endpoint/{'e' * 63}"
    many = [{**DOCUMENTS, "name": f"{'n' * 90}{n}", "endpoint_name": "e" * 63, "endpoint_arn": arn} for n in range(10)]
    roles = [f"arn:aws:iam::123456789012:role/{'r' * 63}{n}" for n in range(3)]
    named = {"endpoint_name": "e" * 63, "endpoint_arn": arn}
    half = [{**SENTENCES, **named, "name": f"{'s' * 90}{n}", "payload_bytes": 123_456 + n} for n in range(5)]
    functions = run(lambda: guard(endpoints=[*many[:5], *half], callers=roles, over="both")).of(
        "lambda/function:Function"
    )
    assert len(functions) == 2
    for each in functions:
        assert len("".join(f"{k}{v}" for k, v in each.inputs["environment"]["variables"].items())) <= 4096


def test_two_rules_call_it(run) -> None:
    done = run(guard)
    changes, clock = sorted(
        (each.inputs for each in done.of(":EventRule")), key=lambda each: "eventPattern" not in each
    )
    pattern = json.loads(changes["eventPattern"])
    assert pattern["detail-type"] == ["CloudWatch Alarm State Change"]
    assert pattern["detail"] == {"state": {"value": ["ALARM"]}}
    assert len(pattern["resources"]) == 1
    assert clock["scheduleExpression"] == "rate(5 minutes)"
    assert {each.inputs["principal"] for each in done.of(":Permission")} == {"events.amazonaws.com"}
    assert len(done.of(":EventTarget")) == 2


def test_over_the_month_a_function_measures_and_an_alarm_on_it_closes(run) -> None:
    paid = {**SENTENCES, "other_usd_per_month": 1}
    done = run(lambda: guard(endpoints=[paid, DOCUMENTS], over="month", topic_arn=TOPIC))
    assert not [each for each in done.of(":MetricAlarm") if "metricQueries" in each.inputs]
    sentences, documents = sorted(
        (each.inputs for each in done.of(":MetricAlarm") if each.inputs["metricName"] == "MonthToDate"),
        key=lambda each: each["name"],
        reverse=True,
    )
    assert (sentences["name"], documents["name"]) == ("acme-dev-it-sentences.month", "acme-dev-it-documents.month")
    assert sentences["namespace"] == "ScaleToZero/Spending"
    assert sentences["dimensions"] == {"EndpointName": "there", "VariantName": "AllTraffic"}
    assert (sentences["statistic"], sentences["period"], sentences["treatMissingData"]) == ("Maximum", 300, "ignore")
    assert sentences["threshold"] == 29.980821  # $31 without $1 of storage for 730 h, which is $1.019178 in 744 h
    assert documents["threshold"] == 310
    assert sentences["alarmActions"] == [TOPIC]
    functions = {each.inputs["handler"]: each.inputs for each in done.of("lambda/function:Function")}
    measuring = functions["gauge_function.handler"]["environment"]["variables"]
    assert [each["endpoint"] for each in json.loads(measuring["MEASURED"])] == ["there", "there"]
    assert sorted(json.loads(measuring["MEASURES"])) == ["calls", "running", "setup", "waking", "work"]
    closing = json.loads(functions["close_function.handler"]["environment"]["variables"]["ENDPOINTS"])
    assert sorted(closing) == ["acme-dev-it-documents", "acme-dev-it-sentences"]
    rules = [each.inputs for each in done.of(":EventRule")]
    assert sorted(each.get("scheduleExpression", "") for each in rules) == ["", "rate(5 minutes)", "rate(5 minutes)"]
    (pattern,) = [json.loads(each["eventPattern"]) for each in rules if "eventPattern" in each]
    assert len(pattern["resources"]) == 2
    watched = [each.inputs["metricName"] for each in done.of(":MetricAlarm") if "topic" not in each.inputs]
    assert sorted(each for each in watched if each != "MonthToDate") == [
        "Errors",
        "Errors",
        "Invocations",
        "Invocations",
    ]


def test_both_alarms_of_an_endpoint_differ_from_those_of_every_other(run) -> None:
    other = {**SENTENCES, "name": "sentences-month"}
    done = run(lambda: guard(endpoints=[SENTENCES, other], over="both"))
    names = [each.inputs["name"] for each in done.of(":MetricAlarm") if "name" in each.inputs]
    assert len(names) == len(set(names)) == 4


def test_the_gauge_may_read_metrics_and_write_its_own_only(run) -> None:
    done = run(lambda: guard(over="month"))
    policies = [json.loads(each.inputs["policy"])["Statement"] for each in done.of("iam/rolePolicy:RolePolicy")]
    measuring = next(each for each in policies if each[0]["Sid"] == "ReadMetrics")
    assert [each["Sid"] for each in measuring] == ["ReadMetrics", "WriteSpending", "WriteLogs"]
    assert measuring[1]["Condition"]["StringEquals"] == {
        "aws:RequestedRegion": US,
        "cloudwatch:namespace": "ScaleToZero/Spending",
    }


def test_what_closing_takes_over_the_month_is_an_output(run) -> None:
    found: dict[str, Any] = {}

    def program() -> None:
        made = guard(endpoints=[SENTENCES, DOCUMENTS], over="month")
        made.seconds_to_close.apply(lambda known: found.update(seconds=known))
        made.overshoot_usd.apply(lambda known: found.update(overshoot=known))

    run(program)
    assert found["seconds"] == {"sentences": 1025.0, "documents": 4865.0}
    assert found["overshoot"]["sentences"] == pytest.approx(1025 * 10 * (0.00004 + 5000e-9 * 0.016), abs=1e-6)


def test_budgets_tell_of_each_cap_and_deny_the_callers(run) -> None:
    done = run(lambda: guard(cap_usd_per_month=500, topic_arn=TOPIC))
    own, whole = sorted(
        (each.inputs for each in done.of("budgets/budget:Budget")), key=lambda each: each["limitAmount"]
    )
    assert (own["limitAmount"], own["limitUnit"], own["timeUnit"], own["budgetType"]) == (
        "31.0",
        "USD",
        "MONTHLY",
        "COST",
    )
    tags = [each["tags"] for each in own["filterExpression"]["ands"]]
    assert tags == [{"key": "stack", "values": ["acme/dev"]}, {"key": "endpoint", "values": ["sentences"]}]
    told = [(each["notificationType"], each["threshold"]) for each in own["notifications"]]
    assert told == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
    assert {each["thresholdType"] for each in own["notifications"]} == {"PERCENTAGE"}
    assert own["notifications"][0]["subscriberEmailAddresses"] == ["team@example.com"]
    assert own["notifications"][0]["subscriberSnsTopicArns"] == [TOPIC]
    assert whole["limitAmount"] == "500"
    assert whole["filterExpression"] == {"tags": {"key": "stack", "values": ["acme/dev"]}}
    action = done.one("budgets/budgetAction:BudgetAction")
    assert (action["actionType"], action["approvalModel"]) == ("APPLY_IAM_POLICY", "AUTOMATIC")
    assert action["definition"]["iamActionDefinition"]["roles"] == ["gateway"]
    assert len(action["subscribers"]) == 2


def test_anomalies_of_the_stack_are_told_each_way_that_the_service_has(run) -> None:
    done = run(lambda: guard(anomalies_above_usd=12.5, topic_arn=TOPIC))
    monitor = done.one("costexplorer/anomalyMonitor:AnomalyMonitor")
    assert (monitor["monitorType"], "monitorDimension" in monitor) == ("CUSTOM", False)
    wanted = json.loads(monitor["monitorSpecification"])
    assert wanted["Tags"] == {"Key": "stack", "MatchOptions": None, "Values": ["acme/dev"]}
    subscriptions = [each.inputs for each in done.of("costexplorer/anomalySubscription:AnomalySubscription")]
    told = {each["frequency"]: each["subscribers"] for each in subscriptions}
    assert told == {
        "DAILY": [{"type": "EMAIL", "address": "team@example.com"}],
        "IMMEDIATE": [{"type": "SNS", "address": TOPIC}],
    }
    assert {each["thresholdExpression"]["dimension"]["values"][0] for each in subscriptions} == {"12.5"}
    assert run(guard).service("costexplorer") == []


def test_what_aws_takes_of_a_monitor_and_its_subscriptions(run) -> None:
    """The inputs against botocore's model, because the sandbox, which bills nothing, has no Cost Explorer."""
    done = run(lambda: guard(anomalies_above_usd=12.5, topic_arn=TOPIC))
    monitor = done.one("costexplorer/anomalyMonitor:AnomalyMonitor")
    clients = Clients({})
    specification = {k: v for k, v in json.loads(monitor["monitorSpecification"]).items() if v is not None}
    specification["Tags"] = {k: v for k, v in specification["Tags"].items() if v is not None}
    clients("ce").create_anomaly_monitor(
        AnomalyMonitor={
            "MonitorName": "it",
            "MonitorType": monitor["monitorType"],
            "MonitorSpecification": specification,
        }
    )
    for each in done.of("costexplorer/anomalySubscription:AnomalySubscription"):
        dimension = each.inputs["thresholdExpression"]["dimension"]
        clients("ce").create_anomaly_subscription(
            AnomalySubscription={
                "SubscriptionName": "it",
                "MonitorArnList": ["arn:aws:ce::123456789012:anomalymonitor/a"],
                "Frequency": each.inputs["frequency"],
                "Subscribers": [{"Type": one["type"], "Address": one["address"]} for one in each.inputs["subscribers"]],
                "ThresholdExpression": {
                    "Dimensions": {
                        "Key": dimension["key"],
                        "MatchOptions": dimension["matchOptions"],
                        "Values": dimension["values"],
                    }
                },
            }
        )
        known = model("ce").shape_for("Dimension").enum + model("ce").shape_for("MatchOption").enum
        assert {dimension["key"], *dimension["matchOptions"]} <= set(known)


def test_without_budgets_or_callers(run) -> None:
    done = run(lambda: guard(endpoints=[DOCUMENTS], callers=[], budgets=False, cap_usd_per_month=500))
    assert done.service("budgets") == done.of("iam/policy:Policy") == []
    guarded = json.loads(done.one("lambda/function:Function")["environment"]["variables"]["ENDPOINTS"])
    assert "policy" not in next(iter(guarded.values()))


def test_a_partition_without_budgets_has_none(run) -> None:
    region = "eusc-de-east-1"
    named = {"endpoint_arn": f"arn:aws-eusc:sagemaker:{region}:123456789012:endpoint/there"}
    with own_price("sagemaker.hosting", "ml.g5.xlarge", region, "h", "1.76"):
        done = run(lambda: guard(region=region, endpoints=[{**DOCUMENTS, **named}], callers=[], anomalies_above_usd=1))
    assert done.service("budgets") == done.service("costexplorer") == []
    assert len(done.of(":EventRule")) == 2


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"emails": []}, "it.emails", "must tell somebody"),
        ({"emails": ["team"]}, "it.emails.0", "must be an address"),
        ({"emails": ["a@b"]}, "it.emails.0", "must be an address"),
        ({"emails": ["a@example.com, b@example.com"]}, "it.emails.0", "must be an address"),
        ({"emails": ["a@example.com", "a@example.com"]}, "it.emails.1", "must be there once"),
        ({"emails": [f"a{n}@example.com" for n in range(11)]}, "it.emails", "at most 10"),
        ({"topic_arn": TOPIC.replace(US, "eu-west-1")}, "it.topic_arn", f"must be a topic in {US}"),
        ({"topic_arn": "spending"}, "it.topic_arn", "must be the ARN of an SNS topic"),
        ({"callers": []}, "it.endpoints.0.kind", "requires `callers`"),
        ({"callers": ["gateway"]}, "it.callers.0", "must be the ARN of a role"),
        ({"callers": [ROLE.replace("aws:", "aws-cn:")]}, "it.callers.0", "must be in the partition"),
        ({"window_hours": 5}, "it.window_hours", "must be a whole part of a day"),
        ({"window_hours": 48}, "it.window_hours", "must be a whole part of a day"),
        *(
            ({"anomalies_above_usd": usd}, "it.anomalies_above_usd", "must be")
            for usd in (0, -1, float("nan"), float("inf"), 10**9, "10 EUR", True)
        ),
        ({"over": "week"}, "it.over", "must be 'window', 'month' or 'both'"),
        ({"over": "month", "window_hours": 24}, "it.window_hours", "is not for a cap over the month"),
        ({"cap_usd_per_month": 30}, "it.cap_usd_per_month", "must be at least the cap of sentences, 31"),
        ({"endpoints": []}, "it.endpoints", "must be from 1 to 10"),
        ({"endpoints": [SENTENCES, SENTENCES]}, "it.endpoints.1.name", "must differ"),
        ({"endpoints": [{**SENTENCES, "max": 0}]}, "it.endpoints.0.max", "must be from 1"),
        ({"endpoints": [{**SENTENCES, "memory_mb": None}]}, "it.endpoints.0.memory_mb", "is required"),
        ({"endpoints": [{**DOCUMENTS, "provisioned": 1}]}, "it.endpoints.0.provisioned", "serverless endpoints only"),
        ({"endpoints": [{**DOCUMENTS, "memory_mb": 2048}]}, "it.endpoints.0.memory_mb", "is not for asynchronous"),
        (
            {"endpoints": [{**SENTENCES, "other_usd_per_month": 40}]},
            "it.endpoints.0.cap_usd_per_month",
            "must be more than what is paid without a request, $40.77",
        ),
        (
            {"endpoints": [{**DOCUMENTS, "instance_type": "ml.g5.48xlarge"}]},
            "it.endpoints.0.cap_usd_per_month",
            "needs the price of sagemaker.hosting ml.g5.48xlarge",
        ),
        *(
            ({"endpoints": [{**SENTENCES, "cap_usd_per_month": cap}]}, "it.endpoints.0.cap_usd_per_month", "must be")
            for cap in (0, -1, float("nan"), float("inf"), 10**9, "31 EUR", True, Decimal(0))
        ),
    ],
)
def test_what_would_keep_nothing_is_refused(mocks, changes: dict[str, Any], path: str, rule: str) -> None:
    (text,) = refused(**changes)
    assert text.startswith(f"{path}: ")
    assert rule in text


def whole_numbers(value: Any) -> Any:
    """The value as the engine sends it: the mocks make every number a float."""
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_the_sandbox_s_provider_accepts_everything_but_budgets(run) -> None:
    done = run(lambda: guard(endpoints=[SENTENCES, DOCUMENTS], budgets=False, topic_arn=TOPIC, over="both"))
    declared = [each for each in done.registered if each.typ.startswith("aws:")]
    assert len(declared) == 27
    for each in declared:
        if each.typ.endswith(":Function"):
            continue  # the mocks have neither its code nor a role's ARN
        settings = Settings(region=US, default_tags={})
        inputs = whole_numbers(dict(each.inputs))
        _, failures = check(TABLE[each.typ], inputs, {}, logical=each.name, seed=b"seed", settings=settings)
        assert [one for one in failures if "arn:aws:test:" not in one.reason] == [], each.typ  # the mocks' own ARNs
