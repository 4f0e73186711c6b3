"""The pods of an endpoint: what runs, on which nodes, with which rights, and how it starts and ends."""

from __future__ import annotations

import json
from typing import Any

from scaletozero.kubernetes.cold_start import DEREGISTER_SECONDS
from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests import compile_cache
from scaletozero.kubernetes.manifests.objects import BUCKET, Manifest, manifest, selector
from scaletozero.kubernetes.model import Model, place
from scaletozero.kubernetes.starts import ARTIFACT, CONTAINER
from scaletozero.partitions import EKS_GROUP
from scaletozero.settings.cluster import GPU, Cluster, Pool, Taint
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_types import TYPE_LABEL, GpuType

USER = 1000
PORT = "http"
CACHE = "/cache"
READ_BUFFER_BYTES = 2 * 2**30
"""Memory through which weights stream to the GPU; without a limit it would be as much as the weights."""

FEW_GRAPHS = (1, 2, 4, 8, 16, 24, 32)
"""Sizes of the batches that CUDA graphs are captured for with `graphs: few`: the smallest of vLLM's own."""

_GRAPHS = {
    "all": (),
    "few": (f'--compilation-config={{"cudagraph_capture_sizes":{json.dumps(FEW_GRAPHS, separators=(",", ":"))}}}',),
    "none": ("--enforce-eager",),
}

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container_security(*, writable_root: bool = False) -> dict[str, Any]:
    """Forbids what the restricted Pod Security Standard forbids, and writing to the root file system."""
    return {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": not writable_root,
        "capabilities": {"drop": ["ALL"]},
    }


def gpu_resources(gpus: int, cpu_millis: int, memory_mib: int) -> dict[str, Any]:
    """Requests and limits.

    The GPUs are in both: the API server copies limits to requests for a pod, but not for the template of a Deployment,
    and a CapacityBuffer reads the template.
    """
    both = {"memory": f"{memory_mib}Mi", GPU: str(gpus)}
    return {"requests": {"cpu": f"{cpu_millis}m", **both}, "limits": both}


def placement(
    cluster: Cluster, pool: Pool | None, types: tuple[GpuType, ...], tolerations: tuple[Taint, ...]
) -> dict[str, Any]:
    """Where pods are scheduled: one pool in one region, on the first available type.

    Karpenter treats the heaviest preference as a requirement, and drops it if no such node is available: the order
    of the weights is the order of the fallbacks.
    """
    names = [each.name for each in types]
    required: list[dict[str, Any]] = [
        {"key": "topology.kubernetes.io/region", "operator": "In", "values": [cluster.region]},
        {"key": TYPE_LABEL, "operator": "In", "values": names},
    ]
    if pool and pool.zones:
        zones = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": list(pool.zones)}
        required.append(zones)
    affinity: dict[str, Any] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": required}]}
    }
    if len(names) > 1:
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {
                "weight": max(100 - 10 * place, 1),
                "preference": {"matchExpressions": [{"key": TYPE_LABEL, "operator": "In", "values": [name]}]},
            }
            for place, name in enumerate(names)
        ]
    placed: dict[str, Any] = {
        "affinity": {"nodeAffinity": affinity},
        "tolerations": [_toleration(taint) for taint in (*(pool.taints if pool else ()), *tolerations)],
    }
    if pool:
        label = f"{EKS_GROUP}/nodegroup" if cluster.nodes == "managed" else "karpenter.sh/nodepool"
        placed["nodeSelector"] = {label: pool.name}
    return placed


def _toleration(taint: Taint) -> dict[str, Any]:
    value = {"operator": "Equal", "value": taint.value} if taint.value else {"operator": "Exists"}
    return {"key": taint.key, "effect": taint.effect, **value}


def deployment(name: str, settings: GpuEndpointSettings, model: Model, derived: Derived) -> Manifest:
    """The Deployment. Its `replicas` are the initial number, which KEDA manages afterwards."""
    labels, deadlines = selector(name), derived.deadlines
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": deadlines.grace,
        **placement(settings.cluster, derived.pool, derived.types, settings.placement.tolerations),
        "topologySpreadConstraints": [spread],
        **({"initContainers": [_copies(settings, model)]} if settings.serving.compile_fill else {}),
        "containers": [_container(name, settings, model, derived)],
        "volumes": _volumes(name, settings, derived),
    }
    roll = {"maxSurge": 1, "maxUnavailable": 0} if derived.surge else {"maxSurge": 0, "maxUnavailable": 1}
    return manifest(
        "apps/v1",
        "Deployment",
        name,
        settings.namespace,
        labels,
        spec={
            "replicas": settings.scaling.min,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": deadlines.rollout,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": roll},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {ARTIFACT: model.digest}},
                "spec": pod,
            },
        },
    )


def _container(name: str, settings: GpuEndpointSettings, model: Model, derived: Derived) -> dict[str, Any]:
    serving, deadlines = settings.serving, derived.deadlines
    probe = {"httpGet": {"path": serving.ready_path or "/health", "port": PORT}}
    vllm = serving.engine == "vllm"
    return {
        "name": CONTAINER,
        "image": settings.image,
        **({"command": ["vllm", "serve"]} if vllm else {}),
        "args": [*(_vllm_arguments(name, settings, model, derived) if vllm else []), *serving.arguments],
        "env": [{"name": key, "value": value} for key, value in sorted(_environment(name, settings, model).items())],
        "ports": [{"name": PORT, "containerPort": serving.port, "protocol": "TCP"}],
        "resources": gpu_resources(derived.gpus, derived.cpu_millis, derived.memory_mib),
        "securityContext": container_security(writable_root=settings.overrides.writable_root or settings.cluster.cdi),
        "startupProbe": {
            **probe,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": -(-deadlines.startup // 10),
        },
        "readinessProbe": {**probe, "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {**probe, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "lifecycle": {"preStop": _drain(serving.port, deadlines.drain) if vllm else _sleep(deadlines.drain)},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - memory of its own
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of its own
            {"name": "cache", "mountPath": CACHE},
            *([{"name": "compiled", "mountPath": compile_cache.KEPT}] if _shares(settings) else []),
        ],
    }


def _shares(settings: GpuEndpointSettings) -> bool:
    """Whether replicas read and write the compiled kernels on the volume itself."""
    return settings.serving.compile_cache is not None and not settings.serving.compile_fill


def _copies(settings: GpuEndpointSettings, model: Model) -> dict[str, Any]:
    """Copies the compiled kernels, which a replica cannot change for others."""
    key = compile_cache.key_of(settings.image, model.digest)
    small = {"cpu": "500m", "memory": "512Mi"}
    program = compile_cache.copy_program(f"{compile_cache.VOLUME}/{key}", f"{compile_cache.KEPT}/{key}")
    return {
        "name": "compiled",
        "image": settings.image,
        "command": ["python3", "-c", program],
        "resources": {"requests": small, "limits": {"memory": small["memory"]}},
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "cache", "mountPath": CACHE},
            {"name": "compiled", "mountPath": compile_cache.VOLUME, "readOnly": True},
        ],
    }


def _vllm_arguments(name: str, settings: GpuEndpointSettings, model: Model, derived: Derived) -> list[str]:
    length = settings.serving.max_length or model.max_length
    loader: dict[str, Any] = {"concurrency": derived.streams, "memory_limit": READ_BUFFER_BYTES}
    if derived.gpus > 1:
        loader["distributed"] = True
    return [
        uri(name, settings, model),
        "--load-format=runai_streamer",
        f"--model-loader-extra-config={json.dumps(loader, separators=(',', ':'))}",
        f"--served-model-name={name}",
        f"--port={settings.serving.port}",
        f"--tensor-parallel-size={derived.gpus}",
        *([f"--max-model-len={length}"] if length else []),
        *_GRAPHS[settings.serving.graphs],
    ]


def uri(name: str, settings: GpuEndpointSettings, model: Model) -> str:
    """The address of the artifact."""
    bucket = settings.bucket if isinstance(settings.bucket, str) else BUCKET
    return f"s3://{bucket}/{place(name, settings, model)}"


def _environment(name: str, settings: GpuEndpointSettings, model: Model) -> dict[str, str]:
    found = {"HOME": CACHE, "USER": "model", "XDG_CACHE_HOME": CACHE, "AWS_REGION": settings.cluster.region}
    if settings.serving.engine == "vllm":
        compiled = f"{compile_cache.KEPT}/{compile_cache.key_of(settings.image, model.digest)}"
        found |= {
            "HF_HOME": f"{CACHE}/huggingface",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CACHE_ROOT": f"{compiled}/vllm",
            "TORCHINDUCTOR_CACHE_DIR": f"{compiled}/inductor",
            "TRITON_CACHE_DIR": f"{compiled}/triton",
            "NUMBA_CACHE_DIR": f"{CACHE}/numba",
        }
    elif settings.bucket is not None:
        found["MODEL_URI"] = uri(name, settings, model)
    return found | settings.serving.environment


def _volumes(name: str, settings: GpuEndpointSettings, derived: Derived) -> list[dict[str, Any]]:
    compiled: list[dict[str, Any]] = []
    if settings.serving.compile_fill:
        compiled = [compile_cache.volume(name, read_only=True)]
    elif _shares(settings):
        compiled = [{"name": "compiled", "persistentVolumeClaim": {"claimName": name}}]
    return [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{derived.shm_mib}Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "cache", "emptyDir": {"sizeLimit": "16Gi"}},
        *compiled,
    ]


def _sleep(seconds: int) -> dict[str, Any]:
    return {"sleep": {"seconds": seconds}}


def drain_program(port: int, seconds: int) -> str:
    """Waits until proxies send vLLM no new requests, and until it has none in flight, `seconds` at most."""
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
    return (
        "import time, urllib.request as u\n"
        f"end = time.time() + {seconds}\n"
        f"time.sleep({DEREGISTER_SECONDS})\n"
        "while time.time() < end:\n"
        f"    lines = u.urlopen('http://127.0.0.1:{port}/metrics', timeout=5).read().decode().splitlines()\n"
        f"    if not any(float(line.split()[-1]) for line in lines if line.startswith({names})):\n"
        "        break\n"
        "    time.sleep(1)\n"
    )


def _drain(port: int, seconds: int) -> dict[str, Any]:
    return {"exec": {"command": ["python3", "-c", drain_program(port, seconds)]}}


def claim(name: str, settings: GpuEndpointSettings) -> Manifest:
    """The volume that keeps the compiled kernels for all replicas and later starts."""
    return manifest(
        "v1",
        "PersistentVolumeClaim",
        name,
        settings.namespace,
        selector(name),
        spec={
            "accessModes": ["ReadWriteMany"],
            "storageClassName": settings.serving.compile_cache,
            "resources": {"requests": {"storage": "20Gi"}},
        },
    )
