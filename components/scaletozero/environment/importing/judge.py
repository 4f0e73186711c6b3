"""Holds what was read to the settings' own rules, so that nothing is written that they would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.settings.gateway import Gateway


def refused(models: Mapping[str, Any], customers: Mapping[str, Any] | None = None) -> str:
    """Why a gateway with these would be refused: the first rule, without what was given, which could be a secret.

    Returns:
        The rule; empty if it is valid.
    """
    try:
        parse(Gateway, {"models": models, "customers": customers or {}})
    except FindingsError as error:
        found = error.findings[0]
        return f"`{found.path.rpartition('.')[2]}` {found.rule}"
    return ""
