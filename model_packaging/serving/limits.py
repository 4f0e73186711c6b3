"""Limits and rates of the services that a packaged model is served on, each once, with its source.

Standard library only: the container has it too. The sandbox keeps figures of its own, as an oracle for these.
"""

from __future__ import annotations

# SageMaker Serverless Inference: the developer guide's pages on serverless endpoints, and
# `ProductionVariantServerlessConfig` in the SageMaker API.
MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
"""The memory sizes that are offered; a share of the vCPUs comes with each."""

MAX_CONCURRENCY = 200
"""The most concurrent calls of one serverless endpoint; the most provisioned concurrency too."""

REQUEST_BYTES = 4 * 1024 * 1024
"""The most bytes of one request, and of one response."""

INVOCATION_SECONDS = 60
"""The longest that a container may work on one request."""

DISK_BYTES = 5 * 10**9
"""The disk of a container, at every memory size."""

START_SECONDS = 180
"""From the start of the download to the first healthy /ping."""

# SageMaker Asynchronous Inference: the developer guide's pages on it, and `AsyncInferenceConfig` in the SageMaker API.
ASYNC_REQUEST_BYTES = 1024**3
"""The most bytes of one request."""

ASYNC_SECONDS = 3600
"""The longest that one request may be worked on."""

ASYNC_QUEUE_SECONDS = 6 * 3600
"""The longest that a request may wait in the queue; it is dropped then."""

ASYNC_CONCURRENCY = 1000
"""The most requests at a time that an instance may be given (`AsyncInferenceClientConfig`)."""

# How fast an archive arrives. AWS publishes no rate of SageMaker's own.
DOWNLOAD_MB_PER_S = 90.0
"""What AWS plans with for one request to S3 from the same region, 85 to 90 MB/s (S3 performance guidelines)."""

INFLATE_MB_PER_S = 230.0
"""Of inflated bytes, by zlib alone on one thread: 91 MB of weights in 396 ms, a tar at level 6 against one at level 0,
on an EPYC core. It decides between stored and compressed archives; a serverless container's vCPU share is slower."""

UNPACK_MB_PER_S = {"stored": 320.0, "gzip": 110.0}
"""Of unpacked bytes, written to disk by one core: the slowest that was measured. It bounds a cold start."""
