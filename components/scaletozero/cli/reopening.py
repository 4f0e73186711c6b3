"""`close` and `reopen`: close an endpoint by hand, and open one that was closed by hand or by its spending guard."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.engine import engine_errors
from scaletozero.cli.gateway_closing import close_gateway, is_gateway, reopen_gateway
from scaletozero.cli.output import failed, findings_as_exit, say
from scaletozero.cli.querying import Found, find_deployed
from scaletozero.endpoints.close_function import by_hand
from scaletozero.endpoints.reopen import Closable, closable
from scaletozero.endpoints.reopen import reopen as opened_again
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.stack import EnvironmentStack

if TYPE_CHECKING:
    from scaletozero.kubernetes.api import KubernetesApi, Manifest

EndpointName = Annotated[str, typer.Argument(help="The endpoint's name in the environment, or `gateway`.")]


def close(endpoint: EndpointName, environment: EnvironmentName = "local") -> None:
    """Closes an endpoint until `scaletozero reopen` opens it; `scaletozero up` leaves it closed.

    An endpoint of SageMaker under a spending guard is closed by the guard's function, as at its cap; that needs
    credentials that may invoke the function. A GPU endpoint is paused by KEDA at no replica: its requests are held and
    then refused. That needs the cluster of KUBECONFIG, and to patch its ScaledObject. `gateway` is the environment's
    gateway as a function, which is left no requests at a time, if no endpoint has that name.

    Example: scaletozero close llm -e gpu-eu
    """
    with findings_as_exit():
        if is_gateway(endpoint, environment):
            close_gateway(environment)
            return
        found = find_deployed(endpoint, environment, "close")
        if found.on_cluster:
            from scaletozero.kubernetes.pausing import pause

            with _scaled(found) as (api, scaled):
                changed = pause(api, scaled)
            say(f"{endpoint} is closed: KEDA holds it at no replica" if changed else f"{endpoint} was closed")
            return
        guarded = _guarded(found, endpoint, environment, "close")
        try:
            client = found.target.client("lambda")
            answer = client.invoke(FunctionName=guarded.function, Payload=json.dumps(by_hand(guarded.alarm)))
            said = json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise failed(f"error: {endpoint} is not closed: {error}") from None
    if answer.get("FunctionError"):
        raise failed(f"error: {endpoint} is not closed: {said.get('errorMessage', said)}")
    waits = " Its capacity follows when its update is over." if said["waiting"] else ""
    say(f"{endpoint} is closed.{waits}")


def reopen(endpoint: EndpointName, environment: EnvironmentName = "local") -> None:
    """Opens an endpoint that its spending guard or `close` closed. It changes nothing where the endpoint is open.

    It needs credentials that may detach policies from the callers' roles, change the endpoint's capacity and resume its
    scaling. While the endpoint's alarm is still in alarm it is refused, because the guard would close it again. Of a
    GPU endpoint it takes KEDA's pause away, in the cluster of KUBECONFIG. `gateway` gets its declared concurrency.

    Example: scaletozero reopen sentences -e prod-eu
    """
    with findings_as_exit():
        if is_gateway(endpoint, environment):
            reopen_gateway(environment)
            return
        found = find_deployed(endpoint, environment, "reopen")
        if found.on_cluster:
            from scaletozero.kubernetes.pausing import resume

            with _scaled(found) as (api, scaled):
                done = ["KEDA scales it again"] if resume(api, scaled) else []
        else:
            guarded = _guarded(found, endpoint, environment, "reopen")
            try:
                done = opened_again(guarded, found.target.client)
            except (BotoCoreError, ClientError) as error:
                raise failed(f"error: {endpoint} is not open: {error}") from None
    say(f"{endpoint} is open: {', '.join(done)}" if done else f"{endpoint} was open; nothing was changed")


def _guarded(found: Found, endpoint: str, environment: str, what: str) -> Closable:
    """The endpoint as its guard closes it."""
    engine = find_engine(say)
    with engine_errors(what, environment, engine):
        resources = EnvironmentStack(find_project(), environment, engine, found.sandbox).resources()
    guarded = closable(resources, found.target.name)
    if guarded is None:
        why = "nothing was changed"
        fix = f"give it a cap in `spending.endpoints` with a `guard`, and run `scaletozero up -e {environment}`"
        raise refuse("endpoint", "must be under a spending guard", f"{endpoint}, which has none", why, fix)
    return guarded


@contextmanager
def _scaled(found: Found) -> Iterator[tuple[KubernetesApi, Manifest]]:
    """The cluster of a GPU endpoint, and what names its ScaledObject there.

    Raises:
        FindingsError: it is another cluster, does not answer, refuses, or has no such object.
    """
    from scaletozero.kubernetes.api import ApiError
    from scaletozero.kubernetes.facts.discover import open_cluster
    from scaletozero.kubernetes.pausing import paused, scaled_object

    block = found.settings.kubernetes
    assert block  # an environment with an endpoint on a cluster has one
    cluster, namespace = block.cluster, found.about.get("namespace") or block.namespace
    given = os.environ.get("KUBECONFIG")
    api, _, _ = open_cluster(given, cluster.name, cluster.region or found.settings.region, context=block.context)
    scaled = scaled_object(namespace, found.about["name"])
    try:
        if paused(api, scaled) is None:
            name = f"{namespace}/{found.about['name']}"
            why, fix = "nothing was changed", "set KUBECONFIG to the cluster that the endpoint is on"
            raise refuse("KUBECONFIG", "must lead to the endpoint's cluster", f"one without {name}", why, fix)
        yield api, scaled
    except ApiError as error:
        raise refuse("KUBECONFIG", "must lead to a cluster that answers", str(error), "nothing was changed") from None
    finally:
        api.close()
