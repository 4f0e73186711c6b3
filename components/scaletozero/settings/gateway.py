"""What a user may declare of the gateway: models that can be asked for, and customers with their caps. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, nearest, reject
from scaletozero.settings.amounts import MonthlyCap
from scaletozero.settings.gateway_cluster import GatewayCluster, in_pods
from scaletozero.settings.gateway_function import GatewayFunction
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.settings.gateway_models import Model, ModelName
from scaletozero.settings.gateway_targets import Bedrock, Provider, Target, below, distinct
from scaletozero.settings.schedules import SingleDate

_CUSTOMER = re.compile(r"[a-z](?:-?[a-z0-9]){0,62}")
_KEY = re.compile(r"sha256:[0-9a-f]{64}")


def _customer_name(value: str) -> str:
    if not _CUSTOMER.fullmatch(value) or len(value) > 63:
        reject(
            "must begin with a lower-case letter and have lower-case letters, digits and single hyphens, 63 at most",
            "the ledger's items are named after it",
            "write a name such as `acme`",
        )
    return value


def _key_hashes(values: tuple[str, ...]) -> tuple[str, ...]:
    # Of the whole list, because a finding about one entry would show it, and it could be a key.
    for index, value in enumerate(values):
        if not _KEY.fullmatch(value):
            reject(
                "must be the hash of a key, not the key",
                "whoever reads the file could use the key",
                "write the line that `scaletozero customers key` prints",
                at=str(index),
            )
    return distinct(values)


def _rate(value: int) -> int:
    if not 1 <= value <= 1_000_000:
        reject("must be from 1 to 1,000,000", "", "remove it for no limit, or write `disabled: true`")
    return value


def _port(value: int) -> int:
    if not 0 <= value <= 65535:
        reject("must be from 0 (any free port) to 65535")
    return value


CustomerName = Annotated[Text, AfterValidator(_customer_name)]
Rate = Annotated[Int, AfterValidator(_rate)]


class Customer(Settings):
    """Who may ask, for what, and how much it may cost. A cap is a counter in the path of every request.

    Attributes:
        cap_usd_per_month: the most that a calendar month, in UTC, may cost, in USD.
        cap_usd_per_day: the most that a day, in UTC, may cost, in USD. Default: no cap of a day.
        models: the models that it may ask for.
        endpoints: the endpoints that it may invoke as SageMaker has it. Default: none.
        requests_per_minute: how many requests may begin in a minute, in each process. Default: no limit.
        concurrency: how many requests may be open at a time, in each process. Default: no limit.
        expires: the last day, in UTC, on which its keys are accepted. Default: they do not expire.
        disabled: whether every request is refused.
        cache: whether its answers may be kept where a model has a `cache`. Default: yes.
        keys: the hashes of its keys, as `scaletozero customers key` prints them.
    """

    cap_usd_per_month: MonthlyCap
    cap_usd_per_day: MonthlyCap | None = None
    models: Annotated[tuple[Text, ...], AfterValidator(distinct)] = ()
    endpoints: Annotated[tuple[Text, ...], AfterValidator(distinct)] = ()
    requests_per_minute: Rate | None = None
    concurrency: Rate | None = None
    expires: SingleDate | None = None
    disabled: bool = False
    cache: bool = True
    keys: Annotated[tuple[Text, ...], AfterValidator(_key_hashes)] = ()

    def conflicts(self) -> Iterable[Finding]:
        least = Decimal("0.000001")
        for name in ("cap_usd_per_month", "cap_usd_per_day"):
            cap = getattr(self, name)
            if cap is not None and cap < least:
                yield Finding(name, f"must be at least {least:f} USD", f"{cap:f}", "it would admit nothing")
        if self.cap_usd_per_day is not None and self.cap_usd_per_day > self.cap_usd_per_month:
            yield Finding(
                "cap_usd_per_day",
                f"must be at most `cap_usd_per_month`, {self.cap_usd_per_month:f}",
                f"{self.cap_usd_per_day:f}",
                "the day's cap would never be reached",
                "lower it, or remove it",
            )
        if not self.models and not self.endpoints:
            yield Finding("models", "or `endpoints` is required", "neither", "every request would be refused")


class Rules(Settings):
    """What a gateway does, wherever it runs.

    Attributes:
        models: the name that clients ask for -> what it leads to.
        customers: name -> its caps, limits and keys.
    """

    models: dict[ModelName, Model] = Field(default_factory=dict)
    customers: dict[CustomerName, Customer] = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        for name, model in self.models.items():
            yield from below(f"models.{name}", model.conflicts())
        owners: dict[str, str] = {}
        for name, customer in self.customers.items():
            yield from below(f"customers.{name}", customer.conflicts())
            for index, asked in enumerate(customer.models):
                if asked not in self.models:
                    yield unknown(f"customers.{name}.models.{index}", "a model of the gateway", asked, self.models)
            for index, key in enumerate(customer.keys):
                if owners.setdefault(key, name) != name:
                    rule = f"must be a key of one customer, and is {owners[key]}'s"
                    then = "it could not be told who pays"
                    yield Finding(f"customers.{name}.keys.{index}", rule, "the same hash", then, "make another key")

    def ways(self) -> Iterator[tuple[str, Target]]:
        """The targets of its models, with those that they are mirrored to, and the beginnings of their paths."""
        for name, model in self.models.items():
            for path, target in model.ways():
                yield f"models.{name}.{path}", target
            if model.shadow is not None:
                yield f"models.{name}.shadow.", model.shadow

    def reached(self) -> Iterator[tuple[str, str]]:
        """The endpoints that it leads to, with the paths that name them."""
        for path, target in self.ways():
            if target.endpoint is not None:
                yield f"{path}endpoint", target.endpoint
        for name, customer in self.customers.items():
            for index, endpoint in enumerate(customer.endpoints):
                yield f"customers.{name}.endpoints.{index}", endpoint

    def providers(self) -> Iterator[tuple[str, Provider]]:
        """The APIs that it leads to, with their paths."""
        for path, target in self.ways():
            if target.provider is not None:
                yield f"{path}provider", target.provider

    def bedrocks(self) -> Iterator[tuple[str, Bedrock]]:
        """The models on Bedrock that it leads to, with their paths."""
        for path, target in self.ways():
            if target.bedrock is not None:
                yield f"{path}bedrock", target.bedrock

    def hosts(self) -> Iterator[tuple[str, str]]:
        """The hosts that prompts are sent to, with the paths that name them; those of AWS follow from its Region."""
        for path, provider in self.providers():
            yield f"{path}.base_url", provider.host
        for path, target in self.ways():
            if target.url is not None:
                yield f"{path}url", urlsplit(target.url).hostname or ""

    def secrets(self) -> set[str]:
        """The names of the secrets that it reads."""
        own = {each.secret for _, each in self.ways()}
        return {each for each in own | {each.secret for _, each in self.providers()} if each is not None}


class Gateway(Rules):
    """The gateway of an environment, which `scaletozero gateway` runs, and which `function` or `cluster` deploys.

    Attributes:
        port: the port on this machine; 0 selects any free one.
        function: the Lambda function that it runs as on the environment's account. Default: none.
        ledger_down: what is admitted while the ledger does not answer. Default: nothing.
        cluster: the pods that it runs as on the environment's cluster. Default: none.
    """

    port: Annotated[Int, AfterValidator(_port)] = 8479
    function: GatewayFunction | None = None
    ledger_down: LedgerDown | None = None
    cluster: GatewayCluster | None = None

    @property
    def deployed(self) -> bool:
        """Whether it is deployed, with tables of its own, and not only run on this machine."""
        return self.function is not None or self.cluster is not None

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        if self.function is not None:
            yield from in_function(self)
        if self.ledger_down is not None:
            yield from below("ledger_down", self.ledger_down.conflicts())
            if self.function is not None:
                rule, got = "must not be with a function", f"{self.ledger_down.usd:f} USD"
                then = "each of its processes would admit so much, and be frozen before it is recorded"
                fix = "remove it: a function admits nothing while the ledger does not answer"
                yield Finding("ledger_down", rule, got, then, fix)
        if self.cluster is not None:
            yield from in_pods(self)
        if self.function is not None and self.cluster is not None:
            rule, then = "must not be beside `function`", "there would be two doors with a ledger each"
            yield Finding("cluster", rule, "both", then, "remove one of them")


def unknown(path: str, what: str, got: str, known: Iterable[str]) -> Finding:
    """The finding on a name that is not declared."""
    names = list(known)
    guess = nearest(got, names)
    fix = f"write `{guess}`" if guess else f"write one of {', '.join(names) or 'none yet'}"
    return Finding(path, f"must be {what}", got, "requests for it would be refused", fix)


def in_function(rules: Rules) -> Iterable[Finding]:
    """The findings on what a function of Lambda cannot do: it works on one request at a time, is frozen when a response
    has ended, and has no variables of its own."""
    for path, provider in rules.providers():
        if provider.variable is not None:
            then = "the key would be readable in the function's settings"
            fix = "write `secret: <name>`, and put the key into AWS Secrets Manager"
            yield Finding(f"{path}.variable", "must not be in a function", provider.variable, then, fix)
        if not provider.base_url.startswith("https://"):
            then = "nothing listens there"
            yield Finding(f"{path}.base_url", "must begin with https:// in a function", provider.base_url, then)
    for path, target in rules.ways():
        if target.speaks and (target.url is None or not target.url.startswith("https://")):
            then = "the function is not in the cluster's network"
            fix = "write `url: https://...`, where the cluster's interceptor is reached from outside"
            yield Finding(f"{path}url", "must begin with https:// in a function", target.url or "nothing", then, fix)
        if target.canary is not None:
            then = "its alarm is read beside requests, and the function is frozen then"
            yield Finding(f"{path}canary", "must not be in a function", target.canary.alarm, then, "remove it")
        if target.concurrency is not None:
            then = "each of the function's processes would count for itself, and has one request at a time"
            yield Finding(f"{path}concurrency", "must not be in a function", str(target.concurrency), then, "remove it")
    for name, model in rules.models.items():
        if model.shadow is not None:
            then = "a copy would be frozen with the function when the response has ended"
            yield Finding(f"models.{name}.shadow", "must not be in a function", "one", then, "remove it")
        if model.on_cold != "hold":
            then = "the request that wakes the endpoint would be frozen with the function, and never settled"
            fix = "write `on_cold: hold`, or remove it"
            yield Finding(f"models.{name}.on_cold", "must be `hold` in a function", model.on_cold, then, fix)
    for name, customer in rules.customers.items():
        for field in ("requests_per_minute", "concurrency"):
            if (limit := getattr(customer, field)) is not None:
                then = "each of the function's processes would count for itself, and has one request at a time"
                fix = "remove it: caps hold, and `concurrency` of the function bounds all customers together"
                yield Finding(f"customers.{name}.{field}", "must not be in a function", str(limit), then, fix)
