"""`invoke`: one question to a deployed endpoint."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from model_packaging.validation import nearest
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import WRONG_USE, failed, findings_as_exit, say
from scaletozero.deployment import Deployment
from scaletozero.project import find_project
from scaletozero.sandbox import daemon
from scaletozero.sandbox.engine import find_engine

MAX_PAYLOAD = 4 * 1024 * 1024
"""What SageMaker Serverless takes in one request, in bytes."""


@dataclass(frozen=True)
class Target:
    """A deployed endpoint: its name at the service, where it runs, and the sandbox it runs on, if any."""

    name: str
    region: str
    sandbox: daemon.Sandbox | None

    def client(self) -> Any:
        """An ordinary boto3 client of the SageMaker Runtime."""
        import boto3
        from botocore.config import Config

        # A cold start may take minutes, and a retry would be another, billed query.
        config = Config(read_timeout=300, retries={"total_max_attempts": 1})
        if self.sandbox is None:
            return boto3.client("sagemaker-runtime", region_name=self.region, config=config)
        return boto3.client(
            "sagemaker-runtime",
            region_name=self.region,
            endpoint_url=self.sandbox.runtime_url,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",  # noqa: S106
            config=config,
        )


def find_target(endpoint: str, environment: str) -> Target:
    """The endpoint of that name in an environment that was deployed.

    Raises:
        FindingsError: when the environment or the endpoint is not there.
    """
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    if endpoint not in settings.endpoints:
        guess = nearest(endpoint, settings.endpoints)
        known = ", ".join(settings.endpoints) or "none"
        fix = f"write `{guess}`" if guess else "name one of them"
        raise refuse("endpoint", f"must be one of {environment}'s: {known}", endpoint, "nothing was asked", fix)
    sandbox = daemon.running(project.local) if settings.sandbox else None
    fix = f"run `scaletozero up -e {environment}`"
    if settings.sandbox and sandbox is None:
        raise refuse(environment, "must be up", "no embedded AWS running", "nothing was asked", fix)
    deployed = Deployment(project, environment, find_engine(say), sandbox).outputs().get("endpoints", {})
    if endpoint not in deployed:
        raise refuse("endpoint", "must be deployed", f"{endpoint}, which is declared only", "nothing was asked", fix)
    about = deployed[endpoint]
    if about["kind"] == "gpu":
        raise refuse(
            "endpoint",
            "must be one that SageMaker answers for",
            f"{endpoint}, which answers in the cluster",
            "nothing was asked",
            f"from inside the cluster: curl -H 'Host: {about['host']}' http://{about['enter_at']}/",
        )
    return Target(about["name"], settings.region, sandbox)


def read_payload(text: str) -> bytes:
    """The JSON to send, from the argument, or from stdin for `-`.

    Raises:
        FindingsError: when it is no JSON, or larger than the service takes.
    """
    body = sys.stdin.read() if text == "-" else text
    try:
        json.loads(body)
    except ValueError as error:
        fix = """quote it for the shell: '{"inputs": ["hello"]}'"""
        raise refuse("JSON", "must be JSON", str(error), "the model would have refused it", fix) from None
    payload = body.encode()
    if len(payload) > MAX_PAYLOAD:
        raise refuse(
            "JSON",
            f"may have at most {MAX_PAYLOAD} bytes",
            f"{len(payload)}",
            "SageMaker Serverless would have refused it",
            "send fewer inputs at a time",
        )
    return payload


def ask(client: Any, target: Target, payload: bytes) -> bytes:
    """One query. An answer of the service that is an error becomes an exit, with the model's own reason."""
    try:
        answer = client.invoke_endpoint(EndpointName=target.name, ContentType="application/json", Body=payload)
        return answer["Body"].read()
    except ClientError as error:
        reason = error.response.get("OriginalMessage") or error.response["Error"].get("Message", str(error))
        status = int(error.response.get("OriginalStatusCode") or 0)
        code = error.response["Error"].get("Code", "")
        wrong = 400 <= status < 500 or code == "ValidationError"
        raise failed(f"{code}: {reason}", WRONG_USE if wrong else 1) from None
    except BotoCoreError as error:
        raise failed(f"no answer: {error}") from None


def invoke(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the environment.")],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="What to ask; `-` reads it from stdin.")],
    environment: EnvironmentName = "local",
) -> None:
    """Asks an endpoint and prints its answer.

    Example: scaletozero invoke sentences '{"inputs": ["hello"]}'
    """
    with findings_as_exit():
        body = read_payload(payload)
        target = find_target(endpoint, environment)
    answer = ask(target.client(), target, body)
    print(answer.decode())
