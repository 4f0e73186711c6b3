"""`close gateway` and `reopen gateway`: the function that an environment's gateway runs as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import failed, say
from scaletozero.endpoints.closed_gateway import Door, close_door, find_door, open_door
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.settings import Environment
from scaletozero.environment.stack import EnvironmentStack
from scaletozero.sandbox import daemon
from scaletozero.settings.guarded_gateway import NAME


def is_gateway(name: str, environment: str) -> bool:
    """Whether a name means the environment's gateway: it runs as a function, and no endpoint has the name."""
    return name == NAME and _as_function(find_project().environment(environment, with_artifacts=False))


def _as_function(settings: Environment) -> bool:
    return NAME not in settings.endpoints and settings.gateway is not None and settings.gateway.function is not None


def close_gateway(environment: str) -> None:
    """Closes it.

    Raises:
        FindingsError: it is not deployed.
    """
    door, client = _deployed(environment, "close")
    changed = _asked(lambda: close_door(door, client), "closed")
    say("the gateway is closed: no request is let in" if changed else "the gateway was closed; nothing was changed")


def reopen_gateway(environment: str) -> None:
    """Opens it.

    Raises:
        FindingsError: it is not deployed, its alarm stands, or it is declared closed.
    """
    door, client = _deployed(environment, "reopen")
    if _asked(lambda: open_door(door, client), "open"):
        say(f"the gateway is open: up to {door.concurrency} requests at a time")
    else:
        say("the gateway was open; nothing was changed")


def _asked(what: Callable[[], bool], wanted: str) -> bool:
    try:
        return what()
    except (BotoCoreError, ClientError) as error:
        raise failed(f"error: the gateway is not {wanted}: {error}") from None


def _deployed(environment: str, what: str) -> tuple[Door, Callable[[str], Any]]:
    """The function, and what makes clients where it is."""
    project = find_project()
    settings = project.environment(environment, with_artifacts=False)
    sandbox = daemon.running(project.local) if settings.sandbox else None
    fix = f"run `scaletozero up -e {environment}`"
    if settings.sandbox and sandbox is None:
        raise refuse(environment, "must be deployed and running", "no running embedded AWS", "nothing was changed", fix)
    engine = find_engine(say)
    stack = EnvironmentStack(project, environment, engine, sandbox)
    with engine_errors(what, environment, engine):
        door = find_door(stack.resources())
    if door is None:
        got = "a function that is declared only"
        raise refuse("gateway.function", "must be deployed", got, "nothing was changed", fix)
    return door, lambda service: stack.client(service, settings.region)
