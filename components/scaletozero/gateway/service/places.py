"""Where an answer says that it was made, and the event of one that was made outside of the residency. Pure.

Anthropic's answers say it in `usage.inference_geo` (anthropic 2.13; platform.claude.com, data residency).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from scaletozero.gateway.service.embedded import RAN_ELSEWHERE, counted
from scaletozero.settings.geographies import GEOGRAPHIES

_PLACE = re.compile(r"[a-z0-9-]{1,40}")


def said_place(usage: object) -> str | None:
    """Where an answer was made, by its usage: a geography, `global`, or a Region; None if it does not say.

    Args:
        usage: as the provider sent it.
    """
    place = usage.get("inference_geo") if isinstance(usage, Mapping) else None
    return place if isinstance(place, str) and _PLACE.fullmatch(place) else None


def is_elsewhere(place: str, allowed: Collection[str]) -> bool:
    """Whether a place is outside of Regions, or not known to be within them.

    Args:
        place: a geography, `global`, or a Region.
        allowed: the Regions; all are allowed if there is none.
    """
    return bool(allowed) and not set(GEOGRAPHIES.get(place, (place,))) <= set(allowed)


def elsewhere_event(target: str, place: str, milliseconds: int, **about: Any) -> dict[str, Any]:
    """The line of log of an answer that was made elsewhere, which is a metric on CloudWatch.

    Args:
        target: which one answered.
        milliseconds: the time, since 1970.
        about: which request it was.
    """
    return {"event": "ran elsewhere", "ran_in": place, **about, **counted(RAN_ELSEWHERE, target, milliseconds)}
