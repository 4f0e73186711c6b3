"""The function that closes endpoints: what it does with each event, and that it never stops half way."""

import json
from pathlib import Path
from typing import Any

import pytest
from service_clients import Clients, refused

from scaletozero.endpoints import close_function
from scaletozero.endpoints.close_function import SUSPENDED, by_hand, handler, least

POLICY = "arn:aws:iam::123456789012:policy/sentences-closed"
GUARDED = {
    "acme-sentences": {"endpoint": "sentences", "variant": "AllTraffic", "policy": POLICY},
    "acme-documents": {"endpoint": "documents", "variant": "AllTraffic", "policy": POLICY},
}
CHANGE = {
    "source": "aws.cloudwatch",
    "detail-type": "CloudWatch Alarm State Change",
    "resources": ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:acme-sentences"],
    "detail": {"alarmName": "acme-sentences", "state": {"value": "ALARM", "reason": "1 datapoint was greater"}},
}
CLOCK = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
SERVERLESS = {"VariantName": "AllTraffic", "CurrentServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 10}}
INSTANCES = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3}
TARGET = {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount", "MinCapacity": 0, "MaxCapacity": 3}


def endpoint(variant: dict[str, Any], status: str = "InService") -> dict[str, Any]:
    return {"EndpointStatus": status, "ProductionVariants": [variant]}


def alarms(*names: str) -> dict[str, Any]:
    return {"MetricAlarms": [{"AlarmName": each, "StateValue": "ALARM", "StateReason": "too much"} for each in names]}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ENDPOINTS", json.dumps(GUARDED))
    monkeypatch.setenv("ROLES", json.dumps(["gateway", "batch"]))

    def given(**answers: Any) -> Clients:
        usual = {
            "describe_alarms": alarms(),
            "describe_scalable_targets": {"ScalableTargets": []},
            "describe_endpoint": endpoint(SERVERLESS),
        }
        clients = Clients({**usual, **answers})
        monkeypatch.setattr(close_function.boto3, "client", clients)
        return clients

    return given


def test_an_alarm_closes_its_serverless_endpoint(services: Any) -> None:
    clients = services()
    assert handler(CHANGE, None) == {"closed": ["sentences"], "waiting": []}
    attached = clients.of("attach_role_policy")
    assert attached == [{"RoleName": each, "PolicyArn": POLICY} for each in ("gateway", "batch")]
    (shrunk,) = clients.of("update_endpoint_weights_and_capacities")
    wanted = [{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 1}}]
    assert shrunk == {"EndpointName": "sentences", "DesiredWeightsAndCapacities": wanted}


def test_a_person_closes_one_as_its_alarm_would(services: Any) -> None:
    clients = services()
    assert handler(by_hand("acme-documents"), None) == {"closed": ["documents"], "waiting": []}
    assert clients.of("describe_endpoint") == [{"EndpointName": "documents"}]


def test_an_alarm_on_the_month_closes_the_same_endpoint_once(services: Any) -> None:
    month = {**CHANGE, "detail": {**CHANGE["detail"], "alarmName": "acme-sentences.month"}}  # pyright: ignore[reportGeneralTypeIssues]
    clients = services(describe_alarms=alarms("acme-sentences.month", "acme-sentences"))
    assert handler(month, None) == {"closed": ["sentences"], "waiting": []}
    assert len(clients.of("update_endpoint_weights_and_capacities")) == 1
    (asked,) = clients.of("describe_alarms")
    assert asked["AlarmNames"] == [f"acme-{each}{end}" for each in ("sentences", "documents") for end in ("", ".month")]


def test_the_clock_closes_an_asynchronous_endpoint_whose_event_was_lost(services: Any) -> None:
    targets = {"ScalableTargets": [TARGET]}
    clients = services(
        describe_alarms=alarms("acme-documents"),
        describe_scalable_targets=targets,
        describe_endpoint=endpoint(INSTANCES),
    )
    assert handler(CLOCK, None) == {"closed": ["documents"], "waiting": []}
    (suspended,) = clients.of("register_scalable_target")
    assert suspended["SuspendedState"] == SUSPENDED
    assert "MaxCapacity" not in suspended  # the limits stay
    (shrunk,) = clients.of("update_endpoint_weights_and_capacities")
    assert shrunk["DesiredWeightsAndCapacities"] == [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    names = [name for name, _ in clients.calls]
    assert names.index("register_scalable_target") < names.index("update_endpoint_weights_and_capacities")


def test_closing_what_is_closed_changes_no_capacity(services: Any) -> None:
    closed = {**SERVERLESS, "DesiredServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
    clients = services(
        describe_endpoint=endpoint(closed),
        describe_scalable_targets={"ScalableTargets": [{**TARGET, "SuspendedState": SUSPENDED}]},
    )
    handler(CHANGE, None)
    assert clients.of("update_endpoint_weights_and_capacities") == clients.of("register_scalable_target") == []


@pytest.mark.parametrize("value", ["OK", "INSUFFICIENT_DATA"])
def test_any_other_state_closes_nothing(services: Any, value: str) -> None:
    clients = services()
    event = {**CHANGE, "detail": {**CHANGE["detail"], "state": {"value": value}}}
    assert handler(event, None) == {"closed": [], "waiting": []}
    assert [name for name, _ in clients.calls] == ["describe_alarms"]


def test_the_alarm_of_somebody_else_closes_nothing(services: Any) -> None:
    services()
    event = {**CHANGE, "detail": {**CHANGE["detail"], "alarmName": "other"}}
    assert handler(event, None) == {"closed": [], "waiting": []}


def test_a_step_that_fails_does_not_keep_the_others_from_being_taken(services: Any, capsys: Any) -> None:
    def attach(given: dict[str, Any]) -> Any:
        return refused("AttachRolePolicy", "NoSuchEntity") if given["RoleName"] == "gateway" else {}

    clients = services(attach_role_policy=attach)
    with pytest.raises(RuntimeError, match=r"sentences: .*NoSuchEntity"):
        handler(CHANGE, None)
    assert [each["RoleName"] for each in clients.of("attach_role_policy")] == ["gateway", "batch"]
    assert len(clients.of("update_endpoint_weights_and_capacities")) == 1
    line = json.loads(capsys.readouterr().out)
    assert (line["endpoint"], line["why"]) == ("sentences", "1 datapoint was greater")
    assert len(line["failed"]) == 1


def test_an_alarm_that_cannot_be_read_does_not_keep_the_told_one_from_closing(services: Any) -> None:
    clients = services(describe_alarms=refused("DescribeAlarms", "InternalServiceFault"))
    with pytest.raises(RuntimeError, match="alarms: "):
        handler(CHANGE, None)
    assert len(clients.of("attach_role_policy")) == 2


def test_an_endpoint_that_is_being_updated_shrinks_in_the_next_run(services: Any) -> None:
    clients = services(describe_endpoint=endpoint(SERVERLESS, "Updating"))
    assert handler(CHANGE, None) == {"closed": [], "waiting": ["sentences"]}
    assert clients.of("update_endpoint_weights_and_capacities") == []
    assert len(clients.of("attach_role_policy")) == 2


def test_an_endpoint_that_was_deleted_by_hand_is_closed(services: Any) -> None:
    gone = refused("DescribeEndpoint", "ValidationException", "Could not find endpoint")
    services(describe_endpoint=gone)
    assert handler(CHANGE, None) == {"closed": ["sentences"], "waiting": []}


def test_provisioned_concurrency_is_not_left_above_the_concurrency() -> None:
    config = {"MemorySizeInMB": 2048, "MaxConcurrency": 10, "ProvisionedConcurrency": 4}
    wanted = {"ServerlessUpdateConfig": {"MaxConcurrency": 1, "ProvisionedConcurrency": 1}}
    assert least({**SERVERLESS, "CurrentServerlessConfig": config}) == wanted


def test_the_function_needs_the_standard_library_and_boto3_only() -> None:
    text = Path(close_function.__file__).read_text(encoding="utf-8")
    assert "scaletozero" not in text
    assert "model_packaging" not in text
