"""Whether a packaged model fits SageMaker Serverless: each limit, one step inside and one outside, in exact words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_artifact import small_artifact

from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import Artifact
from model_packaging.findings import FindingsError
from model_packaging.serving.limits import MEMORY_MB
from scaletozero import ServerlessEndpoint
from scaletozero.environment.read import read_environment
from scaletozero.settings.fit import fit_findings, memory_of, start_seconds

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"
Changes = dict[str, dict[str, Any]]
TOO_LITTLE = (
    "x.memory_mb: must be 2048 or more, for 1500 MB under its largest request and a reserve for the allocator, got "
    "1024; containers would be killed by the largest requests, or would never start. "
    "Fix: write 2048, or leave it out: the manifest recommends it"
)
TOO_MUCH = (
    "x.artifact: must fit into 6144 MB, the most that SageMaker Serverless has, got 7168 MB (5500 MB under its largest "
    "request and a reserve for the allocator); containers would be killed by the largest requests, or would never "
    "start. Fix: package a smaller model, or use an endpoint on instances (`kind: asynchronous`)"
)
DISK = (
    "x.artifact: must fit into 5 GB of disk, the archive and its contents, got 5.00 GB (2.50 and 2.50); the endpoint "
    "would never become healthy. Fix: package a smaller model, or use an endpoint on instances (`kind: asynchronous`)"
)
START = (
    "x.artifact: must be ready within 180 s of a cold start, got about 181 s (download 10, unpack 10, start 161); "
    "SageMaker would stop every container before it responds. Fix: package a smaller model, or use an endpoint on "
    "instances (`kind: asynchronous`)"
)
REQUEST = (
    "x.artifact: must be packaged for requests of 4194304 bytes at most, got a server that accepts 4194305; SageMaker "
    "Serverless would refuse larger requests, which callers may send. Fix: package it for `cpu-serverless`, or use "
    "an endpoint on instances (`kind: asynchronous`)"
)
EXAMPLE = (
    "x.artifact: must accept an example in 4194304 bytes, the most that a request may have, got 4194306 for the "
    "example that it was packaged with; SageMaker Serverless would refuse every request. Fix: make the model accept "
    "smaller inputs, or use an endpoint on instances (`kind: asynchronous`)"
)


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return small_artifact(tmp_path_factory.mktemp("fit")).manifest


def changed(manifest: Manifest, changes: Changes) -> Manifest:
    content = json.loads(manifest.to_json())
    for part, values in changes.items():
        content[part] |= values
    return Manifest.model_validate(content)


def said(manifest: Manifest, memory_mb: int | None = None) -> list[str]:
    return [str(finding) for finding in fit_findings(manifest, memory_mb, "x")]


CASES: list[tuple[Changes, int | None, list[str]]] = [
    ({}, None, []),
    ({}, 1024, []),
    ({"memory": {"peak_rss_mb": 1500, "recommended_mb": 2048}}, None, []),
    ({"memory": {"peak_rss_mb": 1500, "recommended_mb": 2048}}, 2048, []),
    ({"memory": {"peak_rss_mb": 1500, "recommended_mb": 2048}}, 1024, [TOO_LITTLE]),
    ({"memory": {"peak_rss_mb": 5500, "recommended_mb": 7168}}, 6144, [TOO_MUCH]),
    ({"memory": {"peak_rss_mb": 5500, "recommended_mb": 7168}}, None, [TOO_MUCH]),
    ({"archive": {"size": 2_500_000_000, "unpacked_size": 2_500_000_000}}, None, []),
    ({"archive": {"size": 2_500_000_000, "unpacked_size": 2_500_000_001}}, None, [DISK]),
    ({"archive": {"size": 900_000_000, "unpacked_size": 3_200_000_000}, "cold_start": {"total_ms": 160_000}}, None, []),
    (
        {"archive": {"size": 900_000_000, "unpacked_size": 3_200_000_000}, "cold_start": {"total_ms": 161_000}},
        None,
        [START],
    ),
    ({"io": {"max_payload_bytes": 4_194_304}}, None, []),
    ({"io": {"max_payload_bytes": 4_194_305}}, None, [REQUEST]),
]


@pytest.mark.parametrize(("changes", "memory_mb", "findings"), CASES)
def test_each_limit(fine: Manifest, changes: Changes, memory_mb: int | None, findings: list[str]) -> None:
    assert said(changed(fine, changes), memory_mb) == findings


@pytest.mark.parametrize(("size", "fits"), [(2_097_152, True), (2_097_153, False)])
def test_an_example_that_is_larger_than_a_request(fine: Manifest, size: int, fits: bool) -> None:
    files = [each.model_copy(update={"role": "canary", "size": size}) for each in (*fine.files, *fine.files)]
    found = [str(each) for each in fit_findings(fine.model_copy(update={"files": tuple(files)}), None, "x")]
    assert found == ([] if fits else [EXAMPLE])


def test_a_compressed_archive_takes_longer_to_unpack(fine: Manifest) -> None:
    sizes = {"size": 90_000_000, "unpacked_size": 320_000_000}
    stored, packed = (
        changed(fine, {"archive": {**sizes, "compression": kind}, "cold_start": {"total_ms": 2500}})
        for kind in ("stored", "gzip")
    )
    assert start_seconds(stored) == {"download": 1.0, "unpack": 1.0, "start": 2.5}
    assert start_seconds(packed) == {"download": 1.0, "unpack": 320 / 110, "start": 2.5}


def test_everything_that_does_not_fit_comes_at_once(fine: Manifest) -> None:
    wrong = changed(
        fine,
        {
            "memory": {"recommended_mb": 2048, "peak_rss_mb": 1500},
            "archive": {"size": 3_000_000_000, "unpacked_size": 3_000_000_000},
            "cold_start": {"total_ms": 170_000},
            "io": {"max_payload_bytes": 6_000_000},
        },
    )
    paths = [finding.path for finding in fit_findings(wrong, 1024, "x")]
    assert paths == ["x.memory_mb", "x.artifact", "x.artifact", "x.artifact"]


@given(st.integers(1, 6144), st.none() | st.sampled_from(MEMORY_MB))
def test_the_memory_is_one_that_is_sold_and_enough_or_refused(fine: Manifest, needed: int, given: int | None) -> None:
    manifest = changed(fine, {"memory": {"recommended_mb": needed}})
    memory = memory_of(manifest, given)
    assert memory in MEMORY_MB
    assert bool(fit_findings(manifest, given, "x")) == (memory < needed)
    if given is None:
        assert memory >= needed
        assert not [size for size in MEMORY_MB if needed <= size < memory]


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[[Changes], Artifact]:
    """An artifact on disk whose manifest says other figures."""

    def make(changes: Changes) -> Artifact:
        made = small_artifact(tmp_path, recommended_mb=2048)
        (made.path / "manifest.json").write_text(changed(made.manifest, changes).to_json())
        return made

    return make


WRONG: list[tuple[dict[str, Any], Changes, str]] = [
    ({"memory_mb": 1024}, {}, "memory_mb: must be 2048 or more, for 1 MB"),
    ({}, {"archive": {"unpacked_size": 5_000_000_000}}, "artifact: must fit into 5 GB of disk"),
    ({}, {"cold_start": {"total_ms": 180_001}}, "artifact: must be ready within 180 s"),
    ({}, {"io": {"max_payload_bytes": 5_000_000}}, "artifact: must be packaged for requests of 4194304 bytes"),
]


@pytest.mark.parametrize(("args", "changes", "finding"), WRONG)
def test_a_component_refuses_it_before_anything_is_declared(
    run: Any, artifact: Callable[[Changes], Artifact], args: dict[str, Any], changes: Changes, finding: str
) -> None:
    made = artifact(changes)
    where = {"artifact": str(made.path), "bucket": "models", "image": IMAGE, "region": "eu-central-1"}

    def program() -> None:
        with pytest.raises(FindingsError) as caught:
            ServerlessEndpoint("sentences", {**where, **args})  # pyright: ignore[reportArgumentType]
        assert f"sentences.{finding}" in str(caught.value)
        assert len(caught.value.findings) == 1

    assert run(program).registered == []


@pytest.mark.parametrize(("settings", "changes", "finding"), WRONG)
def test_an_environment_refuses_it_at_preview(
    artifact: Callable[[Changes], Artifact], settings: dict[str, Any], changes: Changes, finding: str
) -> None:
    made = artifact(changes)
    endpoint = {"artifact": made.path.name, "image": IMAGE, **settings}
    with pytest.raises(FindingsError) as caught:
        read_environment({"region": "eu-central-1", "endpoints": {"a": endpoint}}, made.path.parent)
    assert f"environment.endpoints.a.{finding}" in str(caught.value)
    assert len(caught.value.findings) == 1


def test_an_endpoint_on_instances_has_other_limits(artifact: Callable[[Changes], Artifact]) -> None:
    made = artifact({"io": {"max_payload_bytes": 5_000_000}})
    there = {"kind": "asynchronous", "artifact": made.path.name, "image": IMAGE, "instance_type": "ml.g5.xlarge"}
    read_environment({"region": "eu-central-1", "endpoints": {"a": there}}, made.path.parent)


def test_an_environment_says_what_does_not_fit_and_what_is_not_there_at_once(
    artifact: Callable[[Changes], Artifact],
) -> None:
    made = artifact({})
    endpoints = {
        "a": {"artifact": made.path.name, "image": IMAGE, "memory_mb": 1024},
        "b": {"artifact": "nowhere", "image": IMAGE},
    }
    with pytest.raises(FindingsError) as caught:
        read_environment({"region": "eu-central-1", "endpoints": endpoints}, made.path.parent)
    paths = [finding.path for finding in caught.value.findings]
    assert paths == ["environment.endpoints.a.memory_mb", "environment.endpoints.b.artifact"]
