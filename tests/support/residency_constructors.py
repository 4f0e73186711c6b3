"""Components whose arguments would make a seeded leak: what each is given, and what a declaration inside looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from gpu_declarations import AMP, CRDS, FALLBACK, cluster
from own_prices import own_price
from residency_leaks import ACCOUNT, HERE, THERE, at, ecr

import scaletozero
from scaletozero.kubernetes.manifests.hosts import CILIUM_CRD
from scaletozero.partitions import dns_suffix
from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.pools import WarmUnit

KEY = at("kms", THERE, "key/12345678-1234-1234-1234-123456789012")
TOPIC = {"notify": [at("sns", THERE, "ops")]}
WINDOW = {"start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}
PROVIDER = {
    "base_url": "https://api.openai.com/v1",
    "model": "gpt-5-mini",
    "price": "openai/gpt-5-mini",
    "secret": "openai-key",
}
BEDROCK = f"bedrock-runtime.{THERE}.{dns_suffix(THERE)}"
NODES = {"cluster": "prod", "region": HERE, "types": ["g6.xlarge"], "max_gpus": 2}
ON_CLUSTER = {"cluster": cluster(), "namespace": "models", "image": ecr(HERE)}

INSIDE: dict[str, Mapping[str, Any]] = {
    "ArtifactStore": {"region": HERE},
    "AsyncEndpoint": {"bucket": "models", "image": ecr(HERE), "region": HERE, "instance_type": "ml.g5.xlarge"},
    "EndpointAlarms": {"endpoint_name": "e", "region": HERE, "kind": EndpointKind.SERVERLESS},
    "EndpointDashboard": {"endpoint_name": "e", "region": HERE, "kind": EndpointKind.SERVERLESS},
    "EnvironmentDashboard": {
        "region": HERE,
        "endpoints": [{"endpoint_name": "e", "kind": EndpointKind.ASYNCHRONOUS}],
    },
    "GpuEndpoint": {
        **ON_CLUSTER,
        "bucket": "models",
        "serving": {"engine": "container", "ready_path": "/health"},
        "scaling": {"buffer": 1},
    },
    "GpuNodeGroup": {**NODES, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/nodes", "subnets": ["subnet-1"]},
    "GpuNodePool": {**NODES, "nodes": {"role": "nodes"}},
    "GpuWarmPool": {
        **ON_CLUSTER,
        "endpoint": "e",
        "pool": "gpu",
        "types": ["g6.xlarge"],
        "gpus": 1,
        "cpu_millis": 3000,
        "memory_mib": 12288,
        "replicas": 1,
    },
    "InferenceGateway": {"region": HERE},
    "ServerlessEndpoint": {"bucket": "models", "image": ecr(HERE), "region": HERE},
    "ServingImage": {"region": HERE},
    "WarmCalls": {
        "endpoint_name": "e",
        "endpoint_arn": at("sagemaker", HERE, "endpoint/e"),
        "region": HERE,
        "sample_input": "{}",
        "schedule": [WINDOW],
        "cold_start_seconds": 1.0,
    },
    "SpendingGuard": {
        "region": HERE,
        "endpoints": [
            {
                "name": "e",
                "endpoint_name": "e",
                "endpoint_arn": at("sagemaker", HERE, "endpoint/e"),
                "kind": EndpointKind.ASYNCHRONOUS,
                "instance_type": "ml.g5.xlarge",
                "max": 1,
                "cap_usd_per_month": 100.0,
            }
        ],
        "emails": ["team@example.com"],
    },
    "WarmPool": {
        "endpoint_name": "e",
        "region": HERE,
        "unit": WarmUnit.INSTANCES,
        "scaling": {"max": 2},
        "cold_start_seconds": 300.0,
    },
}
"""Component -> arguments that are inside of a residency of one Region, but for those of an artifact."""

ELSEWHERE = {"region": THERE}
IMAGE = {"image": ecr(THERE)}
OTHER_CLUSTER = cluster(region=THERE)
PODS = {"cluster": cluster(), "namespace": "models", "image": ecr(HERE), "https_cidrs": ["10.0.0.0/16"]}
CONSTRUCTORS: dict[str, dict[str, Mapping[str, Any]]] = {
    "a provider in another Region": {"ArtifactStore": ELSEWHERE},
    "a resource with a Region of its own": {"ArtifactStore": ELSEWHERE},
    "a dashboard's widget": {"EndpointDashboard": ELSEWHERE, "EnvironmentDashboard": ELSEWHERE},
    "serverless: an image of another Region": {"ServerlessEndpoint": IMAGE},
    "serverless: an alarm's topic": {"ServerlessEndpoint": {"alarms": TOPIC}, "EndpointAlarms": {"alarms": TOPIC}},
    "serverless: a key of another Region": {
        "InferenceGateway": {"kms_key_arn": KEY},
        "ServerlessEndpoint": {"kms_key_arn": KEY},
    },
    "serverless: an endpoint of another Region": {"ServerlessEndpoint": {**ELSEWHERE, **IMAGE}},
    "serverless: a warm pool of another Region": {
        "WarmPool": {**ELSEWHERE, "unit": WarmUnit.PROVISIONED_CONCURRENCY, "scaling": {"min": 1, "max": 2}}
    },
    "serverless: calls from another Region": {
        "WarmCalls": {**ELSEWHERE, "endpoint_arn": at("sagemaker", THERE, "endpoint/e")}
    },
    "serverless: an alarm of another Region": {
        "EndpointAlarms": ELSEWHERE,
        "InferenceGateway": ELSEWHERE,
        "SpendingGuard": ELSEWHERE,
    },
    "serverless: a registry of another Region": {"ServingImage": ELSEWHERE},
    "asynchronous: an image of another Region": {"AsyncEndpoint": IMAGE},
    "asynchronous: an alarm's topic": {
        "AsyncEndpoint": {"alarms": TOPIC},
        "EndpointAlarms": {"alarms": TOPIC, "kind": EndpointKind.ASYNCHRONOUS},
        "InferenceGateway": {"topic_arn": at("sns", THERE, "ops")},
        "SpendingGuard": {"topic_arn": at("sns", THERE, "ops")},
    },
    "asynchronous: a key of another Region": {"AsyncEndpoint": {"kms_key_arn": KEY}},
    "asynchronous: an endpoint of another Region": {"AsyncEndpoint": {**ELSEWHERE, **IMAGE}, "WarmPool": ELSEWHERE},
    "gpu: an image of another Region": {
        "GpuEndpoint": IMAGE,
        "GpuWarmPool": IMAGE,
        "InferenceGateway": {"pods": {**PODS, **IMAGE}},
    },
    "gpu: a service outside": {
        "GpuEndpoint": {"on_cold": {"action": "fallback", "service": {**FALLBACK, "region": THERE}}}
    },
    "gpu: a host that pods may reach": {
        "GpuEndpoint": {"cluster": cluster(crds=[*CRDS, CILIUM_CRD]), "egress": [f"sqs.{THERE}.{dns_suffix(THERE)}"]},
        "InferenceGateway": {
            "models": {"chat": {"provider": {**PROVIDER, "base_url": f"https://{BEDROCK}/openai/v1"}}}
        },
    },
    "gpu: a pool's zone": {"GpuNodePool": {"zones": [f"{THERE}a"]}},
    "gpu: a pool's key of another Region": {"GpuNodePool": {"nodes": {"role": "nodes", "kms_key": KEY}}},
    "gpu: a group of nodes of another Region": {"GpuNodeGroup": ELSEWHERE},
    "gpu: a cluster of another Region": {
        "GpuEndpoint": {"cluster": OTHER_CLUSTER, **IMAGE},
        "GpuWarmPool": {"cluster": OTHER_CLUSTER},
        "InferenceGateway": {"pods": {**PODS, "cluster": OTHER_CLUSTER}},
    },
    "gpu: a key of another Region": {"GpuEndpoint": {"kms_key_arn": KEY}},
    "gpu: metrics of another Region": {
        "GpuEndpoint": {"cluster": cluster(prometheus={**AMP, "amp_region": THERE}), "overrides": {"monitoring": False}}
    },
}
"""Case -> the components that can declare the same -> what they are given; their constructors refuse it."""

WITH_ARTIFACT = ("AsyncEndpoint", "GpuEndpoint", "ServerlessEndpoint")


def build(component: str, changes: Mapping[str, Any], make_artifact: Callable[[], Any]) -> pulumi.ComponentResource:
    """Declares a component that may be in one Region only."""
    args = {**INSIDE[component], "residency": [HERE], **changes}
    if component in WITH_ARTIFACT:
        args["artifact"] = str(make_artifact().path)
    provider = kubernetes.Provider("cluster", kubeconfig="{}")
    # The guard needs the price of its instances, of which the table has none in this Region.
    with own_price("sagemaker.hosting", "ml.g5.xlarge", HERE, "h", "1.76"):
        return getattr(scaletozero, component)("it", args, pulumi.ResourceOptions(providers=[provider]))
