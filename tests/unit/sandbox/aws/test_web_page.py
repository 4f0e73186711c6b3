"""A web page runs no code on this machine: the attack as a page did it, request by request, on a whole sandbox."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from fake_containers import model_archive

from scaletozero.sandbox import daemon

EVIL = "https://evil.example"
ROLE = "arn:aws:iam::123456789012:role/page"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve:1"
WHO = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
TRUST = json.dumps({"Statement": [WHO]})
GUESSED = "AWS4-HMAC-SHA256 Credential={}/20261128/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=" + "0" * 64


def archive(ran: Path) -> bytes:
    """What the page uploaded: code that Python imports by itself, beside what looks like a model."""
    return model_archive({"sitecustomize.py": f"open({str(ran)!r}, 'w').close()".encode()})


def steps(ran: Path) -> list[tuple[str, str, str, str, dict[str, str], bytes]]:
    """(port, service, method, path, headers, body) of each request of the page."""

    def sagemaker(operation: str, **parameters: object) -> tuple[str, str, str, str, dict[str, str], bytes]:
        target = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "text/plain"}
        return "aws_url", "sagemaker", "POST", "/", target, json.dumps(parameters).encode()

    model = {"Image": IMAGE, "ModelDataUrl": "s3://page/m.tar.gz", "Environment": {"PYTHONPATH": "model"}}
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": "page", "ServerlessConfig": serverless}
    role = f"Action=CreateRole&Version=2010-05-08&RoleName=page&AssumeRolePolicyDocument={TRUST}".encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return [
        ("aws_url", "s3", "OPTIONS", "/page", {"Access-Control-Request-Method": "PUT"}, b""),
        ("aws_url", "moto", "POST", "/moto-api/reset", {}, b""),
        ("aws_url", "s3", "PUT", "/page", {}, b""),
        ("aws_url", "s3", "PUT", "/page/m.tar.gz", {}, archive(ran)),
        ("aws_url", "iam", "POST", "/", form, role),
        sagemaker("CreateModel", ModelName="page", ExecutionRoleArn=ROLE, PrimaryContainer=model),
        sagemaker("CreateEndpointConfig", EndpointConfigName="page", ProductionVariants=[variant]),
        sagemaker("CreateEndpoint", EndpointName="page", EndpointConfigName="page"),
        ("runtime_url", "sagemaker", "POST", "/endpoints/page/invocations", {}, b"{}"),
    ]


@pytest.mark.parametrize("disguise", ["a page", "a name that leads here", "no browser, guessed credentials"])
def test_a_page_gets_nothing_done(sandbox: daemon.Sandbox, tmp_path: Path, disguise: str) -> None:
    ran = tmp_path / "ran"
    for port, service, method, path, headers, body in steps(ran):
        where = urlsplit(getattr(sandbox, port)).netloc
        sent = {"Host": where, "Authorization": GUESSED.format("test", service), **headers}
        if disguise == "a page":
            sent |= {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        elif disguise == "a name that leads here":  # DNS rebinding: one origin, to the browser
            sent |= {"Host": f"evil.example:{where.rpartition(':')[2]}"}
        connection = http.client.HTTPConnection(where, timeout=60)
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        said = response.read()
        assert response.status == 403, (method, path, said)
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        connection.close()

    def client(service: str) -> Any:
        own = sandbox.credentials
        return boto3.client(
            service,
            endpoint_url=sandbox.aws_url,
            region_name="us-east-1",
            aws_access_key_id=own.access_key,
            aws_secret_access_key=own.secret_key,
        )

    assert client("s3").list_buckets()["Buckets"] == []
    assert client("iam").list_roles()["Roles"] == []
    assert client("sagemaker").list_models()["Models"] == client("sagemaker").list_endpoints()["Endpoints"] == []
    assert not ran.exists()
