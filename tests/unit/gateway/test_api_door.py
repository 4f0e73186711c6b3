"""A gateway behind a Regional REST API: every resource that AWS needs for a response to stream, and bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero import EnvironmentDashboard, InferenceGateway
from scaletozero.environment.settings import Environment
from scaletozero.gateway.package import ABOUT
from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.inference_gateway import InferenceGatewaySettings

US = "us-east-1"
PROVIDER = {"base_url": "https://api.openai.com/v1", "model": "m", "secret": "key", "price": "openai/gpt-5-mini"}
CERTIFICATE = f"arn:aws:acm:{US}:123456789012:certificate/11111111-2222-4333-8444-555555555555"
WEB_ACL = f"arn:aws:wafv2:{US}:123456789012:regional/webacl/w/11111111-2222-4333-8444-555555555555"
MODELS = {"small": {"provider": PROVIDER, "seconds": 120}}
ARGS: dict[str, Any] = {
    "region": US,
    "models": MODELS,
    "customers": {"acme": {"cap_usd_per_month": 5, "models": ["small"]}},
}


@pytest.fixture
def package(tmp_path: Path) -> str:
    """The code of a function: nothing runs it here."""
    import zipfile

    about = {"runtime": "python3.12", "architecture": "arm64", "distributions": {}}
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr(ABOUT, json.dumps(about))
    return str(tmp_path / "code.zip")


def declared(run: Any, package: str, **changes: Any) -> Any:
    args: Any = {**ARGS, "package": package, **changes}
    return run(lambda: InferenceGateway("it", args))


def test_without_one_everything_is_as_it_was(run: Any, package: str) -> None:
    done = declared(run, package)
    assert done.service("apigateway") == []
    assert len(done.of("lambda/functionUrl:FunctionUrl")) == 1
    assert {each.inputs["action"] for each in done.of(":Permission")} == {
        "lambda:InvokeFunctionUrl",
        "lambda:InvokeFunction",
    }


def test_every_path_and_method_streams_to_the_function_and_there_is_no_url(run: Any, package: str) -> None:
    done = declared(run, package, api={})
    assert done.of("lambda/functionUrl:FunctionUrl") == []
    api = done.one("apigateway/restApi:RestApi")
    assert api["endpointConfiguration"] == {"types": "REGIONAL"}
    assert not api["disableExecuteApiEndpoint"]
    assert done.one("apigateway/resource:Resource")["pathPart"] == "{proxy+}"
    assert [each.inputs["httpMethod"] for each in done.of("apigateway/method:Method")] == ["ANY", "ANY"]
    for each in done.of("apigateway/integration:Integration"):
        assert (each.inputs["type"], each.inputs["integrationHttpMethod"]) == ("AWS_PROXY", "POST")
        assert each.inputs["responseTransferMode"] == "STREAM"
        assert each.inputs["timeoutMilliseconds"] == 180_000
    (allowed,) = (each.inputs for each in done.of(":Permission"))
    assert (allowed["principal"], allowed["action"]) == ("apigateway.amazonaws.com", "lambda:InvokeFunction")
    assert "sourceArn" in allowed
    assert done.one("apigateway/methodSettings:MethodSettings")["settings"] == {
        "throttlingRateLimit": 50.0,
        "throttlingBurstLimit": 100,
    }
    assert "accessLogSettings" not in done.one("apigateway/stage:Stage")
    variables = done.one("lambda/function:Function")["environment"]["variables"]
    assert variables["AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH"] == "true"
    failing = next(each.inputs for each in done.of(":MetricAlarm") if each.name == "it-failing")
    metrics = [each["metric"] for each in failing["metricQueries"] if "metric" in each]
    assert {(each["namespace"], each["metricName"]) for each in metrics} == {
        ("AWS/ApiGateway", "5XXError"),
        ("AWS/ApiGateway", "Count"),
    }


@pytest.mark.parametrize("api", [False, True])
def test_a_dashboard_shows_it_above_the_endpoints(run: Any, api: bool) -> None:
    endpoint = {"endpoint_name": "sentences", "kind": EndpointKind.SERVERLESS}
    gateway = {"function_name": "acme-gateway", "memory_mb": 1024, "api": api}
    args: Any = {"region": US, "endpoints": [endpoint], "gateway": gateway}
    done = run(lambda: EnvironmentDashboard("it", args))
    text = done.one("cloudwatch/dashboard:Dashboard")["dashboardBody"]
    widgets = json.loads(text)["widgets"]
    headings = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"]
    assert ["Gateway" in each for each in headings if each.startswith("## ")][:2] == [True, False]
    assert ("Url5xxCount" in text) is not api
    assert '"FunctionName", "acme-gateway"' in text
    assert "0.00001667" in text


def test_a_domain_has_its_certificate_and_the_other_address_is_off(run: Any, package: str) -> None:
    api = {
        "domain": "models.example.com",
        "certificate_arn": CERTIFICATE,
        "access_logs": True,
        "web_acl_arn": WEB_ACL,
        "requests_per_second": 5,
        "burst": 9,
    }
    done = declared(run, package, api=api)
    domain = done.one("apigateway/domainName:DomainName")
    assert domain["regionalCertificateArn"] == CERTIFICATE
    assert (domain["securityPolicy"], domain["endpointConfiguration"]) == ("TLS_1_2", {"types": "REGIONAL"})
    assert done.one("apigateway/restApi:RestApi")["disableExecuteApiEndpoint"]
    assert done.one("apigateway/basePathMapping:BasePathMapping")["stageName"] == "gateway"
    assert done.one("wafv2/webAclAssociation:WebAclAssociation")["webAclArn"] == WEB_ACL
    line = json.loads(done.one("apigateway/stage:Stage")["accessLogSettings"]["format"])
    assert not any("header" in each.lower() for each in line.values())
    assert len(done.of("cloudwatch/logGroup:LogGroup")) == 2


@pytest.mark.parametrize(
    ("api", "path", "rule"),
    [
        ({"domain": "models.example.com"}, "api.certificate_arn", "is required with `domain`"),
        ({"certificate_arn": CERTIFICATE}, "api.domain", "is required with `certificate_arn`"),
        ({"domain": "https://models"}, "api.domain", "must be a domain's name"),
        (
            {"domain": "a.example.com", "certificate_arn": "arn:aws:iam::1:cert"},
            "api.certificate_arn",
            "certificate in",
        ),
        (
            {"domain": "a.example.com", "certificate_arn": CERTIFICATE.replace(US, "eu-west-1")},
            "api.certificate_arn",
            f"must be in {US}",
        ),
        ({"web_acl_arn": WEB_ACL.replace("regional", "global")}, "api.web_acl_arn", "must be the ARN of a regional"),
        ({"requests_per_second": 0}, "api.requests_per_second", "must be from 1 to 10000"),
        ({"burst": 5}, "api.burst", "must be at least `requests_per_second`"),
        ({"stage": "prod"}, "api.stage", "is not a setting"),
    ],
)
def test_an_api_that_aws_would_refuse(api: dict[str, Any], path: str, rule: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(InferenceGatewaySettings, {**ARGS, "api": api}, "it")
    assert any(each.path == f"it.{path}" and rule in each.rule for each in caught.value.findings), caught.value


def test_a_model_that_takes_longer_than_the_api_waits_is_refused_at_its_place() -> None:
    slow = {**MODELS, "slow": {"provider": PROVIDER}}
    with pytest.raises(FindingsError) as caught:
        parse(InferenceGatewaySettings, {**ARGS, "models": slow, "api": {}}, "it")
    assert [each.path for each in caught.value.findings] == ["it.models.slow.seconds"]
    gateway = {"models": slow, "customers": ARGS["customers"], "function": {"api": {}}}
    endpoints = {"a": {"artifact": "model", "image": f"123456789012.dkr.ecr.{US}.amazonaws.com/serving:1"}}
    with pytest.raises(FindingsError) as caught:
        parse(Environment, {"region": US, "endpoints": endpoints, "gateway": gateway, "sandbox": {}}, "")
    assert {each.path for each in caught.value.findings} == {"gateway.models.slow.seconds", "gateway.function.api"}
