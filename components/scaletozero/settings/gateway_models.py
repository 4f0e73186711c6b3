"""What a model of the gateway leads to: one or several targets, and what happens while one is cold or fails. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.settings.gateway_bodies import Bodies
from scaletozero.settings.gateway_cache import Cache
from scaletozero.settings.gateway_shadow import Shadow
from scaletozero.settings.gateway_targets import (
    LONGEST_SECONDS,
    Bedrock,
    Provider,
    Seconds,
    Target,
    below,
    between,
    ignored,
    one_of,
)

_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,126}[A-Za-z0-9])?")

MOST_OUTPUT_TOKENS = 1_000_000
"""Output tokens above which a limit is taken for a mistake: no model of the price table writes as many at once."""

MOST_TARGETS = 8
"""Targets of a model: each may be waited for in one request."""

MOST_RETRIES = 5
"""How often a target may be asked again in one request."""


def _model_name(value: str) -> str:
    if not _MODEL.fullmatch(value) or ".." in value:
        reject(
            "must have 1 to 128 letters, digits and any of `._:/-`, with a letter or digit at both ends",
            "clients could not ask for it",
            "write a name such as `small`",
        )
    return value


ModelName = Annotated[Text, AfterValidator(_model_name)]
Tokens = Annotated[Int, between(1, MOST_OUTPUT_TOKENS, " tokens", "a request would have no bound")]
ColdSeconds = Annotated[Int, between(1, 60, " seconds", "a serverless endpoint works on a request for 60 at most")]
Retries = Annotated[Int, between(0, MOST_RETRIES, "", "a target that fails would be kept from recovering")]


class Model(Settings):
    """What a model's name leads to: an endpoint of the environment, a provider, or several of them.

    Attributes:
        endpoint: the endpoint, of kind `serverless` or `asynchronous`, whose model answers with embeddings.
        provider: the API.
        bedrock: the model on Bedrock.
        targets: in place of them, several of them, or one of kind `gpu`.
        on_cold: what a request gets while an endpoint starts: `hold` waits for it, `fallback` asks the next target,
            `reject` says when to come back. The endpoint is woken in each case.
        cold_after_seconds: after which an endpoint without an answer is taken for cold. Default: 2.
        seconds: in which a request has to be answered, with all targets and tries. Default: 600.
        retries: how often a target that is overloaded or limits requests is asked again. Default: 1.
        same_vectors: whether all targets answer with the same vectors; without it several have no embeddings.
        default_output_tokens: the most tokens of an answer if the request does not say. Default: 1,024.
        max_output_tokens: the most that a request may ask for. Default: 4,096.
        cache: how answers are kept, to be given again to the same request. Default: none is kept.
        shadow: the target that a share of its conversations is mirrored to. Default: none.
        bodies: what is kept of requests and answers, for people to read. Default: nothing.
    """

    endpoint: Text | None = None
    provider: Provider | None = None
    bedrock: Bedrock | None = None
    targets: tuple[Target, ...] = ()
    on_cold: Literal["hold", "fallback", "reject"] = "hold"
    cold_after_seconds: ColdSeconds = 2
    seconds: Seconds = LONGEST_SECONDS
    retries: Retries = 1
    same_vectors: bool = False
    default_output_tokens: Tokens = 1024
    max_output_tokens: Tokens = 4096
    cache: Cache | None = None
    shadow: Shadow | None = None
    bodies: Bodies | None = None

    def ways(self) -> tuple[tuple[str, Target], ...]:
        """Its targets, with the beginnings of the paths that name them."""
        if self.targets:
            return tuple((f"targets.{index}.", each) for index, each in enumerate(self.targets))
        return (("", Target(endpoint=self.endpoint, provider=self.provider, bedrock=self.bedrock)),)

    def conflicts(self) -> Iterable[Finding]:
        written = [name for name in ("endpoint", "provider", "bedrock", "targets") if getattr(self, name)]
        if len(written) != 1:
            yield one_of(written, "or `provider`, `bedrock` or `targets` is required, and only one of them")
        for path, target in self.ways() if self.targets else ():
            yield from below(path.rstrip("."), target.conflicts())
        for name in ("provider", "bedrock", "shadow"):
            if (part := getattr(self, name)) is not None:
                yield from below(name, part.conflicts())
        yield from self._of_several()
        if self.default_output_tokens > self.max_output_tokens:
            yield Finding(
                "default_output_tokens",
                f"must be at most `max_output_tokens`, {self.max_output_tokens}",
                str(self.default_output_tokens),
                "a request that says nothing would be refused",
            )
        own = [target for _, target in self.ways() if target.endpoint is not None]
        encoders = [target for _, target in self.ways() if target.encodes]
        for name in ("on_cold", "cold_after_seconds"):
            if not own and name in self.model_fields_set:
                yield self._ignored(name, "is a setting of a model with an `endpoint`")
        if "cold_after_seconds" in self.model_fields_set and self.on_cold == "hold":
            yield self._ignored("cold_after_seconds", "is a setting beside `on_cold: fallback` or `reject`")
        for name in ("default_output_tokens", "max_output_tokens"):
            if len(encoders) == len(self.ways()) and name in self.model_fields_set:
                yield self._ignored(name, "is a setting of a model behind a provider")
        if self.cache is not None and self.cache.any_temperature and len(encoders) == len(self.ways()):
            rule, then = "is a setting of a model behind a provider", "an encoder's vectors are the same each time"
            yield Finding("cache.any_temperature", rule, "true", then, "remove it")

    def _of_several(self) -> Iterable[Finding]:
        if len(self.targets) > MOST_TARGETS:
            then = "a request could be sent to all of them"
            yield Finding("targets", f"must be {MOST_TARGETS} at most", str(len(self.targets)), then, "remove some")
        trials = [index for index, target in enumerate(self.targets) if target.canary is not None]
        if trials and (len(trials) > 1 or not any(t.weight and t.canary is None for t in self.targets)):
            rule = "must be of one target, beside another one with a `weight`"
            then = "there would be nothing to go back to"
            yield Finding(f"targets.{trials[-1]}.canary", rule, str(len(trials)), then, "give another one a `weight`")
        for index, target in enumerate(self.targets):
            if target.seconds is not None and target.seconds > self.seconds:
                rule = f"must be at most the model's `seconds`, {self.seconds}"
                then = "the request would have ended before"
                yield Finding(f"targets.{index}.seconds", rule, str(target.seconds), then)
            if target.concurrency is not None and index + 1 == len(self.targets):
                yield ignored(f"targets.{index}.concurrency", "must have a further target after it", target.concurrency)
        if len(self.targets) < 2:
            if self.on_cold == "fallback":
                fix = "write `targets` with a second one, or `on_cold: reject`"
                yield Finding("on_cold", "must have a second target to fall back to", "fallback", "", fix)
            if self.same_vectors:
                yield self._ignored("same_vectors", "is a setting of a model with several `targets`")
            return
        for index, target in enumerate(self.targets):
            if target.embeds and not self.same_vectors:
                yield Finding(
                    f"targets.{index}.endpoint",
                    "must be beside targets with the same vectors",
                    str(target.endpoint),
                    "embeddings of different models cannot be compared, and nobody would see which model answered",
                    "write `same_vectors: true` if all targets serve the same model, or remove the others",
                )

    def _ignored(self, name: str, rule: str) -> Finding:
        return ignored(name, rule, getattr(self, name))
