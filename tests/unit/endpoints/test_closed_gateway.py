"""A gateway under a guard: what its alarm counts, what the function may and does, how it is opened, and bad input."""

import json
from typing import Any

import pytest
from service_clients import Clients, refused

from model_packaging.findings import FindingsError
from scaletozero import SpendingGuard
from scaletozero.endpoints import close_function
from scaletozero.endpoints.close_function import by_hand, handler
from scaletozero.endpoints.closed_gateway import Door, close_door, door_state, find_door, open_door

US = "us-east-1"
GATEWAY: dict[str, Any] = {
    "function_name": "acme-gateway",
    "cap_usd_per_month": 31,
    "memory_mb": 1024,
    "concurrency": 10,
    "timeout_seconds": 120,
    "usd_per_request": 0.00001,
}
ARGS: dict[str, Any] = {"region": US, "gateway": GATEWAY, "emails": ["team@example.com"]}
ALARM, DOOR = "acme-dev-it-gateway", Door("acme-gateway", 10, "acme-dev-it-gateway")


def guard(**changes: Any) -> SpendingGuard:
    args: Any = {**ARGS, **changes}
    return SpendingGuard("it", args)


def test_its_alarm_sums_the_function_s_time_and_what_each_request_writes(run) -> None:
    outputs: dict[str, Any] = {}

    def program() -> None:
        made = guard()
        made.seconds_to_close.apply(outputs.update)
        made.overshoot_usd.apply(lambda known: outputs.update(usd=known["gateway"]))

    done = run(program)
    (alarm,) = (each.inputs for each in done.of(":MetricAlarm") if "metricQueries" in each.inputs)
    shown, *metrics = alarm["metricQueries"]
    assert shown["expression"] == "FILL(work, 0) / 1000 * 0.00001667 + FILL(calls, 0) * 0.00001"
    assert [(each["metric"]["namespace"], each["metric"]["metricName"]) for each in metrics] == [
        ("AWS/Lambda", "Duration"),
        ("AWS/Lambda", "Invocations"),
    ]
    assert all(each["metric"]["dimensions"] == {"FunctionName": "acme-gateway"} for each in metrics)
    assert (alarm["name"], alarm["threshold"]) == (ALARM, 1.0)
    # 485 s until it is closed, and twice the longest request: 725 s of 10 requests of one second.
    assert outputs["gateway"] == 725.0
    assert outputs["usd"] == pytest.approx(725 * 10 * (0.00001667 + 0.00001), abs=1e-6)


def test_without_endpoints_its_function_may_close_the_gateway_and_nothing_else(run) -> None:
    done = run(lambda: guard(callers=["arn:aws:iam::123456789012:role/gateway"], over="both"))
    variables = done.one("lambda/function:Function")["environment"]["variables"]
    assert json.loads(variables["GATEWAYS"]) == {ALARM: "acme-gateway"}
    assert json.loads(variables["ENDPOINTS"]) == {}
    (policy,) = (json.loads(each.inputs["policy"]) for each in done.of("iam/rolePolicy:RolePolicy"))
    statements = {each["Sid"]: each for each in policy["Statement"]}
    assert set(statements) == {"CloseGateway", "ReadAlarms", "WriteLogs", "KeepFailures"}
    assert statements["CloseGateway"]["Action"] == "lambda:PutFunctionConcurrency"
    assert statements["CloseGateway"]["Resource"].endswith(":function:acme-gateway")
    rules = [json.loads(each.inputs["eventPattern"]) for each in done.of(":EventRule") if "eventPattern" in each.inputs]
    assert [len(each["resources"]) for each in rules] == [1]


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        ({"gateway": None}, "it.endpoints", "must be from 1 to 10 endpoints"),
        ({"gateway": {**GATEWAY, "usd_per_request": 12}}, "it.gateway.usd_per_request", "must be from 0 to 1 USD"),
        ({"gateway": {**GATEWAY, "timeout_seconds": 901}}, "it.gateway.timeout_seconds", "must be from 1 to 900"),
        ({"gateway": {**GATEWAY, "cap_usd_per_month": 0}}, "it.gateway.cap_usd_per_month", "must be more than 0"),
        ({"gateway": {**GATEWAY, "cap": 5}}, "it.gateway.cap", "is not a setting"),
        ({"region": "eu-south-2"}, "price of lambda gb-second", "must have a row for eu-south-2"),
    ],
)
def test_a_gateway_that_could_not_be_held_is_refused(changes: dict[str, Any], path: str, rule: str) -> None:
    with pytest.raises(FindingsError) as caught:
        guard(**changes)
    assert any(each.path == path and rule in each.rule for each in caught.value.findings), caught.value


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ENDPOINTS", "{}")
    monkeypatch.setenv("ROLES", "[]")
    monkeypatch.setenv("GATEWAYS", json.dumps({ALARM: "acme-gateway"}))

    def given(**answers: Any) -> Clients:
        clients = Clients({"describe_alarms": {"MetricAlarms": []}, **answers})
        monkeypatch.setattr(close_function.boto3, "client", clients)
        return clients

    return given


def test_the_function_leaves_it_no_requests_at_a_time(services: Any) -> None:
    clients = services()
    assert handler(by_hand(ALARM), None) == {"closed": ["acme-gateway"], "waiting": []}
    assert clients.of("put_function_concurrency") == [
        {"FunctionName": "acme-gateway", "ReservedConcurrentExecutions": 0}
    ]
    (asked,) = clients.of("describe_alarms")
    assert asked["AlarmNames"] == [ALARM]


def test_what_failed_is_tried_again(services: Any) -> None:
    standing = {"MetricAlarms": [{"AlarmName": ALARM, "StateValue": "ALARM"}]}
    denied = refused("PutFunctionConcurrency", "AccessDeniedException")
    services(describe_alarms=standing, put_function_concurrency=denied)
    with pytest.raises(RuntimeError, match=r"acme-gateway: .*AccessDenied"):
        handler({}, None)


def state(reserved: int | None, alarm: str = "OK") -> Clients:
    found = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
    standing = {"MetricAlarms": [{"AlarmName": ALARM, "StateValue": alarm}]}
    return Clients({"get_function_concurrency": found, "describe_alarms": standing})


def test_it_is_closed_and_opened_by_hand_once() -> None:
    assert close_door(DOOR, state(10))
    assert not close_door(DOOR, closed := state(0))
    assert not closed.of("put_function_concurrency")
    assert open_door(DOOR, closed)
    assert closed.of("put_function_concurrency")[0]["ReservedConcurrentExecutions"] == 10
    assert not open_door(DOOR, state(10))
    assert [door_state(DOOR, each) for each in (state(0), state(10, "ALARM"), state(None))] == [
        "closed",
        "closing",
        "open",
    ]


def test_it_stays_closed_while_its_alarm_stands_and_where_it_is_declared_so() -> None:
    with pytest.raises(FindingsError, match="an alarm that still stands"):
        open_door(DOOR, state(0, "ALARM"))
    with pytest.raises(FindingsError, match="declared closed"):
        open_door(Door("acme-gateway", 0), state(0))


def test_it_is_found_in_a_state_with_what_was_declared_and_not_what_is_there() -> None:
    urn = "urn:pulumi:dev::acme::scaletozero:index:"
    function = "aws:lambda/function:Function"
    resources: list[dict[str, Any]] = [
        {"urn": f"{urn}InferenceGateway::gateway", "type": "scaletozero:index:InferenceGateway"},
        {"urn": f"{urn}SpendingGuard::it", "type": "scaletozero:index:SpendingGuard"},
        {
            "urn": "function",
            "type": function,
            "parent": f"{urn}InferenceGateway::gateway",
            "inputs": {"reservedConcurrentExecutions": 10.0},
            "outputs": {"name": "acme-gateway", "reservedConcurrentExecutions": 0},
        },
        {
            "urn": "guard",
            "type": function,
            "parent": f"{urn}SpendingGuard::it",
            "outputs": {"name": "close", "environment": {"variables": {"GATEWAYS": f'{{"{ALARM}": "acme-gateway"}}'}}},
        },
    ]
    assert find_door(resources) == DOOR
    assert find_door(resources[:3]) == Door("acme-gateway", 10)
    assert find_door(resources[3:]) is None
