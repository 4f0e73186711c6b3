"""What makes two requests the same: a hash of all that their answer depends on. Pure.

Left out is what does not change an answer: who a customer says that its user is, labels, hints for a provider's own
cache, and the order of fields. What a model's targets are is in it, so that an answer of another model is never found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaletozero.gateway.cache.control import CLOSED, Directions
from scaletozero.gateway.service.bodies import EmbeddingRequest
from scaletozero.gateway.service.conversations import Conversation
from scaletozero.gateway.service.ways import ModelRoute
from scaletozero.settings.gateway_cache import Cache

FORM = 1
"""Of the hash and of what is kept under it; another number finds nothing of what was kept before."""

_NO_MATTER = frozenset(("metadata", "model", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"))
_SAID_OTHERWISE = frozenset(
    ("max_completion_tokens", "max_output_tokens", "max_tokens", "n", "stream", "stream_options")
)


@dataclass(frozen=True)
class Question:
    """A request to a model with a cache.

    Attributes:
        key: the hash of all that its answer depends on.
        cache: what was declared of its model's answers.
        directions: what it allows.
    """

    key: str
    cache: Cache
    directions: Directions

    def closed(self) -> Question:
        """The same, whose answer is neither looked for nor kept."""
        return replace(self, directions=CLOSED)


def conversation_question(
    route: ModelRoute, asked: Conversation, customer: str, allowed: Directions
) -> Question | None:
    """The question of a conversation; None if its model keeps no answers."""
    cache, fields = route.model.cache, asked.fields
    if cache is None:
        return None
    # What a provider is to store, it would not store if it were not asked.
    if fields.get("store") or not (cache.any_temperature or _zero(fields.get("temperature"))):
        allowed = CLOSED
    depends = {name: value for name, value in fields.items() if name not in _NO_MATTER | _SAID_OTHERWISE}
    most = [asked.output_tokens(route.model), asked.choices]
    usage = asked.stream and bool((fields.get("stream_options") or {}).get("include_usage"))
    return _question(route, cache, customer, allowed, asked.protocol, depends, [*most, asked.stream, usage])


def embedding_question(
    route: ModelRoute, asked: EmbeddingRequest, customer: str, allowed: Directions
) -> Question | None:
    """The question of embeddings; None if their model keeps no answers."""
    if route.model.cache is None:
        return None
    inputs = asked.fields["input"] if asked.inputs is None else asked.inputs
    depends = {"input": inputs, "dimensions": asked.fields.get("dimensions")}
    return _question(route, route.model.cache, customer, allowed, "embeddings", depends, [asked.base64])


def _question(
    route: ModelRoute,
    cache: Cache,
    customer: str,
    allowed: Directions,
    protocol: str,
    depends: Mapping[str, Any],
    form: Iterable[object],
) -> Question:
    owner = None if cache.shared else customer
    targets = [each.target.identity for each in route.ways]
    given = {name: _number(value) for name, value in depends.items() if value is not None}
    whole = [FORM, owner, route.name, targets, protocol, list(form), given]
    # In ASCII, in which half a character has a form too; with sorted names, whose order says nothing.
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return Question(hashlib.sha256(text.encode()).hexdigest(), cache, allowed)


def _zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def _number(value: object) -> object:
    """1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
