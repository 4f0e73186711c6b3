"""Limits and rates of the services on which a packaged model is served, each once, with its source.

Standard library only: the container has it too. The sandbox keeps figures of its own, as an oracle for these.
"""

from __future__ import annotations

# SageMaker Serverless Inference: the developer guide's pages on serverless endpoints, and
# `ProductionVariantServerlessConfig` in the SageMaker API.
MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
"""The available memory sizes; each comes with a share of the vCPUs."""

MAX_CONCURRENCY = 200
"""Maximum concurrent calls of a serverless endpoint, and maximum provisioned concurrency."""

REQUEST_BYTES = 4 * 1024 * 1024
"""Maximum bytes of a request, and of a response."""

INVOCATION_SECONDS = 60
"""Maximum seconds for which a container may work on a request."""

DISK_BYTES = 5 * 10**9
"""The disk of a container, at every memory size."""

START_SECONDS = 180
"""Maximum seconds from the start of the download to the first healthy /ping."""

# SageMaker Asynchronous Inference: the developer guide's pages on it, and `AsyncInferenceConfig` in the SageMaker API.
ASYNC_REQUEST_BYTES = 1024**3
"""Maximum bytes of a request."""

ASYNC_SECONDS = 3600
"""Maximum seconds for which a request may run."""

ASYNC_QUEUE_SECONDS = 6 * 3600
"""Maximum seconds for which a request may wait in the queue before it is dropped."""

ASYNC_CONCURRENCY = 1000
"""Maximum concurrent requests of an instance (`AsyncInferenceClientConfig`)."""

# How fast an archive arrives. AWS publishes no rate for SageMaker.
DOWNLOAD_MB_PER_S = 90.0
"""AWS's planning figure for one request to S3 from the same region, 85 to 90 MB/s (S3 performance guidelines)."""

INFLATE_MB_PER_S = 230.0
"""Rate of inflated bytes, by zlib alone on one thread: 91 MB of weights in 396 ms, a tar at level 6 against one at
level 0, on an EPYC core. It decides between stored and compressed archives; a serverless container's vCPU share is
slower."""

UNPACK_MB_PER_S = {"stored": 320.0, "gzip": 110.0}
"""Rate of unpacked bytes written to disk by one core: the slowest measured. It bounds a cold start."""
