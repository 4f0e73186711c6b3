"""Makes the targets of a gateway's models: what each is reached with, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.serving.limits import INVOCATION_SECONDS
from scaletozero.gateway.tariffs import BySeconds, ByTokens
from scaletozero.gateway.time_tariffs import ByInstance, ByNode, Share
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import LONGEST_SECONDS, Bedrock, Speech, Target
from scaletozero.spending.costs import ServerlessCost
from scaletozero.spending.prices import HOSTING, SERVERLESS, PriceTable
from scaletozero.spending.token_rates import TokenTariff

if TYPE_CHECKING:
    import httpx2

    from scaletozero.gateway.service.bedrock import BedrockTarget
    from scaletozero.gateway.service.cluster import ClusterTarget
    from scaletozero.gateway.service.endpoints import EndpointTarget

PRICED = ("gb-second", "data-gb")
"""The prices of an endpoint's Region that its requests cost."""

ASKED = Config(connect_timeout=10, read_timeout=LONGEST_SECONDS, retries={"total_max_attempts": 1},
               max_pool_connections=64)  # fmt: skip
"""Of calls of a model on Bedrock: a second try would be another, billed request."""


@dataclass(frozen=True)
class Served:
    """An endpoint that is deployed.

    Attributes:
        name: its name at SageMaker, or in its cluster.
        memory_mb: of one of kind `serverless`, the memory of a container.
        digest: of the artifact that it serves; empty if that is not known.
        instance_type: of one of kind `asynchronous`.
        requests: of one of kind `asynchronous`, the s3:// address below which requests are put.
        host: of one of kind `gpu`, the name by which its cluster's interceptor knows it.
        url: of one of kind `gpu`, the interceptor's address, which only its cluster's network knows.
        usd_per_hour: of one of kind `gpu`, the price of a replica, as a decimal.
        concurrency: requests that an instance or a replica works on at a time.
        start_seconds: what its start takes; 0 if that is not known.
    """

    name: str
    memory_mb: int = 0
    digest: str = ""
    instance_type: str = ""
    requests: str = ""
    host: str = ""
    url: str = ""
    usd_per_hour: str = ""
    concurrency: int = 1
    start_seconds: int = 0


def priced_rows(serverless: bool, instances: Iterable[str | None]) -> list[tuple[str, str]]:
    """The rows of the price table, as service and sku, that the requests of endpoints cost.

    Args:
        serverless: whether there are endpoints of kind `serverless`.
        instances: the types of the others' instances; None or empty for what has none.
    """
    of_seconds = [(SERVERLESS, sku) for sku in PRICED] if serverless else []
    return of_seconds + [(HOSTING, each) for each in sorted({each for each in instances if each})]


@dataclass(frozen=True)
class Workshop:
    """Makes targets.

    Attributes:
        region: the Region of endpoints, tables and secrets.
        served: endpoint -> what is deployed of it.
        table: prices.
        client: makes a client of a service in the region, with a configuration.
        tariff: the price of a model, by its name in genai-prices.
        secret: reads a secret; its arguments are its name and the path that names it.
        http: sends requests.
        calls: the configuration of calls of endpoints.
    """

    region: str
    served: Mapping[str, Served]
    table: PriceTable
    client: Callable[[str, Any], Any]
    tariff: Callable[[str], TokenTariff]
    secret: Callable[[str, str], str]
    http: httpx2.AsyncClient
    calls: Any

    def endpoint(self, name: str, path: str, longest: int = INVOCATION_SECONDS) -> EndpointTarget:
        """An endpoint that answers invocations.

        Args:
            name: as the environment declares it.
            path: where it is named.
            longest: seconds for which one of kind `asynchronous` may work on a request. Default: a minute.

        Raises:
            FindingsError: it is not deployed, or has no price.
        """
        from scaletozero.gateway.service.endpoints import EndpointTarget
        from scaletozero.gateway.service.queues import QueueTarget

        found = self._served(name, path)
        runtime = self.client("sagemaker-runtime", self.calls)
        if found.instance_type:
            row = self.table.price(HOSTING, found.instance_type, self.region)
            meter = ByInstance(Share(row.amount, found.concurrency, longest, row.source))
            more = {"s3": self.client("s3", self.calls), "requests": found.requests, "longest": longest}
            return QueueTarget(found.name, runtime, meter, found.digest, **more)
        if not found.memory_mb:
            then = "requests would have no answer"
            raise refuse(path, "must be an endpoint of kind `serverless` or `asynchronous`", name, then)
        compute, data = (self.table.price(SERVERLESS, sku, self.region) for sku in PRICED)
        cost = ServerlessCost(found.memory_mb, 1, compute, data)
        return EndpointTarget(found.name, runtime, BySeconds(cost), found.digest)

    def cluster(self, target: Target, model: Model, path: str) -> ClusterTarget:
        """An endpoint on a cluster.

        Args:
            path: of the target, with a dot at its end.

        Raises:
            FindingsError: it is not deployed, is reached nowhere, or its secret cannot be read.
        """
        from scaletozero.gateway.service.cluster import ClusterTarget, OnCluster

        name = str(target.endpoint)
        found = self._served(name, f"{path}endpoint")
        if not found.usd_per_hour:
            raise refuse(f"{path}speaks", "is a setting of an endpoint of kind `gpu`", name, "it has no price by time")
        url = target.url or found.url
        if not url:
            fix = "write `url: https://...`, where the gateway reaches the cluster's interceptor"
            raise refuse(f"{path}url", "is required outside of the cluster", "nothing", "nothing would be reached", fix)
        key = self.secret(target.secret, f"{path}secret") if target.secret is not None else ""
        talks: tuple[Speech, ...] = tuple(each for each in target.speaks if each != "embeddings")
        start = {"start_seconds": float(found.start_seconds)} if found.start_seconds else {}
        at = OnCluster(
            found.name, url, found.host, talks, "embeddings" in target.speaks, found.digest,
            model.on_cold, model.cold_after_seconds, **start,
        )  # fmt: skip
        share = Share(Decimal(found.usd_per_hour), found.concurrency, model.seconds, "EC2 on demand")
        return ClusterTarget(at, key, self.http, ByNode(share))

    def bedrock(self, declared: Bedrock) -> BedrockTarget:
        """A model on Bedrock.

        Raises:
            FindingsError: it has no price.
        """
        from scaletozero.gateway.service.bedrock import BedrockTarget

        meter = ByTokens(self.tariff(declared.priced_as))
        return BedrockTarget(declared, self.region, self.client("bedrock-runtime", ASKED), meter)

    def _served(self, name: str, path: str) -> Served:
        found = self.served.get(name)
        if found is None:
            rule, then = "must be deployed", "requests would reach nothing"
            raise refuse(path, rule, f"{name}, which is declared only", then, "`scaletozero up`")
        return found


def unpriced(error: FindingsError, path: str) -> list[Finding]:
    """Findings on a model's price that is not known, at its path."""
    then = "a request would have no price"
    return [Finding(f"{path}.price", each.rule, each.got, then, each.fix) for each in error.findings]
