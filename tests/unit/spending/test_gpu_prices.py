"""Node pools of types that a region does not offer."""

import pytest

from model_packaging.validation import parse
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.gpu_types import TYPES
from scaletozero.spending.gpu_prices import cheapest, hourly, offer_findings

REGION = "eu-central-1"
UNOFFERED = sorted(name for name in TYPES if hourly(name, REGION) is None)


def test_there_are_types_with_and_without_a_price() -> None:
    assert UNOFFERED
    assert len(UNOFFERED) < len(TYPES)


@pytest.mark.parametrize("name", UNOFFERED)
def test_a_type_without_a_price_is_a_finding_where_it_stands(name: str) -> None:
    offered = cheapest(REGION, gpus=1, gpu_memory_mib=1, capability=0)[0].name
    (found,) = offer_findings([offered, name], REGION)
    assert (found.path, found.rule, found.got) == ("types.1", f"must be known to be offered in {REGION}", name)


def test_a_pool_of_one_is_refused_by_its_plan() -> None:
    declared = {"cluster": "prod", "region": REGION, "types": UNOFFERED[:1], "max_gpus": 64, "nodes": {"role": "nodes"}}
    settings = parse(GpuNodePoolSettings, declared, "gpu")
    plan = plan_gpu_node_pool("gpu", settings)
    assert [found.path for found in plan.findings] == ["types.0"]
