"""Every public component, declared with arguments that it accepts."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from gpu_declarations import cluster
from own_prices import own_prices

import scaletozero
from scaletozero.args.gpu_endpoint import Engine
from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.guard import Over
from scaletozero.settings.pools import WarmUnit

REGION = "eu-central-1"
TAGS = {"cost-center": "search"}
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/serving:1.2.3"

WINDOW: Any = {"start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4, "days": ["mon-fri"]}
WINDOW_OF_ONE: Any = {**WINDOW, "min": 1}

CLUSTER: Any = cluster()


def on_cluster(opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """The options, with the cluster that a component on Kubernetes has to be given."""
    provider = kubernetes.Provider("cluster", kubeconfig="{}")
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[provider]))


def spending_guard(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    """A guard, with a project's own prices of an instance and a function, for which the region has no rows."""
    endpoint: Any = {
        "name": "sentences",
        "endpoint_name": "there",
        "endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/there",
        "kind": EndpointKind.ASYNCHRONOUS,
        "cap_usd_per_month": 100.0,
        "max": 2,
        "instance_type": "ml.g5.xlarge",
    }
    instance = ("sagemaker.hosting", "ml.g5.xlarge", REGION, "h", "1.76")
    with own_prices(instance, ("lambda", "gb-second", REGION, "GB-s", "0.0000167")):
        return scaletozero.SpendingGuard(
            "it",
            {
                "region": REGION,
                "endpoints": [endpoint],
                "gateway": {
                    "function_name": "gateway",
                    "cap_usd_per_month": 20.0,
                    "memory_mb": 1024,
                    "concurrency": 10,
                    "timeout_seconds": 120,
                    "usd_per_request": 0.00001,
                },
                "callers": ["arn:aws:iam::111122223333:role/service/gateway"],
                "emails": ["team@example.com"],
                "cap_usd_per_month": 100.0,
                "over": Over.BOTH,
                "anomalies_above_usd": 10.0,
                "tags": TAGS,
            },
            opts,
        )


GATEWAY: Any = {
    "region": REGION,
    "approved_hosts": ["api.openai.com"],
    "models": {
        "small": {
            "provider": {
                "base_url": "https://api.openai.com/v1",
                "model": "gpt-5-mini",
                "secret": "openai-key",
                "price": "openai/gpt-5-mini",
            },
            "cache": {"seconds": 60},
        },
        "own": {"endpoint": "sentences"},
        "queued": {"endpoint": "speech"},
        "nova": {"bedrock": {"model": "amazon.nova-lite-v1:0"}},
    },
    "customers": {"acme": {"cap_usd_per_month": 10.0, "models": ["small", "own"]}},
    "endpoints": {
        "sentences": {
            "endpoint_name": "there",
            "endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/there",
            "memory_mb": 2048,
        },
        "speech": {
            "endpoint_name": "q",
            "endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/q",
            "instance_type": "ml.g5.xlarge",
            "requests": "s3://models/async/q/requests",
        },
    },
    "tags": TAGS,
}


def gateway(opts: pulumi.ResourceOptions | None) -> pulumi.ComponentResource:
    """A gateway, with a project's own prices of its endpoints, for which the region has no rows."""
    serverless = "sagemaker.serverless"
    with own_prices(
        ("sagemaker.hosting", "ml.g5.xlarge", REGION, "h", "1.76"),
        (serverless, "gb-second", REGION, "GB-s", "0.00002"),
        (serverless, "data-gb", REGION, "GB", "0.016"),
    ):
        return scaletozero.InferenceGateway("it", GATEWAY, opts)


Build = Callable[[Any, pulumi.ResourceOptions | None], pulumi.ComponentResource]

BUILD: dict[str, Build] = {
    "ArtifactStore": lambda make, opts: scaletozero.ArtifactStore("it", {"region": REGION, "tags": TAGS}, opts),
    "ServerlessEndpoint": lambda make, opts: scaletozero.ServerlessEndpoint(
        "it",
        {
            "artifact": str(make().path),
            "bucket": "models",
            "image": IMAGE,
            "region": REGION,
            "tags": TAGS,
            "scaling": {"min": 2, "max": 8},
            "schedule": [WINDOW],
            "alarms": {"p99_ms": 500.0},
        },
        opts,
    ),
    "AsyncEndpoint": lambda make, opts: scaletozero.AsyncEndpoint(
        "it",
        {
            "artifact": str(make().path),
            "bucket": "models",
            "image": IMAGE,
            "region": REGION,
            "instance_type": "ml.g5.xlarge",
            "vpc": {"subnet_ids": ["subnet-0123456789abcdef0"], "security_group_ids": ["sg-0123456789abcdef0"]},
            "alarms": {},
            "tags": TAGS,
        },
        opts,
    ),
    "InferenceGateway": lambda make, opts: gateway(opts),
    "ResidencyGuard": lambda make, opts: scaletozero.ResidencyGuard(
        "it", {"region": REGION, "regions": [REGION], "buckets": ["models"], "tags": TAGS}, opts
    ),
    "ServingImage": lambda make, opts: scaletozero.ServingImage("it", {"region": REGION, "tags": TAGS}, opts),
    "EndpointAlarms": lambda make, opts: scaletozero.EndpointAlarms(
        "it",
        {"endpoint_name": "e", "region": REGION, "kind": EndpointKind.SERVERLESS, "tags": TAGS},
        opts,
    ),
    "EndpointDashboard": lambda make, opts: scaletozero.EndpointDashboard(
        "it", {"endpoint_name": "e", "region": REGION, "kind": EndpointKind.SERVERLESS, "alarms": {}}, opts
    ),
    "EnvironmentDashboard": lambda make, opts: scaletozero.EnvironmentDashboard(
        "it",
        {
            "region": REGION,
            "endpoints": [{"endpoint_name": "e", "kind": EndpointKind.ASYNCHRONOUS}],
            "gateway": {"function_name": "gateway"},
        },
        opts,
    ),
    "WarmPool": lambda make, opts: scaletozero.WarmPool(
        "it",
        {
            "endpoint_name": "e",
            "region": REGION,
            "unit": WarmUnit.INSTANCES,
            "scaling": {"min": 0, "max": 2},
            "cold_start_seconds": 300.0,
            "schedule": [WINDOW_OF_ONE],
            "tags": TAGS,
        },
        opts,
    ),
    "SpendingGuard": lambda make, opts: spending_guard(opts),
    "WarmCalls": lambda make, opts: scaletozero.WarmCalls(
        "it",
        {
            "endpoint_name": "e",
            "endpoint_arn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/e",
            "region": REGION,
            "sample_input": '{"inputs": ["hello"]}',
            "schedule": [WINDOW],
            "cold_start_seconds": 1.0,
            "tags": TAGS,
        },
        opts,
    ),
    "GpuEndpoint": lambda make, opts: scaletozero.GpuEndpoint(
        "it",
        {
            "artifact": str(make().path),
            "image": IMAGE,
            "cluster": CLUSTER,
            "namespace": "models",
            "bucket": "models",
            "serving": {"engine": Engine.CONTAINER, "ready_path": "/health"},
            "scaling": {"buffer": 1},
            "tags": TAGS,
        },
        on_cluster(opts),
    ),
    "GpuNodeGroup": lambda make, opts: scaletozero.GpuNodeGroup(
        "it",
        {
            "cluster": "prod",
            "region": REGION,
            "types": ["g6.xlarge"],
            "max_gpus": 2,
            "role_arn": "arn:aws:iam::111122223333:role/nodes",
            "subnets": ["subnet-1"],
            "tags": TAGS,
        },
        opts,
    ),
    "GpuNodePool": lambda make, opts: scaletozero.GpuNodePool(
        "it",
        {"cluster": "prod", "region": REGION, "types": ["g6.xlarge"], "max_gpus": 2, "nodes": {"role": "nodes"}},
        on_cluster(opts),
    ),
    "GpuWarmPool": lambda make, opts: scaletozero.GpuWarmPool(
        "it",
        {
            "cluster": CLUSTER,
            "namespace": "models",
            "endpoint": "e",
            "image": IMAGE,
            "pool": "gpu",
            "types": ["g6.xlarge"],
            "gpus": 1,
            "cpu_millis": 3000,
            "memory_mib": 12288,
            "schedule": [WINDOW_OF_ONE],
        },
        on_cluster(opts),
    ),
    "ClusterPrerequisites": lambda make, opts: scaletozero.ClusterPrerequisites(
        "it",
        {"cluster": CLUSTER, "namespaces": [{"name": "models", "gpu_quota": 2}]},
        on_cluster(opts),
    ),
}
