"""A project of its own in a folder, driven by the command line as a user would, on the real engine."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from pulumi import automation as auto

from model_packaging import Artifact
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.sandbox import daemon

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = str(Path(sys.executable).with_name("scaletozero"))
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"


@dataclass
class Workbench:
    """A project in a folder, and the command to drive it with."""

    root: Path

    def declare(self, environment: str = "local", **changes: Any) -> None:
        """Writes an environment's settings file; it runs in the sandbox, on any free ports."""
        settings: dict[str, Any] = {
            "region": "us-east-1",
            "endpoints": {},
            "sandbox": {"aws_port": 0, "runtime_port": 0, "idle_seconds": 60},
            **changes,
        }
        content = {"config": {"scaletozero:environment": {k: v for k, v in settings.items() if v is not None}}}
        (self.root / "stacks" / "environments" / f"Pulumi.{environment}.yaml").write_text(yaml.safe_dump(content))

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Starts `scaletozero` in the project."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.root,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Runs `scaletozero` in the project to its end."""
        with self.start(*arguments, **environ) as process:
            try:
                out, err = process.communicate(timeout=600)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def done(self, *arguments: str) -> str:
        """Runs `scaletozero`, which has to succeed; what it said on stderr."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stderr

    def sandbox(self) -> daemon.Sandbox:
        """The project's embedded AWS, which has to run."""
        running = daemon.running(self.root / ".scaletozero")
        assert running
        return running

    def stack(self) -> auto.Stack:
        """The engine's own view of the environment `local`."""
        return EnvironmentStack(find_project(self.root), "local", find_engine(), self.sandbox()).stack()

    def aws(self, service: str) -> Any:
        """A client of the embedded AWS."""
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.sandbox().aws_url,
            aws_access_key_id=self.sandbox().credentials.access_key,
            aws_secret_access_key=self.sandbox().credentials.secret_key,
        )

    def left(self) -> Mapping[str, int]:
        """How many resources of each kind the embedded AWS holds."""
        sagemaker = self.aws("sagemaker")
        return {
            "buckets": len(self.aws("s3").list_buckets()["Buckets"]),
            "models": len(sagemaker.list_models()["Models"]),
            "configurations": len(sagemaker.list_endpoint_configs()["EndpointConfigs"]),
            "endpoints": len(sagemaker.list_endpoints()["Endpoints"]),
            "roles": len(self.aws("iam").list_roles()["Roles"]),
            "log groups": len(self.aws("logs").describe_log_groups()["logGroups"]),
        }


NOTHING = dict.fromkeys(("buckets", "models", "configurations", "endpoints", "roles", "log groups"), 0)


def endpoint(artifact: Artifact, **changes: Any) -> dict[str, Any]:
    """One serverless endpoint of an environment."""
    return {"artifact": str(artifact.path), "image": IMAGE, **changes}
