"""The policy pack through the real engine, at a preview and at an update, on programs of somebody else's resources.

The engine's own Python host is not part of this machine; an executable of its name starts the pack as it does.
"""

import json
import os
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import any_provider
import pulumi
import pulumi_aws as aws
import pytest
from pulumi import automation
from pulumi.automation.errors import CommandError
from residency_holds import AT_UPDATE
from residency_leaks import HERE, LEAKS, LOCATIONS, THERE, clean

from scaletozero.engine.find import find_engine
from scaletozero.residency.closure import leaks
from scaletozero.residency.resource import UNKNOWN, DeclaredResource
from scaletozero.sandbox.inline import inline
from scaletozero.settings.residency import Coverage, Residency

pytest_plugins = ["scaletozero.sandbox.testing"]

PACK = Path(__file__).resolve().parents[2] / "stacks/policy"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What starts the pack."""
    host = tmp_path / "bin" / "pulumi-analyzer-policy-python"
    host.parent.mkdir()
    host.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -u -m pulumi.policy "$@"\n')
    host.chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.parent}:{os.environ['PATH']}")


@pytest.fixture
def run(sandbox_stack: Any, tmp_path: Path) -> Callable[..., str]:
    """Previews or updates a program with the pack; what the engine printed, with `denied` where it refused."""
    config = tmp_path / "config.json"
    names = ("artifacts", "compute", "events", "keys")
    rows = {f"residency-{name}": {"regions": [HERE]} for name in (*names, "closure", "exceptions")}
    others = ("backups", "cache", "fallbacks", "logs", "metrics", "routing")
    config.write_text(json.dumps({**rows, **{f"residency-{name}": "disabled" for name in others}}))

    def go(program: Callable[[], None], what: str = "preview", given: Path = config) -> str:
        stack = sandbox_stack(program)
        lines: list[str] = []
        options = {"policy_packs": [str(PACK)], "policy_pack_configs": [str(given)]}
        try:
            getattr(stack, what)(on_output=lines.append, **options)
        except CommandError as error:
            return f"denied\n{error}"
        return "\n".join(lines)

    return go


def replicated(to: str) -> Callable[[], None]:
    def program() -> None:
        here = pulumi.ResourceOptions(provider=aws.Provider("here", region=HERE))
        source = aws.s3.Bucket("source", opts=here)
        copy = aws.s3.Bucket("copy", region=to, opts=here)
        versions = aws.s3.BucketVersioning(
            "versions", bucket=source.bucket, versioning_configuration={"status": "Enabled"}, opts=here
        )
        pulumi.export("copy", copy.bucket)
        pulumi.export("versions", versions.id)

    return program


@pytest.mark.parametrize("what", ["preview", "up"])
def test_a_bucket_elsewhere_is_denied_before_it_exists(run: Any, what: str) -> None:
    told = run(replicated(THERE), what)
    assert told.startswith("denied"), told
    assert f"copy.region: must stay within the residency, {HERE}, got {THERE}" in told


@pytest.mark.parametrize("what", ["preview", "up"])
def test_what_stays_inside_passes(run: Any, what: str) -> None:
    told = run(replicated(HERE), what)
    assert not told.startswith("denied"), told


def test_a_provider_elsewhere_is_denied(run: Any) -> None:
    def program() -> None:
        there = pulumi.ResourceOptions(provider=aws.Provider("there", region=THERE))
        aws.sns.Topic("alarms", opts=there)

    told = run(program)
    assert told.startswith("denied"), told
    assert "alarms.region: must stay within" in told


@pytest.mark.parametrize(("region", "refused"), [(HERE, False), (THERE, True)])
def test_the_example_is_previewed_with_the_pack(run: Any, region: str, refused: bool) -> None:
    examples = PACK.parents[1] / "examples"
    example = runpy.run_path(str(examples / "residency.py"))
    told = run(lambda: example["main"](region) and None, given=examples / "residency.json")
    assert told.startswith("denied") == refused, told
    guide = (PACK.parents[1] / "docs/residency.md").read_text()
    shown = guide.partition("the preview fails:\n\n```text\n")[2].partition("\n```")[0].splitlines()
    assert len(shown) == 3
    assert all(line.strip() in told for line in shown) == refused


HELD = Residency.model_validate({"regions": [HERE], "locations": {**LOCATIONS, "models": HERE}})
Violation = tuple[str, str]
"""The name of a resource, and what a mandatory policy said of it."""


class Anything(pulumi.CustomResource):
    """A resource of any type; `later` is an output that a preview does not know."""

    later: pulumi.Output[str]

    def __init__(self, declared: DeclaredResource, provider: pulumi.ProviderResource) -> None:
        inputs = {**declared.properties, "later": None}
        super().__init__(declared.type, declared.name, inputs, pulumi.ResourceOptions(provider=provider))


class Engine:
    """A stack of any resources, previewed or updated with the pack."""

    def __init__(self, folder: Path) -> None:
        any_provider.install(folder / "home", {"aws": "7.0.0", "aws-native": "1.0.0", "kubernetes": "4.0.0"})
        for name in ("backend", "work"):
            (folder / name).mkdir()
        self._created = folder / "created"
        self._config = folder / "pack.json"
        residency = HELD.model_dump(mode="json", include={"regions", "locations"})
        policies = [*(each.value for each in Coverage), "closure", "exceptions"]
        self._config.write_text(json.dumps({f"residency-{each}": residency for each in policies}))
        self._options = automation.LocalWorkspaceOptions(
            work_dir=str(folder / "work"),
            pulumi_home=str(folder / "home"),
            pulumi_command=find_engine(),
            env_vars={
                "PULUMI_BACKEND_URL": (folder / "backend").as_uri(),
                "PULUMI_CONFIG_PASSPHRASE": "",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                any_provider.CREATED: str(self._created),
            },
        )

    def run(self, what: str, resources: Iterable[DeclaredResource]) -> tuple[bool, list[Violation]]:
        """Whether the engine denied it, and what the policies said."""
        stack = automation.create_or_select_stack(
            "dev", project_name="own", program=inline(lambda: _declare(resources)), opts=self._options
        )
        events: list[Any] = []
        options = {"policy_packs": [str(PACK)], "policy_pack_configs": [str(self._config)]}
        try:
            getattr(stack, what)(on_event=events.append, **options)
            denied = False
        except CommandError:
            denied = True
        found = [each.policy_event for each in events if each.policy_event]
        assert {each.enforcement_level for each in found} <= {"mandatory"}
        return denied, [(each.resource_urn.rpartition("::")[2], each.message) for each in found]

    def created(self) -> set[str]:
        """The names of all resources that were ever created."""
        lines = self._created.read_text().splitlines() if self._created.exists() else []
        return {line.rpartition("::")[2] for line in lines}


def _declare(resources: Iterable[DeclaredResource]) -> None:
    providers: dict[tuple[str, str], pulumi.ProviderResource] = {}

    def provider(of: str, region: Any) -> pulumi.ProviderResource:
        package = of.partition(":")[0]
        if (package, str(region)) not in providers:
            where = source.later if region is UNKNOWN else region
            inputs = {} if region is None else {"region": where}
            providers[package, str(region)] = pulumi.ProviderResource(package, f"{package}-{len(providers)}", inputs)
        return providers[package, str(region)]

    queue = DeclaredResource("aws:sqs/queue:Queue", "source", {})
    source = Anything(queue, provider(queue.type, HERE))
    for each in resources:
        Anything(each, provider(each.type, each.region))


def named(case: str) -> list[DeclaredResource]:
    """The resources of a leak, with names of its own."""
    name = re.sub(r"[^a-z0-9]+", "-", case.lower()).strip("-")
    return [
        replace(each, name=f"{name}-{index}", urn=f"{each.urn}-{name}-{index}")
        for index, each in enumerate(LEAKS[case][0])
    ]


def expected(case: str) -> list[Violation]:
    found = leaks(named(case), HELD, datetime.now(UTC).date())
    assert found
    return [(leak.name, str(leak.finding)) for leak in found]


def said(violation: Violation, reported: Iterable[Violation]) -> bool:
    return any(name == violation[0] and violation[1] in message for name, message in reported)


def test_a_preview_reports_every_seeded_leak_at_its_resource(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    denied, reported = engine.run("preview", [each for case in LEAKS for each in named(case)])
    assert denied
    missing = {case for case in LEAKS if not all(said(each, reported) for each in expected(case))}
    assert missing == set()
    # And nothing else than that.
    leaking = {name for case in LEAKS for name, _ in expected(case)}
    assert {name for name, _ in reported} == leaking
    assert engine.created() == set()


@pytest.mark.long
def test_an_update_creates_what_stays_inside(tmp_path: Path) -> None:
    engine, inside = Engine(tmp_path), clean(HERE)
    assert engine.run("up", inside) == (False, [])
    assert engine.created() == {*(each.name for each in inside), "source"}


@pytest.mark.long
def test_an_update_denies_a_leak_before_it_exists(tmp_path: Path) -> None:
    """Some of them; SCALETOZERO_LEAKS=all tries each of them, in about five minutes."""
    engine = Engine(tmp_path)
    for case in LEAKS if os.environ.get("SCALETOZERO_LEAKS") == "all" else AT_UPDATE:
        denied, reported = engine.run("up", named(case))
        assert denied, case
        assert any(said(each, reported) for each in expected(case)), case
        today, created = datetime.now(UTC).date(), engine.created()
        alone = {each.name for each in named(case) if leaks([each], HELD, today, partial=True)}
        assert not alone & created, case
        # What only the stack as a whole shows is created by then.
        assert alone or created & {name for name, _ in expected(case)}, case
