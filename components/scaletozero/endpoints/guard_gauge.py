"""The gauge of a spending guard: what the month has cost, measured every five minutes, with an alarm at the cap."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.component import Component
from scaletozero.endpoints.close_function import MONTH
from scaletozero.endpoints.gauge_function import METRIC, NAMESPACE
from scaletozero.endpoints.guard_plan import Closing
from scaletozero.endpoints.guard_policies import measuring_policy
from scaletozero.policies import lambda_trust
from scaletozero.scaling.warm_calls import RUNTIME
from scaletozero.spending.guard import GAUGE_SECONDS, GAUGE_TIMEOUT_SECONDS

MEMORY_MB = 256


def declare_gauge(
    owner: Component,
    region: str,
    plan: Sequence[Closing],
    names: Mapping[str, pulumi.Output[str]],
    log_group: aws.cloudwatch.LogGroup,
    tags: dict[str, str],
) -> aws.lambda_.Function:
    """The function that writes what the month has cost.

    Args:
        owner: the component.
        region: its region.
        plan: what is measured of each endpoint.
        names: the endpoints' names at the service.
        log_group: where the function's logs are.
        tags: tags of what is declared.
    """
    role = aws.iam.Role(
        owner.child("gauge-role", limit=64),
        assume_role_policy=log_group.arn.apply(lambda_trust),
        tags=tags,
        opts=owner.options(),
    )
    permissions = aws.iam.RolePolicy(
        owner.child("gauge-permissions", limit=128),
        role=role.name,
        policy=log_group.arn.apply(lambda known: measuring_policy(region, known, NAMESPACE)),
        opts=owner.options(),
    )
    measured = [
        {
            "endpoint": names[each.endpoint.name],
            "variant": each.endpoint.variant,
            "usd": each.spent.expression,
        }
        for each in plan
    ]
    # The names in expressions mean the same in all of them, so that each measure is there once.
    measures = {key: measure for each in plan for key, measure in each.spent.measures.items()}
    written = {
        key: [each.namespace, each.metric, each.statistic, int(each.by_variant)] for key, each in measures.items()
    }
    return aws.lambda_.Function(
        owner.child("gauge", limit=64),
        region=region,
        description="Measures what endpoints have cost since the first of the month",
        runtime=RUNTIME,
        architectures=["arm64"],
        handler="gauge_function.handler",
        code=pulumi.AssetArchive({"gauge_function.py": pulumi.StringAsset(_code())}),
        role=role.arn,
        memory_size=MEMORY_MB,
        timeout=GAUGE_TIMEOUT_SECONDS,
        environment={
            "variables": {
                "MEASURED": pulumi.Output.json_dumps(measured),
                "MEASURES": pulumi.Output.json_dumps(written),
            }
        },
        logging_config={"log_format": "JSON", "log_group": log_group.name},
        tags=tags,
        opts=owner.options(depends_on=[permissions]),
    )


def declare_month_alarm(
    owner: Component, region: str, closing: Closing, endpoint: pulumi.Output[str], more: Mapping[str, Any]
) -> aws.cloudwatch.MetricAlarm:
    """The alarm on the gauge of one endpoint.

    Args:
        owner: the component.
        region: its region.
        closing: when the endpoint is closed.
        endpoint: its name at the service.
        more: other arguments of the alarm: its actions and tags.
    """
    name = closing.endpoint.name
    return aws.cloudwatch.MetricAlarm(
        owner.child(f"{name}-month", limit=255),
        region=region,
        # The function that closes knows it by this name.
        name=f"{owner.physical_name(name, limit=64)}{MONTH}",
        alarm_description=closing.month_description(),
        namespace=NAMESPACE,
        metric_name=METRIC,
        dimensions={"EndpointName": endpoint, "VariantName": closing.endpoint.variant},
        statistic="Maximum",  # a value that is written twice counts once
        period=GAUGE_SECONDS,
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=float(closing.month_allowance),
        # Where the gauge is missing, what it last said stands.
        treat_missing_data="ignore",
        opts=owner.options(),
        **more,
    )


def _code() -> str:
    return resources.files("scaletozero.endpoints").joinpath("gauge_function.py").read_text(encoding="utf-8")
