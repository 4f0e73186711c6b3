"""60 environments that stay inside, of every geography and all kinds of endpoints: nothing of them is refused."""

from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from gpu_declarations import CRDS
from gpu_environment import kubernetes
from small_checkpoint import small_checkpoint

from model_packaging.validation import parse
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.kubernetes.manifests.hosts import CILIUM_CRD
from scaletozero.partitions import arn, dns_suffix, registry_host
from scaletozero.residency.closure import findings
from scaletozero.residency.resource import DeclaredResource
from scaletozero.settings.geographies import GEOGRAPHIES, OPT_IN
from scaletozero.settings.regions import SERVERLESS_REGIONS, regions_of
from scaletozero.settings.residency import Residency
from scaletozero.spending.gpu_prices import hourly

ACCOUNT, GPU_TYPES = "111122223333", ["g6.xlarge", "g6e.xlarge"]
PLACES = [(name, each) for name, regions in GEOGRAPHIES.items() for each in regions if each in regions_of("sagemaker")]
SEEDS, TODAY = range(60), date(2026, 11, 29)


def environment(seed: int, encoder: str, checkpoint: str) -> dict[str, Any]:
    """An environment that stays inside: whatever its Region offers, and at random what can be added."""
    drawn = Random(seed)
    geography, region = PLACES[seed % len(PLACES)]
    whole = len(GEOGRAPHIES[geography]) > 1 and drawn.random() < 0.5
    allowed = GEOGRAPHIES[geography] if whole else (region,)
    image, topic = f"{registry_host(ACCOUNT, region)}/serving:1", arn("sns", region, ACCOUNT, "ops")
    more: dict[str, Any] = {"artifact": encoder, "image": image}
    if drawn.random() < 0.5:
        more["alarms"] = {"notify": [topic]}
    endpoints: dict[str, Any] = {"queue": {**more, "kind": "asynchronous", "instance_type": "ml.g5.xlarge"}}
    if region in SERVERLESS_REGIONS:
        endpoints["cpu"] = more
    data: dict[str, Any] = {
        "region": region,
        "residency": {
            **({"geography": geography, "pinned": allowed} if whole else {"regions": allowed}),
            "guard": drawn.random() < 0.5,
            "opted_in": sorted(OPT_IN & {*allowed}),
        },
        "endpoints": endpoints,
        "dashboard": drawn.random() < 0.5,
    }
    if drawn.random() < 0.5:
        data["artifacts"] = {"kms_key_arn": arn("kms", region, ACCOUNT, "key/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9")}
    if all(hourly(each, region) for each in GPU_TYPES):
        egress = [f"sqs.{region}.{dns_suffix(region)}"] if drawn.random() < 0.5 else []
        data["sandbox"] = {}  # where objects are rendered, without a cluster
        data["kubernetes"] = kubernetes(cluster__crds=[*CRDS, CILIUM_CRD])
        endpoints["llm"] = {"kind": "gpu", "artifact": checkpoint, "image": image, "egress": egress}
    return data


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_read_and_declared_and_nothing_of_it_leads_out(
    seed: int, make_artifact: Any, tmp_path: Path, run: Any
) -> None:
    data = environment(seed, str(make_artifact().path), str(small_checkpoint(tmp_path / "checkpoint")))
    read = read_environment(data, tmp_path)
    done = run(lambda: declare_environment(read, tmp_path))
    declared = [
        DeclaredResource(each.typ, each.name, {key: value for key, value in each.inputs.items() if value is not None})
        for each in done.registered
        if each.typ.startswith(("aws:", "kubernetes:"))
    ]
    assert len(declared) > 10
    # The mocks give the bucket names of their own.
    buckets = {each.inputs["bucket"] for each in done.registered if isinstance(each.inputs.get("bucket"), str)}
    names = dict.fromkeys([*buckets, *(each.name for each in done.of("s3/bucket:Bucket"))], data["region"])
    held = parse(Residency, {**data["residency"], "locations": names})
    assert [str(each) for each in findings(declared, held, TODAY)] == []


def test_they_are_of_every_geography_and_kind() -> None:
    drawn = [environment(seed, "a", "b") for seed in SEEDS]
    assert {each["region"] for each in drawn} == {region for _, region in PLACES}
    assert {name for each in drawn for name in each["endpoints"]} == {"cpu", "queue", "llm"}
