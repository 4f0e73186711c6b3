"""Who may use the sandbox: programs on this machine that have its credentials, and no page in a browser."""

import http.client
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

REGION = "eu-central-1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serve:1"
EVIL = "http://evil.example"
ALLOWED = "Access-Control-Allow-Origin"


def send(url: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, Any, bytes]:
    """Status, headers and body of the response to a request with exactly these headers."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": urlsplit(url).netloc, "Content-Length": str(len(body))} | headers).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def signed(world: Any, method: str, url: str, service: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """The headers with a valid signature of the sandbox's own credentials."""
    own = world.servers.credentials
    request = AWSRequest(method, url, headers=headers, data=body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(Credentials(own.access_key, own.secret_key), service, REGION).add_auth(request)
    return dict(request.headers)


PAGES = {
    "another host": {"Host": "evil.example"},
    "a name that only looks like this machine": {"Host": "127.0.0.1.evil.example"},
    "a page": {"Origin": EVIL},
    "a page from a file": {"Origin": "null"},
    "a page on another port of this machine": {"Origin": "http://127.0.0.1:3000"},
    "an image in a page": {"Sec-Fetch-Site": "cross-site"},
}
PATHS = [
    "/",
    "/models/x.tar.gz",
    "/moto-api/reset",
    "/moto-api/data.json",
    "/_sandbox/status",
    "/endpoints/a/invocations",
]


@pytest.mark.parametrize("port", ["aws_url", "runtime_url"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_refused_whatever_it_asks_for_even_signed(world: Any, port: str, page: str) -> None:
    url = getattr(world.servers, port)
    for method in ("GET", "POST", "PUT", "OPTIONS"):
        for path in PATHS:
            for service in ("s3", "sagemaker"):
                headers = signed(world, method, url + path, service, {}, b"{}") | PAGES[page]
                status, got, body = send(url, method, path, headers, b"{}")
                assert (status, json.loads(body)["__type"]) == (403, "AccessDeniedException"), (method, path)
                assert ALLOWED not in got


@pytest.mark.parametrize("port", ["aws_url", "runtime_url"])
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_refused(world: Any, port: str, path: str) -> None:
    url = getattr(world.servers, port)
    for extra in ({}, {"Origin": EVIL, "Access-Control-Request-Method": "PUT"}, {"Origin": url}):
        status, got, _ = send(url, "OPTIONS", path, extra)
        assert status == 403
        assert ALLOWED not in got


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8476", "LOCALHOST", "models.localhost", "[::1]:1", "127.9.9.9"]
)
def test_this_machines_own_names_are_taken(world: Any, host: str) -> None:
    status, _, body = send(world.servers.aws_url, "GET", "/_sandbox/status", {"Host": host})
    assert status == 200
    assert "provided_here" in json.loads(body)


def test_no_response_lets_a_page_read_it(world: Any) -> None:
    url = world.servers.aws_url
    own = {"Origin": url, "Host": urlsplit(url).netloc}
    status, got, _ = send(url, "GET", "/", signed(world, "GET", f"{url}/", "s3", {}, b"") | own)
    assert status == 200
    assert not [name for name in got if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_is_not_signed_is_refused_but_the_status(world: Any, path: str, method: str) -> None:
    for url in (world.servers.aws_url, world.servers.runtime_url):
        status, _, body = send(url, method, path, {"Content-Type": "text/plain"}, b"x")
        if path == "/_sandbox/status":
            assert status == 200
        else:
            assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationTokenException")


CODES = {
    "s3": ("list_buckets", "SignatureDoesNotMatch", "InvalidAccessKeyId"),
    "sts": ("get_caller_identity", "InvalidSignatureException", "UnrecognizedClientException"),
    "sagemaker": ("list_models", "InvalidSignatureException", "UnrecognizedClientException"),
    "cloudwatch": ("list_metrics", "InvalidSignatureException", "UnrecognizedClientException"),
    "eks": ("list_clusters", "InvalidSignatureException", "UnrecognizedClientException"),
}


@pytest.mark.parametrize("service", CODES)
def test_other_credentials_are_refused_in_the_services_form(world: Any, service: str) -> None:
    operation, wrong, unknown = CODES[service]
    own = world.servers.credentials
    for key, secret, code in ((own.access_key, "another", wrong), ("sandbox", own.secret_key, unknown)):
        client = boto3.client(
            service,
            endpoint_url=world.servers.aws_url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_credentials_that_its_own_iam_and_sts_gave_out_are_taken(world: Any) -> None:
    world.client("iam").create_user(UserName="someone")
    statement = {"Effect": "Allow", "Action": "sagemaker:ListModels", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.client("iam").put_user_policy(UserName="someone", PolicyName="lists", PolicyDocument=document)
    world.allow("serve", "sagemaker:ListModels")
    user = world.client("iam").create_access_key(UserName="someone")["AccessKey"]
    role = world.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/serve", RoleSessionName="session")
    for found in (user, role["Credentials"]):
        client = boto3.client(
            "sagemaker",
            endpoint_url=world.servers.aws_url,
            region_name=REGION,
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found.get("SessionToken"),
        )
        assert client.list_models()["Models"] == []


@pytest.mark.parametrize("change", ["body", "path", "header", "time"])
def test_a_request_that_was_changed_after_it_was_signed_is_refused(world: Any, change: str) -> None:
    url, body = world.servers.aws_url, b'{"NameContains": "a"}'
    kind = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListModels"}
    headers = signed(world, "POST", f"{url}/", "sagemaker", kind, body)
    assert send(url, "POST", "/", headers, body)[0] == 200
    old = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y%m%dT%H%M%SZ")
    changed: dict[str, tuple[str, dict[str, str], bytes]] = {
        "body": ("/", {}, b'{"NameContains": "b"}'),
        "path": ("/x", {}, body),
        "header": ("/", {"X-Amz-Target": "SageMaker.DeleteModel"}, body),
        "time": ("/", {"X-Amz-Date": old}, body),
    }
    path, other, sent = changed[change]
    status, _, content = send(url, "POST", path, headers | other, sent)
    assert status == 403
    assert json.loads(content)["__type"] in ("InvalidSignatureException", "RequestExpired", "SignatureDoesNotMatch")


def test_a_body_that_differs_from_its_signed_digest_is_refused(world: Any) -> None:
    url = f"{world.servers.aws_url}/models/a"
    headers = signed(world, "PUT", url, "s3", {}, b"one")
    status, _, body = send(world.servers.aws_url, "PUT", "/models/a", headers, b"two")
    assert status == 400
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_address_works_until_it_expires_and_for_its_object_only(world: Any, version: str) -> None:
    own = world.servers.credentials
    client = boto3.client(
        "s3",
        endpoint_url=world.servers.aws_url,
        region_name=REGION,
        aws_access_key_id=own.access_key,
        aws_secret_access_key=own.secret_key,
        config=Config(signature_version=version, s3={"addressing_style": "path"}),
    )
    world.client("s3").put_object(Bucket="models", Key="a b+ü/x", Body=b"content")
    where = {"Bucket": "models", "Key": "a b+ü/x"}
    address = client.generate_presigned_url("get_object", Params=where)
    with urllib.request.urlopen(address) as response:
        assert response.read() == b"content"
    over = client.generate_presigned_url("get_object", Params=where, ExpiresIn=-10)
    for refused in (address.replace("/x?", "/y?"), over):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(refused)
        assert caught.value.code == 403


@pytest.mark.parametrize(
    "key", ["plain", "with space", "a+b", "ü/é", "per%20cent", "a=b&c", "~t", "x/./y", "a;b,c", "q?r#s"]
)
def test_any_name_of_an_object_can_be_signed(world: Any, key: str) -> None:
    s3 = world.client("s3", s3={"addressing_style": "path"})
    s3.put_object(Bucket="calls", Key=key, Body=key.encode(), Metadata={"about": "two  spaces"})
    assert s3.get_object(Bucket="calls", Key=key)["Body"].read() == key.encode()
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="calls", Prefix=key)["Contents"]] == [key]


@pytest.mark.parametrize("listed", [False, True])
def test_code_that_is_uploaded_as_a_model_does_not_run(world: Any, tmp_path: Path, listed: bool) -> None:
    """As a page did it, with all the credentials that it could not have."""
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w').close()".encode()
    behaviour = b'{"version": 1}'
    files = {"behaviour.json": {"size": len(behaviour), "sha256": ""}}
    if listed:
        files["sitecustomize.py"] = {"size": len(code), "sha256": ""}
    card = json.dumps({"schema": 1, "files": files}).encode()
    archive = world.packed({"sitecustomize.py": code, "behaviour.json": behaviour, "model.json": card})
    world.client("s3").put_object(Bucket="models", Key="evil.tar.gz", Body=archive)
    world.client("sagemaker").create_model(
        ModelName="evil",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/serve",
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": "s3://models/evil.tar.gz",
            "Environment": {
                "PYTHONPATH": "model",
                "PYTHONSTARTUP": "model/sitecustomize.py",
                "LD_PRELOAD": "model/x.so",
                "PATH": "model",
                "SCALETOZERO_GREETING": "hello",
            },
        },
    )
    world.config("evil", "evil")
    world.client("sagemaker").create_endpoint(EndpointName="evil", EndpointConfigName="evil")
    settled = world.settled("evil")
    if listed:
        assert settled["EndpointStatus"] == "InService"
        environment = world.invoke("evil", environment=True)
        assert environment["SCALETOZERO_GREETING"] == "hello"
        assert not {"PATH", "LD_PRELOAD"} & environment.keys()
        assert not [name for name in environment if name.startswith("PYTHON")]
    else:
        assert settled["EndpointStatus"] == "Failed"
        assert "sitecustomize.py: not packaged with the model" in settled["FailureReason"]
    assert not ran.exists()


def test_one_address_is_enough_to_invoke(world: Any) -> None:
    world.endpoint("a")
    world.asynchronous("b")
    own = world.servers.credentials
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=world.servers.aws_url,
        region_name=REGION,
        aws_access_key_id=own.access_key,
        aws_secret_access_key=own.secret_key,
    )
    answer = client.invoke_endpoint(EndpointName="a", Body=b'{"echo": 7}', ContentType="application/json")
    assert json.load(answer["Body"])["echo"] == 7
    with pytest.raises(ClientError, match="Endpoint nobody of account 123456789012 not found"):
        client.invoke_endpoint(EndpointName="nobody", Body=b"{}", ContentType="application/json")
    world.client("s3").put_object(Bucket="calls", Key="request", Body=b'{"echo": 8}')
    accepted = client.invoke_endpoint_async(EndpointName="b", InputLocation="s3://calls/request")
    bucket, _, key = accepted["OutputLocation"].removeprefix("s3://").partition("/")
    world.wait_for(lambda: world.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"])
    assert json.load(world.client("s3").get_object(Bucket=bucket, Key=key)["Body"])["echo"] == 8
