"""`bench --starts` of an endpoint on a cluster: wakes it, after what this costs was shown and agreed to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model_packaging.findings import FindingsError
from scaletozero.cli import interrupting
from scaletozero.cli.asking import agree, can_ask
from scaletozero.cli.forced_starts import BROKEN_OFF, Asked, Words, finish, require_affordable
from scaletozero.cli.output import failed, findings_as_exit, say
from scaletozero.cli.starts_shown import told
from scaletozero.cli.watching import Findings, Output, where
from scaletozero.cold_start.remembered import Start, add_starts
from scaletozero.environment.project import find_project
from scaletozero.spending.costs import InstanceCost
from scaletozero.spending.prices import prices

if TYPE_CHECKING:
    from scaletozero.kubernetes.api import KubernetesApi, Manifest
    from scaletozero.kubernetes.wake import WakePlan
    from scaletozero.kubernetes.waking import Woken
    from scaletozero.settings.kubernetes import Kubernetes

WORDS = Words("wake", "woken", lambda usd: f"{usd:.2f}", 4, Findings.then)


def wake_cluster(endpoint: str, environment: str, asked: Asked, output: Output) -> None:
    """Wakes an endpoint so many times; measures and remembers the starts.

    Args:
        endpoint, environment, output: see `bench_cluster`.
        asked: how many wakes, and for how much.

    Raises:
        Exit: it is refused or not agreed to, a wake failed, or it was broken off.
    """
    from scaletozero.kubernetes.look import opened

    with findings_as_exit():
        can_ask("bench", yes=asked.yes)
        block, path = where(endpoint, environment)
        with opened(block) as (api, region):
            scaled, plan = _planned(endpoint, environment, api, block)
            require_affordable(plan.expected(1), asked, WORDS)
            _say_costs(endpoint, plan, asked)
            agree(f"Wake {endpoint} {asked.starts} times?", yes=asked.yes)
            woken = _woken(endpoint, block, api, region, scaled, plan, asked, path if output.margin is None else None)
    finish(endpoint, path, woken, asked, plan.bound(asked.starts), WORDS, output)


def _planned(endpoint: str, environment: str, api: KubernetesApi, block: Kubernetes) -> tuple[Manifest, WakePlan]:
    """What is to be woken, and its times and price.

    Raises:
        FindingsError: it cannot be woken, or it has no price.
        ApiError: the cluster refuses.
    """
    from scaletozero.endpoints.kind_costs import gpu_priced
    from scaletozero.kubernetes.wake import refused, wake_plan

    settings = find_project().environment(environment, gated=False)
    packaged = settings.opened[endpoint]
    cost = gpu_priced(settings.endpoints[endpoint], packaged, settings.region, prices()).cost
    assert isinstance(cost, InstanceCost)
    metadata = {"name": endpoint, "namespace": block.namespace}
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata}
    live = api.get(scaled)
    deployment = api.get({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
    if finding := refused(endpoint, live if deployment else None):
        raise FindingsError([finding])
    assert live
    assert deployment
    derived = packaged.plan.derived
    pool_idle = derived.pool.idle_seconds if derived.pool else 0
    a_node = max(derived.types[0].gpus // derived.gpus, 1)
    dearest = (cost.dearest or cost.hourly).amount
    return scaled, wake_plan(live, deployment, derived.cold, pool_idle, a_node, dearest)


def _say_costs(endpoint: str, plan: WakePlan, asked: Asked) -> None:
    nodes = f"{plan.nodes} nodes" if plan.nodes > 1 else "a node"
    price = f"{plan.usd_per_hour.normalize():f} USD an hour"
    times = f"for at most {plan.limit_seconds} s, and {plan.after_seconds} s until it is gone again"
    say(f"{asked.starts} starts of {endpoint}: each wakes {nodes} at {price} {times}")
    bound, expected = plan.bound(asked.starts), plan.expected(asked.starts)
    most = "" if asked.most_usd is None else f"; it stops before it costs {asked.most_usd:.2f}"
    say(f"cost: at most {bound:.2f} USD, about {expected:.2f} as budgeted{most}. Instances only.")


def _woken(
    endpoint: str,
    block: Kubernetes,
    api: KubernetesApi,
    region: str,
    scaled: Manifest,
    plan: WakePlan,
    asked: Asked,
    path: Path | None,
) -> Woken:
    """Makes the wakes. Each start is remembered at once if there is a path."""
    from scaletozero.kubernetes.api import ApiError
    from scaletozero.kubernetes.look import log_of, look
    from scaletozero.kubernetes.waking import StillAwakeError, Waker, Woken
    from scaletozero.kubernetes.watched import Watched

    woken = Woken(Watched(region, log_of(api, block.namespace, say)))

    def heard(new: list[Start]) -> None:
        told(new)
        if path:
            add_starts(path, endpoint, new)

    waker = Waker(api, scaled, lambda: look(api, block.namespace, endpoint), plan, say)
    with interrupting.once():
        try:
            waker.run(asked.starts, asked.bound, woken, heard)
        except KeyboardInterrupt:
            woken.stopped = BROKEN_OFF
            say(f"{endpoint} is no longer kept awake: it sleeps in {plan.after_seconds} s")
        except ApiError as error:
            woken.stopped, woken.failed = f"the cluster does not answer: {error}", True
        except StillAwakeError as error:
            raise failed(f"error: {endpoint}: {error}") from None
    return woken
