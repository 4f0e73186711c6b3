"""A new kind of endpoint is one entry in the registry: settings, checks, quotas and program take it from there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pulumi
import pytest
from pydantic import Field, create_model

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import Settings, Text, parse
from scaletozero.endpoints import kinds
from scaletozero.endpoints.kind import Invocation, Kind, Site, common_exports
from scaletozero.endpoints.kinds import KINDS, kind_of
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import artifact_findings
from scaletozero.environment.settings import Environment, endpoint_of
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.schedules import Window


class Ceiling(Settings):
    max: int = 1


class Batch(Settings):
    kind: Literal["batch"] = "batch"
    artifact: Text
    scaling: Ceiling = Ceiling()
    schedule: tuple[Window, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)


class BatchKind(Kind[Batch]):
    name = "batch"
    settings = Batch
    invocation = Invocation.QUEUE

    def site_findings(self, settings: Batch, region: str) -> Iterable[Finding]:
        if settings.scaling.max > 3:
            yield Finding("scaling.max", f"must be at most 3 in {region}", str(settings.scaling.max))

    def quota_share(self, settings: Batch) -> QuotaShare:
        return QuotaShare(instances={"ml.m5.large": settings.scaling.max})

    def artifact_findings(self, name: str, settings: Batch, site: Site) -> list[Finding]:
        there = (site.root / settings.artifact).exists()
        return [] if there else [Finding(f"endpoints.{name}.artifact", "must exist", settings.artifact)]

    def declare(
        self, name: str, settings: Batch, site: Site, bucket: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> dict[str, Any]:
        return {**common_exports(settings), "name": f"{name}-in-{site.region}", "bucket": bucket}

    def size(self, exported: Any) -> str:
        return "one job"


@pytest.fixture
def with_batch(monkeypatch: pytest.MonkeyPatch) -> type[Environment]:
    registry = {**KINDS, "batch": BatchKind()}
    monkeypatch.setattr(kinds, "KINDS", registry)
    endpoints: Any = (dict[str, endpoint_of(registry)], ...)
    return create_model("Environment", __base__=Environment, endpoints=endpoints)


def environment(model: type[Environment], **endpoint: Any) -> Environment:
    return parse(model, {"region": "eu-central-1", "endpoints": {"nightly": {"kind": "batch", **endpoint}}})


def test_its_settings_are_those_of_its_kind(with_batch: type[Environment]) -> None:
    found = environment(with_batch, artifact="a").endpoints["nightly"]
    assert isinstance(found, Batch)
    assert kind_of(found).name == "batch"
    with pytest.raises(FindingsError, match=r"endpoints\.nightly\.surprise: is not a setting that exists here"):
        environment(with_batch, artifact="a", surprise=1)


def test_its_own_rules_and_its_share_of_the_quotas_hold(with_batch: type[Environment]) -> None:
    with pytest.raises(FindingsError, match=r"endpoints\.nightly\.scaling\.max: must be at most 3 in eu-central-1"):
        environment(with_batch, artifact="a", scaling={"max": 4})
    two = {name: {"kind": "batch", "artifact": "a", "scaling": {"max": 2}} for name in ("one", "two")}
    with pytest.raises(FindingsError, match=r"may have at most 3 of ml\.m5\.large in all, got one 2 \+ two 2 = 4"):
        parse(
            with_batch,
            {"region": "eu-central-1", "endpoints": two, "quotas": {"instances": {"ml.m5.large": 3}}},
        )


def test_its_artifact_is_checked_by_it(with_batch: type[Environment], tmp_path: Path) -> None:
    found = artifact_findings(environment(with_batch, artifact="a"), tmp_path)
    assert [str(each.path) for each in found] == ["environment.endpoints.nightly.artifact"]
    (tmp_path / "a").mkdir()
    assert artifact_findings(environment(with_batch, artifact="a"), tmp_path) == []


def test_the_program_declares_and_exports_it(
    with_batch: type[Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    run(lambda: declare_environment(environment(with_batch, artifact="a"), tmp_path))
    about = exported["endpoints"]["nightly"]
    assert (about["kind"], about["name"], about["max"]) == ("batch", "nightly-in-eu-central-1", 1)
