"""A gateway's function on the real engine: deployed, unchanged, changed and deleted; its code is run as it is deployed.

The sandbox's functions have no URL that answers, because the layer with the Lambda Web Adapter is of another account.
The test starts what was deployed as the adapter does: its code, its settings' layer, its variables and its role.
"""

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from clusters import eventually
from workbench import Workbench, endpoint

from model_packaging import Artifact
from scaletozero.endpoints.close_function import by_hand
from scaletozero.gateway.contents import CONTAINER_PORT, FILE, PORT
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.package import HANDLER
from scaletozero.gateway.pods import COMMAND

SECRET = "openai-key"


GUARD = {"emails": ["team@example.com"]}


def declare(workbench: Workbench, encoder: Artifact, key: str, cap: float = 1, **function: Any) -> None:
    """Declares an endpoint, and a gateway with a customer as a function under a guard."""
    provider = {
        "base_url": "https://api.openai.com/v1",
        "model": "gpt-5-mini",
        "secret": SECRET,
        "price": "openai/gpt-5-mini",
    }
    customer = {"cap_usd_per_month": cap, "models": ["sentences"], "keys": [key_hash(key)]}
    workbench.declare(
        endpoints={"sentences": endpoint(encoder, memory_mb=2048, scaling={"max": 2})},
        gateway={
            "models": {
                "sentences": {"endpoint": "sentences", "cache": {"seconds": 600}},
                "small": {"provider": provider},
            },
            "customers": {"acme": customer},
            "function": {"concurrency": 2, **function},
        },
        spending={"cap_usd_per_month": 5000, "gateway": 20, "guard": GUARD},
    )


def state(workbench: Workbench) -> dict[str, dict[str, Any]]:
    """The resources of the gateway in the stack's state: the end of their names -> their outputs."""
    resources = workbench.stack().export_stack().deployment["resources"]  # pyright: ignore[reportOptionalSubscript]
    inside = [each for each in resources if "InferenceGateway$" in each["urn"]]
    return {each["urn"].rpartition("::gateway-")[2]: {**each["inputs"], **each["outputs"]} for each in inside}


def role_of(workbench: Workbench, role: str) -> dict[str, str]:
    """Credentials of the function's role, and of nothing else. The test's account may assume it as well as Lambda."""
    iam = workbench.aws("iam")
    trusted = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    who = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
    document = json.dumps({**trusted, "Statement": [*trusted["Statement"], who]})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    given = workbench.aws("sts").assume_role(RoleArn=arn, RoleSessionName="function")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


@contextmanager
def started(
    workbench: Workbench, found: dict[str, dict[str, Any]], folder: Path, *, as_pod: bool = False
) -> Iterator[str]:
    """What was deployed, in a process of a Python that has nothing else; as a pod's, in one of what is installed here.
    Gives its address."""
    function, layer = found["function"], found["settings"]
    code, settings = folder / "task", folder / "opt"
    with zipfile.ZipFile(function["code"]["path"]) as archive:
        archive.extractall(code)
    (code / HANDLER).chmod(0o755)
    settings.mkdir(parents=True)
    (name,) = layer["code"]["assets"]
    (settings / name).write_text(layer["code"]["assets"][name]["text"])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    variables = {key: str(value) for key, value in function["environment"]["variables"].items()}
    assert variables[FILE] == f"/opt/{name}"
    environment = {
        **variables,
        **role_of(workbench, found["role"]["name"]),
        FILE: str(settings / name),
        CONTAINER_PORT if as_pod else PORT: str(port),
        "PATH": f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}/usr/bin:/bin",
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": workbench.sandbox().aws_url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": workbench.sandbox().runtime_url,
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, *COMMAND[1:]] if as_pod else [str(code / HANDLER)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def healthy() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        eventually(healthy, patience=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def closed_and_opened(workbench: Workbench, function: str) -> None:
    """Closes the gateway by hand, and by its guard's function under its own role; each time it is opened by command."""
    lambda_, cloudwatch = workbench.aws("lambda"), workbench.aws("cloudwatch")

    def reserved() -> int:
        return lambda_.get_function_concurrency(FunctionName=function)["ReservedConcurrentExecutions"]

    assert "no request is let in" in workbench.done("close", "gateway")
    assert reserved() == 0
    assert "was closed" in workbench.done("close", "gateway")
    said = json.loads(workbench.run("status", "--json").stdout)["spending"]
    assert said["gateway"] == {"usd": None, "cap_usd": 20.0, "state": "closed"}
    assert "up to 2 requests" in workbench.done("reopen", "gateway")
    assert reserved() == 2
    guard = workbench.stack().outputs()["guard"].value["function"]
    variables = lambda_.get_function_configuration(FunctionName=guard)["Environment"]["Variables"]
    (alarm,) = json.loads(variables["GATEWAYS"])
    assert [each["AlarmName"] for each in cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]] == [alarm]
    answer = lambda_.invoke(FunctionName=guard, Payload=json.dumps(by_hand(alarm)))
    assert json.loads(answer["Payload"].read()) == {"closed": [function], "waiting": []}
    assert reserved() == 0
    workbench.done("reopen", "gateway")
    assert reserved() == 2


def test_a_gateway_as_a_function(workbench: Workbench, encoder: Artifact, tmp_path: Path) -> None:
    key = new_key()
    declare(workbench, encoder, key)
    workbench.done("up")
    workbench.aws("secretsmanager").create_secret(Name=SECRET, SecretString="of the provider")
    found = state(workbench)
    function = found["function"]
    assert function["reservedConcurrentExecutions"] == 2
    assert function["timeout"] == 660
    assert workbench.aws("lambda").get_function_url_config(FunctionName=function["name"])["InvokeMode"] == (
        "RESPONSE_STREAM"
    )
    ledger, answers = (found[each]["name"] for each in ("ledger", "answers"))
    dynamodb = workbench.aws("dynamodb")
    for table in (ledger, answers):
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")

    with started(workbench, found, tmp_path / "first") as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=key)
        answer = client.embeddings.create(model="sentences", input=["A cold start is a number, not a hope."])
        assert len(answer.data[0].embedding) == 384
        again = client.embeddings.with_raw_response.create(
            model="sentences", input=["A cold start is a number, not a hope."]
        )
        assert again.headers["x-scaletozero-cache"] == "hit"
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{address}/v1", api_key="stz-wrong").models.list()
        # A function is frozen when its response has ended: by then the request was settled.
        items = dynamodb.scan(TableName=ledger)["Items"]
        assert not [each for each in items if each["pk"]["S"].startswith("L#")]
        (account,) = (each for each in items if each["pk"]["S"] == "A#acme")
        spent, held, cap = (int(account[each]["N"]) for each in ("spent", "held", "cap"))
        assert (held, cap) == (0, 1_000_000)
        assert 0 < spent < cap

    with started(workbench, found, tmp_path / "pod", as_pod=True) as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key=key)
        assert len(client.embeddings.create(model="sentences", input=["The same program."]).data[0].embedding) == 384

        def settled() -> int:
            items = dynamodb.scan(TableName=ledger)["Items"]
            if any(each["pk"]["S"].startswith("L#") for each in items):
                return 0
            (account,) = (each for each in items if each["pk"]["S"] == "A#acme")
            return int(account["spent"]["N"]) if int(account["held"]["N"]) == 0 else 0

        # A pod is not frozen: it settles after the response.
        before, spent = spent, eventually(settled, patience=60)
        assert spent > before

    listed = json.loads(workbench.run("customers", "list", "--json").stdout)["customers"]
    assert [(each["name"], each["periods"][-1]["spent"]) for each in listed] == [("acme", spent)]

    closed_and_opened(workbench, function["name"])
    assert "unchanged" in workbench.done("up")
    assert state(workbench)["settings"]["arn"] == found["settings"]["arn"]

    declare(workbench, encoder, key, cap=2, concurrency=0)
    workbench.done("up")
    changed = state(workbench)
    assert changed["settings"]["arn"] != found["settings"]["arn"]
    assert changed["function"]["layers"][1] == changed["settings"]["arn"]
    assert changed["function"]["codeSha256"] == function["codeSha256"]
    assert changed["ledger"]["name"] == ledger
    reserved = workbench.aws("lambda").get_function_concurrency(FunctionName=function["name"])
    assert reserved["ReservedConcurrentExecutions"] == 0

    assert "everything is deleted" in workbench.done("down")
