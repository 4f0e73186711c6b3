"""`billing`: whether an account's billing counts what an environment's budgets and anomaly monitor look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import FAILED, done, failed, findings_as_exit, print_json, say, table
from scaletozero.cli.running import Running, running
from scaletozero.partitions import has_budgets

TAGS = ("stack", "endpoint")
"""The tags by which the budgets and the anomaly monitor of a `SpendingGuard` select what they count."""

ENDPOINT_REGION = "us-east-1"
"""Budgets and Cost Explorer have one endpoint in a partition; botocore takes it for any Region of it but China's."""

BUDGET = "aws:budgets/budget:Budget"


def billing(
    environment: EnvironmentName = "local",
    activate: Annotated[
        bool, typer.Option("--activate", help="Activate the cost allocation tags that billing has seen.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Shows whether an account's billing counts what an environment's spending guard looks at.

    Budgets and the anomaly monitor count by the cost allocation tags `stack` and `endpoint`. AWS lists a tag up to a
    day after the first cost that has it; --activate activates it then, in the payer's account. Shown are also the
    health of the environment's budgets, and the account's anomaly monitors: one of all its services stays as it is,
    beside the stack's own. It exits with 1 where something is not counted.

    It needs `ce:ListCostAllocationTags`, `ce:GetAnomalyMonitors` and `budgets:ViewBudget`, and for --activate
    `ce:UpdateCostAllocationTagsStatus`.

    Example: scaletozero billing -e prod-eu --activate
    """
    with findings_as_exit():
        run = running(environment, "billing")
        if run.settings.sandbox:
            rule, fix = "must run on an account", "name an environment without `sandbox`"
            raise refuse(environment, rule, "the sandbox", "it bills nothing", fix)
        region = run.settings.region
        if not has_budgets(region):
            rule, then = "must be in a partition with AWS Budgets and Cost Explorer", "there is nothing to read"
            raise refuse(environment, rule, region, then, "the guard works without them")
    try:
        found = _read(run, activate=activate)
    except (ClientError, BotoCoreError) as error:
        raise failed(f"{environment}: its billing could not be read: {error}", FAILED) from None
    uncounted = list(_uncounted(found))
    if as_json:
        print_json({"environment": environment, **found, "not_counted": uncounted})
    else:
        _show(found)
    if uncounted:
        raise failed(f"{environment}: {' '.join(uncounted)}", FAILED)
    if not as_json:
        done(f"{environment}: what its guard looks at is counted.")


def _read(run: Running, *, activate: bool) -> dict[str, Any]:
    costs, budgets = (run.stack.client(each, _endpoint(run.settings.region)) for each in ("ce", "budgets"))
    tags = _tags(costs)
    refused: dict[str, str] = {}
    wanted = [name for name, state in tags.items() if state == "inactive"]
    if activate and wanted:
        asked = [{"TagKey": each, "Status": "Active"} for each in wanted]
        errors = costs.update_cost_allocation_tags_status(CostAllocationTagsStatus=asked).get("Errors", ())
        refused = {each["TagKey"]: each["Message"] for each in errors}
        tags = _tags(costs)
    return {
        "tags": tags,
        "refused": refused,
        "budgets": [_budget(budgets, each) for each in run.stack.resources() if each["type"] == BUDGET],
        "monitors": [
            {
                "name": each["MonitorName"],
                "arn": each["MonitorArn"],
                "of": each.get("MonitorDimension", "an expression").lower(),
            }
            for each in _monitors(costs)
        ],
    }


def _endpoint(region: str) -> str:
    return region if region.startswith("cn-") else ENDPOINT_REGION


def _tags(costs: Any) -> dict[str, str]:
    """Each tag's state: `active`, `inactive`, or `not seen` where billing has no cost with it yet."""
    listed = costs.list_cost_allocation_tags(TagKeys=list(TAGS), Type="UserDefined")["CostAllocationTags"]
    states = {each["TagKey"]: each["Status"].lower() for each in listed}
    return {each: states.get(each, "not seen") for each in TAGS}


def _budget(budgets: Any, resource: Mapping[str, Any]) -> dict[str, Any]:
    about = resource.get("outputs") or {}
    found = budgets.describe_budget(AccountId=about["accountId"], BudgetName=about["name"])["Budget"]
    spent = found.get("CalculatedSpend", {}).get("ActualSpend", {}).get("Amount")
    health = found.get("HealthStatus", {})
    return {
        "name": found["BudgetName"],
        "limit_usd": found.get("BudgetLimit", {}).get("Amount"),
        "spent_usd": spent,
        "health": health.get("Status", "unknown").lower(),
        "reason": health.get("StatusReason"),
    }


def _monitors(costs: Any) -> Iterator[Mapping[str, Any]]:
    token: dict[str, str] = {}
    while True:
        page = costs.get_anomaly_monitors(**token)
        yield from page["AnomalyMonitors"]
        if not page.get("NextPageToken"):
            return
        token = {"NextPageToken": page["NextPageToken"]}


def _uncounted(found: Mapping[str, Any]) -> Iterator[str]:
    """What is not counted, each with what to do."""
    for name, state in found["tags"].items():
        if name in found["refused"]:
            yield f"The tag `{name}` was not activated: {found['refused'][name]}."
        elif state == "inactive":
            yield f"The tag `{name}` is not active: run this with --activate, in the payer's account."
        elif state != "active":
            yield f"The tag `{name}` is not known to billing yet: run this again a day after the first cost with it."
    for each in found["budgets"]:
        if each["health"] == "unhealthy":
            yield f"The budget {each['name']} counts nothing: {each['reason'] or 'AWS says that it is not healthy'}."


def _show(found: Mapping[str, Any]) -> None:
    table(("cost allocation tag", "state"), found["tags"].items())
    if found["budgets"]:
        rows: Iterable[tuple[object, ...]] = (
            (each["name"], each["limit_usd"] or "-", each["spent_usd"] or "-", each["health"])
            for each in found["budgets"]
        )
        table(("budget", "USD a month", "counted so far", "health"), rows)
    if found["monitors"]:
        table(("anomaly monitor", "of"), ((each["name"], each["of"]) for each in found["monitors"]))
    if wide := [each["name"] for each in found["monitors"] if each["of"] == "service"]:
        say(f"{wide[0]} is of all services of the account, which may have one: it stays as it is.")
