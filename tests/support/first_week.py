"""A platform team's own stack, outside of this repository: its programs, and the wheel that it runs them with."""

import json
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from wheel import Installed
from workbench import IMAGE

from scaletozero.engine.find import find_engine

PROJECT = "acme"
KEYS = [f"arn:aws:kms:us-east-1:123456789012:key/{n * 8}-1111-4111-8111-111111111111" for n in "12"]
QUESTION = '{"inputs": ["hello"]}'
SECONDS = 900
"""After these a command counts as one that never ends."""

OWN_COMPONENT = '''
"""What every team of the company uses to serve a model."""

import pulumi
import pulumi_aws as aws
from scaletozero import ArtifactStore, ServerlessEndpoint


class Search(pulumi.ComponentResource):
    def __init__(self, name, config, opts=None):
        region = "us-east-1"
        provider = aws.Provider(f"{name}-aws", region=region, opts=pulumi.ResourceOptions(aliases=former(opts, "-aws")))
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[provider]))
        super().__init__("acme:index:Search", name, None, opts)
        shared = {"region": region, "tags": {"team": "search"}, "kms_key_arn": config.get("key")}
        inside = pulumi.ResourceOptions(parent=self)
        store = ArtifactStore("artifacts", shared, inside)
        self.endpoint = ServerlessEndpoint("vectors", {
            **shared,
            "artifact": config.require("artifact"),
            "bucket": store.bucket,
            "image": config.require("image"),
            "endpoint_name": config.require("endpoint"),
            "scaling": {"max": 3},
        }, inside)
        self.register_outputs({"endpoint": self.endpoint.endpoint_name})


def former(opts, suffix):
    """The provider moves with its component, which the engine knows by an alias."""
    return [pulumi.Alias(name=f"{alias.name}{suffix}") for alias in (opts.aliases or [])] if opts else None
'''

PROGRAM = """
import pulumi
from acme_models import Search

config = pulumi.Config()
if name := config.get("search"):
    aliases = [pulumi.Alias(name=config.get("former"))] if config.get("former") else None
    found = Search(name, config, pulumi.ResourceOptions(aliases=aliases))
    pulumi.export("endpoints", {"search": found.endpoint.endpoint_name})
"""

YAML_PROGRAM = """
name: acme
runtime: yaml
config:
  artifact: {type: string}
  image: {type: string}
  endpoint: {type: string}
  key: {type: string}
resources:
  artifacts:
    type: scaletozero:ArtifactStore
    properties: {region: us-east-1, tags: {team: search}, kmsKeyArn: "${key}"}
    options: {OPTIONS}
  NAME:
    type: scaletozero:ServerlessEndpoint
    properties:
      artifact: ${artifact}
      bucket: ${artifacts.bucket}
      image: ${image}
      region: us-east-1
      tags: {team: search}
      kmsKeyArn: ${key}
      endpointName: ${endpoint}
      scaling: {max: 3}
    options: {ALIASES OPTIONS}
outputs:
  name: ${NAME.endpointName}
"""

SANDBOX = """
import json, sys
from pathlib import Path
from scaletozero.sandbox import daemon
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.providers.install import install_plugins

root = Path(sys.argv[1])
sandbox = daemon.ensure_running(root / "sandbox", aws_port=0, runtime_port=0, idle_seconds=60)
install_plugins(root / "home")
(root / "backend").mkdir()
variables = sandbox_environment(root / "backend", sandbox, root / "manifests")
print(json.dumps({"runtime": sandbox.runtime_url, "variables": variables}), flush=True)
sys.stdin.read()
daemon.stop(root / "sandbox")
"""
"""Runs an embedded AWS until its stdin is closed."""

PLUGIN = """#!/bin/sh
exec "{python}" -u -c 'from scaletozero.plugin import serve; serve()' "$@"
"""


def outside(**more: str) -> dict[str, str]:
    """This process's environment without what it knows of the repository."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "CI")} | more


def held(backend: Path, stack: str) -> dict[str, str]:
    """What a stack's state has of the cloud: type and logical name -> id."""
    state = json.loads((backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json").read_text())
    resources = state["checkpoint"]["latest"].get("resources") or []
    return {
        f"{each['type']} {each['urn'].rpartition('::')[2]}": each["id"]
        for each in resources
        if each["type"].startswith("aws:")
    }


def keys_of(backend: Path, stack: str) -> set[str]:
    """Which of KEYS a stack's state names."""
    text = (backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json").read_text()
    return {key for key in KEYS if key in text}


def run(command: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )


@dataclass
class PythonTeam:
    """The team's project in Python, driven by the command."""

    root: Path
    installed: Installed
    artifact: Path

    @property
    def backend(self) -> Path:
        return self.root / ".scaletozero" / "backend"

    def write_program(self) -> None:
        (self.root / "stacks").mkdir()
        (self.root / "program").mkdir()
        (self.root / "Pulumi.yaml").write_text(
            f"name: {PROJECT}\nruntime: python\nmain: program\nstackConfigDir: stacks\n"
        )
        (self.root / "program" / "acme_models.py").write_text(OWN_COMPONENT)
        (self.root / "program" / "__main__.py").write_text(PROGRAM)

    def settings(self, environment: str, *, protect: bool = False, **own: str) -> None:
        """Writes an environment's settings: the sandbox, and the program's own."""
        declared: dict[str, Any] = {"region": "us-east-1", "endpoints": {}, "protect": protect}
        declared["sandbox"] = {"aws_port": 0, "runtime_port": 0, "idle_seconds": 300}
        shared = {"artifact": str(self.artifact), "image": IMAGE, **own}
        config = {f"{PROJECT}:environment": declared, **{f"{PROJECT}:{key}": value for key, value in shared.items()}}
        (self.root / "stacks" / f"Pulumi.{environment}.yaml").write_text(yaml.safe_dump({"config": config}))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run([self.installed.command, *arguments], self.root, outside())

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stderr

    def up(self, environment: str) -> str:
        """What `up` says that it has changed."""
        return next(line for line in self.done("up", "-e", environment).splitlines() if line.startswith(environment))

    def dimensions(self, environment: str) -> int:
        """The length of the vector that the environment's endpoint responds with."""
        result = self.run("invoke", "vectors", QUESTION, "-e", environment)
        assert result.returncode == 0, result.stderr
        return len(json.loads(result.stdout)["embeddings"][0])

    def engine(self, *arguments: str) -> str:
        """The engine itself, on the state that the command keeps."""
        variables = outside(
            PULUMI_HOME=str(self.root / ".scaletozero" / "home"),
            PULUMI_BACKEND_URL=self.backend.as_uri(),
            PULUMI_CONFIG_PASSPHRASE="",
        )
        result = run([find_engine().command, *arguments, "--non-interactive"], self.root, variables)
        assert result.returncode == 0, result.stderr
        return result.stdout


@dataclass
class YamlTeam:
    """The team's program in YAML, driven by the engine, with the wheel's plugins."""

    root: Path
    variables: dict[str, str]
    runtime: str
    artifact: Path

    @property
    def backend(self) -> Path:
        return self.root.parent / "backend"

    def program(self, name: str, former: str = "", *, protect: bool = False) -> None:
        text = YAML_PROGRAM.replace("NAME", name)
        # In YAML an alias is a URN.
        alias = f"urn:pulumi:dev::{PROJECT}::scaletozero:index:ServerlessEndpoint::{former}"
        text = text.replace("ALIASES", f'aliases: ["{alias}"],' if former else "")
        (self.root / "Pulumi.yaml").write_text(text.replace("OPTIONS", "protect: true" if protect else ""))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run([find_engine().command, *arguments, "--non-interactive"], self.root, self.variables)

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def settings(self, stack: str, **own: str) -> None:
        self.done("stack", "init", stack)
        config = {"artifact": str(self.artifact), "image": IMAGE, **own}
        content = {"aws:region": "us-east-1", **{f"{PROJECT}:{key}": value for key, value in config.items()}}
        path = self.root / f"Pulumi.{stack}.yaml"
        written = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(yaml.safe_dump({**(written or {}), "config": content}))

    def up(self, stack: str) -> dict[str, int]:
        """How many resources it changed, by kind."""
        result = self.done("up", "--yes", "--skip-preview", "--stack", stack, "--json")
        (summary,) = [json.loads(line) for line in result.splitlines() if '"summaryEvent"' in line]
        return summary["summaryEvent"]["resourceChanges"]

    def dimensions(self, stack: str) -> int:
        """The length of the vector that the stack's endpoint responds with."""
        client = boto3.client(
            "sagemaker-runtime",
            region_name="us-east-1",
            endpoint_url=self.runtime,
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
        )
        name = self.done("stack", "output", "name", "--stack", stack).strip()
        found = client.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=QUESTION)
        return len(json.load(found["Body"])["embeddings"][0])


def install_wheels_plugin(installed: Installed, home: Path) -> None:
    """Puts the wheel's components where the engine of that PULUMI_HOME looks for their plugin."""
    find = "from scaletozero.plugin import NAME, VERSION; print(NAME, VERSION)"
    found = subprocess.run([installed.python, "-c", find], capture_output=True, text=True, env=outside(), check=True)
    name, version = found.stdout.split()
    folder = home / "plugins" / f"resource-{name}-v{version}"
    folder.mkdir(parents=True)
    plugin = folder / f"pulumi-resource-{name}"
    plugin.write_text(PLUGIN.format(python=installed.python))
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
