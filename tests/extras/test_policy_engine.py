"""The policy pack through the real engine, at a preview and at an update, on a program of somebody else's resources.

The engine's own Python host is not part of this machine; an executable of its name starts the pack as it does.
"""

import json
import os
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.automation.errors import CommandError
from residency_leaks import HERE, THERE

pytest_plugins = ["scaletozero.sandbox.testing"]

PACK = Path(__file__).resolve().parents[2] / "stacks/policy"


@pytest.fixture
def run(sandbox_stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Previews or updates a program with the pack; what the engine printed, with `denied` where it refused."""
    host = tmp_path / "bin" / "pulumi-analyzer-policy-python"
    host.parent.mkdir()
    host.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -u -m pulumi.policy "$@"\n')
    host.chmod(0o755)
    monkeypatch.setenv("PATH", f"{host.parent}:{os.environ['PATH']}")
    config = tmp_path / "config.json"
    names = ("artifacts", "compute", "events", "keys")
    rows = {f"residency-{name}": {"regions": [HERE]} for name in (*names, "closure", "exceptions")}
    others = ("backups", "cache", "fallbacks", "logs", "metrics", "routing")
    config.write_text(json.dumps({**rows, **{f"residency-{name}": "disabled" for name in others}}))

    def go(program: Callable[[], None], what: str = "preview") -> str:
        stack = sandbox_stack(program)
        lines: list[str] = []
        options = {"policy_packs": [str(PACK)], "policy_pack_configs": [str(config)]}
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
    example = runpy.run_path(str(PACK.parents[1] / "examples" / "residency.py"))
    told = run(lambda: example["main"](region) and None)
    assert told.startswith("denied") == refused, told
    assert ("alarms.region: must stay within the residency" in told) == refused
