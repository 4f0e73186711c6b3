"""A new kind of endpoint is one entry in the registry: settings, checks, quotas, program, alarms and command."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pulumi
import pytest
from pydantic import Field, create_model

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import Settings, Text, parse
from scaletozero.cli import deploying
from scaletozero.component import Component
from scaletozero.endpoints.alarms import EndpointAlarms
from scaletozero.endpoints.kind import Examined, Invocation, Kind, Site, common_exports
from scaletozero.endpoints.kinds import KINDS, kind_of
from scaletozero.endpoints.state import Resource, properties
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.deployed import endpoints_in
from scaletozero.environment.read import examined
from scaletozero.environment.settings import Environment, endpoint_of
from scaletozero.observability.alarms import PlannedAlarms
from scaletozero.observability.plan import Alarm
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.schedules import Window


class Ceiling(Settings):
    max: int = 1


class Batch(Settings):
    kind: Literal["batch"] = "batch"
    artifact: Text
    scaling: Ceiling = Ceiling()
    schedule: tuple[Window, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)


class BatchEndpoint(Component):
    type_name = "acme:index:BatchEndpoint"

    def __init__(self, name: str, region: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(name, opts, region=region, tags={})
        args = {"endpoint_name": name, "region": region, "alarms": {"cold_starts": 7}}
        PlannedAlarms(self.child("alarms"), args, batch_alarms, self.options())
        self.register_outputs({})


def batch_alarms(settings: Alarms, provisioned: bool) -> list[Alarm]:
    return [Alarm("late-jobs", {"jobs": "LateJobs"}, "Sum", settings.cold_starts, 60, 1, 1, "A job is late.")]


class BatchKind(Kind[Batch]):
    name = "batch"
    settings = Batch
    component = BatchEndpoint.type_name
    invocation = Invocation.QUEUE

    def site_findings(self, settings: Batch, region: str) -> Iterable[Finding]:
        if settings.scaling.max > 3:
            yield Finding("scaling.max", f"must be at most 3 in {region}", str(settings.scaling.max))

    def quota_share(self, settings: Batch) -> QuotaShare:
        return QuotaShare(instances={"ml.m5.large": settings.scaling.max})

    def alarms(self, settings: Alarms, provisioned: bool) -> list[Alarm]:
        return batch_alarms(settings, provisioned)

    def examine(self, name: str, settings: Batch, site: Site) -> Examined:
        there = (site.root / settings.artifact).exists()
        missing = Finding(f"endpoints.{name}.artifact", "must exist", settings.artifact)
        return Examined([] if there else [missing], settings.artifact.upper())

    def declare(
        self, name: str, settings: Batch, site: Site, bucket: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> dict[str, Any]:
        BatchEndpoint(name, site.region, opts)
        return {**common_exports(settings), "name": f"{name}-in-{site.region}", "bucket": bucket}

    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        return {"name": properties(children.get("acme:Queue")).get("name"), "max": 1}

    def size(self, deployed: Mapping[str, Any]) -> str:
        return f"one job at a time, at most {deployed['max']}"


@pytest.fixture
def with_batch(monkeypatch: pytest.MonkeyPatch) -> type[Environment]:
    monkeypatch.setitem(KINDS, "batch", BatchKind())
    endpoints: Any = (dict[str, endpoint_of(KINDS)], ...)
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
    found, _ = examined(environment(with_batch, artifact="a"), tmp_path)
    assert [str(each.path) for each in found] == ["environment.endpoints.nightly.artifact"]
    (tmp_path / "a").mkdir()
    assert examined(environment(with_batch, artifact="a"), tmp_path) == ([], {"nightly": "A"})


def test_the_program_declares_and_exports_it(
    with_batch: type[Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    done = run(lambda: declare_environment(environment(with_batch, artifact="a"), tmp_path))
    about = exported["endpoints"]["nightly"]
    assert (about["kind"], about["name"], about["max"]) == ("batch", "nightly-in-eu-central-1", 1)
    alarm = done.one(":MetricAlarm")
    assert (alarm["metricName"], alarm["threshold"]) == ("LateJobs", 7)
    assert done.one(":CompositeAlarm")["alarmRule"] == 'ALARM("nightly-alarms-late-jobs-0123abc")'


def test_alarms_declared_by_themselves_are_those_of_the_kind(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    args: Any = {"endpoint_name": "nightly", "region": "eu-central-1", "kind": "serverless"}
    monkeypatch.setitem(KINDS, "serverless", BatchKind())
    assert run(lambda: EndpointAlarms("a", args)).one(":MetricAlarm")["metricName"] == "LateJobs"


def test_the_command_reads_it_from_the_state_and_shows_it(
    with_batch: type[Environment], capsys: pytest.CaptureFixture[str]
) -> None:
    stack = "urn:pulumi:dev::acme::pulumi:pulumi:Stack::acme-dev"
    owner = "urn:pulumi:dev::acme::acme:index:BatchEndpoint::nightly"
    found = endpoints_in(
        [
            {"urn": owner, "type": "acme:index:BatchEndpoint", "parent": stack},
            {"urn": f"{owner}-q", "type": "acme:index:Queue", "parent": owner, "outputs": {"name": "acme-nightly"}},
        ]
    )
    assert found == {"nightly": {"kind": "batch", "name": "acme-nightly", "max": 1}}
    deploying._show_status({"environment": "dev", "endpoints": found, "region": "eu-central-1"}, verbose=False)
    assert "one job at a time, at most 1" in capsys.readouterr().out


def test_the_types_in_a_state_are_those_of_the_components() -> None:
    import scaletozero

    components = [getattr(scaletozero, name) for name in ("ServerlessEndpoint", "AsyncEndpoint", "GpuEndpoint")]
    assert {kind.component for kind in KINDS.values()} == {component.type_name for component in components}
