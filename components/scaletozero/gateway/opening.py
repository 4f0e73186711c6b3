"""Opens a gateway: its models with their prices and keys, and its endpoints, wherever it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from model_packaging.extras import needs
from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.targets import Served, Workshop, unpriced
from scaletozero.settings.gateway import Customer, Rules
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Bedrock, Provider, Target
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.prices import PriceTable
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

T = TypeVar("T")

LONGEST_DAYS = 31
"""Of a month."""

_REFUSED = "the provider would refuse every request"


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
        regions: where answers may be made; all are allowed if there is none.
        ledger_down: what is admitted while the ledger does not answer; nothing by default.
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
    regions: tuple[str, ...] = ()
    ledger_down: LedgerDown | None = None


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

        from scaletozero.gateway.service.body_log import BodyLog
        from scaletozero.gateway.service.canaries import Trial
        from scaletozero.gateway.service.door import Door
        from scaletozero.gateway.service.endpoints import EndpointTarget
        from scaletozero.gateway.service.keeping import Keeper
        from scaletozero.gateway.service.providers import ProviderTarget
        from scaletozero.gateway.service.shadows import Mirror, shadow_customer
        from scaletozero.gateway.service.ways import ModelRoute, Way
    from scaletozero.gateway.tariffs import ByTokens

    findings: list[Finding] = []
    keys = Keys(lambda: site.client("secretsmanager", site.region, None))
    http = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=256), trust_env=False)
    made: dict[str, Any] = {}

    def client(service: str, config: Any) -> Any:
        if service not in made:
            made[service] = site.client(service, site.region, config)
        return made[service]

    workshop = Workshop(site.region, site.served, site.table, client, site.tariff, keys.secret, http, CALLS)

    def found_or_noted(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except FindingsError as error:
            findings.extend(error.findings)
            return None

    def provider(declared: Provider, path: str) -> ProviderTarget | None:
        try:
            tariff = site.tariff(declared.price)
        except FindingsError as error:
            findings.extend(unpriced(error, f"{site.path}.{path}"))
            return None
        try:
            meter = ByTokens(tariff, declared.surcharge)
            return ProviderTarget(declared, keys.key(declared, f"{site.path}.{path}"), http, meter)
        except FindingsError as error:
            findings.extend(error.findings)
            return None

    def bedrock(declared: Bedrock, path: str) -> Any:
        try:
            return workshop.bedrock(declared)
        except FindingsError as error:
            findings.extend(unpriced(error, path))
            return None

    def way(target: Target, model: Model, path: str) -> Way:
        at = f"{site.path}.{path}"
        if target.provider is not None:
            found = provider(target.provider, f"{path}provider")
        elif target.bedrock is not None:
            found = bedrock(target.bedrock, f"{at}bedrock")
        elif target.speaks:
            found = found_or_noted(lambda: workshop.cluster(target, model, at))
        else:
            longest = target.seconds or model.seconds
            found = found_or_noted(lambda: workshop.endpoint(str(target.endpoint), f"{at}endpoint", longest))
        trial = None
        if target.canary is not None and found is not None:
            trial = Trial(target.canary, found.label, client("cloudwatch", LEDGER))
        return Way(found, target.weight, target.seconds, target.concurrency, trial=trial)  # pyright: ignore[reportArgumentType]

    def mirror(name: str, model: Model) -> Mirror | None:
        if model.shadow is None:
            return None
        target: Any = way(model.shadow, model, f"models.{name}.shadow.").target
        return Mirror(model.shadow, target, shadow_customer(name))

    def route(name: str, model: Model) -> ModelRoute:
        ways = tuple(way(each, model, f"models.{name}.{path}") for path, each in model.ways())
        return ModelRoute(name, model, ways, mirror(name, model))

    models = {name: route(name, model) for name, model in gateway.models.items()}
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
    policies = [each.bodies for each in gateway.models.values() if each.bodies is not None]
    reached = {name: path for path, name in gateway.reached() if path.startswith("customers.")}
    endpoints = {
        name: found_or_noted(lambda name=name, path=path: workshop.endpoint(name, f"{site.path}.{path}"))
        for name, path in reached.items()
    }
    if findings:
        raise FindingsError(list(dict.fromkeys(findings)))
    return Door(
        gateway.model_copy(update={"customers": {**gateway.customers, **_mirrored(gateway)}}),
        Ledger(site.store),
        models,
        endpoints,  # pyright: ignore[reportArgumentType]
        Keeper(site.answers),
        settles_first=site.settles_first,
        regions=site.regions,
        ledger_down=site.ledger_down,
        body_log=BodyLog(site.store.bodies(), policies) if policies else None,
    )


def _mirrored(gateway: Rules) -> dict[str, Customer]:
    """Who pays for the copies of conversations: a customer for each model with a shadow, without a key."""
    from scaletozero.gateway.service.shadows import shadow_customer

    return {
        shadow_customer(name): Customer(
            cap_usd_per_month=LONGEST_DAYS * model.shadow.cap_usd_per_day,
            cap_usd_per_day=model.shadow.cap_usd_per_day,
            models=(name,),
        )
        for name, model in gateway.models.items()
        if model.shadow is not None
    }


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
        return self.secret(str(declared.secret), f"{path}.secret")

    def secret(self, secret: str, path: str) -> str:
        """A secret.

        Raises:
            FindingsError: there is none.
        """
        if secret not in self._read:
            try:
                self._read[secret] = self._secrets().get_secret_value(SecretId=secret)["SecretString"].strip()
            except (ClientError, KeyError) as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "it holds bytes"
                raise refuse(
                    path,
                    "must be a secret in AWS Secrets Manager that holds the API's key as text",
                    f"{secret} ({code})",
                    _REFUSED,
                    "create it where the environment runs; docs/gateway.md shows how in the sandbox",
                ) from None
        return self._read[secret]
