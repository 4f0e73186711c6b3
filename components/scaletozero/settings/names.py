"""Names that cloud services accept, made from users' names so that different ones remain different."""

from __future__ import annotations

import hashlib
import re

MODELS = "models"
"""The prefix of all packaged models in a bucket."""

VARIANT = "AllTraffic"
"""The name of an endpoint's only variant, which is a dimension of its metrics."""

_HASH = 8
_AUTONAME = 8
"""Length of the suffix that providers add to a logical name to make a physical one: `-` and seven hex digits."""


def digest(*parts: str) -> str:
    """Eight hex digits of a hash of the parts, in this order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH]


def safe_name(*parts: str, limit: int) -> str:
    """Joins parts with hyphens into letters, digits and hyphens, at most `limit` characters.

    The parts are kept unchanged if they can be told apart; otherwise (too long, other characters, a hyphen
    that makes the boundary between two parts ambiguous) eight hex digits of a hash of all the parts follow, so that
    different parts always give different names.

    Raises:
        ValueError: `limit` leaves no room for a letter and the hash.
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
        suffix: distinguishes this child from its siblings.
        limit: the most characters that the service allows for the physical name, which the provider derives from this
            one. Providers refuse a logical name that leaves no room for their random suffix, so it is cut here.
    """
    whole = f"{name}-{suffix}" if suffix else name
    if limit is None or len(whole) <= limit - _AUTONAME:
        return whole
    room = limit - _AUTONAME - _HASH - 1
    return f"{whole[:room].rstrip('-')}-{digest(name, suffix)}"


def models_prefix(owner: str) -> str:
    """The prefix of all models that an endpoint has and had.

    Its role may read them all: until another model serves, and where it fails to, containers of the one before start.

    Args:
        owner: a unique name of the endpoint.
    """
    return f"{MODELS}/{owner}"


def model_prefix(owner: str, digest: str, *, own_key: bool) -> str:
    """The prefix of an endpoint's model.

    Each endpoint has its own, because its objects are deleted with it, with all their versions. It is different if
    the bucket has a key of its own: removing the key from an object would leave it encrypted as it was.

    Args:
        owner: a unique name of the endpoint.
        digest: the artifact's SHA-256 digest, in hexadecimal.
        own_key: whether the objects are encrypted with a KMS key of the user's.
    """
    return f"{models_prefix(owner)}/{digest}{'-kms' if own_key else ''}"
