"""Settings from the container's environment: the model's folder, the address, the number of threads."""

from __future__ import annotations

import math
import os
from pathlib import Path


def model_dir() -> Path:
    """`SM_MODEL_DIR`; SageMaker unpacks the model to /opt/ml/model."""
    return Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))


def address() -> tuple[str, int]:
    """(host, port): `SCALETOZERO_BIND_HOST` and `SAGEMAKER_BIND_TO_PORT`, default: every interface, and 8080."""
    return os.environ.get("SCALETOZERO_BIND_HOST", "0.0.0.0"), int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))  # noqa: S104


def threads() -> int:
    """`SCALETOZERO_THREADS`. Default: the number of CPUs that this container may use, rounded up."""
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
