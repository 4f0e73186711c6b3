"""The targets of a model of the gateway: an endpoint of the environment, a model of Bedrock, or an API. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.settings.gateway_canary import Canary

_SECRET = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_BEDROCK = re.compile(r"(?:(us-gov|us|eu|apac|jp|au|ca|global)\.)?([a-z0-9]+\.[A-Za-z0-9][\w.:-]{0,200})")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
"""The name of an environment variable."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CLUSTER = re.compile(r"[a-z0-9.-]+\.svc(?:\.cluster\.local)?|[a-z0-9-]+(?:\.[a-z0-9-]+)?", re.ASCII)
"""Hosts that only a cluster's own network knows: services, with or without their namespace."""

REGIONAL_PERCENT = 10
"""What OpenAI takes for requests that it works on in a region, on top of its price."""

LONGEST_SECONDS = 600
"""For which a request may be worked on: the limit of OpenAI's clients."""

Speech = Literal["chat", "messages", "responses"]
"""Protocols of conversations: OpenAI's chat completions and responses, Anthropic's messages."""

Offer = Literal["chat", "embeddings", "messages", "responses"]
"""What an endpoint's engine offers: conversations, and OpenAI's embeddings."""

Geography = Literal["us-gov", "us", "eu", "apac", "jp", "au", "ca", "global"]
"""The prefixes of Bedrock's inference profiles (Bedrock user guide, cross-Region inference)."""


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


def _address(value: str) -> str:
    host = urlsplit(value).hostname if "//" in value else None
    if value.startswith("http://") and host and _CLUSTER.fullmatch(host):
        return value.rstrip("/")
    return _base_url(value)


def _bedrock_model(value: str) -> str:
    if not _BEDROCK.fullmatch(value):
        reject(
            "must be the id of a model, or of an inference profile of AWS's",
            "Bedrock would refuse every request",
            "write one such as `anthropic.claude-haiku-4-5-20251001-v1:0`",
        )
    return value


def _secret(value: str) -> str:
    if not _SECRET.fullmatch(value):
        reject("must be the name of a secret in AWS Secrets Manager", "it could not be read", "write its name alone")
    return value


def _priced(value: str) -> str:
    if not all(value.partition("/")):
        reject("must be `provider/model`, as genai-prices names it", "", "write one such as `openai/gpt-5-mini`")
    return value


def between(least: int, most: int, unit: str, then: str):
    """A validator of whole numbers."""

    def check(value: int) -> int:
        if not least <= value <= most:
            reject(f"must be from {least} to {most:,}{unit}", then)
        return value

    return AfterValidator(check)


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, each of which must be there once."""
    for index, value in enumerate(values):
        if value in values[:index]:
            reject("must be there once", at=str(index))
    return values


Seconds = Annotated[Int, between(1, LONGEST_SECONDS, " seconds", "clients give up after ten minutes")]
Percent = Annotated[Int, between(0, 100, " per cent", "it would be no surcharge but another price")]
Weight = Annotated[Int, between(1, 1000, "", "it could not be a share of the requests")]
Open = Annotated[Int, between(1, 100_000, " requests", "it would be asked nothing, or have no limit")]
SecretName = Annotated[Text, AfterValidator(_secret)]
PriceName = Annotated[Text, AfterValidator(_priced)]


class Provider(Settings):
    """A model behind an API that speaks OpenAI's protocol, or Anthropic's.

    Attributes:
        base_url: the API's address, to which `/chat/completions`, `/responses` or `/messages` is added.
        model: the model's name there.
        secret: the name of the secret in AWS Secrets Manager that holds the API's key, as text.
        variable: in place of it, the environment variable that holds the key where the gateway runs.
        price: the model in genai-prices, `provider/model`, such as `openai/gpt-5-mini`.
        limit_field: the field in which the API takes the most tokens of an answer to a chat.
        speaks: protocols of conversations that it has. Default: `chat`, of Anthropic's host also `messages`, of
            OpenAI's hosts also `responses`.
        surcharge_percent: what it takes on top of the price, for where it works on requests. Default: 10 of OpenAI's
            hosts of a region, else 0.
    """

    base_url: Annotated[Text, AfterValidator(_base_url)]
    model: Text
    secret: SecretName | None = None
    variable: Text | None = None
    price: PriceName
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    speaks: Annotated[tuple[Speech, ...], AfterValidator(distinct)] = ()
    surcharge_percent: Percent | None = None

    @property
    def surcharge(self) -> int:
        """Per cent on top of the price, declared or known of its host.

        OpenAI's is of models that were released since 2026-03-05 (developers.openai.com, data residency); of which they
        are nothing is known here, and a cap must not count less than is paid.
        """
        if self.surcharge_percent is not None:
            return self.surcharge_percent
        return REGIONAL_PERCENT if self.host.endswith(".api.openai.com") else 0

    @property
    def host(self) -> str:
        """The host that prompts are sent to."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def protocols(self) -> tuple[Speech, ...]:
        """What it speaks, declared or known of its host (platform.claude.com, `openai-sdk`)."""
        if self.speaks:
            return self.speaks
        if f".{self.host}".endswith(".api.openai.com"):  # also those of a region
            return ("chat", "responses")
        return ("chat", "messages") if self.host == "api.anthropic.com" else ("chat",)

    def conflicts(self) -> Iterable[Finding]:
        if "@" in urlsplit(self.base_url).netloc:
            # Not shown, because it may have a password.
            then = "whoever reads the file could use it"
            yield Finding("base_url", "must be without a user and a password", "", then, "write them into the secret")
        if (self.secret is None) == (self.variable is None):
            got = "neither" if self.secret is None else "both"
            rule = "or `variable` is required, and only one of them"
            yield Finding("secret", rule, got, "the API would refuse every request", "write where its key is")
        then = "whoever reads the file could use the key"
        # What is written is not shown, because it may be a key.
        if self.secret is not None and self.secret.startswith("sk-"):
            yield Finding("secret", "must be the name of a secret, not a key", "", then, "write a name that is not one")
        if self.variable is not None and not VARIABLE.fullmatch(self.variable):
            yield Finding("variable", "must be the name of an environment variable", "", then, "write `OPENAI_API_KEY`")


def geography_in(model: str) -> str | None:
    """The geography that the id of an inference profile begins with; None for every other id."""
    found = _BEDROCK.fullmatch(model)
    return found[1] if found else None


class Bedrock(Settings):
    """A model on Amazon Bedrock, in the environment's Region. Requests are signed with the gateway's own role.

    Attributes:
        model: its id, such as `amazon.nova-lite-v1:0`, or that of an inference profile, such as `eu.amazon...`.
        profile: of an inference profile, the geography in which it may process requests: what its id begins with.
        price: the model in genai-prices. Default: `aws/` and its id.
    """

    model: Annotated[Text, AfterValidator(_bedrock_model)]
    profile: Geography | None = None
    price: PriceName | None = None

    @property
    def prefix(self) -> str | None:
        """The geography that the id of an inference profile begins with."""
        return geography_in(self.model)

    @property
    def priced_as(self) -> str:
        """`provider/model` in genai-prices."""
        return self.price or f"aws/{self.model}"

    @property
    def protocols(self) -> tuple[Speech, ...]:
        """What it speaks: Bedrock's `Converse` is like a chat, and Anthropic's models take their own messages."""
        own = _BEDROCK.fullmatch(self.model)
        return ("chat", "messages") if own and own[2].startswith("anthropic.") else ("chat",)

    def conflicts(self) -> Iterable[Finding]:
        if self.prefix and self.profile != self.prefix:
            within = "anywhere" if self.prefix == "global" else f"in any Region of `{self.prefix}`"
            yield Finding(
                "profile",
                f"must be `{self.prefix}` beside an inference profile's id",
                self.profile or "nothing",
                f"requests would be processed {within} without anybody having said so",
                f"write `model: {self.model.removeprefix(self.prefix + '.')}`, or `profile: {self.prefix}` beside it",
            )
        if self.profile and not self.prefix:
            rule, then = "is a setting of an inference profile", "the model is in the Region itself"
            yield Finding("profile", rule, self.profile, then, "remove it, or write the profile's id")


class Target(Settings):
    """One of the targets of a model.

    Attributes:
        endpoint: an endpoint of the environment.
        provider: an API.
        bedrock: a model on Bedrock.
        speaks: of an endpoint of kind `gpu`, what its engine offers.
        url: of an endpoint of kind `gpu`, where the gateway reaches it. Default: its cluster's interceptor.
        secret: the name of the secret with the key that `url` asks for, if it asks for one.
        weight: its share of the requests, among the targets with a weight. One without is asked when those before it
            in the list, and all with a weight, have failed.
        seconds: in which it has to answer, or to begin a stream. Default: as long as the model has.
        concurrency: requests that it is sent at a time, in each process; further ones go to the next target.
        canary: how its trial ends, with its `weight` until then. Default: it is none.
    """

    endpoint: Text | None = None
    provider: Provider | None = None
    bedrock: Bedrock | None = None
    speaks: Annotated[tuple[Offer, ...], AfterValidator(distinct)] = ()
    url: Annotated[Text, AfterValidator(_address)] | None = None
    secret: SecretName | None = None
    weight: Weight | None = None
    seconds: Seconds | None = None
    concurrency: Open | None = None
    canary: Canary | None = None

    @property
    def encodes(self) -> bool:
        """Whether it is an endpoint that serves a packaged encoder."""
        return self.endpoint is not None and not self.speaks

    @property
    def embeds(self) -> bool:
        """Whether it is an endpoint that answers with embeddings."""
        return self.endpoint is not None and (not self.speaks or "embeddings" in self.speaks)

    def conflicts(self) -> Iterable[Finding]:
        written = [name for name in ("endpoint", "provider", "bedrock") if getattr(self, name) is not None]
        if len(written) != 1:
            yield one_of(written, "or `provider` or `bedrock` is required, and only one of them")
        if self.canary is not None and self.weight is None:
            then = "it would get no share of the requests"
            yield Finding("canary", "must be beside a `weight`", "none", then, "write `weight: 1`")
        for name in ("provider", "bedrock"):
            if (part := getattr(self, name)) is not None:
                yield from below(name, part.conflicts())
        for name in ("speaks", "url", "secret"):
            if getattr(self, name) and self.endpoint is None:
                yield ignored(name, "is a setting of an endpoint of kind `gpu`", getattr(self, name))
        if self.endpoint is not None and not self.speaks and self.url:
            fix = "write what its engine offers, such as `speaks: [chat]`"
            yield Finding("speaks", "is required beside `url`", "nothing", "nothing would be sent there", fix)
        if self.secret is not None and self.url is None and self.endpoint is not None:
            yield ignored("secret", "is a setting beside `url`", "a secret")
        if self.secret is not None and self.secret.startswith("sk-"):
            then = "whoever reads the file could use the key"
            yield Finding("secret", "must be the name of a secret, not a key", "", then, "write a name that is not one")
        if self.url is not None and "@" in urlsplit(self.url).netloc:
            then = "whoever reads the file could use it"
            yield Finding("url", "must be without a user and a password", "", then, "write a key into `secret`")


def one_of(written: list[str], rule: str) -> Finding:
    """The finding on what is to be written once, and is not."""
    got = " and ".join(written) or "neither"
    fix = "write `endpoint: <name>`, or `provider: {base_url: ..., model: ..., secret: ..., price: ...}`"
    return Finding("endpoint", rule, got, "", fix)


def ignored(name: str, rule: str, value: object) -> Finding:
    """The finding on a setting that would do nothing."""
    shown = ", ".join(value) if isinstance(value, tuple) else str(value)
    return Finding(name, rule, shown, "it would have been ignored", "remove it")


def below(path: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings of a part, with its path before theirs."""
    for each in findings:
        yield Finding(f"{path}.{each.path}", each.rule, each.got, each.consequence, each.fix)
