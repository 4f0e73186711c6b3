"""What the container's environment says: where the model is, where to listen, how many threads."""

from __future__ import annotations

import math
import os
from pathlib import Path


def model_dir() -> Path:
    """`SM_MODEL_DIR`; SageMaker unpacks the model to /opt/ml/model."""
    return Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))


def address() -> tuple[str, int]:
    """(host, port): `SCALETOZERO_BIND_HOST` and `SAGEMAKER_BIND_TO_PORT`, by default every interface and 8080."""
    return os.environ.get("SCALETOZERO_BIND_HOST", "0.0.0.0"), int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))  # noqa: S104


def threads() -> int:
    """`SCALETOZERO_THREADS`, else the CPUs this container may use, rounded up: one intra-operator thread each."""
    given = os.environ.get("SCALETOZERO_THREADS", "")
    if given:
        return max(1, int(given))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        limit, _, period = quota.read_text(encoding="ascii").strip().partition(" ")
        if limit != "max":
            cpus = min(cpus, math.ceil(int(limit) / int(period)))
    return max(1, cpus)
