"""`billing`: what is read of an account's billing, by botocore's own model of it, and what is not counted."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from botocore.stub import Stubber

from scaletozero.cli import billing as module
from scaletozero.cli.billing import billing

GIVEN = {"region_name": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}
STATE = [
    {"type": "pulumi:pulumi:Stack", "outputs": {}},
    {"type": "aws:budgets/budget:Budget", "outputs": {"name": "acme-prod", "accountId": "123456789012"}},
]
ASKED = {"TagKeys": ["stack", "endpoint"], "Type": "UserDefined"}


class Account:
    """Billing that answers in the order in which it is told."""

    def __init__(self) -> None:
        self.clients = {name: boto3.client(name, **GIVEN) for name in ("ce", "budgets")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}

    def tags(self, **states: str) -> None:
        listed = [{"TagKey": key, "Type": "UserDefined", "Status": state} for key, state in states.items()]
        self.stubs["ce"].add_response("list_cost_allocation_tags", {"CostAllocationTags": listed}, ASKED)

    def monitors(self, *names: str, of: str = "SERVICE", token: str = "", after: str = "") -> None:
        found = [
            {"MonitorName": each, "MonitorArn": f"arn:{each}", "MonitorType": "DIMENSIONAL", "MonitorDimension": of}
            for each in names
        ]
        page = {"AnomalyMonitors": found, **({"NextPageToken": token} if token else {})}
        self.stubs["ce"].add_response("get_anomaly_monitors", page, {"NextPageToken": after} if after else {})

    def budget(self, health: str = "HEALTHY") -> None:
        found = {
            "BudgetName": "acme-prod",
            "BudgetLimit": {"Amount": "200", "Unit": "USD"},
            "CalculatedSpend": {"ActualSpend": {"Amount": "12.5", "Unit": "USD"}},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
            "HealthStatus": {
                "Status": health,
                **({"StatusReason": "BILLING_VIEW_NO_ACCESS"} if health[0] == "U" else {}),
            },
        }
        asked = {"AccountId": "123456789012", "BudgetName": "acme-prod"}
        self.stubs["budgets"].add_response("describe_budget", {"Budget": found}, asked)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    made = Account()
    stack = SimpleNamespace(client=lambda service, region: made.clients[service], resources=lambda: STATE)
    settings = SimpleNamespace(sandbox=None, region="eu-central-1")
    monkeypatch.setattr(module, "running", lambda *_: SimpleNamespace(stack=stack, settings=settings))
    for stub in made.stubs.values():
        stub.activate()
    yield made
    for stub in made.stubs.values():
        stub.assert_no_pending_responses()


def ends(capsys: pytest.CaptureFixture[str], code: int, **options: Any) -> str:
    with pytest.raises(typer.Exit) as caught:
        billing("prod", **options)
    assert caught.value.exit_code == code
    return capsys.readouterr().err


def test_an_account_wide_monitor_is_found_and_left(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.tags(stack="Active", endpoint="Active")
    account.monitors("Default-Services-Monitor", token="more")
    account.monitors("another", of="LINKED_ACCOUNT", after="more")
    account.budget()
    billing("prod")
    shown = capsys.readouterr()
    assert (
        "Default-Services-Monitor is of all services of the account, which may have one: it stays as it is" in shown.err
    )
    assert "what its guard looks at is counted" in shown.err
    assert "linked_account" in shown.out
    assert "12.5" in shown.out


def test_tags_that_billing_has_seen_are_activated(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.tags(stack="Inactive", endpoint="Active")
    account.stubs["ce"].add_response(
        "update_cost_allocation_tags_status",
        {"Errors": []},
        {"CostAllocationTagsStatus": [{"TagKey": "stack", "Status": "Active"}]},
    )
    account.tags(stack="Active", endpoint="Active")
    account.monitors()
    account.budget()
    billing("prod", activate=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["tags"] == {"stack": "active", "endpoint": "active"}
    assert found["not_counted"] == []


def test_tags_that_are_not_active_or_not_seen_are_said(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.tags(stack="Inactive")
    account.monitors()
    account.budget()
    said = ends(capsys, 1)
    assert "`stack` is not active: run this with --activate, in the payer's account" in said
    assert "`endpoint` is not known to billing yet: run this again a day after" in said


def test_what_aws_does_not_activate_is_said(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.tags(stack="Inactive", endpoint="Active")
    errors = [{"TagKey": "stack", "Code": "x", "Message": "Tag keys not found"}]
    account.stubs["ce"].add_response("update_cost_allocation_tags_status", {"Errors": errors})
    account.tags(stack="Inactive", endpoint="Active")
    account.monitors()
    account.budget()
    assert "`stack` was not activated: Tag keys not found." in ends(capsys, 1, activate=True)


def test_a_budget_on_a_broken_view_counts_nothing(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.tags(stack="Active", endpoint="Active")
    account.monitors()
    account.budget("UNHEALTHY")
    assert "The budget acme-prod counts nothing: BILLING_VIEW_NO_ACCESS." in ends(capsys, 1)


def test_who_may_not_read_it_is_told_by_aws(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.stubs["ce"].add_client_error("list_cost_allocation_tags", "AccessDeniedException", "not the payer")
    said = ends(capsys, 1)
    assert "its billing could not be read" in said
    assert "not the payer" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sandbox": object(), "region": "us-east-1"}, "must run on an account, got the sandbox"),
        ({"sandbox": None, "region": "eusc-de-east-1"}, "must be in a partition with AWS Budgets"),
        ({"sandbox": None, "region": "us-gov-west-1"}, "must be in a partition with AWS Budgets"),
    ],
)
def test_where_nothing_is_billed_it_is_refused(
    settings: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "running", lambda *_: SimpleNamespace(settings=SimpleNamespace(**settings)))
    assert said in ends(capsys, 2)
