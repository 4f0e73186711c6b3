"""A language model on GPUs that scale to zero: a Pulumi program for a cluster with Karpenter.

Its configuration, in the namespace `gpu`: `artifact` (the folder that `scaletozero package` wrote for `gpu-vllm`),
`kubeconfig` (the cluster's, as text), `cluster` (its name), `role` (the name of the nodes' IAM role).
"""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from model_packaging.validation import parse
from scaletozero.args.gpu_endpoint import ColdAction
from scaletozero.cluster.node_pools import GpuNodePool
from scaletozero.cluster.prerequisites import ClusterPrerequisites
from scaletozero.endpoints.artifact_store import ArtifactStore
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.prerequisites import PrerequisitesSettings

REGION = "eu-central-1"
TYPES = ["g6.xlarge", "g6e.xlarge"]
MAX_GPUS = 4


def main(artifact: str, kubeconfig: pulumi.Input[str], cluster: str, role: str) -> GpuEndpoint:
    """Declares the platform, and an endpoint on it."""
    providers = [aws.Provider("aws", region=REGION), kubernetes.Provider("cluster", kubeconfig=kubeconfig)]
    opts = pulumi.ResourceOptions(providers=providers)

    # The platform team's part: the facts about the cluster, its prerequisites, and its GPU nodes.
    platform = {
        "cluster": {
            "name": cluster,
            "region": REGION,
            "version": "1.34",
            "karpenter": "1.14.1",
            "pools": [{"name": "gpu", "types": TYPES, "max_gpus": MAX_GPUS}],
            "s3_cidrs": ["10.0.0.0/16"],
        },
        "namespaces": [{"name": "models", "gpu_quota": 4}],
    }
    prerequisites = ClusterPrerequisites("platform", platform, opts)  # pyright: ignore[reportArgumentType]
    nodes = GpuNodePool(
        "gpu",
        {"cluster": cluster, "region": REGION, "types": TYPES, "max_gpus": MAX_GPUS, "nodes": {"role": role}},
        opts,
    )

    # The model team's part: asleep at night, at least one replica in office hours, and never more than 3 USD per hour.
    store = ArtifactStore("artifacts", {"region": REGION}, opts)
    there = plan_prerequisites(parse(PrerequisitesSettings, platform, "platform")).cluster
    endpoint = GpuEndpoint(
        "llm",
        {
            "artifact": artifact,
            "image": "public.ecr.aws/vllm/vllm:v0.11.0",
            "cluster": there.model_dump(),  # pyright: ignore[reportArgumentType]
            "namespace": "models",
            "bucket": store.bucket,
            "gpu": {"types": ["g6.xlarge"]},
            "scaling": {"max": 2, "buffer": 0, "cap_usd_per_hour": 3},
            "on_cold": {"action": ColdAction.HOLD},
            "schedule": [
                {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}
            ],
            "serving": {"max_length": 8192},
            "overrides": {"monitoring": False},
        },
        pulumi.ResourceOptions(providers=providers, depends_on=[prerequisites, nodes]),
    )
    pulumi.export("host", endpoint.host)
    pulumi.export("enter_at", prerequisites.interceptor)
    pulumi.export("cold_start_seconds", endpoint.cold_start_seconds)
    return endpoint


if __name__ == "__main__":
    config = pulumi.Config("gpu")
    main(
        config.require("artifact"),
        config.require_secret("kubeconfig"),
        config.require("cluster"),
        config.require("role"),
    )
