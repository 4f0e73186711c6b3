"""What a plan has to know of a packaged model."""

from __future__ import annotations

from dataclasses import dataclass

TARGET = "gpu-vllm"
"""The packaging target whose artifacts vLLM serves."""


@dataclass(frozen=True)
class Model:
    """A packaged model.

    Attributes:
        name: of the artifact; with `digest` (sha256, hex) it gives the place in the bucket.
        target: what it was packaged for.
        weights_bytes: all its weights.
        capability: the least CUDA compute capability that runs it, times ten (89 is 8.9).
        max_length: tokens of a request with its answer that it was packaged for.
        kv_bytes_per_token: of the attention cache, where it is known.
    """

    name: str
    digest: str
    target: str
    weights_bytes: int
    capability: int = 75
    max_length: int | None = None
    kv_bytes_per_token: int | None = None

    @property
    def prefix(self) -> str:
        """The prefix in the bucket below which its files lie."""
        return f"models/{self.name}/{self.digest}"

    def gpu_memory_mib(self, max_length: int | None = None) -> int:
        """GPU memory that it needs, in MiB: the weights, the cache of one request, and a tenth for activations.

        Where the cache's size is not known, another fifth of the weights stands for it.
        """
        length = max_length or self.max_length
        cache = self.kv_bytes_per_token * length if self.kv_bytes_per_token and length else self.weights_bytes // 5
        return -(-(self.weights_bytes + cache) * 11 // 10 // 2**20)
