"""Exactly which alarms are declared, as an update and as a preview."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from endpoint_declarations import REGION, TOPIC, args
from published_metrics import PUBLISHED

from scaletozero import EndpointAlarms, ServerlessEndpoint
from scaletozero.endpoints.kinds import KINDS
from scaletozero.settings.alarms import Alarms, EndpointKind


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
    alarms = KINDS[kind].alarms(Alarms(p99_ms=100), provisioned)
    assert alarms
    for alarm in alarms:
        assert set(alarm.metrics.values()) <= PUBLISHED[kind]
        assert (runbooks / f"{alarm.name}.md").is_file()
        assert alarm.breaching <= alarm.periods
        assert alarm.seconds * alarm.periods <= 86_400
        assert len(alarm.description) <= 1024


def test_an_objective_for_cold_starts_is_held_by_an_alarm(run, packaged) -> None:
    given = args(packaged, alarms={"cold_start_ms": 4000})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    found = {each.name.removeprefix("sentences-alarms-"): each.inputs for each in done.of(":MetricAlarm")}
    alarm = found["cold-start-time"]
    assert (alarm["metricName"], alarm["extendedStatistic"], alarm["threshold"], alarm["period"]) == (
        "ModelSetupTime",
        "p95",
        4_000_000,
        3600,
    )
    assert alarm["alarmDescription"].endswith("Runbook: docs/runbooks/cold-start-time.md")


def test_an_objective_that_no_metric_measures_is_refused(run) -> None:
    def program() -> Any:
        alarms = {"cold_start_ms": 4000}
        given: Any = {"endpoint_name": "e", "region": REGION, "kind": EndpointKind.ASYNCHRONOUS, "alarms": alarms}
        return EndpointAlarms("e", given).arn

    with pytest.raises(Exception, match=r"e.alarms.cold_start_ms: is of serverless endpoints"):
        run(program)
