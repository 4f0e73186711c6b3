"""What an endpoint on a cluster used, as Prometheus says it by minutes, and what that cost at most. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from scaletozero.kubernetes.plan import WARM
from scaletozero.observability.gpu import OFTEN, OnCluster, own, ready_of, replicas_of
from scaletozero.observability.usage import Charge, Used, Worked
from scaletozero.spending.money import exact
from scaletozero.spending.price_rows import Price

MINUTE, MINUTES = 60, 60


@dataclass(frozen=True)
class Asked:
    """The questions about one day.

    Attributes:
        day: the day, in UTC.
        at: the moment to ask for: the day's end, or now.
        replicas: minutes of replicas in that time.
        busy: minutes of replicas that worked on a request.
        requests: how many ended.
        warm: minutes of nodes that its warm pool kept ready for more replicas.
    """

    day: date
    at: datetime
    replicas: str
    busy: str
    requests: str
    warm: str


@dataclass(frozen=True)
class Answered:
    """The answers; None where Prometheus has no such metric of that day."""

    day: date
    replicas: float | None
    busy: float | None
    requests: float | None
    warm: float | None = None


def questions(name: str, namespace: str, first: date, now: datetime) -> list[Asked]:
    """What to ask Prometheus about an endpoint, day by day.

    Each minute is one sample, so that a minute in which nothing was scraped counts as nothing. Metrics of pods are
    joined with the pods in each minute: at the end of a day those that worked may be gone.
    """
    seen = OnCluster(name, namespace, 1, vllm=True, held=False, usd_per_replica_hour=None)
    # A placeholder is ready where it has a node, which it leaves to the next replica.
    warm = ready_of(replace(seen, name=f"{name}{WARM}"))
    # A replica that serves with several engines has the metric of each.
    running = f"max by (namespace, pod) ({own(seen, 'vllm:num_requests_running')}) > bool 0"
    ended = own(seen, "vllm:request_success_total", OFTEN)
    found = []
    for index in range((now.date() - first).days + 1):
        day = first + timedelta(days=index)
        began = datetime.combine(day, time(), UTC)
        at = min(began + timedelta(days=1), now)
        # One second less than the day: the sample at midnight is of one day alone, whether ranges are closed or not.
        seconds = max(MINUTE, int((at - began).total_seconds())) - 1
        found.append(
            Asked(
                day,
                at,
                _summed(replicas_of(seen), seconds),
                _summed(f"sum({running})", seconds),
                f"{MINUTE} * {_summed(f'sum({ended})', seconds)}",
                _summed(warm, seconds),
            )
        )
    return found


def _summed(expression: str, seconds: int) -> str:
    return f"sum_over_time(({expression})[{seconds}s:1m])"


def replica_price(usd_per_hour: float, replicas: int, region: str, today: date) -> Price:
    """What a replica's hour costs at most, from what all of an endpoint's replicas do."""
    source = "the endpoint's own output `usd_per_hour`"
    return Price(
        service="kubernetes",
        sku="replica",
        region=region,
        unit="h",
        amount=exact(usd_per_hour) / replicas,
        source=source,
        date=today,
        confidence="derived",
    )


def gpu_used(answers: list[Answered], price: Price) -> Used:
    """What an endpoint used and cost. Where vLLM's metrics are missing, nothing says what of it was idle."""
    counted = any(each.busy is not None for each in answers)
    charges = [
        Charge(
            each.day,
            "replicas, at most",
            exact(each.replicas) / MINUTES,
            price,
            exact(each.replicas) * MINUTE if counted else None,
        )
        for each in answers
        if each.replicas
    ]
    charges += [
        Charge(
            each.day,
            "nodes kept ready, at most",
            exact(each.warm) / MINUTES,
            price,
            exact(each.warm) * MINUTE,
            exact(0),
        )
        for each in answers
        if each.warm
    ]
    days: Mapping[date, Worked] = {
        each.day: Worked(round(each.requests or 0), exact(each.busy or 0) * MINUTE) for each in answers
    }
    unseen = (
        "nodes beyond the replicas and its warm pool",
        *(() if counted else ("idle time, which vLLM's metrics say",)),
    )
    ordered = tuple(sorted(charges, key=lambda each: (each.day, each.what)))
    return Used(sum(each.requests for each in days.values()), ordered, unseen, days)
