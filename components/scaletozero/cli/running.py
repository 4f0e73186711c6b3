"""An environment's deployed endpoints, for the commands that read what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_packaging.findings import refuse
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import say
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import Project, find_project
from scaletozero.environment.settings import Environment
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.sandbox import daemon


@dataclass(frozen=True)
class Running:
    """What is deployed of an environment.

    Attributes:
        settings: the environment as it is declared now.
        endpoints: name -> what the stack's state has of it, as `endpoints_in`, each with its region.
        stack: the stack, which makes clients of where it runs.
    """

    settings: Environment
    endpoints: dict[str, dict[str, Any]]
    stack: EnvironmentStack

    @property
    def project(self) -> Project:
        return self.stack.project


def running(environment: str, what: str, *, or_gateway: bool = False) -> Running:
    """Finds an environment's deployed endpoints.

    Args:
        environment: its name.
        what: the command, for messages.
        or_gateway: whether a gateway is enough, where no endpoint is deployed.

    Raises:
        FindingsError: there is no such environment, or nothing of it is deployed.
    """
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    sandbox = daemon.running(project.local) if settings.sandbox else None
    stack, deployed = None, dict[str, dict[str, Any]]()
    if sandbox or not settings.sandbox:
        engine = find_engine(say)
        stack = EnvironmentStack(project, environment, engine, sandbox)
        with engine_errors(what, environment, engine):
            deployed = stack.endpoints()
    if stack is None or not (deployed or (or_gateway and settings.gateway)):
        fix = f"run `scaletozero up -e {environment}`; before that, `scaletozero estimate -e {environment}`"
        raise refuse(environment, "must be deployed", "no endpoint", "there is nothing to read", fix)
    return Running(settings, {name: {"region": settings.region, **about} for name, about in deployed.items()}, stack)
