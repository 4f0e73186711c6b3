"""The network of instance types with GPUs, for the time that weights need. Each row has its source and date."""

from __future__ import annotations

from dataclasses import dataclass

_DESCRIBED = "EC2 DescribeInstanceTypes, as recorded in moto 5.2.5"


@dataclass(frozen=True)
class Network:
    """The network of an instance type: its first card, the one that S3 is read through.

    Attributes:
        name: name of the instance type.
        baseline_gbps: bandwidth that it always has, in Gbit/s.
        peak_gbps: bandwidth with credits, of which an instance has the maximum when it starts.
        source, date: where the row is from, and when that was recorded.
    """

    name: str
    baseline_gbps: float
    peak_gbps: float
    source: str = _DESCRIBED
    date: str = "2026-11"


NETWORKS = {
    each.name: each
    for each in (
        Network("g5.xlarge", 2.5, 10),
        Network("g5.2xlarge", 5, 10),
        Network("g5.12xlarge", 40, 40),
        Network("g6.xlarge", 2.5, 10),
        Network("g6.2xlarge", 5, 10),
        Network("g6.4xlarge", 10, 25),
        Network("g6e.xlarge", 2.5, 20),
        Network("g6e.12xlarge", 100, 100),
        Network("p4d.24xlarge", 100, 100),
        Network("p5.4xlarge", 100, 100),
        Network("p5.48xlarge", 100, 100),
        Network("p5en.48xlarge", 200, 200),
        Network("p6-b200.48xlarge", 200, 200),
    )
}
"""The networks of every supported type, by its name."""
