"""What a user may declare of the bodies that a gateway keeps: of which model, without what, and for how long. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from model_packaging.validation import Int, Settings, Text, reject

LONGEST_DAYS = 365


def _days(value: int) -> int:
    if not 1 <= value <= LONGEST_DAYS:
        reject(f"must be from 1 to {LONGEST_DAYS} days", "content would be kept for ever, or not at all")
    return value


def _patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        try:
            empty = re.compile(value).search("") is not None
        except re.error as error:
            reject(f"must be a regular expression ({error})", "nothing would be taken out", at=str(index))
        if empty:
            reject("must not match nothing", "it would say nothing of what to take out", at=str(index))
    return values


class Bodies(Settings):
    """What is kept of the requests and answers of a model.

    Attributes:
        keep: `redacted`, without secrets, addresses of e-mail and numbers of payment cards, or `full`.
        days: for how long. Default: 30.
        patterns: regular expressions of what is taken out as well.
    """

    keep: Literal["redacted", "full"]
    days: Annotated[Int, AfterValidator(_days)] = 30
    patterns: Annotated[tuple[Text, ...], AfterValidator(_patterns)] = ()
