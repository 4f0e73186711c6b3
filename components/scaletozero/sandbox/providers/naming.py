"""Generated physical names, like the bridged provider's (pulumi `resource.NewUniqueName` with 7 hex characters)."""

from __future__ import annotations

import hashlib
import secrets

from scaletozero.sandbox.providers.table import Naming, State

RANDOM = 7


def auto_name(naming: Naming, logical: str, seed: bytes, state: State) -> str:
    """Generates a name for the resource `logical`; the same for the same seed.

    Raises:
        ValueError: the logical name is too long; the text is the bridge's.
    """
    logical = logical.lower() if naming.lowercase else logical
    prefix = f"{naming.leading}{logical}-"
    return _unique(prefix, naming.limit, seed) + naming.trailing(state)


def prefixed_name(naming: Naming, prefix: str, seed: bytes) -> str:
    """Generates a name with a given prefix (Terraform appends 26 characters)."""
    digits = hashlib.sha256(seed or secrets.token_bytes(16)).hexdigest()
    name = prefix + digits[:26]
    if len(name) > naming.limit:
        raise ValueError(f"name prefix '{prefix}' plus 26 characters is longer than maximum length {naming.limit}")
    return name


def _unique(prefix: str, limit: int, seed: bytes) -> str:
    if len(prefix) + RANDOM > limit:
        raise ValueError(
            f"failed to fix name: name '{prefix}' plus {RANDOM} random chars is longer than maximum length {limit}"
        )
    return prefix + hashlib.sha256(seed or secrets.token_bytes(16)).hexdigest()[:RANDOM]
