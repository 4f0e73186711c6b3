"""`bench --past` of an endpoint on SageMaker: the cold starts that callers caused, from what AWS keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.cli.output import done, failed, findings_as_exit, print_json, say, table
from scaletozero.cli.querying import Target, find_target
from scaletozero.cli.starts_shown import shares_of
from scaletozero.cli.target_metrics import TargetMetrics
from scaletozero.observability.past_starts import (
    READY_FILTER,
    Kept,
    Ready,
    Serverless,
    Wake,
    asynchronous_wakes,
    minutes,
    ready_of,
    serverless_starts,
)
from scaletozero.settings.names import VARIANT

STATISTICS = ("SampleCount", "Minimum", "Maximum", "Average")


def bench_past(endpoint: str, environment: str, seconds: int, *, as_json: bool) -> None:
    """Shows the cold starts of the last `seconds` by phase. Nothing is called.

    Args:
        endpoint, environment: a deployed serverless or asynchronous endpoint.
        seconds: how far it looks back, at most `KEPT_SECONDS`.
        as_json: print JSON.
    """
    with findings_as_exit():
        target = find_target(endpoint, environment, "bench")
    until = datetime.now(UTC)
    since = until - timedelta(seconds=seconds)
    try:
        if target.requests:
            _show_wakes(target, asynchronous_wakes(_kept(target, since, until)), as_json=as_json)
        else:
            _show_serverless(target, _serverless(target, since, until), as_json=as_json)
    except (ClientError, BotoCoreError) as error:
        raise failed(f"error: the starts of {target.name} could not be read: {error}") from None


def _serverless(target: Target, since: datetime, until: datetime) -> Serverless:
    read = TargetMetrics(target, since, until)
    setup = [read.of_variant("ModelSetupTime", each) for each in STATISTICS]
    calls = read.of_variant("Invocations", "Sum")
    overhead = read.of_variant("OverheadLatency", "Average")
    return serverless_starts(minutes(*setup), calls, overhead, containers_ready(target, target.client, since, until))


def _kept(target: Target, since: datetime, until: datetime) -> Kept:
    read = TargetMetrics(target, since, until)
    waiting = read.of_endpoint("HasBacklogWithoutCapacity", "Maximum")
    processed = read.of_variant("InvocationsProcessed", "Sum")
    return replace(kept_of(target, target.client, since, until), waiting=waiting, processed=processed)


def kept_of(target: Target, clients: Callable[[str], Any], since: datetime, until: datetime) -> Kept:
    """What AWS keeps of an asynchronous endpoint besides its metrics.

    Args:
        target: the endpoint.
        clients: makes a client of a service.
        since, until: the time that is read.

    Raises:
        ClientError: AWS refuses.
    """
    scaling = clients("application-autoscaling")
    resource = f"endpoint/{target.name}/variant/{VARIANT}"
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="sagemaker",
        ResourceId=resource,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )
    activities = [each for page in pages for each in page["ScalingActivities"] if each["StartTime"] >= since]
    return Kept(
        activities,
        # The embedded CloudWatch keeps no history of alarms.
        [] if target.sandbox else list(_alarms(clients, since, until)),
        list(_streams(target, clients)),
        containers_ready(target, clients, since, until),
    )


def _alarms(clients: Callable[[str], Any], since: datetime, until: datetime) -> Iterator[Mapping[str, Any]]:
    pages = (
        clients("cloudwatch")
        .get_paginator("describe_alarm_history")
        .paginate(HistoryItemType="StateUpdate", StartDate=since, EndDate=until)
    )
    for page in pages:
        yield from page["AlarmHistoryItems"]


@contextmanager
def _no_group_is_nothing() -> Iterator[None]:
    """SageMaker makes an endpoint's log group with its first container."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
            raise


def _group(target: Target) -> str:
    return f"/aws/sagemaker/Endpoints/{target.name}"


def _streams(target: Target, clients: Callable[[str], Any]) -> Iterator[Mapping[str, Any]]:
    with _no_group_is_nothing():
        for page in clients("logs").get_paginator("describe_log_streams").paginate(logGroupName=_group(target)):
            yield from page["logStreams"]


def containers_ready(
    target: Target, clients: Callable[[str], Any], since: datetime, until: datetime
) -> Sequence[Ready]:
    """What an endpoint's containers logged when they could respond, the earliest first."""
    with _no_group_is_nothing():
        pages = (
            clients("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=_group(target),
                filterPattern=READY_FILTER,
                startTime=int(since.timestamp() * 1000),
                endTime=int(until.timestamp() * 1000),
            )
        )
        return ready_of(event for page in pages for event in page["events"])
    return ()


def _show_serverless(target: Target, found: Serverless, *, as_json: bool) -> None:
    phases = {
        "ModelSetupTime": found.setup,
        **{f"container: {name}": values for name, values in found.containers.items()},
        "overhead besides": found.overhead,
    }
    shares = {name: shares_of(values) for name, values in phases.items() if values}
    if as_json:
        report = {"endpoint": target.name, "starts": len(found.setup), "inexact": found.inexact, "phases_ms": shares}
        print_json(report)
        return
    _table(shares, "ms")
    if found.inexact:
        say(f"{found.inexact} starts were in minutes with more than two: of those only the mean is known")
    if not found.setup:
        say("no call has waited for a container")
        return
    done(f"{target.name}: {len(found.setup)} cold starts, from CloudWatch; nothing was called.")


def _show_wakes(target: Target, found: Sequence[Wake], *, as_json: bool) -> None:
    measured = [each for each in found if not each.failed]
    names = dict.fromkeys(name for each in measured for name in each.seconds)
    phases = {name: [each.seconds[name] for each in measured if name in each.seconds] for name in names}
    shares = {name: shares_of(values) for name, values in phases.items()}
    if as_json:
        wakes = [{"at": each.at.isoformat(), "seconds": dict(each.seconds), "failed": each.failed} for each in found]
        print_json({"endpoint": target.name, "wakes": wakes, "phases_s": shares})
        return
    for each in found:
        if each.failed:
            say(f"not measured: {each.at:%Y-%m-%d %H:%M}: {each.failed}")
    _table(shares, "s")
    if not measured:
        say("no request has waited for the first instance")
        return
    say("queue and answer have the resolution of CloudWatch, a minute")
    done(f"{target.name}: {len(measured)} wakes, from what AWS keeps of them; nothing was called.")


def _table(shares: Mapping[str, Mapping[str, Any]], unit: str) -> None:
    rows = [
        (name, each["n"], *(f"{each[share]:,.0f} {unit}" for share in ("p50", "p90", "p95")))
        for name, each in shares.items()
    ]
    if rows:
        table(("phase", "starts", "p50", "p90", "p95"), rows)
