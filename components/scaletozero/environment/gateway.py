"""Puts an environment's gateway together: its ledger, its models with their prices and keys, its endpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from model_packaging.extras import needs
from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.environment.read import KEY
from scaletozero.environment.settings import Environment
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.settings.gateway_models import Provider, Target
from scaletozero.settings.names import safe_name
from scaletozero.spending.costs import ServerlessCost
from scaletozero.spending.prices import SERVERLESS, prices

EXTRA = "gateway"
"""The extra of this distribution that brings the libraries of the program."""

Client = Callable[[str, str, Any], Any]
"""Makes a boto3 client of a service in a region, with a configuration."""

CALLS = Config(read_timeout=300, retries={"total_max_attempts": 1}, max_pool_connections=64)
"""Of calls of endpoints: a cold start may take minutes, and a second try would be another, billed request."""

_REFUSED = "the provider would refuse every request"

LEDGER = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3}, max_pool_connections=64)
"""Of calls of the ledger: a request waits for them."""

CACHE = Config(connect_timeout=0.5, read_timeout=1, retries={"total_max_attempts": 1}, max_pool_connections=32)
"""Of calls of the store of answers: a request waits for them, and can do without."""


def ledger_of(project: str, name: str, region: str, client: Client) -> DynamoStore:
    """The ledger's store of an environment; its table need not exist yet.

    Args:
        project, name: of the project and its environment, after which the table is named.
    """
    return DynamoStore(client("dynamodb", region, LEDGER), safe_name(project, name, "ledger", limit=255))


def cache_of(project: str, name: str, region: str, client: Client) -> CacheStore:
    """Where an environment's gateway keeps answers; its table need not exist yet. Arguments as of `ledger_of`."""
    return CacheStore(client("dynamodb", region, CACHE), safe_name(project, name, "cache", limit=255))


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
    with needs(EXTRA):
        import httpx2

        from scaletozero.gateway.service.door import Door
        from scaletozero.gateway.service.endpoints import EndpointTarget
        from scaletozero.gateway.service.keeping import Keeper
        from scaletozero.gateway.service.providers import ProviderTarget
        from scaletozero.gateway.service.ways import ModelRoute, Way
    from scaletozero.gateway.tariffs import BySeconds, ByTokens
    from scaletozero.spending.api_models import TokenTariff

    gateway, region, findings = environment.gateway, environment.region, []
    assert gateway
    runtime, keys = client("sagemaker-runtime", region, CALLS), Keys(client("secretsmanager", region, None))
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=256), trust_env=False)

    def endpoint(name: str, path: str) -> EndpointTarget | None:
        about, table = deployed.get(name), prices()
        if about is None:
            rule, then = "must be deployed", "requests would reach nothing"
            findings.append(
                Finding(f"{KEY}.gateway.{path}", rule, f"{name}, which is declared only", then, "`scaletozero up`")
            )
            return None
        compute, data = (table.price(SERVERLESS, sku, region) for sku in ("gb-second", "data-gb"))
        cost = ServerlessCost(int(about["memory_mb"]), 1, compute, data)
        return EndpointTarget(about["name"], runtime, BySeconds(cost), about.get("digest", ""))

    def provider(declared: Provider, path: str) -> ProviderTarget | None:
        try:
            tariff = TokenTariff(declared.price)
        except FindingsError as error:
            at, then = f"{KEY}.gateway.{path}.price", "a request would have no price"
            findings.extend(Finding(at, each.rule, each.got, then, each.fix) for each in error.findings)
            return None
        try:
            return ProviderTarget(declared, keys.key(declared, f"{KEY}.gateway.{path}"), http, ByTokens(tariff))
        except FindingsError as error:
            findings.extend(error.findings)
            return None

    def way(target: Target, path: str) -> Way:
        if target.provider is not None:
            found = provider(target.provider, f"{path}provider")
        else:
            found = endpoint(str(target.endpoint), f"{path}endpoint")
        return Way(found, target.weight, target.seconds)  # pyright: ignore[reportArgumentType]

    models = {
        name: ModelRoute(name, model, tuple(way(each, f"models.{name}.{path}") for path, each in model.ways()))
        for name, model in gateway.models.items()
    }
    findings += [
        Finding(
            f"{KEY}.gateway.models.{route.name}.cache",
            "must be of a model whose endpoints serve a packaged artifact",
            f"{each.target.name}, of whose artifact the stack's state has no digest",
            "answers of another model could be given",
            "deploy it with this version: `scaletozero up`",
        )
        for route in models.values()
        for each in route.ways
        if route.model.cache is not None and isinstance(each.target, EndpointTarget) and not each.target.digest
    ]
    reached = {name: path for path, name in gateway.endpoints() if path.startswith("customers.")}
    endpoints = {name: endpoint(name, path) for name, path in reached.items()}
    if findings:
        raise FindingsError(findings)
    return Door(gateway, Ledger(store), models, endpoints, Keeper(answers))  # pyright: ignore[reportArgumentType]


class Keys:
    """The keys of providers, each of which is read once.

    Args:
        secrets: a boto3 client of Secrets Manager.
        variables: the environment's variables.
    """

    def __init__(self, secrets: Any, variables: Mapping[str, str] = os.environ) -> None:
        self._secrets, self._variables = secrets, variables
        self._read: dict[str, str] = {}

    def key(self, declared: Provider, path: str) -> str:
        """The key of a provider.

        Raises:
            FindingsError: there is none.
        """
        if declared.variable is not None:
            key = self._variables.get(declared.variable, "").strip()
            if not key:
                rule = "must be a variable that is set where the gateway runs, to the API's key"
                fix = f"export {declared.variable}=..."
                raise refuse(f"{path}.variable", rule, declared.variable, _REFUSED, fix)
            return key
        secret = str(declared.secret)
        if secret not in self._read:
            try:
                self._read[secret] = self._secrets.get_secret_value(SecretId=secret)["SecretString"].strip()
            except (ClientError, KeyError) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "it holds bytes"
                raise refuse(
                    f"{path}.secret",
                    "must be a secret in AWS Secrets Manager that holds the API's key as text",
                    f"{secret} ({code})",
                    _REFUSED,
                    "create it where the environment runs; docs/gateway.md shows how in the sandbox",
                ) from None
        return self._read[secret]
