"""`reopen`: opens an endpoint that its spending guard closed."""

from __future__ import annotations

from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.output import failed, findings_as_exit, say
from scaletozero.cli.querying import find_target
from scaletozero.endpoints.reopen import closable
from scaletozero.endpoints.reopen import reopen as opened_again
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.stack import EnvironmentStack


def reopen(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the environment.")],
    environment: EnvironmentName = "local",
) -> None:
    """Opens an endpoint that its spending guard closed. It changes nothing where the endpoint is open.

    It needs credentials that may detach policies from the callers' roles, change the endpoint's capacity and resume its
    scaling. While the endpoint's alarm is still in alarm it is refused, because the guard would close it again.

    Example: scaletozero reopen sentences -e prod-eu
    """
    with findings_as_exit():
        target = find_target(endpoint, environment, "reopen")
        engine = find_engine(say)
        with engine_errors("reopen", environment, engine):
            stack = EnvironmentStack(find_project(), environment, engine, target.sandbox)
            found = closable(stack.resources(), target.name)
        if found is None:
            why = "nothing was changed"
            fix = f"give it a cap in `spending.endpoints` with a `guard`, and run `scaletozero up -e {environment}`"
            raise refuse("endpoint", "must be under a spending guard", f"{endpoint}, which has none", why, fix)
        try:
            done = opened_again(found, target.client)
        except (BotoCoreError, ClientError) as error:
            raise failed(f"error: {endpoint} is not open: {error}") from None
    say(f"{endpoint} is open: {', '.join(done)}" if done else f"{endpoint} was open; nothing was changed")
