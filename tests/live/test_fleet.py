"""Two hundred endpoints asleep, awake, and asleep again; its figures are printed, and none is a condition."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually
from live import Live

COUNT = 200
NAMES = [f"llm-{index}" for index in range(COUNT)]


def memory_mb(live: Live, program: str) -> int:
    """Resident memory of one of the cluster's programs, in MB (10^6 bytes)."""
    status = Path(f"/proc/{live.pids[program]}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 // 10**6


def test_two_hundred_endpoints(live: Live, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    live.space(place, gpus=2 * COUNT)
    live.pool(place, max_gpus=2 * COUNT)
    figures: dict[str, Any] = {}

    def timed(what: str, look: Callable[[], bool]) -> None:
        began = time.monotonic()
        eventually(look, patience=1800, every=1)
        figures[f"{what} after s"] = round(time.monotonic() - began)
        figures[f"{what}: API server MB"] = memory_mb(live, "kube-apiserver")

    began = time.monotonic()
    for name in NAMES:
        live.declare(place, name, pool=place, gpus=2 * COUNT, overrides__monitoring=False)
    figures["declared after s"] = round(time.monotonic() - began)

    def running() -> int:
        found = live.api.list("v1", "Pod", place)
        return sum(
            each["status"].get("phase") == "Running" and not each["metadata"].get("deletionTimestamp") for each in found
        )

    def ready() -> bool:
        found = live.api.list("keda.sh/v1alpha1", "ScaledObject", place)
        conditions = [((each.get("status") or {}).get("conditions") or ()) for each in found]
        return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in each) for each in conditions) == COUNT

    timed("asleep", ready)
    assert running() == 0
    assert not live.nodes(place)

    live.demand.request(place, *NAMES)
    timed("awake", lambda: running() == COUNT)
    figures["nodes"] = len(live.nodes(place))
    assert figures["nodes"] == COUNT

    live.demand.answer(place, *NAMES)
    timed("asleep again, nodes gone", lambda: running() == 0 and not live.nodes(place))
    with capsys.disabled():
        print(f"\n{COUNT} endpoints: {figures}")
