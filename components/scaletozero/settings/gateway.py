"""What a user may declare of the gateway: models that can be asked for, and customers with their caps. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, nearest, reject
from scaletozero.settings.schedules import SingleDate
from scaletozero.settings.spending import MonthlyCap

_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,126}[A-Za-z0-9])?")
_CUSTOMER = re.compile(r"[a-z](?:-?[a-z0-9]){0,62}")
_KEY = re.compile(r"sha256:[0-9a-f]{64}")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

MOST_OUTPUT_TOKENS = 1_000_000
"""Output tokens above which a limit is taken for a mistake: no model of the price table writes as many at once."""


def _model_name(value: str) -> str:
    if not _MODEL.fullmatch(value) or ".." in value:
        reject(
            "must have 1 to 128 letters, digits and any of `._:/-`, with a letter or digit at both ends",
            "clients could not ask for it",
            "write a name such as `small`",
        )
    return value


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
    return _distinct(values)


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or not host or parts.query or parts.fragment or re.search(r"[\s\\]", value):
        reject("must be a URL without query and fragment", "requests would go nowhere", "write `https://...`")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        fix = "write `https://...`; `http://` is for this machine only"
        reject("must begin with https://", "keys and prompts could be read on the way", fix)
    return value.rstrip("/")


def _secret(value: str) -> str:
    if not _SECRET.fullmatch(value):
        reject("must be the name of a secret in AWS Secrets Manager", "it could not be read", "write its name alone")
    return value


def _priced(value: str) -> str:
    if not all(value.partition("/")):
        reject("must be `provider/model`, as genai-prices names it", "", "write one such as `openai/gpt-5-mini`")
    return value


def _tokens(value: int) -> int:
    if not 1 <= value <= MOST_OUTPUT_TOKENS:
        reject(f"must be from 1 to {MOST_OUTPUT_TOKENS:,} tokens", "a request would have no bound")
    return value


def _rate(value: int) -> int:
    if not 1 <= value <= 1_000_000:
        reject("must be from 1 to 1,000,000", "", "remove it for no limit, or write `disabled: true`")
    return value


def _port(value: int) -> int:
    if not 0 <= value <= 65535:
        reject("must be from 0 (any free port) to 65535")
    return value


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            reject("must be there once", at=str(index))
    return values


ModelName = Annotated[Text, AfterValidator(_model_name)]
CustomerName = Annotated[Text, AfterValidator(_customer_name)]
Tokens = Annotated[Int, AfterValidator(_tokens)]
Rate = Annotated[Int, AfterValidator(_rate)]


class Provider(Settings):
    """A model behind an API that speaks OpenAI's protocol.

    Attributes:
        base_url: the API's address, to which `/chat/completions` is added.
        model: the model's name there.
        secret: the name of the secret in AWS Secrets Manager that holds the API's key, as text.
        price: the model in genai-prices, `provider/model`, such as `openai/gpt-5-mini`.
        limit_field: the field in which the API takes the most tokens of an answer.
    """

    base_url: Annotated[Text, AfterValidator(_base_url)]
    model: Text
    secret: Annotated[Text, AfterValidator(_secret)]
    price: Annotated[Text, AfterValidator(_priced)]
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"

    def conflicts(self) -> Iterable[Finding]:
        if "@" in urlsplit(self.base_url).netloc:
            # Not shown, because it may have a password.
            then = "whoever reads the file could use it"
            yield Finding("base_url", "must be without a user and a password", "", then, "write them into the secret")


class Model(Settings):
    """What a model's name leads to: an endpoint of the environment, or a provider.

    Attributes:
        endpoint: the endpoint, of kind `serverless`, whose model answers with embeddings.
        provider: the API.
        default_output_tokens: the most tokens of an answer if the request does not say. Default: 1,024.
        max_output_tokens: the most that a request may ask for. Default: 4,096.
    """

    endpoint: Text | None = None
    provider: Provider | None = None
    default_output_tokens: Tokens = 1024
    max_output_tokens: Tokens = 4096

    def conflicts(self) -> Iterable[Finding]:
        if (self.endpoint is None) == (self.provider is None):
            got = "neither" if self.endpoint is None else "both"
            fix = "write `endpoint: <name>`, or `provider: {base_url: ..., model: ..., secret: ..., price: ...}`"
            yield Finding("endpoint", "or `provider` is required, and only one of them", got, "", fix)
        if self.provider is not None:
            yield from _below("provider", self.provider.conflicts())
        if self.default_output_tokens > self.max_output_tokens:
            yield Finding(
                "default_output_tokens",
                f"must be at most `max_output_tokens`, {self.max_output_tokens}",
                str(self.default_output_tokens),
                "a request that says nothing would be refused",
            )
        if self.endpoint is not None:
            for name in ("default_output_tokens", "max_output_tokens"):
                if name in self.model_fields_set:
                    rule = "is a setting of a model behind a provider"
                    yield Finding(name, rule, str(getattr(self, name)), "it would have been ignored", "remove it")


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
        keys: the hashes of its keys, as `scaletozero customers key` prints them.
    """

    cap_usd_per_month: MonthlyCap
    cap_usd_per_day: MonthlyCap | None = None
    models: Annotated[tuple[Text, ...], AfterValidator(_distinct)] = ()
    endpoints: Annotated[tuple[Text, ...], AfterValidator(_distinct)] = ()
    requests_per_minute: Rate | None = None
    concurrency: Rate | None = None
    expires: SingleDate | None = None
    disabled: bool = False
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


class Gateway(Settings):
    """The gateway of an environment, which `scaletozero gateway` runs.

    Attributes:
        models: the name that clients ask for -> what it leads to.
        customers: name -> its caps, limits and keys.
        port: the port on this machine; 0 selects any free one.
    """

    models: dict[ModelName, Model] = Field(default_factory=dict)
    customers: dict[CustomerName, Customer] = Field(default_factory=dict)
    port: Annotated[Int, AfterValidator(_port)] = 8479

    def conflicts(self) -> Iterable[Finding]:
        for name, model in self.models.items():
            yield from _below(f"models.{name}", model.conflicts())
        owners: dict[str, str] = {}
        for name, customer in self.customers.items():
            yield from _below(f"customers.{name}", customer.conflicts())
            for index, asked in enumerate(customer.models):
                if asked not in self.models:
                    yield unknown(f"customers.{name}.models.{index}", "a model of the gateway", asked, self.models)
            for index, key in enumerate(customer.keys):
                if owners.setdefault(key, name) != name:
                    rule = f"must be a key of one customer, and is {owners[key]}'s"
                    then = "it could not be told who pays"
                    yield Finding(f"customers.{name}.keys.{index}", rule, "the same hash", then, "make another key")

    def endpoints(self) -> Iterator[tuple[str, str]]:
        """The endpoints that it leads to, with the paths that name them."""
        for name, model in self.models.items():
            if model.endpoint is not None:
                yield f"models.{name}.endpoint", model.endpoint
        for name, customer in self.customers.items():
            for index, endpoint in enumerate(customer.endpoints):
                yield f"customers.{name}.endpoints.{index}", endpoint


def unknown(path: str, what: str, got: str, known: Iterable[str]) -> Finding:
    """The finding on a name that is not declared."""
    names = list(known)
    guess = nearest(got, names)
    fix = f"write `{guess}`" if guess else f"write one of {', '.join(names) or 'none yet'}"
    return Finding(path, f"must be {what}", got, "requests for it would be refused", fix)


def _below(path: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    for each in findings:
        yield Finding(f"{path}.{each.path}", each.rule, each.got, each.consequence, each.fix)
