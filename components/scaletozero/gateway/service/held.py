"""A request that holds what it may cost: its lease, its answer, and what is called when it has ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scaletozero.gateway.cache.store import LARGEST_KEPT, Kept
from scaletozero.gateway.ledger.accounts import Account, Lease
from scaletozero.gateway.service.body_log import Noted
from scaletozero.gateway.service.keeping import State
from scaletozero.gateway.service.questions import Question
from scaletozero.gateway.tariffs import Cost

FREE = Cost(0, False, {})
"""Of a request that reached nothing, or was refused there."""


@dataclass
class Hold:
    """One lease of a request.

    Attributes:
        customer: who pays.
        lease: what is held.
        about: what the record of its usage says.
        cost: what it cost; None as long as that is not known, for which it is charged with what it holds.
        accounts: those that it was admitted to without the ledger, which does not have the lease; None otherwise.
    """

    customer: str
    lease: Lease
    about: dict[str, str | int | bool]
    cost: Cost | None = None
    accounts: tuple[Account, ...] | None = None
    began: float = field(default_factory=time.monotonic)


@dataclass
class Held:
    """A request that holds what it may cost.

    Attributes:
        customer: who pays.
        most: what it holds, in millionths of a dollar.
        target: the model or endpoint that was asked for.
        hold: its lease; None when that was given away, or ended.
        handed: whether a response ends it.
        leases: how many it has had: one more for each try that may have cost something.
        question: what its answer is kept under; None for what keeps none.
        cache: what came of looking for an answer that was kept; None for what keeps none.
        found: that answer.
        age: its age in seconds.
        answer: what is to be kept, with its media type.
        afterwards: what is called when it has ended.
        bodies: what is kept of its body and its answer's; None for nothing.
    """

    customer: str
    most: int
    target: str
    hold: Hold | None = None
    handed: bool = False
    leases: int = 0
    question: Question | None = None
    cache: State | None = None
    found: Kept | None = None
    age: int = 0
    answer: tuple[bytes, str] | None = None
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    bodies: Noted | None = None

    @property
    def id(self) -> str:
        """Of its record; of one that gave its lease away an id of its own."""
        return self.hold.lease.id if self.hold else secrets.token_hex(16)

    def told(self, *parts: bytes) -> None:
        """Notes parts of its answer."""
        if self.bodies is not None:
            self.bodies.add(*parts)

    @property
    def keeps(self) -> bool:
        """Whether its answer is to be kept."""
        return self.found is None and self.question is not None and self.question.directions.write

    def keep(self, body: bytes, media: str) -> None:
        """Notes what is to be kept when the request has ended."""
        if self.keeps and len(body) <= LARGEST_KEPT:
            self.answer = body, media

    @property
    def headers(self) -> dict[str, str]:
        """What its response says of the cache."""
        told = {} if self.cache is None else {"x-scaletozero-cache": self.cache}
        return told if self.found is None else {**told, "Age": str(self.age)}

    @property
    def cost(self) -> Cost | None:
        """What it cost so far under this lease."""
        return self.hold.cost if self.hold else FREE

    @cost.setter
    def cost(self, cost: Cost) -> None:
        assert self.hold
        self.hold.cost = cost

    def ask(self, label: str) -> None:
        """Notes which target is asked."""
        assert self.hold
        self.hold.about["asked"] = label
