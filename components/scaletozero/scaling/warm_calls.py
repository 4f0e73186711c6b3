"""Keeps a serverless endpoint warm by calling it, where provisioned concurrency would cost more than it is worth."""

import json
from importlib import resources
from typing import Annotated

import pulumi
import pulumi_aws as aws
from pydantic import Field

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import Settings, Text, may_be_later
from scaletozero.args.warm_calls import WarmCallsArgs
from scaletozero.component import Component, validated
from scaletozero.partitions import service_principal
from scaletozero.scaling.call_schedules import calls
from scaletozero.scaling.cost import FUNCTION_MB
from scaletozero.scaling.timeline import early_conflicts, lead_minutes
from scaletozero.settings.common import Tags
from scaletozero.settings.pools import ColdStartSeconds
from scaletozero.settings.regions import Region
from scaletozero.settings.scaling import MAX_CONCURRENCY
from scaletozero.settings.schedules import Window, window_findings

RUNTIME = "python3.13"
TIMEOUT_SECONDS = 300


class WarmCallsSettings(Settings):
    """`WarmCallsArgs`."""

    endpoint_name: Annotated[Text, may_be_later]
    endpoint_arn: Annotated[Text, may_be_later]
    region: Region
    sample_input: Text
    schedule: Annotated[tuple[Window, ...], Field(min_length=1)]
    cold_start_seconds: ColdStartSeconds
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> list[Finding]:
        return window_findings(self.schedule, floor=0, ceiling=MAX_CONCURRENCY)


class WarmCalls(Component):
    """A function that asks an endpoint real questions while a window is open, and the schedules that call it.

    Nothing is retried: a call that failed has warmed nothing, and the next one comes in five minutes. What failed lies
    in a queue for two weeks. The service promises no container for it: where a cold call must not be, use provisioned
    concurrency.

    Its main children are the attributes `function`, `role` (the function's), `queue`, `log_group` and `schedule_group`.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    type_name = "scaletozero:index:WarmCalls"

    failures: pulumi.Output[str]
    """The URL of the queue that what failed lies in."""

    def __init__(self, name: str, args: WarmCallsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(WarmCallsSettings, args, name=name, inputs=["endpoint_name", "endpoint_arn"])
        lead = lead_minutes(settings.cold_start_seconds)
        if conflicts := list(early_conflicts(settings.schedule, lead, f"{name}.schedule")):
            raise FindingsError(conflicts)
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        region = settings.region

        failures = aws.sqs.Queue(
            self.child("failures", limit=80),
            region=region,
            message_retention_seconds=14 * 24 * 3600,
            sqs_managed_sse_enabled=True,
            tags=self._tags,
            opts=self.options(),
        )
        logs = aws.cloudwatch.LogGroup(
            self.child("logs"), region=region, retention_in_days=14, tags=self._tags, opts=self.options()
        )
        role = self._role("function", service_principal("lambda"))
        permissions = aws.iam.RolePolicy(
            self.child("function-permissions", limit=128),
            role=role.name,
            policy=pulumi.Output.all(inputs["endpoint_arn"], logs.arn, failures.arn).apply(
                lambda known: function_policy(*known)
            ),
            opts=self.options(),
        )
        function = aws.lambda_.Function(
            self.child("function", limit=64),
            region=region,
            description="Keeps a serverless endpoint warm by asking it real questions",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler="call_function.handler",
            code=pulumi.AssetArchive({"call_function.py": pulumi.StringAsset(_code())}),
            role=role.arn,
            memory_size=FUNCTION_MB,
            timeout=TIMEOUT_SECONDS,
            environment={
                "variables": {"ENDPOINT_NAME": inputs["endpoint_name"], "SAMPLE_INPUT": settings.sample_input}
            },
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tags=self._tags,
            opts=self.options(depends_on=[permissions]),
        )
        # The scheduler only hands the event over; it is Lambda that would try twice more.
        aws.lambda_.FunctionEventInvokeConfig(
            self.child("no-retries"),
            region=region,
            function_name=function.name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=60,
            destination_config={"on_failure": {"destination": failures.arn}},
            opts=self.options(),
        )
        caller = self._role("scheduler", service_principal("scheduler"))
        calling = aws.iam.RolePolicy(
            self.child("scheduler-permissions", limit=128),
            role=caller.name,
            policy=pulumi.Output.all(function.arn, failures.arn).apply(lambda known: scheduler_policy(*known)),
            opts=self.options(),
        )
        group = aws.scheduler.ScheduleGroup(self.child(limit=64), region=region, tags=self._tags, opts=self.options())
        for each in calls(settings.schedule, lead=lead):
            aws.scheduler.Schedule(
                self.child(each.label, limit=64),
                region=region,
                group_name=group.name,
                description=f"{each.count} calls at a time",
                schedule_expression=each.expression,
                schedule_expression_timezone=each.timezone,
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": function.arn,
                    "role_arn": caller.arn,
                    "input": json.dumps({"calls": each.count}),
                    "retry_policy": {"maximum_retry_attempts": 0, "maximum_event_age_in_seconds": 60},
                    "dead_letter_config": {"arn": failures.arn},
                },
                opts=self.options(depends_on=[calling]),
            )

        self.failures = failures.url
        # Not annotated in the class: the plugin takes every annotation of a component for an output.
        self.function = function
        self.role = role
        self.queue = failures
        self.log_group = logs
        self.schedule_group = group
        self.register_outputs({"failures": self.failures})

    def _role(self, suffix: str, service: str) -> aws.iam.Role:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        return aws.iam.Role(
            self.child(f"{suffix}-role", limit=64),
            assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            tags=self._tags,
            opts=self.options(),
        )


def _code() -> str:
    return resources.files("scaletozero.scaling").joinpath("call_function.py").read_text(encoding="utf-8")


def function_policy(endpoint_arn: str, log_group_arn: str, queue_arn: str) -> str:
    """What the function may do: ask this endpoint, write these logs, put what failed into this queue."""
    return _policy(
        ("AskEndpoint", "sagemaker:InvokeEndpoint", endpoint_arn),
        ("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        ("KeepFailures", "sqs:SendMessage", queue_arn),
    )


def scheduler_policy(function_arn: str, queue_arn: str) -> str:
    """What the schedules may do: call this function, put what could not be delivered into this queue."""
    return _policy(
        ("CallFunction", "lambda:InvokeFunction", function_arn),
        ("KeepFailures", "sqs:SendMessage", queue_arn),
    )


def _policy(*allowed: tuple[str, str | list[str], str]) -> str:
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource} for sid, action, resource in allowed
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
