"""Opening a closed endpoint: everything that the guard did, backwards, and nothing twice."""

import json
from dataclasses import replace
from typing import Any

import pytest
from service_clients import Clients

from model_packaging.findings import FindingsError
from scaletozero.endpoints.close_function import SUSPENDED
from scaletozero.endpoints.reopen import Closable, closable, reopen, state

POLICY = "arn:aws:iam::123456789012:policy/sentences-closed"
ACTION = ("123456789012", "budget", "11111111-2222-4333-8444-555555555555")
IT = Closable("acme-sentences", "sentences", "AllTraffic", POLICY, ("gateway",), "acme-close", (ACTION,))
GUARD = "urn:pulumi:dev::acme::scaletozero:index:SpendingGuard::spending"


def services(
    now: dict[str, Any], declared: dict[str, Any], *, state: str = "OK", closed: bool = True, floor: int = 0
) -> Clients:
    attached = [{"PolicyArn": POLICY, "PolicyName": "sentences-closed"}] if closed else []
    target = {
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": floor,
        "SuspendedState": SUSPENDED if closed else dict.fromkeys(SUSPENDED, False),
    }
    variant = {"VariantName": "AllTraffic"}
    return Clients(
        {
            "describe_alarms": {"MetricAlarms": [{"AlarmName": IT.alarm, "StateValue": state}]},
            "describe_budget_action": {"Action": {"Status": "EXECUTION_SUCCESS" if closed else "STANDBY"}},
            "list_attached_role_policies": {"AttachedPolicies": attached},
            "describe_scalable_targets": {"ScalableTargets": [target]},
            "describe_endpoint": {"EndpointConfigName": "config", "ProductionVariants": [{**variant, **now}]},
            "describe_endpoint_config": {"ProductionVariants": [{**variant, **declared}]},
        }
    )


def test_it_stays_closed_while_the_month_s_alarm_stands_and_says_until_when() -> None:
    both = [{"AlarmName": f"{IT.alarm}{end}", "StateValue": "ALARM"} for end in ("", ".month")]
    for standing, until in ((both, "until the month has passed"), (both[:1], "until the window has passed")):
        clients = Clients({"describe_alarms": {"MetricAlarms": standing}})
        with pytest.raises(FindingsError, match=until):
            reopen(IT, clients)
        assert [name for name, _ in clients.calls] == ["describe_alarms"]
        assert clients.calls[0][1]["AlarmNames"] == [IT.alarm, f"{IT.alarm}.month"]


def test_a_serverless_endpoint_gets_back_what_its_configuration_says() -> None:
    clients = services(
        {"DesiredServerlessConfig": {"MaxConcurrency": 1, "ProvisionedConcurrency": 1}},
        {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 20, "ProvisionedConcurrency": 2}},
    )
    assert reopen(IT, clients) == [
        "the action of the budget budget is reversed",
        "gateway may invoke it",
        "scaling is resumed",
        "its capacity is restored",
    ]
    assert clients.of("execute_budget_action")[0]["ExecutionType"] == "REVERSE_BUDGET_ACTION"
    assert clients.of("detach_role_policy") == [{"RoleName": "gateway", "PolicyArn": POLICY}]
    assert set(clients.of("register_scalable_target")[0]["SuspendedState"].values()) == {False}
    (grown,) = clients.of("update_endpoint_weights_and_capacities")
    (variant,) = grown["DesiredWeightsAndCapacities"]
    assert variant["ServerlessUpdateConfig"] == {"MaxConcurrency": 20, "ProvisionedConcurrency": 2}


@pytest.mark.parametrize(
    ("it", "closed", "alarm", "wanted"),
    [
        (IT, True, "ALARM", "closed"),
        (IT, True, "OK", "closed"),
        (IT, False, "ALARM", "closing"),
        (IT, False, "OK", "open"),
        (replace(IT, roles=("gateway", "other")), True, "OK", "closed"),
        # An asynchronous endpoint without callers is closed by its scaling.
        (replace(IT, policy="", roles=()), True, "ALARM", "closed"),
        (replace(IT, policy="", roles=()), False, "ALARM", "closing"),
        (replace(IT, policy="", roles=()), False, "OK", "open"),
    ],
)
def test_whether_it_is_closed(it: Closable, closed: bool, alarm: str, wanted: str) -> None:
    assert state(it, services({}, {}, state=alarm, closed=closed)) == wanted


def test_instances_get_back_what_scaling_keeps_at_least() -> None:
    instances = {"InitialInstanceCount": 1}
    clients = services({"DesiredInstanceCount": 0}, instances, floor=2)
    assert "its capacity is restored" in reopen(IT, clients)
    (variant,) = clients.of("update_endpoint_weights_and_capacities")[0]["DesiredWeightsAndCapacities"]
    assert variant["DesiredInstanceCount"] == 2
    # Down to zero scaling wakes it by itself.
    assert "its capacity is restored" not in reopen(IT, services({"DesiredInstanceCount": 0}, instances))


def test_opening_what_is_open_changes_nothing() -> None:
    same = {"MaxConcurrency": 20}
    clients = services({"DesiredServerlessConfig": same}, {"ServerlessConfig": same}, closed=False)
    assert reopen(IT, clients) == []
    assert all(name.startswith(("describe", "list")) for name, _ in clients.calls)


def test_while_the_alarm_stands_it_stays_closed() -> None:
    clients = services({}, {}, state="ALARM")
    with pytest.raises(FindingsError) as caught:
        reopen(IT, clients)
    (found,) = caught.value.findings
    assert found.rule == "must be within its allowance to be opened"
    assert "again within five minutes" in found.consequence
    assert [name for name, _ in clients.calls] == ["describe_alarms"]


def test_the_guard_of_an_endpoint_is_found_in_the_state() -> None:
    guarded = {"acme-sentences": {"endpoint": "sentences", "variant": "AllTraffic", "policy": POLICY}}
    variables = {"ENDPOINTS": json.dumps(guarded), "ROLES": json.dumps(["gateway"])}
    definition = {"iamActionDefinition": {"policyArn": POLICY, "roles": ["gateway"]}}
    action = {"accountId": ACTION[0], "budgetName": ACTION[1], "actionId": ACTION[2], "definition": definition}
    function = {
        "type": "aws:lambda/function:Function",
        "urn": "f",
        "outputs": {"name": "acme-close", "environment": {"variables": variables}},
    }
    # The function that measures is a child of the guard too, and closes nothing.
    measuring = {"MEASURED": json.dumps([{"endpoint": "sentences", "variant": "AllTraffic", "usd": "work"}])}
    gauge = {**function, "outputs": {"name": "acme-gauge", "environment": {"variables": measuring}}}
    resources = [
        {"type": "scaletozero:index:SpendingGuard", "urn": GUARD},
        {**gauge, "parent": GUARD},
        {**function, "parent": GUARD},
        {"type": "aws:budgets/budgetAction:BudgetAction", "urn": "a", "parent": GUARD, "outputs": action},
    ]
    assert closable(resources, "sentences") == IT
    assert closable(resources, "other") is None
    assert closable([{**function, "parent": "elsewhere"}], "sentences") is None
