"""Closes endpoints before a month of them costs more than their caps."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.args.spending_guard import SpendingGuardArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.guard_alarm import declare_spent_alarm
from scaletozero.endpoints.guard_anomalies import declare_anomalies
from scaletozero.endpoints.guard_budgets import declare_action, declare_action_role, declare_budget
from scaletozero.endpoints.guard_gauge import declare_gauge, declare_month_alarm
from scaletozero.endpoints.guard_plan import Closing, closings
from scaletozero.endpoints.guard_policies import alarm_changes, closing_policy, denial
from scaletozero.endpoints.guarded_gateway import declare_gateway_alarm, gateway_closing
from scaletozero.partitions import has_budgets, service_principal
from scaletozero.policies import lambda_trust
from scaletozero.scaling.warm_calls import RUNTIME
from scaletozero.settings.guard import Over
from scaletozero.settings.guarded_gateway import NAME
from scaletozero.settings.spending_guard import GuardedEndpoint, SpendingGuardSettings
from scaletozero.spending.guard import GAUGE_SECONDS, REPAIR_SECONDS
from scaletozero.spending.money import number
from scaletozero.spending.prices import prices

TIMEOUT_SECONDS = 60
MEMORY_MB = 256

SILENT_SECONDS = 3 * REPAIR_SECONDS
"""Time without a run of the function after which people are told."""


class SpendingGuard(Component):
    """Alarms on what endpoints have spent, and a function that closes an endpoint above its part of the cap.

    An alarm sums what an endpoint's work costs over a sliding window, from its metrics and the price table, never below
    the bill. With `over` as `month` or `both`, a function also measures every five minutes what the calendar month has
    cost, and an alarm compares it with the cap. Above the window's part of the cap, or above the cap, the roles in
    `callers` are denied to invoke the endpoint, scaling is suspended, and it shrinks to no instance or one container.
    Every five minutes the function closes what is in alarm and was not closed. It opens nothing: `scaletozero reopen`
    does. The closed state is not in the program, so that an update leaves an endpoint closed. Budgets of AWS tell
    people, and deny the callers too, hours later.

    A `gateway` above its window's part of the cap is left no requests at a time, by the reserved concurrency of its
    function.

    Its children are attributes: `alarms` (on windows), `month_alarms`, `gateway_alarm`, `denials` and `budgets` by the
    endpoints' names, `budget` (of the whole), `anomaly_monitor`, `anomaly_subscriptions`, `function`, `gauge` (the
    function that measures), `role`, `queue`, `log_group`, `changes`, `clock` and `gauge_clock` (the rules that call the
    functions), and `watches` (the alarms on the functions).

    Raises:
        FindingsError: an argument is invalid, a price is missing, or a cap leaves nothing for requests. Nothing is
            declared.
    """

    type_name = "scaletozero:index:SpendingGuard"

    function_name: pulumi.Output[str]
    """The name of the function that closes endpoints."""
    failures: pulumi.Output[str]
    """The URL of the dead-letter queue with events for which the function failed three times."""
    seconds_to_close: pulumi.Output[dict[str, float]]
    """Endpoint -> the longest time from the spending to the stop, in seconds."""
    overshoot_usd: pulumi.Output[dict[str, float]]
    """Endpoint -> the most that it can spend beyond its cap until it is closed, in USD, with requests of one second."""

    def __init__(self, name: str, args: SpendingGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        wiring = ["endpoints", "gateway", "callers", "topic_arn", "kms_key_arn"]
        settings, inputs = validated(SpendingGuardSettings, args, name=name, inputs=wiring)
        plan = closings(settings, prices(), name)
        door = settings.gateway and gateway_closing(
            settings.gateway, settings.region, settings.window_hours, prices(), f"{name}.gateway.cap_usd_per_month"
        )
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        region = settings.region
        callers = pulumi.Output.from_input(inputs["callers"] or [])
        roles = callers.apply(lambda known: [each.rpartition("/")[2] for each in known])
        topic = inputs["topic_arn"] if settings.topic_arn is not None else None
        given = args.get("endpoints") or []
        gateway = pulumi.Output.from_input(args["gateway"]["function_name"]) if "gateway" in args and door else None
        names = {each.name: pulumi.Output.from_input(one["endpoint_name"]) for each, one in _pairs(settings, given)}
        arns = {each.name: pulumi.Output.from_input(one["endpoint_arn"]) for each, one in _pairs(settings, given)}

        windows, months = settings.over is not Over.MONTH, settings.over is not Over.WINDOW
        self.alarms = {
            each.endpoint.name: self._alarm(each, names[each.endpoint.name], settings.window_hours, topic)
            for each in (plan if windows else ())
        }
        told = {"alarm_actions": [topic] if topic is not None else [], "tags": self._tags}
        self.month_alarms = {
            each.endpoint.name: declare_month_alarm(self, region, each, names[each.endpoint.name], told)
            for each in (plan if months else ())
        }
        self.gateway_alarm = None
        if door is not None and gateway is not None:
            self.gateway_alarm = declare_gateway_alarm(
                self, region, door, gateway, settings.window_hours, told["alarm_actions"], self._tags
            )
        self.denials = {
            each: aws.iam.Policy(
                self.child(f"{each}-closed", limit=128),
                description=f"Denies to invoke {each}; attached while it is closed",
                policy=arns[each].apply(denial),
                tags=self._tags,
                opts=self.options(),
            )
            for each in (arns if settings.callers else ())
        }
        self._function(settings, inputs, plan, names, arns, callers, roles, gateway)
        self.watches = self._watches(self.function, ("failed", "silent"), "closes endpoints at their caps", topic)
        alarms = [*self.alarms.values(), *self.month_alarms.values()]
        alarms += [self.gateway_alarm] if self.gateway_alarm else []
        self.changes = self._rule(
            "changes",
            self.function,
            event_pattern=pulumi.Output.all(*(each.arn for each in alarms)).apply(alarm_changes),
            description="A spending alarm goes into alarm",
        )
        self.gauge = self.gauge_clock = None
        if months and plan:
            self.gauge = declare_gauge(self, region, plan, names, self.log_group, self._tags)
            self.gauge_clock = self._rule(
                "gauge-clock",
                self.gauge,
                schedule_expression=f"rate({GAUGE_SECONDS // 60} minutes)",
                description="Measures what the month has cost",
            )
            what = "measures what endpoints have cost"
            self.watches |= self._watches(self.gauge, ("gauge-failed", "gauge-silent"), what, topic)
        self.clock = self._rule(
            "clock",
            self.function,
            schedule_expression=f"rate({REPAIR_SECONDS // 60} minutes)",
            description="Closes what is in alarm and was not closed",
        )
        self.budgets: dict[str, aws.budgets.Budget] = {}
        self.budget = None
        if settings.budgets and has_budgets(region):
            self._budgets(settings, callers, roles, topic)
        elif settings.budgets:
            pulumi.info(
                f"AWS Budgets are not offered in the partition of {region}: the alarms hold the caps alone", self
            )

        self.anomaly_monitor: aws.costexplorer.AnomalyMonitor | None = None
        self.anomaly_subscriptions: dict[str, aws.costexplorer.AnomalySubscription] = {}
        if settings.anomalies_above_usd is not None and has_budgets(region):
            told = {"emails": list(settings.emails), "topic": topic}
            above, stack = settings.anomalies_above_usd, self._own_tags["stack"]
            found = declare_anomalies(self, above, stack, told, self._tags)
            self.anomaly_monitor, self.anomaly_subscriptions = found
        elif settings.anomalies_above_usd is not None:
            pulumi.info(f"AWS Cost Anomaly Detection is not offered in the partition of {region}", self)

        self.function_name = self.function.name
        self.failures = self.queue.url
        seconds = {each.endpoint.name: float(each.guard.seconds) for each in plan}
        overshoot = {each.endpoint.name: number(each.overshoot) for each in plan}
        if door is not None:
            seconds[NAME], overshoot[NAME] = float(door.seconds), number(door.overshoot)
        self.seconds_to_close = pulumi.Output.from_input(seconds)
        self.overshoot_usd = pulumi.Output.from_input(overshoot)  # pyright: ignore[reportAttributeAccessIssue]
        self.register_outputs(
            {
                "function_name": self.function_name,
                "failures": self.failures,
                "seconds_to_close": self.seconds_to_close,
                "overshoot_usd": self.overshoot_usd,
            }
        )

    def _alarm(
        self, closing: Closing, endpoint: pulumi.Output[str], hours: int, topic: pulumi.Input[str] | None
    ) -> aws.cloudwatch.MetricAlarm:
        variant = {"VariantName": closing.endpoint.variant}
        return declare_spent_alarm(
            self,
            self._region,
            closing.endpoint.name,
            closing.spent,
            lambda measure: {"EndpointName": endpoint, **(variant if measure.by_variant else {})},
            hours=hours,
            threshold=float(closing.allowance),
            description=closing.description(hours),
            actions=[topic] if topic is not None else [],
            tags=self._tags,
        )

    def _function(
        self,
        settings: SpendingGuardSettings,
        inputs: Mapping[str, Any],
        plan: Sequence[Closing],
        names: Mapping[str, pulumi.Output[str]],
        arns: Mapping[str, pulumi.Output[str]],
        callers: pulumi.Output[list[str]],
        roles: pulumi.Output[list[str]],
        gateway: pulumi.Output[str] | None,
    ) -> None:
        region = settings.region
        self.queue = aws.sqs.Queue(
            self.child("failures", limit=80),
            region=region,
            message_retention_seconds=14 * 24 * 3600,
            sqs_managed_sse_enabled=True,
            tags=self._tags,
            opts=self.options(),
        )
        self.log_group = aws.cloudwatch.LogGroup(
            self.child("logs"),
            region=region,
            retention_in_days=settings.log_retention_days,
            kms_key_id=inputs["kms_key_arn"] if settings.kms_key_arn is not None else None,
            tags=self._tags,
            opts=self.options(),
        )
        self.role = aws.iam.Role(
            self.child("function-role", limit=64),
            assume_role_policy=self.log_group.arn.apply(lambda_trust),
            tags=self._tags,
            opts=self.options(),
        )
        denials = pulumi.Output.all(*(each.arn for each in self.denials.values()))
        permissions = aws.iam.RolePolicy(
            self.child("function-permissions", limit=128),
            role=self.role.name,
            policy=pulumi.Output.all(
                self.log_group.arn, self.queue.arn, pulumi.Output.all(*arns.values()), callers, denials, gateway
            ).apply(lambda known: closing_policy(region, *known)),
            opts=self.options(),
        )
        guarded = {
            self.physical_name(each.endpoint.name, limit=64): {
                "endpoint": names[each.endpoint.name],
                "variant": each.endpoint.variant,
                **({"policy": self.denials[each.endpoint.name].arn} if self.denials else {}),
            }
            for each in plan
        }
        gateways = {self.physical_name(NAME, limit=64): gateway} if gateway is not None else {}
        self.function = aws.lambda_.Function(
            self.child("function", limit=64),
            region=region,
            description="Closes endpoints whose spending alarm is in alarm",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler="close_function.handler",
            code=pulumi.AssetArchive({"close_function.py": pulumi.StringAsset(_code())}),
            role=self.role.arn,
            memory_size=MEMORY_MB,
            timeout=TIMEOUT_SECONDS,
            environment={
                "variables": {
                    "ENDPOINTS": pulumi.Output.json_dumps(guarded),
                    "ROLES": pulumi.Output.json_dumps(roles),
                    **({"GATEWAYS": pulumi.Output.json_dumps(gateways)} if gateways else {}),
                }
            },
            dead_letter_config={"target_arn": self.queue.arn},
            logging_config={"log_format": "JSON", "log_group": self.log_group.name},
            tags=self._tags,
            opts=self.options(depends_on=[permissions]),
        )

    def _rule(self, suffix: str, called: aws.lambda_.Function, **settings: Any) -> aws.cloudwatch.EventRule:
        rule = aws.cloudwatch.EventRule(
            self.child(suffix, limit=64), region=self._region, tags=self._tags, opts=self.options(), **settings
        )
        allowed = aws.lambda_.Permission(
            self.child(f"{suffix}-permission", limit=100),
            region=self._region,
            action="lambda:InvokeFunction",
            function=called.name,
            principal=service_principal("events"),
            statement_id=suffix,
            source_arn=rule.arn,
            opts=self.options(),
        )
        aws.cloudwatch.EventTarget(
            self.child(f"{suffix}-target", limit=64),
            region=self._region,
            rule=rule.name,
            target_id="close",
            arn=called.arn,
            opts=self.options(depends_on=[allowed]),
        )
        return rule

    def _watches(
        self, watched: aws.lambda_.Function, names: tuple[str, str], what: str, topic: pulumi.Input[str] | None
    ) -> dict[str, aws.cloudwatch.MetricAlarm]:
        """Alarms on a function: it failed, or it has not run."""
        failed, silent = names
        common: dict[str, Any] = {
            "region": self._region,
            "namespace": "AWS/Lambda",
            "dimensions": {"FunctionName": watched.name},
            "statistic": "Sum",
            "evaluation_periods": 1,
            "alarm_actions": [topic] if topic is not None else [],
            "tags": self._tags,
        }
        return {
            failed: aws.cloudwatch.MetricAlarm(
                self.child(failed, limit=255),
                alarm_description=f"The function that {what} has failed; its logs say why.",
                metric_name="Errors",
                period=REPAIR_SECONDS,
                comparison_operator="GreaterThanThreshold",
                threshold=0,
                treat_missing_data="notBreaching",
                opts=self.options(),
                **common,
            ),
            silent: aws.cloudwatch.MetricAlarm(
                self.child(silent, limit=255),
                alarm_description=f"The function that {what} has not run for 15 minutes.",
                metric_name="Invocations",
                period=SILENT_SECONDS,
                comparison_operator="LessThanThreshold",
                threshold=1,
                treat_missing_data="breaching",
                opts=self.options(),
                **common,
            ),
        }

    def _budgets(
        self,
        settings: SpendingGuardSettings,
        callers: pulumi.Output[list[str]],
        roles: pulumi.Output[list[str]],
        topic: pulumi.Input[str] | None,
    ) -> None:
        told = {"emails": list(settings.emails), "topic": topic}
        stack = {"stack": self._own_tags["stack"]}
        executed_by = None
        if self.denials:
            arns = [each.arn for each in self.denials.values()]
            executed_by = declare_action_role(self, callers, arns, self._tags)
        for each in settings.endpoints:
            tags = {**stack, "endpoint": each.name}
            budget = declare_budget(self, f"{each.name}-budget", each.cap_usd_per_month, tags, told, self._tags)
            self.budgets[each.name] = budget
            if executed_by is not None:
                policy, suffix = self.denials[each.name].arn, f"{each.name}-budget-action"
                declare_action(self, suffix, budget, policy, roles, executed_by, told, self._tags)
        if settings.cap_usd_per_month is not None:
            self.budget = declare_budget(self, "budget", settings.cap_usd_per_month, stack, told, self._tags)


def _pairs(
    settings: SpendingGuardSettings, given: Sequence[Mapping[str, Any]]
) -> list[tuple[GuardedEndpoint, Mapping[str, Any]]]:
    """Each endpoint's settings with its arguments, whose outputs the settings do not hold."""
    return list(zip(settings.endpoints, given, strict=True))


def _code() -> str:
    return resources.files("scaletozero.endpoints").joinpath("close_function.py").read_text(encoding="utf-8")
