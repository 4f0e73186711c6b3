"""Puts an environment's gateway together: its ledger, its models with their prices and keys, its endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from model_packaging.extras import needs
from model_packaging.findings import Finding, FindingsError
from scaletozero.environment.read import KEY
from scaletozero.environment.settings import Environment
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.settings.names import safe_name
from scaletozero.spending.costs import ServerlessCost
from scaletozero.spending.prices import SERVERLESS, prices

EXTRA = "gateway"
"""The extra of this distribution that brings the libraries of the program."""

Client = Callable[[str, str, Any], Any]
"""Makes a boto3 client of a service in a region, with a configuration."""

CALLS = Config(read_timeout=300, retries={"total_max_attempts": 1}, max_pool_connections=64)
"""Of calls of endpoints: a cold start may take minutes, and a second try would be another, billed request."""

LEDGER = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3}, max_pool_connections=64)
"""Of calls of the ledger: a request waits for them."""


def ledger_of(project: str, name: str, region: str, client: Client) -> DynamoStore:
    """The ledger's store of an environment; its table need not exist yet.

    Args:
        project, name: of the project and its environment, after which the table is named.
    """
    return DynamoStore(client("dynamodb", region, LEDGER), safe_name(project, name, "ledger", limit=255))


def open_door(
    environment: Environment, deployed: Mapping[str, Mapping[str, Any]], store: DynamoStore, client: Client
) -> Any:
    """The door of an environment's gateway, a `scaletozero.gateway.service.door.Door`.

    Args:
        environment: declares the gateway.
        deployed: its endpoints in the stack's state.
        store: its ledger.
        client: makes clients of what the environment runs on.

    Raises:
        FindingsError: a model has no price, or a secret or an endpoint is missing; an extra is not installed.
    """
    with needs(EXTRA):
        import httpx2

        from scaletozero.gateway.service.door import Door
        from scaletozero.gateway.service.upstream import EndpointTarget, ProviderTarget
    from scaletozero.gateway.tariffs import BySeconds, ByTokens
    from scaletozero.spending.api_models import TokenTariff

    gateway, region, findings = environment.gateway, environment.region, []
    assert gateway
    runtime, secrets = client("sagemaker-runtime", region, CALLS), client("secretsmanager", region, None)
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
        return EndpointTarget(about["name"], runtime, BySeconds(cost))

    models: dict[str, Any] = {}
    for name, model in gateway.models.items():
        path = f"models.{name}"
        if model.provider is None:
            models[name] = endpoint(str(model.endpoint), f"{path}.endpoint")
            continue
        try:
            tariff = TokenTariff(model.provider.price)
        except FindingsError as error:
            at = f"{KEY}.gateway.{path}.provider.price"
            findings += [
                Finding(at, each.rule, each.got, "a request would have no price", each.fix) for each in error.findings
            ]
            continue
        try:
            key = secrets.get_secret_value(SecretId=model.provider.secret)["SecretString"]
        except (ClientError, KeyError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "it holds bytes"
            findings.append(
                Finding(
                    f"{KEY}.gateway.{path}.provider.secret",
                    "must be a secret in AWS Secrets Manager that holds the API's key as text",
                    f"{model.provider.secret} ({code})",
                    "the provider would refuse every request",
                    "create it where the environment runs; docs/gateway.md shows how in the sandbox",
                )
            )
            continue
        models[name] = ProviderTarget(model, key, http, ByTokens(tariff))
    reached = {name: path for path, name in gateway.endpoints() if path.startswith("customers.")}
    endpoints = {name: endpoint(name, path) for name, path in reached.items()}
    if findings:
        raise FindingsError(findings)
    return Door(gateway, Ledger(store), models, endpoints)  # pyright: ignore[reportArgumentType]
