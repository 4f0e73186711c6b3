"""The Regional REST API before a gateway's function: every path and method goes to the program; responses stream."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from scaletozero.component import Component
from scaletozero.partitions import dns_suffix, service_principal
from scaletozero.settings.gateway_api import GatewayApi

STAGE = "gateway"

IGNORES_STAGE = {"AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH": "true"}
"""The adapter's library puts the stage before the path of a request unless it is told not to (lambda_http, integration
with API Gateway stages)."""

LINE = json.dumps(
    {
        "id": "$context.requestId",
        "at": "$context.requestTimeEpoch",
        "address": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "status": "$context.status",
        "bytes": "$context.responseLength",
        "milliseconds": "$context.responseLatency",
        "error": "$context.error.message",
    }
)
"""A line of the access log: no header, and so no key."""


@dataclass(frozen=True)
class ApiDoor:
    """What is declared of the API.

    Attributes:
        api, stage: the API, and its only stage.
        url: the address, without a slash at its end.
        domain: its own domain; None without one.
        target: the name that the domain's record of DNS has to point to; empty without a domain.
    """

    api: aws.apigateway.RestApi
    stage: aws.apigateway.Stage
    url: pulumi.Output[str]
    domain: aws.apigateway.DomainName | None
    target: pulumi.Output[str]


def declare_api(
    owner: Component,
    region: str,
    settings: GatewayApi,
    given: dict[str, pulumi.Input[str] | None],
    function: aws.lambda_.Function,
    seconds: int,
    logs: aws.cloudwatch.LogGroup | None,
    tags: dict[str, str],
) -> ApiDoor:
    """Declares the API.

    Args:
        owner: the gateway.
        region: its Region.
        settings: what is declared of the API.
        given: `certificate_arn` and `web_acl_arn`, which may be outputs.
        function: the gateway's function.
        seconds: the longest request.
        logs: where requests are logged; None for no such log.
        tags: its tags.
    """
    own = settings.domain is not None
    api = aws.apigateway.RestApi(
        owner.child("api"),
        region=region,
        description="One door to endpoints and models behind an API",
        endpoint_configuration={"types": "REGIONAL"},
        disable_execute_api_endpoint=own,
        tags=tags,
        opts=owner.options(),
    )
    proxy = aws.apigateway.Resource(
        owner.child("api-path"),
        region=region,
        rest_api=api.id,
        parent_id=api.root_resource_id,
        path_part="{proxy+}",
        opts=owner.options(),
    )
    passed: list[pulumi.Resource] = []
    for suffix, resource in (("api-root", api.root_resource_id), ("api-paths", proxy.id)):
        # Who calls is told by the key of a request, which the program checks.
        method = aws.apigateway.Method(
            owner.child(f"{suffix}-method"),
            region=region,
            rest_api=api.id,
            resource_id=resource,
            http_method="ANY",
            authorization="NONE",
            opts=owner.options(),
        )
        passed.append(
            aws.apigateway.Integration(
                owner.child(f"{suffix}-integration"),
                region=region,
                rest_api=api.id,
                resource_id=resource,
                http_method=method.http_method,
                type="AWS_PROXY",
                integration_http_method="POST",
                uri=function.response_streaming_invoke_arn,
                response_transfer_mode="STREAM",
                timeout_milliseconds=seconds * 1000,
                opts=owner.options(),
            )
        )
    # InvokeWithResponseStream asks for the same action (service authorization reference, AWS Lambda).
    aws.lambda_.Permission(
        owner.child("api-permission", limit=100),
        region=region,
        function=function.name,
        action="lambda:InvokeFunction",
        principal=service_principal("apigateway"),
        source_arn=api.execution_arn.apply(lambda known: f"{known}/*/*"),
        statement_id="api",
        opts=owner.options(),
    )
    deployment = aws.apigateway.Deployment(
        owner.child("api-deployment"),
        region=region,
        rest_api=api.id,
        # What a stage has is a copy: it is made again when what it is of changes.
        triggers={"uri": function.response_streaming_invoke_arn, "seconds": str(seconds)},
        opts=pulumi.ResourceOptions.merge(
            owner.options(depends_on=passed), pulumi.ResourceOptions(delete_before_replace=False)
        ),
    )
    logged = {"destination_arn": logs.arn, "format": LINE} if logs is not None else None
    stage = aws.apigateway.Stage(
        owner.child("api-stage"),
        region=region,
        rest_api=api.id,
        deployment=deployment.id,
        stage_name=STAGE,
        access_log_settings=logged,  # pyright: ignore[reportArgumentType]
        tags=tags,
        opts=owner.options(),
    )
    aws.apigateway.MethodSettings(
        owner.child("api-settings"),
        region=region,
        rest_api=api.id,
        stage_name=stage.stage_name,
        method_path="*/*",
        settings={
            "throttling_rate_limit": float(settings.requests_per_second),
            "throttling_burst_limit": settings.burst,
        },
        opts=owner.options(),
    )
    if settings.web_acl_arn is not None:
        aws.wafv2.WebAclAssociation(
            owner.child("api-web-acl"),
            region=region,
            resource_arn=stage.arn,
            web_acl_arn=given["web_acl_arn"] or "",
            opts=owner.options(),
        )
    if settings.domain is None:
        url = api.id.apply(lambda known: f"https://{known}.execute-api.{region}.{dns_suffix(region)}/{STAGE}")
        return ApiDoor(api, stage, url, None, pulumi.Output.from_input(""))
    domain = aws.apigateway.DomainName(
        owner.child("api-domain"),
        region=region,
        domain_name=settings.domain,
        regional_certificate_arn=given["certificate_arn"],
        endpoint_configuration={"types": "REGIONAL"},
        security_policy="TLS_1_2",
        tags=tags,
        opts=owner.options(),
    )
    aws.apigateway.BasePathMapping(
        owner.child("api-mapping"),
        region=region,
        rest_api=api.id,
        stage_name=stage.stage_name,
        domain_name=domain.domain_name,
        opts=owner.options(),
    )
    address = pulumi.Output.from_input(f"https://{settings.domain}")
    return ApiDoor(api, stage, address, domain, domain.regional_domain_name)
