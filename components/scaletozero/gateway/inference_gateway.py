"""Declares a gateway on an account: one door to endpoints and models behind an API, which costs nothing while idle."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError
from scaletozero.args.inference_gateway import InferenceGatewayArgs
from scaletozero.component import Component, shown_as_it_is, validated
from scaletozero.gateway.api_door import IGNORES_STAGE, ApiDoor, declare_api
from scaletozero.gateway.contents import FILE, PORT, Contents
from scaletozero.gateway.costs import timeout_seconds
from scaletozero.gateway.package import HANDLER, Package, build_package, packages_folder, read_package
from scaletozero.gateway.role_policy import gateway_policy
from scaletozero.gateway.tables import TTL
from scaletozero.gateway.targets import Served, priced_rows, unpriced
from scaletozero.observability.alarms import alarm_inputs
from scaletozero.observability.gateway import API_NAMESPACE, BY_DOOR, NAMESPACE, gateway_alarms
from scaletozero.observability.plan import Alarm
from scaletozero.policies import lambda_trust
from scaletozero.residency.egress import egress_findings, profile_findings
from scaletozero.settings.gateway_api import MOST_SECONDS, GatewayApi
from scaletozero.settings.gateway_function import adapter_layer, no_adapter
from scaletozero.settings.inference_gateway import GatewayEndpoint, InferenceGatewaySettings
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import exact
from scaletozero.spending.prices import PriceTable, prices
from scaletozero.spending.token_rates import TokenTariff

LAYER_FILE = "gateway.json"

LISTENS = "8080"

ADAPTER = {
    "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
    "AWS_LWA_INVOKE_MODE": "response_stream",
    "AWS_LWA_READINESS_CHECK_PATH": "/healthz",
    "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200",
    PORT: LISTENS,
}
"""The settings of the Lambda Web Adapter (its guide, environment variables). Its default takes a 404 for ready."""


class InferenceGateway(Component):
    """One door to endpoints and to models behind an API, as a Lambda function behind a URL, or an API, that streams.

    Every request has a customer, a price and a cap: it holds what it may cost at most on a ledger in DynamoDB before
    anything is sent, and is settled with what it did cost. Its role may invoke the endpoints and read the providers'
    keys; give no other role `sagemaker:InvokeEndpoint`, so that nothing goes past the caps. Its reserved concurrency is
    the switch that closes it: 0 refuses every request.

    Its children are attributes: `function`, `url_resource` (None behind an API), `settings_layer`, `role`, `log_group`,
    `ledger`, `answers` (None without a cache) and `alarms`.

    Raises:
        FindingsError: an argument is invalid, a price is missing, or the code cannot be made here. Nothing is declared.
    """

    type_name = "scaletozero:index:InferenceGateway"

    url: pulumi.Output[str]
    """The address of the gateway, without a slash at its end: OpenAI's clients take it with `/v1`."""
    function_name: pulumi.Output[str]
    """The name of the function."""
    role_arn: pulumi.Output[str]
    """The ARN of its role, which a spending guard takes as one of its `callers`."""
    ledger_table: pulumi.Output[str]
    """The name of the ledger's table."""
    domain_target: pulumi.Output[str]
    """The name that the record of DNS of the API's `domain` has to point to; empty without a domain."""

    def __init__(self, name: str, args: InferenceGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(
            InferenceGatewaySettings, args, name=name, inputs=["endpoints", "topic_arn", "kms_key_arn", "api"]
        )
        outside = [
            *egress_findings(dict(settings.hosts()), settings.residency, settings.approved_hosts),
            *profile_findings(
                {f"{path}.model": each.model for path, each in settings.bedrocks()}, settings.region, settings.residency
            ),
        ]
        if outside:
            raise FindingsError([replace(each, path=f"{name}.{each.path}") for each in outside])
        package = _package(settings)
        adapter = settings.adapter_layer_arn or adapter_layer(settings.region, package.architecture)
        if adapter is None:
            raise FindingsError([no_adapter(settings.region, package.architecture)])
        table = prices()
        tariffs = _required_prices(settings, table)
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        region, wanted = settings.region, inputs["endpoints"] or {}
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None
        endpoints = pulumi.Output.from_input(wanted)

        self.ledger = self._table("ledger", key, ("pk", "sk"))
        keeps = any(model.cache is not None for model in settings.models.values())
        self.answers = self._table("answers", key, ("pk",)) if keeps else None
        self.log_group = aws.cloudwatch.LogGroup(
            self.child("logs"),
            region=region,
            retention_in_days=settings.log_retention_days,
            kms_key_id=key,
            tags=self._tags,
            opts=self.options(),
        )
        permissions = self._role(settings, endpoints, key)

        def contents(known: tuple[Mapping[str, Any], str, str]) -> pulumi.Archive:
            deployed, ledger, answers = known
            served = {name: _served(settings.endpoints[name], each) for name, each in deployed.items()}
            found = Contents(settings, region, served, table, ledger, answers, tariffs, settings.residency)
            return pulumi.AssetArchive({LAYER_FILE: pulumi.StringAsset(found.text())})

        answers = self.answers.name if self.answers else ""
        self.settings_layer = aws.lambda_.LayerVersion(
            self.child("settings"),
            region=region,
            layer_name=self.physical_name("settings", limit=140),
            description="Models, customers and prices of the gateway",
            code=pulumi.Output.all(endpoints, self.ledger.name, answers).apply(shown_as_it_is(contents)),  # pyright: ignore[reportArgumentType]
            opts=self.options(),
        )
        self.function = aws.lambda_.Function(
            self.child("function", limit=64),
            region=region,
            description="One door to endpoints and models behind an API",
            runtime=package.runtime,
            architectures=[package.architecture],
            handler=HANDLER,
            code=pulumi.FileArchive(str(package.path)),
            layers=[adapter, self.settings_layer.arn],
            role=self.role.arn,
            memory_size=settings.memory_mb,
            timeout=timeout_seconds(settings, endpoints=bool(settings.endpoints)),
            reserved_concurrent_executions=settings.concurrency,
            environment={
                "variables": {**ADAPTER, **(IGNORES_STAGE if settings.api else {}), FILE: f"/opt/{LAYER_FILE}"}
            },
            logging_config={"log_format": "JSON", "log_group": self.log_group.name},
            tags=self._tags,
            opts=self.options(depends_on=[permissions]),
        )
        self.url_resource, self._door = None, None
        if settings.api is not None:
            self._door = self._declare_api(settings, settings.api, inputs["api"], key)
        else:
            self.url_resource = self._open()
        self.alarms = self._alarms(inputs["topic_arn"] if settings.topic_arn is not None else None)

        if self.url_resource is not None:
            self.url = self.url_resource.function_url.apply(lambda known: (known or "").rstrip("/"))
        elif self._door is not None:
            self.url = self._door.url
        self.domain_target = self._door.target if self._door else pulumi.Output.from_input("")
        self.function_name = self.function.name
        self.role_arn = self.role.arn
        self.ledger_table = self.ledger.name
        self.register_outputs(
            {
                "url": self.url,
                "function_name": self.function_name,
                "role_arn": self.role_arn,
                "ledger_table": self.ledger_table,
                "domain_target": self.domain_target,
            }
        )

    def _table(self, suffix: str, key: pulumi.Input[str] | None, keys: tuple[str, ...]) -> aws.dynamodb.Table:
        """A table that is paid for by the request, can be restored to any moment, and forgets what is past its time."""
        return aws.dynamodb.Table(
            self.child(suffix, limit=255),
            region=self._region,
            billing_mode="PAY_PER_REQUEST",
            attributes=[{"name": each, "type": "S"} for each in keys],
            hash_key=keys[0],
            range_key=keys[1] if len(keys) > 1 else None,
            ttl={"attribute_name": TTL, "enabled": True},
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": key} if key is not None else None,
            tags=self._tags,
            opts=self.options(),
        )

    def _role(
        self, settings: InferenceGatewaySettings, endpoints: pulumi.Output[Any], key: pulumi.Input[str] | None
    ) -> aws.iam.RolePolicy:
        """Declares the function's role. Returns its permissions, on which the function depends."""
        self.role = aws.iam.Role(
            self.child("role", limit=64),
            assume_role_policy=self.log_group.arn.apply(lambda_trust),
            tags=self._tags,
            opts=self.options(),
        )
        secrets = sorted(settings.secrets())
        queued = [name for name, each in settings.endpoints.items() if each.instance_type is not None]
        serverless = [name for name, each in settings.endpoints.items() if each.memory_mb is not None]
        models = sorted({each.model for _, each in settings.bedrocks()})
        known = pulumi.Output.all(
            self.log_group.arn,
            self.ledger.arn,
            self.answers.arn if self.answers else None,
            endpoints.apply(lambda found: sorted(found[name]["endpoint_arn"] for name in serverless)),
            key,
            endpoints.apply(
                lambda found: sorted((found[name]["endpoint_arn"], found[name]["requests"]) for name in queued)
            ),
        )
        return aws.iam.RolePolicy(
            self.child("permissions", limit=128),
            role=self.role.name,
            policy=known.apply(
                lambda found: gateway_policy(
                    self._region,
                    found[0],
                    found[1],
                    found[2],
                    found[3],
                    secrets,
                    found[4],
                    queues=[(each[0], each[1]) for each in found[5]],
                    models=models,
                )
            ),
            opts=self.options(),
        )

    def _declare_api(
        self, settings: InferenceGatewaySettings, api: GatewayApi, given: Any, key: pulumi.Input[str] | None
    ) -> ApiDoor:
        """The API before the function, with the log of its requests."""
        self.access_log_group = None
        if api.access_logs:
            self.access_log_group = aws.cloudwatch.LogGroup(
                self.child("access-logs"),
                region=self._region,
                retention_in_days=settings.log_retention_days,
                kms_key_id=key,
                tags=self._tags,
                opts=self.options(),
            )
        seconds = min(MOST_SECONDS, timeout_seconds(settings, endpoints=bool(settings.endpoints)))
        arns = {name: given.get(name) for name in ("certificate_arn", "web_acl_arn")}
        return declare_api(self, self._region, api, arns, self.function, seconds, self.access_log_group, self._tags)

    def _open(self) -> aws.lambda_.FunctionUrl:
        """The function's address. Who calls it is told by the key of a request, which the program checks."""
        url = aws.lambda_.FunctionUrl(
            self.child("url"),
            region=self._region,
            function_name=self.function.name,
            authorization_type="NONE",
            invoke_mode="RESPONSE_STREAM",
            opts=self.options(),
        )
        # Both are needed since October 2025 (Lambda developer guide, access to function URLs).
        for suffix, allowed in (
            ("url", {"action": "lambda:InvokeFunctionUrl", "function_url_auth_type": "NONE"}),
            ("invoke", {"action": "lambda:InvokeFunction", "invoked_via_function_url": True}),
        ):
            aws.lambda_.Permission(
                self.child(f"{suffix}-permission", limit=100),
                region=self._region,
                function=self.function.name,
                principal="*",
                statement_id=suffix,
                opts=self.options(),
                **allowed,  # pyright: ignore[reportArgumentType]
            )
        return url

    def _alarms(self, topic: pulumi.Input[str] | None) -> dict[str, aws.cloudwatch.MetricAlarm]:
        door = self._door

        def watched(alarm: Alarm) -> dict[str, Any]:
            if door is None or alarm.name != BY_DOOR:
                return alarm_inputs(alarm, {"FunctionName": self.function.name}, NAMESPACE)
            return alarm_inputs(alarm, {"ApiName": door.api.name, "Stage": door.stage.stage_name}, API_NAMESPACE)

        return {
            alarm.name: aws.cloudwatch.MetricAlarm(
                self.child(alarm.name, limit=255),
                region=self._region,
                **watched(alarm),
                alarm_actions=[topic] if topic is not None else [],
                ok_actions=[topic] if topic is not None else [],
                tags=self._tags,
                opts=self.options(),
            )
            for alarm in gateway_alarms(api=door is not None)
        }


def _served(settings: GatewayEndpoint, known: Mapping[str, Any]) -> Served:
    """What is known of an endpoint once it is deployed."""
    usd = known.get("usd_per_hour")
    return Served(
        known["endpoint_name"],
        settings.memory_mb or 0,
        known.get("artifact_digest") or "",
        settings.instance_type or "",
        known.get("requests") or "",
        known.get("host") or "",
        usd_per_hour="" if usd is None else f"{exact(usd):f}",
        concurrency=settings.concurrency,
        start_seconds=int(known.get("start_seconds") or 0),
    )


def _package(settings: InferenceGatewaySettings) -> Package:
    return read_package(Path(settings.package)) if settings.package else build_package(packages_folder())


def _required_prices(settings: InferenceGatewaySettings, table: PriceTable) -> dict[str, TokenTariff]:
    """The prices of models behind an API, and of those on Bedrock.

    Raises:
        FindingsError: with everything that has no price: the function would not start.
    """
    rows = priced_rows(
        any(each.memory_mb for each in settings.endpoints.values()),
        (each.instance_type for each in settings.endpoints.values()),
    )
    region = settings.region
    found = [table.missing(*row, region) for row in rows if table.find(*row, region) is None]
    wanted = [(path, each.price) for path, each in settings.providers()]
    wanted += [(path, each.priced_as) for path, each in settings.bedrocks()]
    tariffs = {}
    for path, price in wanted:
        try:
            tariffs[price] = token_tariff(price)
        except FindingsError as error:
            found += unpriced(error, path)
    if found:
        raise FindingsError(found)
    return tariffs
