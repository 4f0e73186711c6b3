"""Answers in the form of OpenAI's API, from what targets answered. Pure."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from scaletozero.gateway.ledger.accounts import Account, Balance
from scaletozero.gateway.service.errors import unavailable
from scaletozero.spending.money import number, of_micros


def models(names: Sequence[str]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(each) for each in names]}


def model(name: str) -> dict[str, Any]:
    """One model. Nobody says when it was made, for which the field has a number."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "scaletozero"}


def embeddings(name: str, content: bytes, count: int, *, as_base64: bool) -> dict[str, Any]:
    """The answer of a packaged encoder as a list of embeddings. It has no `usage`: the encoder counts no tokens, and is
    not paid for by them.

    Args:
        name: the model's.
        content: the encoder's answer, `{"embeddings": [[...], ...]}`.
        count: how many texts were sent.
        as_base64: whether each is base64 of little-endian float32.

    Raises:
        RefusedError: 502, the endpoint's model answers something else.
    """
    try:
        rows = json.loads(content)["embeddings"]
        packed = [[float(number) for number in row] for row in rows]
        finite = all(math.isfinite(each) for row in packed for each in row)
        if len(packed) != count or not finite:
            raise ValueError(f"{len(packed)} embeddings of {count} texts")
        vectors = [_base64(row) for row in packed] if as_base64 else packed
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error):
        raise unavailable(
            502, "The endpoint's model answers with no embeddings.", "no_embeddings", retry=False
        ) from None
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return {"object": "list", "data": data, "model": name}


def _base64(row: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def usage(customer: str, balances: Sequence[tuple[Account, Balance]]) -> dict[str, Any]:
    """A customer's own figures, in dollars and exactly in millionths of one."""
    return {
        "object": "usage",
        "customer": customer,
        "periods": [
            {
                "period": account.period[2:],
                "cap_usd": number(of_micros(account.cap)),
                "spent_usd": number(of_micros(balance.spent)),
                "held_usd": number(of_micros(balance.held)),
                "remaining_usd": number(of_micros(account.cap - balance.spent - balance.held)),
                "spent_micros": balance.spent,
                "cached_requests": balance.cached,
            }
            for account, balance in balances
        ],
    }


def text_bytes(choices: object) -> int:
    """The bytes of everything that choices of an answer, or of a part of one, say: an upper bound of its tokens."""
    if isinstance(choices, str):
        return len(choices.encode(errors="replace"))
    if isinstance(choices, Mapping):
        return sum(text_bytes(each) for each in choices.values())
    return sum(text_bytes(each) for each in choices) if isinstance(choices, list) else 0
