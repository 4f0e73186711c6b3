"""The budgets of a spending guard: they tell people, and deny the callers, hours after the money is spent."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.component import Component
from scaletozero.endpoints.guard_policies import budget_policy
from scaletozero.partitions import service_principal
from scaletozero.policies import account_of, trust_policy

TOLD = (("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""Of what, and at which percentage of the cap, people are told."""


def declare_budget(
    owner: Component,
    suffix: str,
    cap: Decimal,
    tags: Mapping[str, str],
    told: Mapping[str, Any],
    all_tags: dict[str, str],
) -> aws.budgets.Budget:
    """A monthly budget over what carries these tags.

    Args:
        owner: the component.
        suffix: the budget's name below it.
        cap: USD a month.
        tags: the cost allocation tags that select what is counted.
        told: `emails` and `topic`.
        all_tags: the budget's own tags.
    """
    (first, *more) = [{"tags": {"key": key, "values": [value]}} for key, value in tags.items()]
    subscribers = {
        "subscriber_email_addresses": told["emails"],
        "subscriber_sns_topic_arns": [told["topic"]] if told["topic"] is not None else [],
    }
    return aws.budgets.Budget(
        owner.child(suffix, limit=100),
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount=f"{cap:f}",
        limit_unit="USD",
        metrics="UnblendedCost",
        filter_expression={"ands": [first, *more]} if more else first,  # pyright: ignore[reportArgumentType]
        notifications=[
            {
                "notification_type": kind,
                "comparison_operator": "GREATER_THAN",
                "threshold": percent,
                "threshold_type": "PERCENTAGE",
                **subscribers,  # pyright: ignore[reportArgumentType]
            }
            for kind, percent in TOLD
        ],
        tags=all_tags,
        opts=owner.options(),
    )


def declare_action_role(
    owner: Component, callers: Any, denials: Sequence[pulumi.Output[str]], tags: dict[str, str]
) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    """The role in which the budgets' actions attach the denials."""
    account = denials[0].apply(account_of)
    role = aws.iam.Role(
        owner.child("budgets-role", limit=64),
        assume_role_policy=account.apply(lambda known: trust_policy(service_principal("budgets"), known)),
        tags=tags,
        opts=owner.options(),
    )
    permissions = aws.iam.RolePolicy(
        owner.child("budgets-permissions", limit=128),
        role=role.name,
        policy=pulumi.Output.all(callers, pulumi.Output.all(*denials)).apply(lambda known: budget_policy(*known)),
        opts=owner.options(),
    )
    return role, permissions


def declare_action(
    owner: Component,
    suffix: str,
    budget: aws.budgets.Budget,
    denial: pulumi.Output[str],
    roles: pulumi.Output[list[str]],
    executed_by: tuple[aws.iam.Role, aws.iam.RolePolicy],
    told: Mapping[str, Any],
    tags: dict[str, str],
) -> aws.budgets.BudgetAction:
    """The action that denies the callers once the whole budget is spent."""
    addresses = [("EMAIL", each) for each in told["emails"]]
    addresses += [("SNS", told["topic"])] if told["topic"] is not None else []
    role, permissions = executed_by
    return aws.budgets.BudgetAction(
        owner.child(suffix),
        budget_name=budget.name,
        action_type="APPLY_IAM_POLICY",
        approval_model="AUTOMATIC",
        notification_type="ACTUAL",
        action_threshold={"action_threshold_type": "PERCENTAGE", "action_threshold_value": 100},
        definition={"iam_action_definition": {"policy_arn": denial, "roles": roles}},
        execution_role_arn=role.arn,
        subscribers=[{"subscription_type": kind, "address": address} for kind, address in addresses],
        tags=tags,
        opts=owner.options(depends_on=[permissions]),
    )
