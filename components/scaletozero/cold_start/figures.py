"""Published and measured figures of cold starts, each with its source and date. Predictions are fitted to them.

Sizes are in GB (10^9 bytes), times in seconds. A range is entered by its middle. What a figure leaves open, such as
the size of a model that only has a name, is noted beside it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One published time.

    Attributes:
        what: the model, image or cluster.
        seconds: how long it took.
        source, date: where it was published, and when; of a page without a date, when it was read.
        gb: size of the weights or of the compressed image, in GB; 1 where the time does not depend on it.
        gpus: number of GPUs that the model was split over.
    """

    what: str
    seconds: float
    source: str
    date: str
    gb: float = 1
    gpus: int = 1


_READ = "read 2026-11"
"""Of a page without a date: when it was read."""

_TIME_TRACKING = "vllm-project/vllm#11005"
_CACHE_LOGGED = "vllm-project/vllm#16848"
_STARTUP_UX = "vllm-project/vllm#19824"
_POD_SCALING = "vllm-project/vllm#20264"
_AOT = "vllm-project/vllm#32191"
_NVFP4 = "vllm-project/vllm#44881"
_AMPERE = "vllm-project/vllm#52682"
_TWO_GPUS = "mitchross/talos-argocd-proxmox#1848"
_KAITO = "kaito-project/kaito#2325"
_VERTEX = "blog.vertexcover.io"
_TENSORFUSE = "tensorfuse/tensorfuse-examples#1"

NODE = (
    Figure("EKS Auto Mode, 30 to 90 s", 60, "sample-aws-eks-auto-mode", _READ),
    Figure("EKS with a GPU, about 45 s", 45, _TENSORFUSE, "2024-09-11"),
    Figure("Karpenter, one to two minutes", 90, "aws/karpenter-provider-aws#987", _READ),
    Figure("EKS with a GPU, 80 to 120 s", 100, "tensorfuse.io", _READ),
    Figure("Karpenter, the longest report, five minutes", 300, "Hacker News, 44053826", _READ),
)
"""From a pod that no node has room for until its node is ready."""

GZIP = (
    Figure("Deep Learning Container, 15 to 20 GB in 4 to 6 minutes", 300, "AWS ML blog", "2026-06", 17.5),
    Figure("image of 13 GB", 571, _VERTEX, _READ, 13),
    Figure("image of 2.4 GB", 91, _VERTEX, _READ, 2.4),
    Figure("kaito-base 0.5.0", 101, _KAITO, "2026-09-07", 5.6),
)
"""An image with gzip layers, pulled and unpacked with a node's defaults."""

FAST = (
    Figure("image of 13 GB", 40.65, _VERTEX, _READ, 13),
    Figure("image of 2.4 GB", 7.4, _VERTEX, _READ, 2.4),
    Figure("image of 15 GB", 20, _TENSORFUSE, "2024-09-11", 15),
)
"""An image whose layers are not gzip, with a node that is set to pull and unpack in parallel."""

PROCESS = (
    Figure("Qwen3.6 35B NVFP4 on an RTX 5090", 16, _NVFP4, "2026-06-08"),
    Figure("Llama 3.2 in a pod: 59 s in all, without weights and engine", 24, _POD_SCALING, "2025-06-30"),
    Figure("Qwen3.8 27B on an A100 of AKS", 95, _KAITO, "2026-09-07"),
    Figure("13 GiB on two GPUs at home", 150, _TWO_GPUS, "2026-08-04"),
)
"""From the container's start until the engine begins to load: imports, CUDA, configuration, tokenizer."""

RANKS = (
    Figure("13 GiB, NCCL", 30, _TWO_GPUS, "2026-08-04", gpus=2),
    Figure("Llama 70B FP8, the check of the GPUs' links", 60, _STARTUP_UX, "2025-06-19", gpus=8),
)
"""Until the processes of several GPUs have found each other."""

COMPILE = (
    Figure("Llama 3 8B", 19.37, _TIME_TRACKING, "2024-12-09", 16.1),
    Figure("Llama 70B FP8", 85, _STARTUP_UX, "2025-06-19", 71, 8),
    Figure("Qwen3 32B", 30.69, _AOT, "2026-01-12", 65.5),
    Figure("16.9 GiB on an RTX 5090", 75.96, "BoltzmannEntropy/vLLM-5090#8", "2026-01-04", 18.2),
    Figure("Qwen3.6 35B NVFP4 on an RTX 5090", 43, _NVFP4, "2026-06-08", 23.4),
    # The size is that of the same model in vllm-project/vllm#44881.
    Figure("35B NVFP4", 39, "route179.dev", "2026-06", 23.4),
    Figure("13 GiB on two GPUs at home", 166, _TWO_GPUS, "2026-08-04", 14.1, 2),
    # The size is that of 27 billion parameters at 8 bits.
    Figure("Qwen3.6 27B FP8 on four A800", 44, _AMPERE, "2026-09-21", 28, 4),
)
"""torch.compile without a cache."""

CACHED = (
    Figure("Llama 3 8B", 9.22, _CACHE_LOGGED, "2025-04-18", 16.1),
    Figure("Llama 3.2, 3.4 GiB", 7.51, _POD_SCALING, "2025-06-30", 3.7),
    Figure("Granite 3.2 8B", 7, "llm-d-incubation/llm-d-fast-model-actuation#111", "2025-10-24", 16.3),
    Figure("Qwen3 32B", 14.95, _AOT, "2026-01-12", 65.5),
    Figure("Qwen3.6 35B NVFP4 on an RTX 5090", 5, _NVFP4, "2026-06-08", 23.4),
)
"""torch.compile from its cache."""

CAPTURE = (
    Figure("Llama 3 8B, not compiled", 10, _TIME_TRACKING, "2024-12-09", 16.1),
    Figure("Llama 3 8B", 15, _TIME_TRACKING, "2024-12-09", 16.1),
    Figure("Llama 70B FP8", 60, _STARTUP_UX, "2025-06-19", 71, 8),
    Figure("Llama 3.2, 3.4 GiB", 17, _POD_SCALING, "2025-06-30", 3.7),
    Figure("13 GiB on two GPUs at home, until it serves", 90, _TWO_GPUS, "2026-08-04", 14.1, 2),
)
"""CUDA graphs, captured."""

WARM_UP = (
    Figure("Llama 3 8B, not compiled", 4.18, _TIME_TRACKING, "2024-12-09", 16.1),
    Figure("Llama 3 8B", 4.97, _TIME_TRACKING, "2024-12-09", 16.1),
    Figure("Llama 3.2, 3.4 GiB", 9.6, _POD_SCALING, "2025-06-30", 3.7),
    Figure("Qwen3.6 35B NVFP4 on an RTX 5090", 210, _NVFP4, "2026-06-08", 23.4),
    Figure("13 GiB on two GPUs at home", 131, _TWO_GPUS, "2026-08-04", 14.1, 2),
)
"""Profiling the memory, the KV cache, and kernels that are compiled at their first use."""

STREAMED = Figure("Llama 3 8B from S3 to a g5.12xlarge, 32 at a time", 4.88, "run-ai/runai-model-streamer", _READ, 15)
"""Weights streamed from S3, on an instance whose network is known."""

STREAMS = 32
"""Reads at a time in that figure."""
