"""EC2 instance types with GPUs, and their hardware.

The figures are those of DescribeInstanceTypes (GPU memory is what the driver can use, in MiB). Regions and prices are
in the price table; see `scaletozero.spending.gpu_prices`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.validation import Text, nearest, reject

TYPE_LABEL = "node.kubernetes.io/instance-type"
"""The label of a node that names its instance type."""


@dataclass(frozen=True)
class GpuType:
    """An instance type.

    Attributes:
        name: name of the instance type.
        gpu: name of the GPU.
        gpus: number of GPUs.
        gpu_memory_mib: memory of one GPU, in MiB.
        capability: CUDA compute capability times ten (89 is 8.9).
        vcpus, memory_mib: vCPUs and memory of the whole instance.
    """

    name: str
    gpu: str
    gpus: int
    gpu_memory_mib: int
    capability: int
    vcpus: int
    memory_mib: int


TYPES = {
    each.name: each
    for each in (
        GpuType("g5.xlarge", "A10G", 1, 22888, 86, 4, 16384),
        GpuType("g5.2xlarge", "A10G", 1, 22888, 86, 8, 32768),
        GpuType("g5.12xlarge", "A10G", 4, 22888, 86, 48, 196608),
        GpuType("g6.xlarge", "L4", 1, 22888, 89, 4, 16384),
        GpuType("g6.4xlarge", "L4", 1, 22888, 89, 16, 65536),
        GpuType("g6e.xlarge", "L40S", 1, 45776, 89, 4, 32768),
        GpuType("g6e.12xlarge", "L40S", 4, 45776, 89, 48, 393216),
        GpuType("p4d.24xlarge", "A100", 8, 40960, 80, 96, 1179648),
        GpuType("p5.4xlarge", "H100", 1, 81920, 90, 16, 262144),
        GpuType("p5.48xlarge", "H100", 8, 81920, 90, 192, 2097152),
        GpuType("p5en.48xlarge", "H200", 8, 144384, 90, 192, 2097152),
        GpuType("p6-b200.48xlarge", "B200", 8, 183359, 100, 192, 2097152),
    )
}
"""The instance types that GPU endpoints support."""


def _known(name: str) -> str:
    if name not in TYPES:
        guess = nearest(name, TYPES)
        reject(
            "must be a supported EC2 instance type with GPUs",
            "its GPUs and its price are not known",
            f"write `{guess}`" if guess else f"write one of {', '.join(TYPES)}",
        )
    return name


GpuInstanceType = Annotated[Text, AfterValidator(_known)]
"""The name of an EC2 instance type with GPUs."""
