"""`bench --starts` of an endpoint on SageMaker: starts it from nothing, after the cost was shown and agreed to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.cli import interrupting
from scaletozero.cli.asking import agree, can_ask
from scaletozero.cli.forced_starts import BROKEN_OFF, Asked, Words, finish, require_affordable
from scaletozero.cli.output import failed, findings_as_exit, say
from scaletozero.cli.querying import Found, Target, find_deployed
from scaletozero.cli.started_services import AsynchronousService, ServerlessService
from scaletozero.cli.starts_shown import told
from scaletozero.cli.watching import Output
from scaletozero.cold_start.remembered import PhaseSeconds, Start, add_starts, read_starts
from scaletozero.endpoints.kinds import kind_of
from scaletozero.endpoints.sagemaker_kind import serverless_type
from scaletozero.environment.project import find_project
from scaletozero.kubernetes.wake import WakePlan
from scaletozero.observability.forced_calls import Caller, CallPlan, refused_calls
from scaletozero.observability.forced_wakes import Forced, RequestWaker, refused_wakes, wakes_plan
from scaletozero.settings.names import VARIANT
from scaletozero.spending.costs import InstanceCost, ServerlessCost
from scaletozero.spending.prices import prices

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def _usd(amount: Decimal) -> str:
    """Cents, and what is less than ten of them by two digits that count."""
    return f"{amount:.2f}" if amount >= Decimal("0.1") or not amount else f"{amount:.2g}"


WORDS = Words("start", "started", _usd, 6, "")


def start_sagemaker(endpoint: str, environment: str, asked: Asked, body: bytes, output: Output) -> None:
    """Starts an endpoint from nothing so many times; measures and remembers the starts.

    Args:
        endpoint, environment: a deployed serverless or asynchronous endpoint.
        asked: how many starts, and for how much.
        body: the request that is sent.
        output: how the starts are judged and shown.

    Raises:
        Exit: it is refused or not agreed to, a start failed, or it was broken off.
    """
    with findings_as_exit():
        project = find_project()
        path = project.starts_file(environment)
        read_starts(path)
        settings = project.environment(environment, gated=False)
        if settings.sandbox is None:
            can_ask("bench", yes=asked.yes)
        found = find_deployed(endpoint, environment, "bench")
        written = settings.endpoints.get(endpoint)
        if written is None:
            raise refuse("endpoint", f"must be declared in {environment}", endpoint, "its price is not known")
        cost = kind_of(written).priced(written, settings.opened[endpoint], found.target.region, prices()).cost
        try:
            run, plan = _prepared(endpoint, found, cost, body)
        except (ClientError, BotoCoreError) as error:
            raise failed(f"error: {endpoint} could not be read: {error}") from None
        require_affordable(plan.expected(1), asked, WORDS)
        _say_costs(endpoint, plan, asked, found.sandbox is not None)
        if found.sandbox is None:
            agree(f"Start {endpoint} {asked.starts} times?", yes=asked.yes)
    made = _made(endpoint, run, plan, asked, path if output.margin is None else None)
    finish(endpoint, path, made, asked, plan.bound(asked.starts), WORDS, output)


Run = Callable[[int, Decimal | None, Forced, Callable[[Start], None]], None]


def _prepared(endpoint: str, found: Found, cost: object, body: bytes) -> tuple[Run, WakePlan | CallPlan]:
    """What makes the starts, and their times and price.

    Raises:
        FindingsError: it cannot be started from nothing.
        ClientError: AWS refuses.
    """
    target = found.target
    about = target.client("sagemaker").describe_endpoint(EndpointName=target.name)
    if target.requests:
        assert isinstance(cost, InstanceCost)
        _require(refused_wakes(endpoint, about["EndpointStatus"], _scalable(target)))
        plan = wakes_plan(cost.hourly.amount, cost.idle_seconds, int(cost.start_seconds))
        served = _served(target, about, found.about["instance_type"])
        return RequestWaker(AsynchronousService(target, body), served, plan, say).run, plan
    assert isinstance(cost, ServerlessCost)
    (variant,) = about["ProductionVariants"]
    provisioned = (variant.get("CurrentServerlessConfig") or {}).get("ProvisionedConcurrency") or 0
    _require(refused_calls(endpoint, about["EndpointStatus"], provisioned))
    plan = CallPlan(cost.gb * cost.compute.amount)
    served = _served(target, about, serverless_type(cost.memory_mb))
    return Caller(ServerlessService(target, body), served, plan, say).run, plan


def _require(finding: Finding | None) -> None:
    if finding:
        raise FindingsError([finding])


def _scalable(target: Target) -> Mapping[str, Any] | None:
    response = target.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker",
        ResourceIds=[f"endpoint/{target.name}/variant/{VARIANT}"],
        ScalableDimension=DIMENSION,
    )
    return next(iter(response["ScalableTargets"]), None)


def _served(
    target: Target, about: Mapping[str, Any], instance_type: str
) -> Callable[[str, datetime, PhaseSeconds], Start]:
    """What makes a start of what is deployed, which the declaration may be ahead of."""
    client = target.client("sagemaker")
    config = client.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])
    model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    container = model["PrimaryContainer"]
    image = container["Image"]
    digest = image.rpartition("@")[2]
    # The archive's folder is its digest: see `model_prefix`.
    artifact = container["ModelDataUrl"].split("/")[-2].removesuffix("-kms")

    def start(name: str, at: datetime, seconds: PhaseSeconds) -> Start:
        return Start(
            id=name[:100],
            at=at,
            region=target.region,
            instance_type=instance_type,
            image=image,
            image_digest=digest if digest.startswith("sha256:") else None,
            artifact=artifact,
            seconds=seconds,
        )

    return start


def _say_costs(endpoint: str, plan: WakePlan | CallPlan, asked: Asked, sandboxed: bool) -> None:
    if isinstance(plan, WakePlan):
        price = f"an instance at {plan.usd_per_hour.normalize():f} USD an hour"
        times = f"for at most {plan.limit_seconds} s, and {plan.after_seconds} s until scaling has removed it"
        say(f"{asked.starts} starts of {endpoint}: each wakes {price} {times}")
    else:
        waits = " s, ".join(f"{each:g}" for each in plan.waits)
        say(f"{asked.starts} starts of {endpoint}: each is one call after a wait of {waits} s, until one meets a start")
    bound, expected = plan.bound(asked.starts), plan.expected(asked.starts)
    most = "" if asked.bound is None else f"; it stops before it costs {_usd(asked.bound)}"
    where = " On an account; in the sandbox nothing is paid." if sandboxed else ""
    say(f"cost: at most {_usd(bound)} USD, about {_usd(expected)}{most}.{where}")


def _made(endpoint: str, run: Run, plan: WakePlan | CallPlan, asked: Asked, path: Path | None) -> Forced:
    """Makes the starts. Each one is remembered at once if there is a path."""
    made = Forced()

    def heard(start: Start) -> None:
        told([start])
        if path:
            add_starts(path, endpoint, [start])

    with interrupting.once():
        try:
            run(asked.starts, asked.bound, made, heard)
        except KeyboardInterrupt:
            made.stopped = BROKEN_OFF
            if isinstance(plan, WakePlan):
                say(
                    f"nothing keeps {endpoint} awake: its scaling removes an instance in at most {plan.after_seconds} s"
                )
        except (ClientError, BotoCoreError) as error:
            made.stopped, made.failed = f"AWS refuses or does not answer: {error}", True
    return made
