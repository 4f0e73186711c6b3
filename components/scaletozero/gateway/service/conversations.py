"""What a route needs of a request for an answer in words, whichever protocol it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scaletozero.gateway.service.streams import Events
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Speech


class Spoken(Protocol):
    """What is known of a target that answers in words."""

    @property
    def model(self) -> str:
        """The model's name there."""
        ...

    @property
    def limit_field(self) -> str:
        """The field in which it takes the most tokens of an answer to a chat."""
        ...

    @property
    def protocols(self) -> tuple[Speech, ...]:
        """What it speaks."""
        ...


@dataclass(frozen=True)
class SpokenAs:
    """What is known of a target that is no provider."""

    model: str
    protocols: tuple[Speech, ...]
    limit_field: str = "max_tokens"


class Conversation(Protocol):
    """A validated request for an answer in words."""

    @property
    def model(self) -> str:
        """The name that was asked for."""
        ...

    @property
    def protocol(self) -> Speech:
        """The one that it came in."""
        ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """The request, as it came."""
        ...

    @property
    def stream(self) -> bool:
        """Whether the answer is to come in parts."""
        ...

    @property
    def choices(self) -> int:
        """How many answers."""
        ...

    def output_tokens(self, model: Model) -> int:
        """The most tokens of one answer; raises RefusedError for more than the model's most."""
        ...

    def sent(self, provider: Spoken, model: Model) -> tuple[str, bytes]:
        """The path and the body of what a provider gets; raises RefusedError if it cannot answer such a request."""
        ...

    def answer(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """A provider's answer, as the caller is to get it; raises FailedError if it cannot be one."""
        ...

    def events(self, path: str) -> Events:
        """What makes the events of the caller's stream from those of a provider."""
        ...
