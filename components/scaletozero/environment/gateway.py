"""Puts an environment's gateway together: its ledger, its models with their prices and keys, its endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model_packaging.findings import refuse
from scaletozero.endpoints.kind_costs import replica_concurrency, replica_usd_per_hour
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.read import KEY
from scaletozero.environment.settings import Environment
from scaletozero.gateway import opening
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.transactions import Transactions
from scaletozero.gateway.opening import CACHE, LEDGER, Client, Site
from scaletozero.gateway.targets import Served
from scaletozero.kubernetes.manifests.scaling import interceptor_address
from scaletozero.settings.names import safe_name
from scaletozero.spending.prices import prices


def ledger_of(project: str, name: str, region: str, client: Client) -> DynamoStore:
    """The ledger's store of an environment; its table need not exist yet.

    Args:
        project, name: of the project and its environment, after which the table is named.
    """
    return DynamoStore(Transactions(client("dynamodb", region, LEDGER)), safe_name(project, name, "ledger", limit=255))


def cache_of(project: str, name: str, region: str, client: Client) -> CacheStore:
    """Where an environment's gateway keeps answers; its table need not exist yet. Arguments as of `ledger_of`."""
    return CacheStore(client("dynamodb", region, CACHE), safe_name(project, name, "cache", limit=255))


def deployed_tables(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The tables of an environment's deployed gateway in its stack's state: `ledger` and `answers` -> name.

    Args:
        resources: `deployment.resources` of an exported stack.

    Raises:
        FindingsError: there is no ledger.
    """
    found = {
        each["urn"].rpartition("::gateway-")[2]: str((each.get("outputs") or {}).get("name", ""))
        for each in resources
        if each["type"] == "aws:dynamodb/table:Table" and "InferenceGateway$" in each["urn"] and not each.get("delete")
    }
    if not found.get("ledger"):
        rule, then, fix = "must be deployed", "there is no ledger", "`scaletozero up`"
        raise refuse(f"{KEY}.gateway", rule, "a gateway that is declared only", then, fix)
    return found


def open_door(
    environment: Environment,
    deployed: Mapping[str, Mapping[str, Any]],
    store: DynamoStore,
    answers: CacheStore,
    client: Client,
) -> Any:
    """The door of an environment's gateway, a `scaletozero.gateway.service.door.Door`.

    Args:
        environment: declares the gateway.
        deployed: its endpoints in the stack's state.
        store: its ledger.
        answers: where answers of models with a cache are kept.
        client: makes clients of what the environment runs on.

    Raises:
        FindingsError: a model has no price, or a secret or an endpoint is missing; an extra is not installed.
    """
    assert environment.gateway
    served = {
        name: _served(environment, name, about) for name, about in deployed.items() if name in environment.endpoints
    }
    regions = tuple(environment.residency.allowed) if environment.residency else ()
    site = Site(
        environment.region,
        served,
        prices(),
        store,
        answers,
        client,
        f"{KEY}.gateway",
        regions=regions,
        ledger_down=environment.gateway.ledger_down,
    )
    return opening.open_door(environment.gateway, site)


def _served(environment: Environment, name: str, about: Mapping[str, Any]) -> Served:
    """What is known of an endpoint, from the stack's state and from what is declared of it."""
    declared, digest = environment.endpoints[name], about.get("digest", "")
    start = int(about.get("cold_start_seconds", 0))
    if not kind_of(declared).on_cluster:
        instance = about.get("instance_type", "")
        at_a_time = declared.concurrency if instance else 1
        return Served(
            about["name"],
            int(about.get("memory_mb", 0)),
            digest,
            instance,
            about.get("requests", ""),
            concurrency=at_a_time,
            start_seconds=start,
        )
    return Served(
        about["name"],
        digest=digest,
        host=about.get("host", ""),
        url=f"http://{interceptor_address(environment.kubernetes.cluster.keda_namespace)}"
        if environment.kubernetes
        else "",
        usd_per_hour=f"{replica_usd_per_hour(declared, about.get('usd_per_hour', 0)):f}",
        concurrency=replica_concurrency(declared),
        start_seconds=start,
    )
