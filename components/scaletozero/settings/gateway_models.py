"""What a model of the gateway leads to: one or several targets, and what happens while one is cold or fails. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.settings.gateway_cache import Cache

_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,126}[A-Za-z0-9])?")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
"""The name of an environment variable."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

MOST_OUTPUT_TOKENS = 1_000_000
"""Output tokens above which a limit is taken for a mistake: no model of the price table writes as many at once."""

LONGEST_SECONDS = 600
"""For which a request may be worked on: the limit of OpenAI's clients."""

MOST_TARGETS = 8
"""Targets of a model: each may be waited for in one request."""

MOST_RETRIES = 5
"""How often a target may be asked again in one request."""

Speech = Literal["chat", "messages", "responses"]
"""Protocols of conversations: OpenAI's chat completions and responses, Anthropic's messages."""


def _model_name(value: str) -> str:
    if not _MODEL.fullmatch(value) or ".." in value:
        reject(
            "must have 1 to 128 letters, digits and any of `._:/-`, with a letter or digit at both ends",
            "clients could not ask for it",
            "write a name such as `small`",
        )
    return value


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


def _between(least: int, most: int, unit: str, then: str):
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


ModelName = Annotated[Text, AfterValidator(_model_name)]
Tokens = Annotated[Int, _between(1, MOST_OUTPUT_TOKENS, " tokens", "a request would have no bound")]
Seconds = Annotated[Int, _between(1, LONGEST_SECONDS, " seconds", "clients give up after ten minutes")]
ColdSeconds = Annotated[Int, _between(1, 60, " seconds", "a serverless endpoint works on a request for 60 at most")]
Weight = Annotated[Int, _between(1, 1000, "", "it could not be a share of the requests")]
Retries = Annotated[Int, _between(0, MOST_RETRIES, "", "a target that fails would be kept from recovering")]


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
    """

    base_url: Annotated[Text, AfterValidator(_base_url)]
    model: Text
    secret: Annotated[Text, AfterValidator(_secret)] | None = None
    variable: Text | None = None
    price: Annotated[Text, AfterValidator(_priced)]
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    speaks: Annotated[tuple[Speech, ...], AfterValidator(distinct)] = ()

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


class Target(Settings):
    """One of the targets of a model.

    Attributes:
        endpoint: an endpoint of the environment, of kind `serverless`.
        provider: an API.
        weight: its share of the requests, among the targets with a weight. One without is asked when those before it
            in the list, and all with a weight, have failed.
        seconds: in which it has to answer, or to begin a stream. Default: as long as the model has.
    """

    endpoint: Text | None = None
    provider: Provider | None = None
    weight: Weight | None = None
    seconds: Seconds | None = None

    def conflicts(self) -> Iterable[Finding]:
        if (self.endpoint is None) == (self.provider is None):
            got = "neither" if self.endpoint is None else "both"
            fix = "write `endpoint: <name>`, or `provider: {base_url: ..., model: ..., secret: ..., price: ...}`"
            yield Finding("endpoint", "or `provider` is required, and only one of them", got, "", fix)
        if self.provider is not None:
            yield from below("provider", self.provider.conflicts())


class Model(Settings):
    """What a model's name leads to: an endpoint of the environment, a provider, or several of them.

    Attributes:
        endpoint: the endpoint, of kind `serverless`, whose model answers with embeddings.
        provider: the API.
        targets: in place of both, several of them.
        on_cold: what a request gets while an endpoint starts: `hold` waits for it, `fallback` asks the next target,
            `reject` says when to come back. The endpoint is woken in each case.
        cold_after_seconds: after which an endpoint without an answer is taken for cold. Default: 2.
        seconds: in which a request has to be answered, with all targets and tries. Default: 600.
        retries: how often a target that is overloaded or limits requests is asked again. Default: 1.
        same_vectors: whether all targets answer with the same vectors; without it several have no embeddings.
        default_output_tokens: the most tokens of an answer if the request does not say. Default: 1,024.
        max_output_tokens: the most that a request may ask for. Default: 4,096.
        cache: how answers are kept, to be given again to the same request. Default: none is kept.
    """

    endpoint: Text | None = None
    provider: Provider | None = None
    targets: tuple[Target, ...] = ()
    on_cold: Literal["hold", "fallback", "reject"] = "hold"
    cold_after_seconds: ColdSeconds = 2
    seconds: Seconds = LONGEST_SECONDS
    retries: Retries = 1
    same_vectors: bool = False
    default_output_tokens: Tokens = 1024
    max_output_tokens: Tokens = 4096
    cache: Cache | None = None

    def ways(self) -> tuple[tuple[str, Target], ...]:
        """Its targets, with the beginnings of the paths that name them."""
        if self.targets:
            return tuple((f"targets.{index}.", each) for index, each in enumerate(self.targets))
        return (("", Target(endpoint=self.endpoint, provider=self.provider)),)

    def conflicts(self) -> Iterable[Finding]:
        written = [name for name in ("endpoint", "provider", "targets") if getattr(self, name)]
        if len(written) != 1:
            got = " and ".join(written) or "neither"
            fix = "write `endpoint: <name>`, or `provider: {base_url: ..., model: ..., secret: ..., price: ...}`"
            yield Finding("endpoint", "or `provider` or `targets` is required, and only one of them", got, "", fix)
        for path, target in self.ways() if self.targets else ():
            yield from below(path.rstrip("."), target.conflicts())
        if self.provider is not None:
            yield from below("provider", self.provider.conflicts())
        yield from self._of_several()
        if self.default_output_tokens > self.max_output_tokens:
            yield Finding(
                "default_output_tokens",
                f"must be at most `max_output_tokens`, {self.max_output_tokens}",
                str(self.default_output_tokens),
                "a request that says nothing would be refused",
            )
        own = [target for _, target in self.ways() if target.endpoint is not None]
        for name in ("on_cold", "cold_after_seconds"):
            if not own and name in self.model_fields_set:
                yield self._ignored(name, "is a setting of a model with an `endpoint`")
        if "cold_after_seconds" in self.model_fields_set and self.on_cold == "hold":
            yield self._ignored("cold_after_seconds", "is a setting beside `on_cold: fallback` or `reject`")
        for name in ("default_output_tokens", "max_output_tokens"):
            if len(own) == len(self.ways()) and name in self.model_fields_set:
                yield self._ignored(name, "is a setting of a model behind a provider")
        if self.cache is not None and self.cache.any_temperature and len(own) == len(self.ways()):
            rule, then = "is a setting of a model behind a provider", "an encoder's vectors are the same each time"
            yield Finding("cache.any_temperature", rule, "true", then, "remove it")

    def _of_several(self) -> Iterable[Finding]:
        if len(self.targets) > MOST_TARGETS:
            then = "a request could be sent to all of them"
            yield Finding("targets", f"must be {MOST_TARGETS} at most", str(len(self.targets)), then, "remove some")
        if len(self.targets) < 2:
            if self.on_cold == "fallback":
                fix = "write `targets` with a second one, or `on_cold: reject`"
                yield Finding("on_cold", "must have a second target to fall back to", "fallback", "", fix)
            if self.same_vectors:
                yield self._ignored("same_vectors", "is a setting of a model with several `targets`")
            return
        for index, target in enumerate(self.targets):
            if target.endpoint is not None and not self.same_vectors:
                yield Finding(
                    f"targets.{index}.endpoint",
                    "must be beside targets with the same vectors",
                    target.endpoint,
                    "embeddings of different models cannot be compared, and nobody would see which model answered",
                    "write `same_vectors: true` if all targets serve the same model, or remove the others",
                )
            if target.seconds is not None and target.seconds > self.seconds:
                rule = f"must be at most the model's `seconds`, {self.seconds}"
                then = "the request would have ended before"
                yield Finding(f"targets.{index}.seconds", rule, str(target.seconds), then)

    def _ignored(self, name: str, rule: str) -> Finding:
        return Finding(name, rule, str(getattr(self, name)), "it would have been ignored", "remove it")


def below(path: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings of a part, with its path before theirs."""
    for each in findings:
        yield Finding(f"{path}.{each.path}", each.rule, each.got, each.consequence, each.fix)
