"""An environment with an endpoint on Kubernetes that is right."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from gpu_declarations import IMAGE, cluster


def kubernetes(**changes: Any) -> dict[str, Any]:
    """The `kubernetes` block, with every fact written; `cluster__x` changes the cluster's x."""
    of_cluster = {key.removeprefix("cluster__"): value for key, value in changes.items() if key.startswith("cluster__")}
    facts = {key: value for key, value in cluster(**of_cluster).items() if key != "region" or "region" in of_cluster}
    others = {key: value for key, value in changes.items() if not key.startswith("cluster__")}
    return {"namespace": "models", "cluster": facts, **others}


def environment(artifact: Path | str, **changes: Any) -> dict[str, Any]:
    """An environment of the sandbox; `llm__x` changes its endpoint's x, `cluster__x` its cluster's."""
    endpoint = {"kind": "gpu", "artifact": str(artifact), "image": IMAGE}
    endpoint |= {key.removeprefix("llm__"): value for key, value in changes.items() if key.startswith("llm__")}
    block = {key: value for key, value in changes.items() if key.startswith("cluster__")}
    others = {key: value for key, value in changes.items() if not key.startswith(("llm__", "cluster__"))}
    whole: dict[str, Any] = {
        "region": "eu-central-1",
        "kubernetes": kubernetes(**block),
        "endpoints": {"llm": endpoint},
        "sandbox": {"aws_port": 0, "runtime_port": 0},
        **others,
    }
    return deepcopy({key: value for key, value in whole.items() if value is not None})
