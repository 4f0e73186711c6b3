"""Opens a gateway: its models with their prices and keys, and its endpoints, wherever it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from model_packaging.extras import needs
from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.settings.gateway import Rules
from scaletozero.settings.gateway_models import Provider, Target
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.costs import ServerlessCost
from scaletozero.spending.prices import SERVERLESS, PriceTable
from scaletozero.spending.token_rates import TokenTariff

EXTRA = "gateway"
"""The extra of this distribution that brings the libraries of the program."""

Client = Callable[[str, str, Any], Any]
"""Makes a boto3 client of a service in a region, with a configuration."""

CALLS = Config(read_timeout=300, retries={"total_max_attempts": 1}, max_pool_connections=64)
"""Of calls of endpoints: a cold start may take minutes, and a second try would be another, billed request."""

LEDGER = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3}, max_pool_connections=64)
"""Of calls of the ledger: a request waits for them."""

CACHE = Config(connect_timeout=0.5, read_timeout=1, retries={"total_max_attempts": 1}, max_pool_connections=32)
"""Of calls of the store of answers: a request waits for them, and can do without."""

PRICED = ("gb-second", "data-gb")
"""The prices of an endpoint's Region that its requests cost."""

_REFUSED = "the provider would refuse every request"


@dataclass(frozen=True)
class Served:
    """An endpoint that is deployed.

    Attributes:
        name: its name at SageMaker.
        memory_mb: the memory of a container.
        digest: of the artifact that it serves; empty if that is not known.
    """

    name: str
    memory_mb: int
    digest: str = ""


@dataclass(frozen=True)
class Site:
    """Where a gateway runs.

    Attributes:
        region: the Region of its endpoints, tables and secrets.
        served: endpoint -> what is deployed of it.
        table: prices.
        store: its ledger.
        answers: where answers of models with a cache are kept.
        client: makes clients of what it runs on.
        path: where its settings are written, for findings.
        settles_first: as of `scaletozero.gateway.service.door.Door`.
        tariff: the price of a model behind an API, by its name in genai-prices.
    """

    region: str
    served: Mapping[str, Served]
    table: PriceTable
    store: DynamoStore
    answers: CacheStore
    client: Client
    path: str
    settles_first: bool = False
    tariff: Callable[[str], TokenTariff] = token_tariff


def open_door(gateway: Rules, site: Site) -> Any:
    """The door of a gateway, a `scaletozero.gateway.service.door.Door`.

    Args:
        gateway: what was declared.
        site: where it runs.

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

    findings: list[Finding] = []
    keys = Keys(lambda: site.client("secretsmanager", site.region, None))
    runtime = site.client("sagemaker-runtime", site.region, CALLS) if any(gateway.reached()) else None
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=256), trust_env=False)

    def endpoint(name: str, path: str) -> EndpointTarget | None:
        served = site.served.get(name)
        if served is None:
            rule, then = "must be deployed", "requests would reach nothing"
            findings.append(
                Finding(f"{site.path}.{path}", rule, f"{name}, which is declared only", then, "`scaletozero up`")
            )
            return None
        compute, data = (site.table.price(SERVERLESS, sku, site.region) for sku in PRICED)
        cost = ServerlessCost(served.memory_mb, 1, compute, data)
        return EndpointTarget(served.name, runtime, BySeconds(cost), served.digest)

    def provider(declared: Provider, path: str) -> ProviderTarget | None:
        try:
            tariff = site.tariff(declared.price)
        except FindingsError as error:
            findings.extend(unpriced(error, f"{site.path}.{path}"))
            return None
        try:
            return ProviderTarget(declared, keys.key(declared, f"{site.path}.{path}"), http, ByTokens(tariff))
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
            f"{site.path}.models.{route.name}.cache",
            "must be of a model whose endpoints serve a packaged artifact",
            f"{each.target.name}, of whose artifact the stack's state has no digest",
            "answers of another model could be given",
            "deploy it with this version: `scaletozero up`",
        )
        for route in models.values()
        for each in route.ways
        if route.model.cache is not None and isinstance(each.target, EndpointTarget) and not each.target.digest
    ]
    reached = {name: path for path, name in gateway.reached() if path.startswith("customers.")}
    endpoints = {name: endpoint(name, path) for name, path in reached.items()}
    if findings:
        raise FindingsError(findings)
    return Door(
        gateway,
        Ledger(site.store),
        models,
        endpoints,  # pyright: ignore[reportArgumentType]
        Keeper(site.answers),
        settles_first=site.settles_first,
    )


def unpriced(error: FindingsError, path: str) -> list[Finding]:
    """Findings on a provider's price that is not known, at the provider's path."""
    then = "a request would have no price"
    return [Finding(f"{path}.price", each.rule, each.got, then, each.fix) for each in error.findings]


class Keys:
    """The keys of providers, each of which is read once.

    Args:
        secrets: makes a boto3 client of Secrets Manager, if one is read.
        variables: the environment's variables.
    """

    def __init__(self, secrets: Callable[[], Any], variables: Mapping[str, str] = os.environ) -> None:
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
                self._read[secret] = self._secrets().get_secret_value(SecretId=secret)["SecretString"].strip()
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
