"""No module writes a partition or a DNS suffix of AWS: what does would be wrong in three partitions of four."""

import re
from pathlib import Path

import pytest

from model_packaging.findings import FindingsError
from scaletozero import partitions
from scaletozero.partitions import ARN, SUPPORTED, arn, find_partition, registry_host
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.common import ArtifactStoreOptions
from scaletozero.settings.pinned_images import image_region
from scaletozero.settings.serverless import image_repository_arn

ROOT = Path(__file__).resolve().parents[2]
LITERAL = re.compile(
    r"arn:aws:|arn:aws-(?:cn|us-gov|eusc)|amazonaws\.|amazonaws\\\.|api\.amazonwebservices|\.api\.aws\b"
)
HOME = ROOT / "components/scaletozero/partitions.py"
FILES = [
    path
    for folder in ("components/scaletozero", "model_packaging", "stacks")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != HOME
]
REGIONS = {"aws": "eu-central-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1", "aws-eusc": "eusc-de-east-1"}
ACCOUNT = "111122223333"


def test_the_pattern_finds_what_it_looks_for() -> None:
    for text in ('f"arn:aws:s3:::{bucket}"', '"x.amazonaws.com"', r'r"x\.amazonaws\.com"', '"x.api.aws"'):
        assert LITERAL.search(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_writes_a_partition_or_a_suffix(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if LITERAL.search(line)] == []


@pytest.mark.parametrize("partition", SUPPORTED)
def test_every_partition_has_its_arns_hosts_and_images(partition: str) -> None:
    region = REGIONS[partition]
    found = find_partition(region)
    assert found
    assert found.name == partition
    key = arn("kms", region, ACCOUNT, "key/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9")
    match = ARN.fullmatch(key)
    assert match
    assert match["partition"] == partition
    assert ArtifactStoreOptions.model_validate({"kms_key_arn": key}).kms_key_arn == key
    topic = arn("sns", region, ACCOUNT, "ops")
    assert Alarms.model_validate({"notify": [topic]}).notify == (topic,)
    image = f"{registry_host(ACCOUNT, region)}/serving:1.0"
    assert image.split("/")[0].endswith(found.dns_suffix)
    assert image_region(image) == region
    assert image_repository_arn(image) == f"arn:{partition}:ecr:{region}:{ACCOUNT}:repository/serving"


def test_a_registry_with_another_partitions_suffix_is_none() -> None:
    assert image_region(f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.{partitions.dns_suffix('eu-west-1')}/serving:1") is None


def test_a_region_newer_than_the_table_has_a_partition() -> None:
    found = find_partition("eu-west-9")
    assert found
    assert found.name == "aws"


def test_what_is_no_region_is_refused() -> None:
    with pytest.raises(FindingsError, match="must be a Region of AWS"):
        arn("s3", "eu_central", ACCOUNT, "x")
