"""Declares a gateway on an account: one door to endpoints and models behind an API, as a function or as pods."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError
from scaletozero.args.inference_gateway import InferenceGatewayArgs
from scaletozero.cluster.objects import KubernetesObject, declare, need_cluster
from scaletozero.component import Component, shown_as_it_is, validated
from scaletozero.gateway.api_door import IGNORES_STAGE, ApiDoor, declare_api
from scaletozero.gateway.contents import FILE, PORT, Contents
from scaletozero.gateway.costs import timeout_seconds
from scaletozero.gateway.package import HANDLER, Package, build_package, packages_folder, read_package
from scaletozero.gateway.pods import DIGEST_LENGTH, PodsPlan, plan_pods
from scaletozero.gateway.role_policy import gateway_policy
from scaletozero.gateway.tables import TTL
from scaletozero.gateway.targets import Served, priced_rows, unpriced
from scaletozero.kubernetes.manifests.gateway import CONTENTS, DIGEST
from scaletozero.kubernetes.manifests.scaling import interceptor_address
from scaletozero.kubernetes.plan import prefixed
from scaletozero.observability.alarms import alarm_inputs
from scaletozero.observability.gateway import API_NAMESPACE, BY_DOOR, NAMESPACE, gateway_alarms
from scaletozero.observability.plan import Alarm
from scaletozero.policies import lambda_trust
from scaletozero.residency.egress import egress_findings, profile_findings
from scaletozero.settings.gateway_api import MOST_SECONDS, GatewayApi
from scaletozero.settings.gateway_function import adapter_layer, no_adapter
from scaletozero.settings.inference_gateway import InferenceGatewaySettings
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
    """One door to endpoints and to models behind an API, as a Lambda function behind a URL, or an API, that streams;
    with `pods` as pods of a cluster, before its tables on AWS. Its options must then have a Kubernetes provider.

    Every request has a customer, a price and a cap: it holds what it may cost at most on a ledger in DynamoDB before
    anything is sent, and is settled with what it did cost. Its role may invoke the endpoints and read the providers'
    keys; give no other role `sagemaker:InvokeEndpoint`, so that nothing goes past the caps. Its reserved concurrency is
    the switch that closes it: 0 refuses every request.

    Its children are attributes: `function`, `url_resource` (None behind an API), `settings_layer`, `role`, `log_group`,
    `ledger`, `answers` (None without a cache) and `alarms`. As pods it has `objects`, and neither function, URL, layer
    and log group nor alarms.

    Raises:
        FindingsError: an argument is invalid, a price is missing, the code cannot be made here, or the cluster lacks
            what its pods need. Nothing is declared.
    """

    type_name = "scaletozero:index:InferenceGateway"

    url: pulumi.Output[str]
    """The address of the gateway, without a slash at its end: OpenAI's clients take it with `/v1`. Of pods it is known
    in their cluster only."""
    function_name: pulumi.Output[str]
    """The name of the function; empty of pods."""
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
        pods = plan_pods(name, settings, settings.pods) if settings.pods is not None else None
        if pods is not None and pods.findings:
            raise FindingsError(prefixed(name, pods.findings))
        code = _code(settings) if pods is None else None
        table = prices()
        tariffs = _required_prices(settings, table)
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        if pods is not None:
            need_cluster(self)
        region, wanted = settings.region, inputs["endpoints"] or {}
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None
        endpoints = pulumi.Output.from_input(wanted)

        self.ledger = self._table("ledger", key, ("pk", "sk"))
        keeps = any(model.cache is not None for model in settings.models.values())
        self.answers = self._table("answers", key, ("pk",)) if keeps else None
        self.log_group = (
            aws.cloudwatch.LogGroup(
                self.child("logs"),
                region=region,
                retention_in_days=settings.log_retention_days,
                kms_key_id=key,
                tags=self._tags,
                opts=self.options(),
            )
            if pods is None
            else None
        )
        permissions = self._role(settings, endpoints, key, pods)

        def contents(known: tuple[Mapping[str, Any], str, str]) -> str:
            deployed, ledger, answers = known
            served = {name: _served(settings, name, each) for name, each in deployed.items()}
            down = settings.pods.ledger_down if settings.pods else None
            found = Contents(settings, region, served, table, ledger, answers, tariffs, settings.residency, down)
            return found.text()

        answers = self.answers.name if self.answers else ""
        text = pulumi.Output.all(endpoints, self.ledger.name, answers).apply(shown_as_it_is(contents))  # pyright: ignore[reportArgumentType]
        self.function, self.settings_layer = None, None
        self.url_resource, self._door = None, None
        self.objects: list[KubernetesObject] = []
        self.alarms: dict[str, aws.cloudwatch.MetricAlarm] = {}
        if code is not None:
            self.function = self._function(settings, code, text, permissions)
            if settings.api is not None:
                self._door = self._declare_api(settings, settings.api, inputs["api"], key, self.function)
                self.url = self._door.url
            else:
                self.url_resource = self._open(self.function)
                self.url = self.url_resource.function_url.apply(lambda known: (known or "").rstrip("/"))
            self.alarms = self._alarms(self.function, inputs["topic_arn"] if settings.topic_arn is not None else None)
        elif pods is not None:
            self._pods(settings, pods, text, permissions)
            self.url = pulumi.Output.from_input(pods.url)
        self.domain_target = self._door.target if self._door else pulumi.Output.from_input("")
        self.function_name = self.function.name if self.function else pulumi.Output.from_input("")
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

    def _function(
        self,
        settings: InferenceGatewaySettings,
        code: tuple[Package, str],
        text: pulumi.Output[str],
        permissions: aws.iam.RolePolicy,
    ) -> aws.lambda_.Function:
        """Declares the function, with what it does in a layer."""
        (package, adapter), region = code, self._region
        assert self.log_group
        self.settings_layer = aws.lambda_.LayerVersion(
            self.child("settings"),
            region=region,
            layer_name=self.physical_name("settings", limit=140),
            description="Models, customers and prices of the gateway",
            code=text.apply(lambda known: pulumi.AssetArchive({LAYER_FILE: pulumi.StringAsset(known)})),  # pyright: ignore[reportArgumentType]
            opts=self.options(),
        )
        return aws.lambda_.Function(
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

    def _pods(
        self,
        settings: InferenceGatewaySettings,
        pods: PodsPlan,
        text: pulumi.Output[str],
        permissions: aws.iam.RolePolicy,
    ) -> None:
        """Declares the pods, and who they are on AWS."""
        assert settings.pods
        identity = aws.eks.PodIdentityAssociation(
            self.child("identity"),
            region=self._region,
            cluster_name=settings.pods.cluster.name,
            namespace=pods.namespace,
            service_account=pods.name,
            role_arn=self.role.arn,
            tags=self._tags,
            opts=self.options(depends_on=[permissions]),
        )
        digest = text.apply(lambda known: hashlib.sha256(known.encode()).hexdigest()[:DIGEST_LENGTH])
        self.objects = declare(
            self,
            pods.objects,
            primary="Deployment",
            substitutions={CONTENTS: text, DIGEST: digest},
            depends_on=[identity],  # a pod gets its identity when it is made, and never later
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
        self,
        settings: InferenceGatewaySettings,
        endpoints: pulumi.Output[Any],
        key: pulumi.Input[str] | None,
        pods: PodsPlan | None,
    ) -> aws.iam.RolePolicy:
        """Declares the role. Returns its permissions, on which what has the role depends."""
        logs = self.log_group.arn if self.log_group else None
        self.role = aws.iam.Role(
            self.child("role", limit=64),
            assume_role_policy=json.dumps(pods.trust) if pods else pulumi.Output.from_input(logs).apply(lambda_trust),
            tags=self._tags,
            opts=self.options(),
        )
        secrets = sorted(settings.secrets())
        queued = [name for name, each in settings.endpoints.items() if each.instance_type is not None]
        serverless = [name for name, each in settings.endpoints.items() if each.memory_mb is not None]
        models = sorted({each.model for _, each in settings.bedrocks()})
        reads_alarms = any(target.canary for _, target in settings.ways())
        known = pulumi.Output.all(
            logs,
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
                    reads_alarms=reads_alarms,
                )
            ),
            opts=self.options(),
        )

    def _declare_api(
        self,
        settings: InferenceGatewaySettings,
        api: GatewayApi,
        given: Any,
        key: pulumi.Input[str] | None,
        function: aws.lambda_.Function,
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
        return declare_api(self, self._region, api, arns, function, seconds, self.access_log_group, self._tags)

    def _open(self, function: aws.lambda_.Function) -> aws.lambda_.FunctionUrl:
        """The function's address. Who calls it is told by the key of a request, which the program checks."""
        url = aws.lambda_.FunctionUrl(
            self.child("url"),
            region=self._region,
            function_name=function.name,
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
                function=function.name,
                principal="*",
                statement_id=suffix,
                opts=self.options(),
                **allowed,  # pyright: ignore[reportArgumentType]
            )
        return url

    def _alarms(
        self, function: aws.lambda_.Function, topic: pulumi.Input[str] | None
    ) -> dict[str, aws.cloudwatch.MetricAlarm]:
        door = self._door

        def watched(alarm: Alarm) -> dict[str, Any]:
            if door is None or alarm.name != BY_DOOR:
                return alarm_inputs(alarm, {"FunctionName": function.name}, NAMESPACE)
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


def _served(gateway: InferenceGatewaySettings, name: str, known: Mapping[str, Any]) -> Served:
    """What is known of an endpoint once it is deployed."""
    settings, pods, usd = gateway.endpoints[name], gateway.pods, known.get("usd_per_hour")
    return Served(
        known["endpoint_name"],
        settings.memory_mb or 0,
        known.get("artifact_digest") or "",
        settings.instance_type or "",
        known.get("requests") or "",
        known.get("host") or "",
        # Which only what runs in the cluster reaches.
        f"http://{interceptor_address(pods.cluster.keda_namespace)}" if pods and known.get("host") else "",
        usd_per_hour="" if usd is None else f"{exact(usd):f}",
        concurrency=settings.concurrency,
        start_seconds=int(known.get("start_seconds") or 0),
    )


def _code(settings: InferenceGatewaySettings) -> tuple[Package, str]:
    """The function's code, and the ARN of the adapter's layer for it.

    Raises:
        FindingsError: the code cannot be made here, or no such layer is known.
    """
    package = read_package(Path(settings.package)) if settings.package else build_package(packages_folder())
    adapter = settings.adapter_layer_arn or adapter_layer(settings.region, package.architecture)
    if adapter is None:
        raise FindingsError([no_adapter(settings.region, package.architecture)])
    return package, adapter


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
