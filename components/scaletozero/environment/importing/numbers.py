"""Numbers of foreign files, and what this gateway's settings allow of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from scaletozero.settings.gateway_targets import LONGEST_SECONDS

DAY = 86_400
"""Seconds."""

MONTH = 30 * DAY
"""Seconds that other gateways take for a month."""

_LARGEST = 10**15
"""Numbers above are mistakes of every field that is read here."""

_PERIOD = re.compile(r"(\d{1,6})(s|m|h|d|w|mo)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "mo": MONTH}


def number(value: object) -> Decimal | None:
    """A number that is not negative, or None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= _LARGEST:  # also what is not a number
        return None
    return Decimal(str(value))


def whole(value: object) -> int | None:
    """A whole number that is not negative, or None for everything else."""
    found = number(value)
    return int(found) if found is not None and found == found.to_integral_value() else None


def seconds_of(value: object) -> int | None:
    """Seconds, rounded up, as many as a request may take here; None for what is no time."""
    found = number(value)
    if found is None or found == 0:
        return None
    return min(LONGEST_SECONDS, int(found) + (found != int(found)))


def period_of(value: object) -> int | None:
    """The seconds of a period such as `30d`, `24h` or `1mo`; None for what is none."""
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    found = int(match[1]) * _UNITS[match[2]] if match else 0
    return found or None


@dataclass(frozen=True)
class Caps:
    """What an amount for a period is in caps.

    Attributes:
        month, day: USD; without a cap of a day None.
        reason: what differs.
    """

    month: Decimal
    day: Decimal | None
    reason: str

    def written(self) -> dict[str, int | float]:
        """As settings of a customer."""
        found = {"cap_usd_per_month": plain(self.month)}
        return found | ({"cap_usd_per_day": plain(self.day)} if self.day is not None else {})


def caps_of(usd: Decimal, seconds: int | None) -> Caps:
    """The caps for an amount.

    A cap here is of a day or a month in UTC. Where a period is neither, the cap is the lower one of the two that it
    could be: who finds it too low raises it, and who finds it too high has paid.

    Args:
        usd: the amount.
        seconds: the period after which it begins anew; None for one that never does.
    """
    if seconds is None:
        return Caps(usd, None, "it never begins anew there; here it does with each month in UTC")
    if seconds <= DAY:
        why = (
            "a day in UTC"
            if seconds == DAY
            else "a day may cost what the shorter period might, because no cap is of less"
        )
        return Caps(31 * usd, usd, f"{why}; a month has 31 days at most")
    if seconds < 28 * DAY:
        return Caps(usd, None, "a month in UTC may cost what the shorter period might; raise it if it is too low")
    if seconds <= 31 * DAY:
        return Caps(usd, None, "of a calendar month in UTC")
    share = (usd * MONTH / seconds).quantize(Decimal("0.01"), rounding="ROUND_DOWN")
    return Caps(share, None, "a month's share of the longer period")


def plain(value: Decimal) -> int | float:
    """A number as it is written in YAML."""
    return int(value) if value == value.to_integral_value() else float(value)
