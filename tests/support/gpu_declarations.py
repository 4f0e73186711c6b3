"""A cluster and an endpoint that are right, and a strategy of many that are."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from model_packaging.validation import parse
from scaletozero.kubernetes.model import Model
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.settings.gpu import GpuEndpointSettings

MODEL = Model("qwen", "a" * 64, "gpu-vllm", 9_000_000_000, 89, 8192)
IMAGE = "public.ecr.aws/vllm/vllm:v0.11.0"
CRDS = [
    "scaledobjects.keda.sh",
    "triggerauthentications.keda.sh",
    "interceptorroutes.http.keda.sh",
    "podmonitors.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
    "capacitybuffers.autoscaling.x-k8s.io",
]


def cluster(**changes: Any) -> dict[str, Any]:
    """A cluster that has everything."""
    return {
        "name": "prod",
        "region": "eu-central-1",
        "version": "1.34",
        "karpenter": "1.14.1",
        "feature_gates": ["CapacityBuffer=true"],
        "keda": "2.20.2",
        "http_addon": "0.15.0",
        "crds": CRDS,
        "pools": [
            {"name": "gpu", "types": ["g6.xlarge", "g6e.xlarge"], "max_gpus": 8, "termination_grace_seconds": 1800}
        ],
        "services": {"models": ["gateway"]},
        "gpu_quota": {"models": 8},
        "s3_cidrs": ["10.0.0.0/16"],
        **changes,
    }


def endpoint(**changes: Any) -> dict[str, Any]:
    """An endpoint that is right; `cluster__x` changes the cluster's x, `scaling__x` the scaling's, and so on."""
    found: dict[str, Any] = {
        "artifact": "a",
        "image": IMAGE,
        "bucket": "acme-models",
        "namespace": "models",
        "cluster": cluster(),
    }
    for path, value in changes.items():
        *groups, last = path.split("__")
        at = found
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = value
    return deepcopy(found)


def plan(name: str = "llm", model: Model = MODEL, **changes: Any) -> GpuPlan:
    """The plan of such an endpoint."""
    return plan_gpu_endpoint(name, parse(GpuEndpointSettings, endpoint(**changes), name), model)


def warm(**changes: Any) -> Any:
    """A warm pool for such an endpoint, right once it has `replicas` or a schedule."""
    return {
        "cluster": cluster(),
        "namespace": "models",
        "endpoint": "llm",
        "image": IMAGE,
        "pool": "gpu",
        "types": ["g6.xlarge"],
        "gpus": 1,
        "cpu_millis": 3200,
        "memory_mib": 12288,
        **changes,
    }


FALLBACK = {"name": "gateway", "port": 80, "region": "eu-central-1"}
WINDOWS = [
    {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 2},
    {"days": ["sat"], "start": "22:00", "end": "02:00", "overnight": True, "timezone": "America/New_York", "min": 3},
    {"days": ["mon-sun"], "start": "00:05", "end": "24:00", "timezone": "Asia/Kolkata", "min": 2},
]
QUERY = {"kind": "prometheus", "query": "sum(vllm:num_requests_waiting)", "threshold": 4}
PROMETHEUS = {"address": "http://prometheus.monitoring:9090"}
AMP = {"address": "https://aps-workspaces.eu-central-1.amazonaws.com/workspaces/ws-1", "amp_region": "eu-central-1"}


@st.composite
def declarations(draw: st.DrawFn) -> tuple[str, dict[str, Any], Model]:
    """An endpoint's name, its declaration without a fault, and its model."""
    auto = draw(st.booleans())
    prometheus = draw(st.sampled_from([None, PROMETHEUS, AMP]))
    zones = draw(st.sampled_from([[], ["eu-central-1a"], ["eu-central-1a", "eu-central-1b"]]))
    taints = draw(
        st.sampled_from([[{"key": "nvidia.com/gpu"}], [{"key": "gpu", "value": "llm", "effect": "NoExecute"}]])
    )
    pool = {
        "name": draw(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)),
        "types": ["g6.xlarge", "g6e.xlarge"],
        "max_gpus": 64,
        "zones": zones,
        "taints": taints,
        "cached_image": draw(st.booleans()),
        "parallel_pull": draw(st.booleans()),
    }
    changes: dict[str, Any] = {
        "cluster__nodes": "auto-mode" if auto else "karpenter",
        "cluster__pools": [pool],
        "cluster__gpu_quota": {"models": 64},
        "cluster__prometheus": prometheus,
        "cluster__cdi": draw(st.booleans()),
    }
    floor = draw(st.integers(0, 1))
    most = draw(st.integers(3, 20))
    changes |= {
        "scaling__min": floor,
        "scaling__max": most,
        "scaling__together": draw(st.sampled_from([None, 1, most])),
        "scaling__buffer": draw(st.integers(0, 5)),
        "scaling__triggers": draw(
            st.sampled_from([[{"kind": "http"}], [{"kind": "http", "concurrency": 3}, QUERY]])
            if prometheus
            else st.just([{"kind": "http"}])
        ),
        "schedule": draw(st.lists(st.sampled_from(WINDOWS), max_size=1)),
    }
    if not floor:
        changes["scaling__wake"] = draw(st.integers(1, most))
    if draw(st.booleans()):
        changes["gpu__types"] = draw(st.sampled_from([["g6e.xlarge"], ["g6.xlarge", "g6e.xlarge"]]))
    action = draw(st.sampled_from(["hold", "fallback", "reject"]))
    changes["on_cold__action"] = action
    if action == "fallback":
        changes["on_cold__service"] = FALLBACK
    if draw(st.booleans()):
        serving: dict[str, Any] = {"engine": "container", "ready_path": "/ready"}
    else:
        serving = {"engine": "vllm", "compile_cache": draw(st.sampled_from([None, "efs"]))}
        serving["compile_fill"] = serving["compile_cache"] is not None and draw(st.booleans())
        serving["graphs"] = draw(st.sampled_from(["all", "few"]))
        serving["streams"] = draw(st.integers(0, 512))
    changes["serving"] = serving | {
        "port": draw(st.integers(1024, 65535)),
        "request_seconds": draw(st.integers(1, 1200)),
        "image_gb": draw(st.floats(0.1, 30)),
        "environment": draw(
            st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(), max_size=2)
        ),
    }
    changes["overrides__monitoring"] = draw(st.booleans())
    changes["hosts"] = draw(
        st.lists(st.from_regex(r"[a-z]{1,8}\.example\.com", fullmatch=True), max_size=2, unique=True)
    )
    name = draw(st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True))
    model = Model("m", "b" * 64, "gpu-vllm", draw(st.integers(10**6, 17 * 10**9)), draw(st.sampled_from([75, 86, 89])))
    return name, endpoint(**changes), model
