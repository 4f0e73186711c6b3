"""Keeps a serverless endpoint warm by calls, if provisioned concurrency would be too expensive."""

import json
from collections.abc import Iterable
from importlib import resources
from typing import Annotated

import pulumi
import pulumi_aws as aws
from pydantic import AfterValidator, Field

from model_packaging.findings import Finding, FindingsError
from model_packaging.serving.limits import MAX_CONCURRENCY, REQUEST_BYTES
from model_packaging.validation import Later, Settings, Text, reject
from scaletozero.args.warm_calls import WarmCallsArgs
from scaletozero.component import Component, validated
from scaletozero.partitions import arn_prefix, service_principal
from scaletozero.policies import account_of, trust_policy
from scaletozero.scaling.call_schedules import calls
from scaletozero.scaling.cost import FUNCTION_MB
from scaletozero.scaling.timeline import early_conflicts, lead_minutes
from scaletozero.settings.common import (
    ENDPOINT_ARN,
    EndpointArn,
    EndpointName,
    KmsKeyArn,
    LogRetentionDays,
    Tags,
    key_conflicts,
)
from scaletozero.settings.pools import ColdStartSeconds
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.schedules import Window, window_findings

RUNTIME = "python3.13"
TIMEOUT_SECONDS = 300

RESERVED = 2
"""Concurrency of the function: the calls of five minutes ago may still be waiting for cold containers."""


def _sample(value: str) -> str:
    if (size := len(value.encode())) > REQUEST_BYTES:
        reject(
            f"must have at most {REQUEST_BYTES} bytes, as every request, and has {size}",
            "SageMaker Serverless would refuse every call, and nothing would be warm",
            "give a smaller request",
        )
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        reject("must be JSON", "the model would refuse every call", 'write a request such as `{"inputs": ["hello"]}`')
    return value


class WarmCallsSettings(Settings):
    """`WarmCallsArgs`."""

    endpoint_name: EndpointName
    endpoint_arn: EndpointArn
    region: Region
    residency: tuple[Region, ...] = ()
    sample_input: Annotated[Text, AfterValidator(_sample)]
    schedule: Annotated[tuple[Window, ...], Field(min_length=1)]
    cold_start_seconds: ColdStartSeconds
    kms_key_arn: KmsKeyArn | None = None
    log_retention_days: LogRetentionDays = 14
    reserve_concurrency: bool = True
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from window_findings(self.schedule, floor=0, ceiling=MAX_CONCURRENCY)
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from within(self.residency, self.region, "region")
        match = None if isinstance(self.endpoint_arn, Later) else ENDPOINT_ARN.fullmatch(self.endpoint_arn)
        if match is None:
            return
        begins, name = arn_prefix("sagemaker", self.region), self.endpoint_name
        why = "the function would not be allowed to call the endpoint"
        if not match[0].startswith(begins):
            fix = f"write the ARN that begins with `{begins}`"
            yield Finding("endpoint_arn", f"must have the endpoint's region, {self.region}", match[0], why, fix)
        if not isinstance(name, Later) and match["name"] != name:
            fix = f"write the ARN that ends in `{name}`"
            yield Finding("endpoint_arn", f"must have the endpoint's name, {name}", match[0], why, fix)


class WarmCalls(Component):
    """A function that sends real requests to an endpoint while a window is open, and the schedules that start it.

    Failed calls are not retried, because the next calls follow in five minutes. They are
    kept in a dead-letter queue for two weeks. The service does not guarantee warm containers: if a cold call is not
    acceptable,
    use provisioned concurrency.

    Its main children are the attributes `function`, `role` (the function's), `queue`, `log_group` and `schedule_group`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:WarmCalls"

    failures: pulumi.Output[str]
    """The URL of the dead-letter queue with failed calls."""

    def __init__(self, name: str, args: WarmCallsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(
            WarmCallsSettings, args, name=name, inputs=["endpoint_name", "endpoint_arn", "kms_key_arn"]
        )
        lead = lead_minutes(settings.cold_start_seconds)
        if conflicts := list(early_conflicts(settings.schedule, lead, f"{name}.schedule")):
            raise FindingsError(conflicts)
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        region = settings.region
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None

        failures = aws.sqs.Queue(
            self.child("failures", limit=80),
            region=region,
            message_retention_seconds=14 * 24 * 3600,
            sqs_managed_sse_enabled=True,
            tags=self._tags,
            opts=self.options(),
        )
        logs = aws.cloudwatch.LogGroup(
            self.child("logs"),
            region=region,
            retention_in_days=settings.log_retention_days,
            kms_key_id=key,
            tags=self._tags,
            opts=self.options(),
        )
        account = logs.arn.apply(account_of)
        role = self._role("function", service_principal("lambda"), account)
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
            description="Keeps a serverless endpoint warm by real requests",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler="call_function.handler",
            # The request is a file, because a function's environment variables are limited to 4 KB.
            code=pulumi.AssetArchive(
                {
                    "call_function.py": pulumi.StringAsset(_code()),
                    "sample_input": pulumi.StringAsset(settings.sample_input),
                }
            ),
            role=role.arn,
            memory_size=FUNCTION_MB,
            timeout=TIMEOUT_SECONDS,
            environment={"variables": {"ENDPOINT_NAME": inputs["endpoint_name"]}},
            reserved_concurrent_executions=RESERVED if settings.reserve_concurrency else None,
            dead_letter_config={"target_arn": failures.arn},
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tags=self._tags,
            opts=self.options(depends_on=[permissions]),
        )
        # The scheduler only delivers the event; Lambda would retry it twice.
        aws.lambda_.FunctionEventInvokeConfig(
            self.child("no-retries"),
            region=region,
            function_name=function.name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=60,
            opts=self.options(),
        )
        group = aws.scheduler.ScheduleGroup(self.child(limit=64), region=region, tags=self._tags, opts=self.options())
        caller = self._role("scheduler", service_principal("scheduler"), account, group.arn)
        calling = aws.iam.RolePolicy(
            self.child("scheduler-permissions", limit=128),
            role=caller.name,
            policy=pulumi.Output.all(function.arn, failures.arn, key).apply(lambda known: scheduler_policy(*known)),
            opts=self.options(),
        )
        for each in calls(settings.schedule, lead=lead):
            aws.scheduler.Schedule(
                self.child(each.label, limit=64),
                region=region,
                group_name=group.name,
                description=f"{each.count} calls at a time",
                schedule_expression=each.expression,
                schedule_expression_timezone=each.timezone,
                flexible_time_window={"mode": "OFF"},
                kms_key_arn=key,
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
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.function = function
        self.role = role
        self.queue = failures
        self.log_group = logs
        self.schedule_group = group
        self.register_outputs({"failures": self.failures})

    def _role(
        self, suffix: str, service: str, account: pulumi.Output[str], source: pulumi.Input[str] = ""
    ) -> aws.iam.Role:
        return aws.iam.Role(
            self.child(f"{suffix}-role", limit=64),
            assume_role_policy=pulumi.Output.all(account, source).apply(lambda known: trust_policy(service, *known)),
            tags=self._tags,
            opts=self.options(),
        )


def _code() -> str:
    return resources.files("scaletozero.scaling").joinpath("call_function.py").read_text(encoding="utf-8")


def function_policy(endpoint_arn: str, log_group_arn: str, queue_arn: str) -> str:
    """The function's permissions: call this endpoint, write these logs, send failed events to this queue."""
    return _policy(
        ("AskEndpoint", "sagemaker:InvokeEndpoint", endpoint_arn),
        ("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        ("KeepFailures", "sqs:SendMessage", queue_arn),
    )


def scheduler_policy(function_arn: str, queue_arn: str, kms_key_arn: str | None = None) -> str:
    """The schedules' permissions: start this function, send undelivered events to this queue, decrypt themselves."""
    return _policy(
        ("CallFunction", "lambda:InvokeFunction", function_arn),
        ("KeepFailures", "sqs:SendMessage", queue_arn),
        *([("DecryptSchedules", "kms:Decrypt", kms_key_arn)] if kms_key_arn else []),
    )


def _policy(*allowed: tuple[str, str | list[str], str]) -> str:
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource} for sid, action, resource in allowed
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
