"""`invoke`: sends a request to a deployed endpoint."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import FindingsError, refuse
from model_packaging.serving.limits import REQUEST_BYTES as MAX_PAYLOAD
from model_packaging.validation import nearest
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import WRONG_USE, err, failed, findings_as_exit, say, write
from scaletozero.endpoints.async_client import MAX_SECONDS, ModelError, result, submit
from scaletozero.endpoints.kind import Invocation
from scaletozero.endpoints.kinds import KINDS
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.settings import Environment
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.sandbox import daemon


@dataclass(frozen=True)
class Target:
    """A deployed endpoint: its name at the service, its region, and the sandbox it runs on, if any.

    Attributes:
        requests: the s3:// address below which requests to an asynchronous endpoint are put; None for any other.
    """

    name: str
    region: str
    sandbox: daemon.Sandbox | None
    requests: str | None = None

    def client(self, service: str = "sagemaker-runtime") -> Any:
        """A boto3 client. Default: of the SageMaker Runtime."""
        import boto3
        from botocore.config import Config

        # A cold start may take minutes, and a retry would be another, billed query.
        config = Config(read_timeout=300, retries={"total_max_attempts": 1})
        if self.sandbox is None:
            return boto3.client(service, region_name=self.region, config=config)
        urls = {"sagemaker-runtime": self.sandbox.runtime_url}
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=urls.get(service, self.sandbox.aws_url),
            aws_access_key_id=self.sandbox.credentials.access_key,
            aws_secret_access_key=self.sandbox.credentials.secret_key,
            config=config,
        )


@dataclass(frozen=True)
class Found:
    """An endpoint of a deployed environment, of any kind.

    Attributes:
        about: what the stack's state has of it.
        settings: the environment.
        sandbox: the sandbox that the environment runs on, if any.
    """

    about: dict[str, Any]
    settings: Environment
    sandbox: daemon.Sandbox | None

    @property
    def on_cluster(self) -> bool:
        """Whether it runs on Kubernetes."""
        return KINDS[self.about["kind"]].invocation is Invocation.CLUSTER

    @property
    def target(self) -> Target:
        """The same of an endpoint of SageMaker."""
        region = self.about.get("region", self.settings.region)
        return Target(self.about["name"], region, self.sandbox, self.about.get("requests"))


def find_deployed(endpoint: str, environment: str, what: str) -> Found:
    """Finds an endpoint of a deployed environment.

    Args:
        endpoint: the name of its component.
        environment: the environment's name.
        what: the calling command, for messages.

    Raises:
        FindingsError: the environment is not deployed, or has no such endpoint.
    """
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    sandbox = daemon.running(project.local) if settings.sandbox else None
    fix = f"run `scaletozero up -e {environment}`"
    if settings.sandbox and sandbox is None:
        if settings.endpoints and endpoint not in settings.endpoints:
            raise _unknown(endpoint, environment, settings.endpoints)
        raise refuse(environment, "must be deployed and running", "no running embedded AWS", "nothing was sent", fix)
    engine = find_engine(say)
    with engine_errors(what, environment, engine):
        deployed = EnvironmentStack(project, environment, engine, sandbox).endpoints()
    if endpoint not in deployed:
        if endpoint not in settings.endpoints:
            raise _unknown(endpoint, environment, {**settings.endpoints, **deployed})
        raise refuse("endpoint", "must be deployed", f"{endpoint}, which is declared only", "nothing was sent", fix)
    return Found(deployed[endpoint], settings, sandbox)


def find_target(endpoint: str, environment: str, what: str = "invoke") -> Target:
    """Finds an endpoint of SageMaker in a deployed environment.

    Args:
        endpoint: the name of its component.
        environment: the environment's name.
        what: the calling command, for messages.

    Raises:
        FindingsError: the environment is not deployed, or has no such endpoint, or it is called in its cluster.
    """
    found = find_deployed(endpoint, environment, what)
    if found.on_cluster:
        from scaletozero.kubernetes.manifests.scaling import interceptor_address
        from scaletozero.settings.cluster import Cluster

        block = found.settings.kubernetes
        namespace = block.cluster.keda_namespace if block else Cluster.model_fields["keda_namespace"].default
        raise refuse(
            "endpoint",
            "must be an endpoint of SageMaker",
            f"{endpoint}, which is called in its cluster",
            "nothing was sent",
            f"from inside the cluster: curl -H 'Host: {found.about.get('host', '')}' http://{interceptor_address(namespace)}/",
        )
    return found.target


def _unknown(endpoint: str, environment: str, known: Iterable[str]) -> FindingsError:
    names = list(known)
    guess = nearest(endpoint, names)
    fix = f"write `{guess}`" if guess else "name one of them"
    rule = f"must be one of {environment}'s: {', '.join(names) or 'none'}"
    return refuse("endpoint", rule, endpoint, "nothing was sent", fix)


def read_payload(text: str) -> bytes:
    """Reads the JSON to send from the argument, or from stdin for `-`. Raises FindingsError if it is not JSON."""
    fix = """quote it for the shell: '{"inputs": ["hello"]}'"""
    try:
        body = sys.stdin.read() if text == "-" else text
        json.loads(body, parse_int=str)
        return body.encode()
    except ValueError as error:
        raise refuse("JSON", "must be JSON", str(error), "the model would refuse it", fix) from None
    except RecursionError:
        raise refuse("JSON", "must be JSON", "too deeply nested JSON", "", fix) from None


def require_fitting(payload: bytes) -> None:
    """Raises FindingsError for a payload that SageMaker Serverless would refuse."""
    if len(payload) > MAX_PAYLOAD:
        raise refuse(
            "JSON",
            f"may have at most {MAX_PAYLOAD} bytes",
            f"{len(payload)}",
            "SageMaker Serverless would refuse it",
            "send fewer inputs at a time",
        )


def ask(client: Any, target: Target, payload: bytes) -> bytes:
    """Sends a request. An error of the service becomes an exit with the model's own reason."""
    with _service_errors():
        answer = client.invoke_endpoint(EndpointName=target.name, ContentType="application/json", Body=payload)
        return answer["Body"].read()


@contextlib.contextmanager
def _service_errors() -> Iterator[None]:
    """Turns an error of the service, or of the connection to it, into an exit with the model's own reason."""
    try:
        yield
    except ClientError as error:
        reason = error.response.get("OriginalMessage") or error.response["Error"].get("Message", str(error))
        status = int(error.response.get("OriginalStatusCode") or 0)
        code = error.response["Error"].get("Code", "")
        wrong = 400 <= status < 500 or code == "ValidationError"
        raise failed(f"{code}: {reason}", WRONG_USE if wrong else 1) from None
    except BotoCoreError as error:
        raise failed(f"no response: {error}") from None


def ask_asynchronously(target: Target, requests: str, payload: bytes, timeout: float) -> bytes:
    """Sends a request to an asynchronous endpoint and waits for its result.

    Every failure becomes an exit. For a model's error its code is 1: whether the query was wrong is unknown.

    Args:
        requests: the s3:// address below which requests are put.
        timeout: seconds to wait for the result.

    Raises:
        FindingsError: the payload is larger than the service allows.
    """
    s3, runtime = target.client("s3"), target.client()
    with _service_errors():
        submitted = submit(target.name, payload, requests=requests, s3=s3, runtime=runtime)
        say(f"submitted as {submitted.inference_id}; the result will be at {submitted.answer}")
        try:
            with _shown(target) as pause:
                return result(submitted, timeout=timeout, s3=s3, sleep=pause)
        except ModelError as error:
            raise failed(f"ModelError: {error}") from None
        except TimeoutError:
            raise failed(
                f"no result after {timeout:g} s. The request stays queued and may still be processed."
            ) from None


@contextlib.contextmanager
def _shown(target: Target) -> Iterator[Callable[[float], None]]:
    """Returns a `sleep` that shows the waiting time on a terminal, and in the sandbox the endpoint's state."""
    if not err.is_terminal:
        yield time.sleep
        return
    began = time.monotonic()
    with err.status("waiting") as status:

        def pause(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                status.update(f"waiting, {time.monotonic() - began:.0f} s{_state(target)}")
                time.sleep(min(left, 1.0))

        yield pause


def _state(target: Target) -> str:
    if target.sandbox is None:
        return ""
    with contextlib.suppress(OSError, KeyError, ValueError):  # the result itself will show what is wrong
        about = daemon.status(target.sandbox)["endpoints"][target.name]
        return f": {about['backlog']['size']} in the backlog, {len(about['instances'])} instances"
    return ""


def invoke(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the environment.")],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="The request; `-` reads it from stdin.")],
    environment: EnvironmentName = "local",
    timeout: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Seconds to wait for the result of an asynchronous endpoint. Default: {MAX_SECONDS}."
        ),
    ] = None,
) -> None:
    """Sends a request to an endpoint and prints the response.

    Example: scaletozero invoke sentences '{"inputs": ["hello"]}'
    """
    with findings_as_exit():
        body = read_payload(payload)
        target = find_target(endpoint, environment)
        if target.requests:
            write(ask_asynchronously(target, target.requests, body, timeout or MAX_SECONDS))
            return
        require_fitting(body)
        if timeout is not None:
            why = "SageMaker Serverless has a fixed limit of 60 seconds"
            raise refuse("--timeout", "is for asynchronous endpoints", timeout, why, "leave it out")
    write(ask(target.client(), target, body))
