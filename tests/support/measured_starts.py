"""Measured starts for tests, and what is served when they were measured."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gpu_declarations import IMAGE, MODEL

from model_packaging.validation import parse
from scaletozero.cold_start.remembered import Served, Start

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
SERVED = Served("eu-central-1", ("g6.xlarge", "g6e.xlarge"), IMAGE, MODEL.digest)


def start(number: int = 0, /, **changes: Any) -> Start:
    written: dict[str, Any] = {
        "id": f"uid-{number}",
        "at": AT + timedelta(minutes=number),
        "region": "eu-central-1",
        "instance_type": "g6.xlarge",
        "image": IMAGE,
        "artifact": MODEL.digest,
        "seconds": {"node": 50, "pull": 200, "load": 130},
        **changes,
    }
    return parse(Start, written)
