"""Names: what a cloud service accepts, made from what a user wrote, so that two never become one."""

from __future__ import annotations

import hashlib
import re

MODELS = "models"
"""The prefix in a bucket below which every packaged model lies."""

_HASH = 8
_AUTONAME = 8
"""What the engine's providers add to a logical name when they make a physical one: `-` and seven hex digits."""


def digest(*parts: str) -> str:
    """Eight hex digits that stand for the parts, in this order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH]


def safe_name(*parts: str, limit: int) -> str:
    """Joins parts with hyphens into letters, digits and hyphens, at most `limit` characters.

    The parts are kept as they are wherever they could be read back; otherwise (too long, other characters, a hyphen
    that makes the boundary between two parts ambiguous) eight hex digits of a hash of all the parts follow, so that
    different parts always give different names.

    Raises:
        ValueError: when `limit` leaves no room for a letter and the hash.
    """
    if limit < _HASH + 2:
        raise ValueError(f"a name of at most {limit} characters has no room for a hash of {_HASH}")
    joined = "-".join(parts)
    clean = re.sub(r"[^A-Za-z0-9]+", "-", joined).strip("-")
    readable = clean == joined and not any("-" in part for part in parts[:-1])
    if readable and 0 < len(joined) <= limit:
        return joined
    head = clean[: limit - _HASH - 1].rstrip("-")
    return f"{head}-{digest(*parts)}" if head else digest(*parts)


def logical_name(name: str, suffix: str = "", *, limit: int | None = None) -> str:
    """The engine's name of a child resource: the component's, with a suffix for all but the primary child.

    Args:
        name: the component's name.
        suffix: what tells this child from its siblings.
        limit: the most characters that the service takes for the physical name which the provider derives from this
            one. Providers refuse a logical name that leaves no room for their random suffix, so it is cut here.
    """
    whole = f"{name}-{suffix}" if suffix else name
    if limit is None or len(whole) <= limit - _AUTONAME:
        return whole
    room = limit - _AUTONAME - _HASH - 1
    return f"{whole[:room].rstrip('-')}-{digest(name, suffix)}"


def model_prefix(owner: str, digest: str, *, own_key: bool) -> str:
    """The prefix below which an endpoint's model lies.

    It is that endpoint's alone, since its objects go with it, all their versions at once. And it is another one where
    the bucket has a key of its own: an object whose key is merely left out stays as it was encrypted.

    Args:
        owner: what no two endpoints share.
        digest: the artifact's sha256, in hex.
        own_key: whether the objects are encrypted with a KMS key of the user's.
    """
    return f"{MODELS}/{owner}/{digest}{'-kms' if own_key else ''}"
