"""One sandbox under several environments, under killed processes, and under a team's encrypted settings."""

import os
import signal
from pathlib import Path

import yaml
from clusters import eventually
from workbench import NOTHING, Workbench

from scaletozero.sandbox import daemon


def local(workbench: Workbench) -> Path:
    return workbench.root / ".scaletozero"


def plugins(workbench: Workbench) -> list[int]:
    """The providers that work for this project."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if b"scaletozero.sandbox.providers.aws" in command and str(workbench.root).encode() in environment:
            found.append(int(path.name))
    return found


def test_the_last_environment_that_is_deleted_stops_the_embedded_aws(workbench: Workbench) -> None:
    for environment in ("local", "other"):
        workbench.declare(environment)
        workbench.done("up", "-e", environment)
    sandbox = workbench.sandbox()
    assert workbench.left()["buckets"] == 2
    said = workbench.done("down", "-e", "other")
    assert "the embedded AWS continues to run for local" in said
    assert workbench.sandbox().pid == sandbox.pid
    assert workbench.left()["buckets"] == 1
    assert "nothing changes" in workbench.done("up")
    # What somebody wrote into a bucket keeps it from being deleted on an account, and not here.
    (bucket,) = workbench.aws("s3").list_buckets()["Buckets"]
    workbench.aws("s3").put_object(Bucket=bucket["Name"], Key="async/gone/answers/1.out", Body=b"{}")
    workbench.done("down")
    assert daemon.running(local(workbench)) is None


def test_a_plugin_that_is_killed_leaves_nothing_that_the_next_command_does_not_know(workbench: Workbench) -> None:
    workbench.declare()
    workbench.declare("other")
    workbench.done("up", "-e", "other")
    up = workbench.start("up")
    eventually(lambda: workbench.left()["buckets"] == 2, every=0.02)
    for plugin in plugins(workbench):
        os.kill(plugin, signal.SIGKILL)
    up.communicate(timeout=600)
    if up.returncode:
        workbench.done("down")
        assert workbench.left() == {**NOTHING, "buckets": 1}
        workbench.done("up")
    assert workbench.left() == {**NOTHING, "buckets": 2}


def test_a_preview_that_fails_leaves_no_sandbox(workbench: Workbench) -> None:
    (workbench.root / "stacks" / "__main__.py").write_text("raise RuntimeError('my own mistake')\n")
    workbench.declare("prod", sandbox=None)
    failed = workbench.run("preview", "-e", "prod", "--sandbox")
    assert failed.returncode == 1
    assert "my own mistake" in failed.stderr
    assert daemon.running(local(workbench)) is None


def test_encrypted_settings_need_nobodys_passphrase(workbench: Workbench) -> None:
    (workbench.root / "stacks" / "__main__.py").write_text(
        "import pulumi\n"
        "config = pulumi.Config('acme')\n"
        "pulumi.export('token', config.require_secret('token'))\n"
        "pulumi.export('user', config.require_object('db')['password'])\n"
    )
    workbench.declare()
    path = workbench.root / "stacks" / "environments" / "Pulumi.local.yaml"
    settings = yaml.safe_load(path.read_text())
    secure = {"secure": "v1:9ZHdJPuGPvdGPG0T:Kk1ZoNKlWr8tlaqLZGJJ9cEMS4i1Wq6zUw=="}
    settings["encryptionsalt"] = "v1:iBkMLMQ2kGk=:v1:1rTGBmXmGFrCHBxv:6kWMhHJXx9h8mQ2Yd3JNsxHfDPZH7A=="
    settings["config"] |= {"acme:token": secure, "acme:db": {"password": secure}}
    path.write_text(yaml.safe_dump(settings))
    said = workbench.run("up", PULUMI_CONFIG_PASSPHRASE="the team's")
    assert said.returncode == 0, said.stderr
    assert "instead of encrypted ones: acme:db.password, acme:token" in said.stderr
    outputs = workbench.stack().outputs()
    assert outputs["token"].value == "sandbox-token"
    assert outputs["token"].secret
    assert outputs["user"].value == "sandbox-password"
