"""What came as a secret is in clear in no state, no log and no error."""

import subprocess
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from pulumi import automation as auto
from workbench import Workbench

from scaletozero import ArtifactStore
from scaletozero.engine.find import find_engine
from scaletozero.sandbox import daemon
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.providers.install import install_plugins

REGION = "eu-central-1"


def test_a_secret_key_is_in_no_state_and_no_log(sandbox_stack: Any, tmp_path: Path) -> None:
    key = f"arn:aws:kms:{REGION}:123456789012:key/11111111-2222-3333-4444-very5secret6"
    given: list[str] = [key]

    def program() -> None:
        ArtifactStore("artifacts", {"region": REGION, "kms_key_arn": pulumi.Output.secret(given[0])})

    stack: auto.Stack = sandbox_stack(program)
    said: list[str] = []
    stack.up(on_output=said.append)
    (state,) = (tmp_path / "backend").rglob("stacks/acme/dev.json")
    assert "aws:s3/bucket:Bucket" in state.read_text()
    assert "very5secret6" not in state.read_text()
    assert "very5secret6" not in "".join(said)
    given[0] = key.replace(REGION, "us-east-1")
    said.clear()
    with pytest.raises(auto.errors.CommandError) as error:
        stack.up(on_output=said.append)
    assert "artifacts.kms_key_arn: must be" in str(error.value) + "".join(said)
    assert "very5secret6" not in str(error.value) + "".join(said)


def encrypt(workbench: Workbench, value: str) -> None:
    """As `pulumi config set --secret --path scaletozero:environment.artifacts.kms_key_arn` would leave the file."""
    stacks = workbench.root / "stacks" / "environments"
    command = [find_engine().command, "config", "set", "--secret", "--path", "--stack", "dev", "--non-interactive"]
    command += ["--config-file", str(stacks / "Pulumi.dev.yaml"), "scaletozero:environment.artifacts.kms_key_arn"]
    subprocess.run([*command, value], cwd=workbench.root, check=True, capture_output=True)


@pytest.fixture
def on_account(
    workbench: Workbench, sandbox: daemon.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workbench:
    """An environment `dev` that the command takes to be on an account, which is the embedded AWS."""
    home, backend = tmp_path / "home", tmp_path / "backend"
    backend.mkdir()
    install_plugins(home)
    variables = sandbox_environment(backend, sandbox, tmp_path / "manifests")
    for name, value in {**variables, "PULUMI_HOME": str(home), "PULUMI_CONFIG_PASSPHRASE": "the team's"}.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    workbench.declare("dev", region=REGION, sandbox=None)
    subprocess.run(
        [find_engine().command, "stack", "init", "dev", "--non-interactive"],
        cwd=workbench.root,
        check=True,
        capture_output=True,
    )
    return workbench


def test_an_encrypted_key_of_an_environment(on_account: Workbench, tmp_path: Path) -> None:
    key = f"arn:aws:kms:{REGION}:123456789012:key/11111111-2222-3333-4444-very5secret6"
    encrypt(on_account, key)
    settings = (on_account.root / "stacks" / "environments" / "Pulumi.dev.yaml").read_text()
    assert "secure:" in settings
    assert "very5secret6" not in settings

    result = on_account.run("up", "-e", "dev", "--yes")
    assert result.returncode == 0, result.stderr
    (state,) = (tmp_path / "backend").rglob("stacks/scaletozero/dev.json")
    assert "aws:s3/bucket:Bucket" in state.read_text()
    assert "very5secret6" not in state.read_text() + result.stdout + result.stderr
    (bucket,) = on_account_s3(tmp_path).list_buckets()["Buckets"]
    rules = on_account_s3(tmp_path).get_bucket_encryption(Bucket=bucket["Name"])["ServerSideEncryptionConfiguration"]
    assert rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key

    encrypt(on_account, key.replace(REGION, "us-east-1"))
    result = on_account.run("up", "-e", "dev", "--yes")
    assert result.returncode == 1
    assert f"environment.artifacts.kms_key_arn: must be a key in {REGION}, got [secret]" in result.stderr
    assert "very5secret6" not in result.stdout + result.stderr

    # The same file in the sandbox, where nobody can decrypt it.
    result = on_account.run("preview", "-e", "dev", "--sandbox", PULUMI_CONFIG_PASSPHRASE="another")
    assert result.returncode == 0, result.stderr
    replaced = "instead of encrypted ones: scaletozero:environment.artifacts.kms_key_arn"
    assert replaced in result.stderr


def on_account_s3(folder: Path) -> Any:
    running = daemon.running(folder / "sandbox")
    assert running
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=running.aws_url,
        aws_access_key_id=running.credentials.access_key,
        aws_secret_access_key=running.credentials.secret_key,
    )
