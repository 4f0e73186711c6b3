"""The Job that compiles an endpoint's kernels at deployment."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy

from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests import compile_cache
from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.kubernetes.model import Model
from scaletozero.settings.gpu import GpuEndpointSettings

KEY_LENGTH = 8
"""Characters that tell an endpoint's Jobs apart."""

WAIT_SECONDS = 3600
"""Time that the Job may wait for a node besides, where the endpoint's replicas use all of them."""


def compile_job(
    name: str, settings: GpuEndpointSettings, model: Model, derived: Derived, workload: Manifest
) -> Manifest:
    """Starts the engine once, as a replica of `workload` does, and keeps what it compiled.

    A Job cannot be changed: whatever differs in it has a Job of its own, which ends at once where the kernels of its
    image and artifact are there already.
    """
    key = compile_cache.key_of(settings.image, model.digest)
    labels = selector(name) | {"app.kubernetes.io/component": "compile"}
    pod = deepcopy(workload["spec"]["template"]["spec"])
    (engine,) = pod["containers"]
    kept = f"{compile_cache.KEPT}/{key}"
    program = compile_cache.fill_program(
        kept, f"{compile_cache.VOLUME}/{key}", settings.serving.port, derived.deadlines.startup
    )
    container = {field: engine[field] for field in ("name", "image", "env", "resources", "securityContext")} | {
        "command": ["python3", "-c", program, *engine["command"], *engine["args"]],
        "volumeMounts": [*engine["volumeMounts"], {"name": "compiled", "mountPath": compile_cache.VOLUME}],
    }
    pod = {field: value for field, value in pod.items() if field not in ("initContainers", "topologySpreadConstraints")}
    pod |= {
        "containers": [container],
        "restartPolicy": "Never",
        "volumes": [
            *(each for each in pod["volumes"] if each["name"] != "compiled"),
            compile_cache.volume(name, read_only=False),
        ],
    }
    spec = {
        "backoffLimit": 1,
        "activeDeadlineSeconds": derived.deadlines.rollout + WAIT_SECONDS,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    own = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]
    made = manifest("batch/v1", "Job", f"{name}-{own}", settings.namespace, labels, spec=spec)
    # The endpoint can respond before the Job has run: `up` does not wait for its GPUs.
    made["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    return made
